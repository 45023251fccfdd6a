"""A consumer that appends each event to one file, then stores its resume token in another.

Usage: ``python -m tests.faults.consumer TARGET FOLDER``. It can be killed at any moment, because both steps are
atomic: an event is one write, and a token is replaced by a rename. With ``--forget``, it ignores its token when it
starts, which is a mistake that the test must detect.
"""

import json
import os
import sys
from pathlib import Path

from payments_client import PaymentsClient


def main(target: str, folder: Path, *, ignores_token: bool) -> None:
    """Watch payments forever, and record each event and resume token."""
    token_path = folder / "token"
    token = token_path.read_text() if token_path.exists() and not ignores_token else ""
    record_file = os.open(folder / "events", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with PaymentsClient(target) as client:
        for update in client.watch_payments(resume_token=token):
            if update.event is not None:
                event = update.event
                refund_id = None if event.refund is None else event.refund.refund_id
                refunded = str(event.payment.refunded_amount)
                record = [event.type.value, event.payment.payment_id, refund_id, refunded]
                os.write(record_file, json.dumps(record).encode() + b"\n")
            new_path = folder / "token.new"
            new_path.write_text(update.resume_token)
            new_path.replace(token_path)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), ignores_token="--forget" in sys.argv)
