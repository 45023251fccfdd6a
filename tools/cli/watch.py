"""``payments watch`` prints the changes to payments as they happen."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from payments_client import PaymentEventType, PaymentsClient

from tools.cli.options import AsJson, Caller, Customer, ExternalReference, OrderId, utf8
from tools.cli.output import print_event, print_json
from tools.cli.service_options import calls_service

_MAX_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable before the command fails."""

WatchedType = StrEnum(
    "WatchedType",
    {
        "PENDING": "PENDING",
        "CHARGED": "CHARGED",
        "FAILED": "FAILED",
        "REFUND_PENDING": "REFUND_PENDING",
        "REFUNDED": "REFUNDED",
        "REFUND_FAILED": "REFUND_FAILED",
        "IMPORTED": "IMPORTED",
        "FORGOTTEN": "FORGOTTEN",
        "ACTION_REQUIRED": "ACTION_REQUIRED",
        "DISPUTE_OPENED": "DISPUTE_OPENED",
        "DISPUTE_WON": "DISPUTE_WON",
        "DISPUTE_LOST": "DISPUTE_LOST",
    },
)


@calls_service
def command(  # noqa: PLR0913 - the options of a command
    client: PaymentsClient,
    *,
    resume_token: Annotated[
        str, typer.Option(callback=utf8, help="Resume token that an earlier watch printed, to start after it.")
    ] = "",
    order_id: OrderId = None,
    external_reference: ExternalReference = None,
    customer: Customer = None,
    caller: Caller = None,
    event_type: Annotated[
        list[WatchedType] | None,
        typer.Option("--type", case_sensitive=False, help="Only changes of this type. Can be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every change to a payment as it happens, until Ctrl-C.

    On exit, prints the token to resume from. With --json, each line has its own token.
    """
    token = resume_token
    updates = client.watch_payments(
        resume_token=resume_token,
        timeout_seconds=_MAX_OUTAGE_SECONDS,
        order_id=order_id,
        external_reference=external_reference,
        customer_id=customer,
        caller=caller,
        types=[PaymentEventType(it.value) for it in event_type or ()],
    )
    try:
        for update in updates:
            if update.event is not None and as_json:
                print_json(update)
            elif update.event is not None:
                print_event(update.event)
            sys.stdout.flush()
            token = update.resume_token
    except KeyboardInterrupt:
        pass  # the way to end the command
    finally:
        if token:
            print(f"To resume: payments watch --resume-token {token}", file=sys.stderr)
