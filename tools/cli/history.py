"""``payments history 7`` shows everything that happened to one payment."""

from typing import Annotated

import typer

from tools.cli.failures import database_of_settings
from tools.cli.options import AsJson
from tools.cli.output import print_json, print_table, shown_time
from tools.operations.history import Entry, history


def command(
    payment: Annotated[str, typer.Argument(help="Its payment_id, or its reference.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to a payment: when, what, how much, and who asked for it."""
    with database_of_settings() as (connection, _):
        details, entries = history(connection, payment)
    if as_json:
        for entry in entries:
            print_json(_json(details.payment.payment_id, entry))
        return
    print_table(
        ("time (UTC)", "what", "amount", "refunded", "who", "request_id"),
        [
            (
                shown_time(it.time),
                it.kind.value,
                str(it.amount or ""),
                str(it.refunded) if it.refunded is not None and it.refunded.is_positive else "",
                it.caller,
                it.request_id,
            )
            for it in entries
        ],
    )
    if any(entry.sequence is None for entry in entries):
        print("What has no name in `who` happened before there were events, or in an earlier system: it is told from")
        print("what is stored, which does not say more.")


def _json(payment_id: int, entry: Entry) -> dict[str, object]:
    return {
        "payment_id": payment_id,
        "event_time": entry.time,
        "type": entry.kind,
        "amount": None if entry.amount is None else entry.amount.amount,
        "currency": None if entry.amount is None else entry.amount.currency,
        "refunded_amount": None if entry.refunded is None else entry.refunded.amount,
        "refund_id": entry.refund_id,
        "caller": entry.caller or None,
        "request_id": entry.request_id or None,
        "sequence": entry.sequence,
    }
