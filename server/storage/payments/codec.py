"""Conversion of texts and rows from the database to payments, refunds and events.

This is the hot path of reads. The rows are those of ``fast_read``: bytes as the database sent them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter

from server.domain.events import PAYMENT_STATUS_BY_KIND, REFUND_STATUS_BY_KIND, EventKind, PaymentEvent
from server.domain.money import AMOUNT_DIGITS, MINOR_DIGITS, Money
from server.domain.payment import CHARGEABLE_METHODS, Payment, PaymentDetails, PaymentMethod, Refund, Status
from server.domain.processing import PendingRequest
from server.storage.database.fast_read import RawRow

CACHED_PAYMENTS = 8_192
"""How many payments stay parsed, in some 7 MiB."""

STATUS_VALUES: dict[Status, int | None] = {Status.PENDING: None, Status.SUCCEEDED: 1, Status.FAILED: 0}
"""The value of each status in the status columns."""

EarlierCharge = tuple[str | None, Payment]
"""The payment that is stored under a request key, and the method that its charge requested."""

_METHODS = {method.value: method for method in CHARGEABLE_METHODS}
_ZERO_AMOUNT = "0.00"
_ZERO_MONEY = {currency: Money(currency, 0) for currency in MINOR_DIGITS}
_UTC = "+00:00"
_MICROSECONDS = 1_000_000


@lru_cache(CACHED_PAYMENTS)
def cached_payment(text: bytes) -> Payment:
    """Return the payment in a text of ``queries.PAYMENT``: the same object for the same text.

    A payment that is read repeatedly, for example by a dashboard, is parsed once.
    """
    return payment_from_text(text.decode())


def payment_from_text(text: str) -> Payment:
    """Return the payment in a text of ``queries.PAYMENT``."""
    payment_id, order_id, amount, currency, status, created_at, refunded_amount, flag, is_adopted, length, rest = (
        text.split(",", 10)
    )
    method_end = int(length)
    method = rest[:method_end]
    is_refunded = flag != "0"
    money = _money(currency, amount) if amount else None
    known_method = _METHODS.get(method)
    return Payment(
        int(payment_id),
        int(order_id),
        money,
        known_method or PaymentMethod.OTHER,
        "" if known_method else method,
        _status(status),
        rest[method_end + 1 :] if len(rest) > method_end else None,
        _time(created_at),
        # The legacy service only set the flag of a refunded row and stored no amount, so the whole amount was refunded.
        money if is_refunded or money is None else _money(currency, refunded_amount),
        is_refunded,
        is_adopted != "0",
    )


def refund_from_text(text: str) -> tuple[Refund, Money | None]:
    """Return the refund in a text of ``queries.REFUND``, and the amount that its caller requested: None for all."""
    refund_id, payment_id, amount, currency, status, created_at, requested_amount, reason = text.split(",", 7)
    create_time = _time(created_at)
    assert create_time is not None, "a refund always has a time"
    refund = Refund(
        refund_id=int(refund_id),
        payment_id=int(payment_id),
        amount=_money(currency, amount),
        status=_status(status),
        reason=reason,
        create_time=create_time,
    )
    return refund, _money(currency, requested_amount) if requested_amount else None


def details_from_rows(rows: Sequence[RawRow], at_most: int) -> PaymentDetails | None:
    """Return the payment with at most ``at_most`` refunds, or None if there are no rows.

    The rows are those of ``queries.details``. A refund beyond ``at_most`` shows that there are more.
    """
    if not rows:
        return None
    refunds = _sorted_refunds(refund for _, refund in rows)
    return PaymentDetails(cached_payment(rows[0][0]), refunds[:at_most], has_more=len(refunds) > at_most)


def many_details_from_rows(rows: Iterable[RawRow]) -> dict[int, PaymentDetails | None]:
    """Return the payments with all their refunds, by payment_id; None for a payment with too many refunds.

    The rows are those of ``queries.details_of_many``.
    """
    found: dict[bytes, list[RawRow]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    details = {}
    for text, parts in found.items():
        payment = cached_payment(text)
        has_too_many = parts[0][2] is not None
        refunds = () if has_too_many else _sorted_refunds(refund for _, refund, _ in parts)
        details[payment.payment_id] = None if has_too_many else PaymentDetails(payment, refunds, has_more=False)
    return details


def charges_from_rows(rows: Iterable[RawRow]) -> dict[tuple[str, str], EarlierCharge]:
    """Return the charges in rows of ``queries.charges_by_request``, by request key."""
    return {
        (caller.decode(), request_id.decode()): (_text(requested_method), cached_payment(payment))
        for caller, request_id, requested_method, payment in rows
    }


def events_from_rows(rows: Iterable[RawRow]) -> list[PaymentEvent]:
    """Return the events in rows, with each payment and refund in its state right after the event."""
    return [_event(*row) for row in rows]


def pending_from_rows(rows: Iterable[RawRow]) -> list[PendingRequest]:
    """Return the pending requests in rows."""
    return [
        PendingRequest(
            cached_payment(payment),
            _refund(refund),
            int(age_microseconds) / _MICROSECONDS,
            int(attempts),
            _text(processor_id),
        )
        for payment, refund, age_microseconds, attempts, processor_id in rows
    ]


def _event(  # noqa: PLR0913, PLR0917 - the columns of the query
    sequence: bytes,
    kind_name: bytes,
    refunded_amount: bytes,
    occurred_at: bytes | None,
    caller: bytes | None,
    request_id: bytes | None,
    payment_text: bytes,
    refund_text: bytes | None,
) -> PaymentEvent:
    kind = EventKind(kind_name.decode())
    current = cached_payment(payment_text)
    payment = current
    if current.amount is not None:
        refunded = _money(current.amount.currency, refunded_amount.decode())
        payment = replace(
            current,
            status=PAYMENT_STATUS_BY_KIND.get(kind, current.status),
            refunded_amount=refunded,
            is_refunded=refunded.is_positive and refunded == current.amount,
        )
    refund = _refund(refund_text)
    if refund is not None:
        refund = replace(refund, status=REFUND_STATUS_BY_KIND.get(kind, refund.status))
    return PaymentEvent(
        sequence=int(sequence),
        kind=kind,
        occurred_at=_time(_text(occurred_at) or ""),
        payment=payment,
        refund=refund,
        caller=_text(caller) or "",
        request_id=_text(request_id) or "",
    )


def _sorted_refunds(texts: Iterable[bytes | None]) -> tuple[Refund, ...]:
    """Return the refunds, oldest first."""
    return tuple(sorted(filter(None, map(_refund, texts)), key=attrgetter("refund_id")))


def _refund(text: bytes | None) -> Refund | None:
    return None if text is None else refund_from_text(text.decode())[0]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _money(currency: str, amount: str) -> Money:
    if amount == _ZERO_AMOUNT:
        return _ZERO_MONEY[currency]
    if MINOR_DIGITS[currency] == AMOUNT_DIGITS and amount[-AMOUNT_DIGITS - 1] == ".":
        return Money(currency, int(amount.replace(".", "")))
    # A later release widens the columns to four decimals, while replicas of this one still run.
    return Money.rounded(currency, Decimal(amount))


def _status(value: str) -> Status:
    """Convert a status column: NULL is PENDING, 0 is FAILED, and anything else is SUCCEEDED."""
    if not value:
        return Status.PENDING
    return Status.FAILED if value == "0" else Status.SUCCEEDED


def _time(text: str) -> datetime | None:
    """Convert a DATETIME column, which is in UTC; return None for NULL or an invalid time, such as 0000-00-00."""
    try:
        return datetime.fromisoformat(text + _UTC)
    except ValueError:
        return None
