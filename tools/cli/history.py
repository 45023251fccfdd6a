"""``payments history 7`` shows each charge and refund of a payment."""

from typing import Annotated

import typer

from tools.cli.failures import SERVICE, open_database
from tools.cli.options import AsJson, utf8
from tools.cli.output import format_time, print_json, print_table
from tools.operations.history import Entry, history


def command(
    payment: Annotated[str, typer.Argument(callback=utf8, help="ID or reference of the payment.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show the history of a payment: each charge and refund with its time, amount and caller."""
    with open_database(SERVICE) as (connection, _):
        details, entries = history(connection, payment)
    if as_json:
        for entry in entries:
            print_json(_json(details.payment.payment_id, entry))
        return
    print_table(
        ("time (UTC)", "what", "amount", "refunded", "who", "request_id"),
        [
            (
                format_time(it.time),
                it.kind.value,
                str(it.amount or ""),
                str(it.refunded) if it.refunded is not None and it.refunded.is_positive else "",
                it.caller,
                it.request_id,
            )
            for it in entries
        ],
    )
    if any(entry.sequence is None and not entry.caller for entry in entries):
        print("Entries with an empty `who` come from an earlier system. They are derived from the stored payment,")
        print("which does not contain their callers.")


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
