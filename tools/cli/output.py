"""Print payments, refunds and other rows to standard output: as tables for people, as JSON for programs."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from payments_client import (
    Dispute,
    DisputeStatus,
    Failure,
    NextAction,
    NextActionType,
    Payment,
    PaymentDetails,
    PaymentEvent,
    PaymentEventType,
    PaymentUpdate,
    Refund,
    RefundResult,
)
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_FILE_WIDTH = 200
"""Width in characters of a table that is not printed to a terminal: enough for every column."""

_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "PENDING": "yellow"}
_DISPUTE_STYLES = {DisputeStatus.OPEN: "yellow", DisputeStatus.WON: "green", DisputeStatus.LOST: "red"}

_DISPUTE_EVENTS = {PaymentEventType.DISPUTE_OPENED, PaymentEventType.DISPUTE_WON, PaymentEventType.DISPUTE_LOST}


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
            _text(_order(it)),
            _amount(it.amount, it.currency),
            _text(it.other_method or it.method),
            _payment_status(it),
            _amount(it.refunded_amount, None) if it.refunded_amount else Text(""),
            _text(it.reference),
            _text(format_time(it.create_time)),
        )
    _print(table)


def print_payment(payment: Payment) -> None:
    """Print a payment as a table, with the payer's next action and dispute, if there are any."""
    print_payments([payment])
    if payment.next_action is not None:
        print(_next_action(payment.payment_id, payment.next_action))
    if payment.dispute is not None:
        _print_dispute(payment.payment_id, payment.dispute)


def print_refunds(refunds: Iterable[Refund]) -> None:
    """Print refunds as a table, if there are any."""
    table = _table("refund", "of payment", "amount", "status", "reason", "time (UTC)")
    for it in refunds:
        table.add_row(
            _text(it.refund_id),
            _text(it.payment_id),
            _amount(it.amount, it.currency),
            _status(it.status, it.failure),
            _text(it.reason),
            _text(format_time(it.create_time)),
        )
    if table.row_count:
        _print(table)


def print_event(event: PaymentEvent) -> None:
    """Print an event on one line, because the next one may be hours away."""
    payment, refund = event.payment, event.refund
    failure = payment.failure if refund is None else refund.failure
    dispute = payment.dispute if event.type in _DISPUTE_EVENTS else None
    columns = [
        _text(format_time(event.event_time)),
        _text(f"{event.type:<15}"),
        _text(f"payment {payment.payment_id}"),
        _text(f"order {_order(payment)}"),
        _amount((refund or dispute or payment).amount, payment.currency),
        _text(event.caller),
        _text(event.request_id),
    ]
    if failure is not None:
        columns.append(_text(failure))
    if event.type is PaymentEventType.ACTION_REQUIRED and payment.next_action is not None:
        columns.append(_text(f"{payment.next_action.type} by {format_time(payment.next_action.expire_time)}"))
    if dispute is not None:
        columns.append(_text(f"{dispute.processor_reference} {dispute.reason}".rstrip()))
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


def _order(payment: Payment) -> str:
    """Return the order_id and the caller's own name of the order, as far as the payment has them."""
    if not payment.external_reference:
        return str(payment.order_id)
    return f"{payment.order_id or ''} {payment.external_reference}".lstrip(" ")


def _status(status: str, failure: Failure | None) -> Text:
    return Text(status if failure is None else f"{status}: {failure}", _STYLES.get(status, ""))


def _payment_status(payment: Payment) -> Text:
    """Return the status, and why it is pending or failed, or else the status of the dispute."""
    status = _status(payment.status, payment.failure)
    if payment.next_action is not None:
        status.append(f": {payment.next_action.type}")
    if payment.dispute is not None:
        status.append(f", dispute {payment.dispute.status}", _DISPUTE_STYLES.get(payment.dispute.status, ""))
    return status


def _next_action(payment_id: int, action: NextAction) -> str:
    """Return a sentence, because a table would cut off a long URL."""
    deadline = f"by {format_time(action.expire_time)} UTC"
    match action.type:
        case NextActionType.REDIRECT if action.redirect_url:
            return f"The payer must approve payment {payment_id} in a browser {deadline}: {_text(action.redirect_url)}"
        case NextActionType.REDIRECT:  # another caller's payment
            return f"The payer must approve payment {payment_id} in a browser {deadline}."
        case NextActionType.APPROVE_ON_PHONE:
            return f"The payer must approve payment {payment_id} on the phone {deadline}."
    return f"The payer must approve payment {payment_id} {deadline}."


def _print_dispute(payment_id: int, dispute: Dispute) -> None:
    table = _table("dispute", "of payment", "amount", "status", "reason", "opened (UTC)", "closed (UTC)")
    table.add_row(
        _text(dispute.processor_reference),
        _text(payment_id),
        _amount(dispute.amount, dispute.currency),
        Text(dispute.status, _DISPUTE_STYLES.get(dispute.status, "")),
        _text(dispute.reason),
        _text(format_time(dispute.open_time)),
        _text(format_time(dispute.close_time)),
    )
    _print(table)


def _amount(amount: Decimal | None, currency: str | None) -> Text:
    return _text("" if amount is None else f"{amount:,f} {currency or ''}".rstrip())


def format_time(time: datetime | None) -> str:
    """Format a time in UTC to the second; None becomes an empty string."""
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _json_value(value: object) -> str | dict[str, str]:
    match value:
        case Mapping():
            return dict(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    msg = f"cannot encode {type(value).__name__} as JSON"
    raise TypeError(msg)
