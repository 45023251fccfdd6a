"""One who watches payments: notes each event in a file, then the token to go on from in another.

``python -m tests.faults.consumer TARGET FOLDER``, to be killed at any moment. A note is one write, which the system
does whole or not at all; so is the renaming that makes a token the last one. With ``--forget`` it begins anew each time
as if it had no token: what a consumer must not do.
"""

import json
import os
import sys
from pathlib import Path

from payments import PaymentsClient


def main(target: str, folder: Path, *, forgets: bool) -> None:
    """Watch for ever."""
    token_path = folder / "token"
    token = token_path.read_text() if token_path.exists() and not forgets else ""
    notes = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with PaymentsClient(target) as client:
        for update in client.watch_payments(resume_token=token):
            if update.event is not None:
                event = update.event
                refund_id = None if event.refund is None else event.refund.refund_id
                refunded = str(event.payment.refunded_amount)
                note = [event.type.value, event.payment.payment_id, refund_id, refunded]
                os.write(notes, json.dumps(note).encode() + b"\n")
            new_path = folder / "token.new"
            new_path.write_text(update.resume_token)
            new_path.replace(token_path)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), forgets="--forget" in sys.argv)
