"""``payments watch``: print the changes of payments as they happen."""

import sys
from typing import Annotated

import typer
from payments import PaymentsClient, PaymentUpdate

from tools.cli.options import AsJson
from tools.cli.output import format_time, print_json
from tools.cli.service_options import calls_service

_MAX_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable before the command fails."""


@calls_service
def command(
    client: PaymentsClient,
    *,
    resume_token: Annotated[
        str, typer.Option(help="Resume token that an earlier watch printed, to start after it.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show every change to a payment as it happens, until Ctrl-C.

    On exit, prints the token to resume from. With --json, each line has its own token.
    """
    token = resume_token
    try:
        for update in client.watch_payments(resume_token=resume_token, timeout_seconds=_MAX_OUTAGE_SECONDS):
            _print(update, as_json=as_json)
            token = update.resume_token
    except KeyboardInterrupt:
        pass  # the way to end the command
    finally:
        if token:
            print(f"To resume: payments watch --resume-token {token}", file=sys.stderr)


def _print(update: PaymentUpdate, *, as_json: bool) -> None:
    """Print an update, unless it has no event."""
    event = update.event
    if event is None:
        return
    if as_json:
        print_json(update)
    else:
        amount = event.refund.amount if event.refund is not None else event.payment.amount
        columns = (
            format_time(event.event_time),
            f"{event.type:<15}",
            f"payment {event.payment.payment_id}",
            f"order {event.payment.order_id}",
            f"{amount} {event.payment.currency or ''}".rstrip(),
            event.caller,
            event.request_id,
        )
        print("  ".join(columns))
    sys.stdout.flush()
