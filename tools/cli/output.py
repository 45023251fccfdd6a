"""Print payments, refunds and other rows to standard output: as tables for people, as JSON for programs."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from payments_client import Payment, PaymentDetails, PaymentEvent, PaymentUpdate, Refund, RefundResult
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_FILE_WIDTH = 200
"""Width in characters of a table that is not printed to a terminal: enough for every column."""

_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "PENDING": "yellow"}


def print_json(
    item: Payment | RefundResult | PaymentDetails | PaymentEvent | PaymentUpdate | Mapping[str, object],
) -> None:
    """Print an object on one line, with amounts as exact strings and times in UTC in RFC 3339 format."""
    values = item if isinstance(item, Mapping) else dataclasses.asdict(item)
    print(json.dumps(values, default=_json_value, ensure_ascii=False))


def print_payments(payments: Iterable[Payment]) -> None:
    """Print payments as a table."""
    table = _table("payment", "order", "amount", "method", "status", "refunded", "reference", "time (UTC)")
    for it in payments:
        table.add_row(
            _text(it.payment_id),
            _text(it.order_id),
            _amount(it.amount, it.currency),
            _text(it.other_method or it.method),
            Text(it.status, _STYLES.get(it.status, "")),
            _amount(it.refunded_amount, None) if it.refunded_amount else Text(""),
            _text(it.reference),
            _text(format_time(it.create_time)),
        )
    _print(table)


def print_refunds(refunds: Iterable[Refund]) -> None:
    """Print refunds as a table, if there are any."""
    table = _table("refund", "of payment", "amount", "status", "reason", "time (UTC)")
    for it in refunds:
        table.add_row(
            _text(it.refund_id),
            _text(it.payment_id),
            _amount(it.amount, it.currency),
            Text(it.status, _STYLES.get(it.status, "")),
            _text(it.reason),
            _text(format_time(it.create_time)),
        )
    if table.row_count:
        _print(table)


def print_event(event: PaymentEvent) -> None:
    """Print an event on one line, because the next one may be hours away."""
    payment, refund = event.payment, event.refund
    columns = (
        _text(format_time(event.event_time)),
        _text(f"{event.type:<15}"),
        _text(f"payment {payment.payment_id}"),
        _text(f"order {payment.order_id}"),
        _amount(payment.amount if refund is None else refund.amount, payment.currency),
        _text(event.caller),
        _text(event.request_id),
    )
    print("  ".join(column.plain for column in columns))


def print_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of text as a table."""
    table = _table(*names)
    for row in rows:
        table.add_row(*map(_text, row))
    _print(table)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in {"amount", "refunded"} else "left", no_wrap=name != "reason")
    return table


def _print(table: Table) -> None:
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=_FILE_WIDTH)
    console.print(table)


def _text(value: object) -> Text:
    """Return a value as text, with control characters replaced, because earlier systems may have stored some."""
    return Text(
        "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
    )


def _amount(amount: Decimal | None, currency: str | None) -> Text:
    return _text("" if amount is None else f"{amount:,f} {currency or ''}".rstrip())


def format_time(time: datetime | None) -> str:
    """Format a time in UTC to the second; None becomes an empty string."""
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _json_value(value: object) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    msg = f"cannot encode {type(value).__name__} as JSON"
    raise TypeError(msg)
