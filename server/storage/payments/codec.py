"""Conversion of texts and rows from the database to payments, refunds and events.

This is the hot path of reads. The rows are those of ``fast_read``: bytes as the database sent them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter

import orjson

from server.domain.events import (
    KINDS_WITHOUT_REQUEST,
    PAYMENT_STATUS_BY_KIND,
    REFUND_STATUS_BY_KIND,
    EventKind,
    PaymentEvent,
)
from server.domain.money import AMOUNT_DIGITS, MINOR_DIGITS, Money
from server.domain.names import NO_NAMES, Labels, Names
from server.domain.payment import (
    CHARGEABLE_METHODS,
    Failure,
    FailureReason,
    Payment,
    PaymentDetails,
    PaymentMethod,
    Refund,
    Status,
)
from server.domain.processing import PendingRequest
from server.domain.simulation import SimulatedSource
from server.domain.value import value
from server.storage.database.fast_read import RawRow
from server.storage.database.values import to_seconds
from server.storage.payments.late_codec import dispute_from_json, next_action_from_json
from server.storage.payments.queries import SEPARATOR

CACHED_PAYMENTS = 8_192
"""How many payments stay parsed, in some 7 MiB."""

STATUS_VALUES: dict[Status, int | None] = {Status.PENDING: None, Status.SUCCEEDED: 1, Status.FAILED: 0}
"""The value of each status in the status columns."""


@value()
class EarlierCharge:
    """The payment that is stored under a request key, and the method that its charge requested.

    ``is_forgotten`` is whether its customer and labels were erased.
    """

    payment: Payment
    requested_method: str | None
    is_forgotten: bool


_METHODS = {method.value: method for method in CHARGEABLE_METHODS}
_NO_NAMES = (None,) * 10
_ZERO_AMOUNT = "0.0000"
_MINOR_UNITS = {currency: 10 ** (AMOUNT_DIGITS - digits) for currency, digits in MINOR_DIGITS.items()}
"""The minor unit of each currency, in the last decimal of the amount columns."""

_ZERO_MONEY = {currency: Money(currency, 0) for currency in MINOR_DIGITS}
_UTC = "+00:00"


@lru_cache(CACHED_PAYMENTS)
def cached_payment(text: bytes) -> Payment:
    """Return the payment in a text of ``queries.PAYMENT``: the same object for the same text.

    A payment that is read repeatedly, for example by a dashboard, is parsed once.
    """
    return payment_from_text(text)


def payment_from_text(text: bytes) -> Payment:
    """Return the payment in a text of ``queries.PAYMENT``."""
    values = text.decode().split(SEPARATOR, 13)
    payment_id, order_id, amount, currency, status, created_at, refunded_amount, flag, failure, *values = values
    caller, request_id, names, length, rest = values
    method_end = int(length)
    method = rest[:method_end]
    is_refunded = flag != "0"
    money = _money(currency, amount) if amount else None
    known_method = _METHODS.get(method)
    external_reference, customer_id, labels, failure_code, processor_reference, simulated_source, *late = (
        orjson.loads(names) if names else _NO_NAMES
    )
    source_mark, next_action, dispute_status, dispute = late
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
        caller,
        request_id,
        processor_reference or "",
        Failure(FailureReason(failure), failure_code or "") if failure else None,
        Names(external_reference, customer_id, _labels(labels)) if names else NO_NAMES,
        SimulatedSource(simulated_source) if simulated_source else None,
        source_mark,
        next_action_from_json(next_action) if next_action else None,
        dispute_from_json(dispute_status, dispute or "", currency) if dispute_status else None,
    )


def labels_text(labels: Labels) -> str:
    """Return the value of the ``labels`` column."""
    return orjson.dumps(dict(labels)).decode()


def refund_from_text(text: bytes) -> tuple[Refund, Money | None]:
    """Return the refund in a text of ``queries.REFUND``, and the amount that its caller requested: None for all."""
    values = text.decode().split(SEPARATOR, 11)
    refund_id, payment_id, amount, currency, status, created_at, requested_amount, *values = values
    caller, request_id, failure, processor, reason = values
    create_time = _time(created_at)
    assert create_time is not None, "a refund always has a time"
    failure_code, processor_reference = orjson.loads(processor) if processor else (None, None)
    refund = Refund(
        refund_id=int(refund_id),
        payment_id=int(payment_id),
        amount=_money(currency, amount),
        status=_status(status),
        reason=reason,
        create_time=create_time,
        caller=caller,
        request_id=request_id,
        processor_reference=processor_reference or "",
        failure=Failure(FailureReason(failure), failure_code or "") if failure else None,
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
    charges = {}
    for requested_method, is_forgotten, text in rows:
        payment = cached_payment(text)
        key = (payment.caller, payment.request_id)
        charges[key] = EarlierCharge(payment, _text(requested_method), is_forgotten=is_forgotten != b"0")
    return charges


def events_from_rows(rows: Iterable[RawRow]) -> list[PaymentEvent]:
    """Return the events in rows, with each payment and refund in its state right after the event."""
    return [_event(*row) for row in rows]


def pending_from_rows(rows: Iterable[RawRow]) -> list[PendingRequest]:
    """Return the pending requests in rows."""
    return [
        PendingRequest(
            cached_payment(payment),
            _refund(refund),
            to_seconds(age_microseconds),
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
    time = _time(_text(occurred_at) or "")
    payment = cached_payment(payment_text)
    if time is not None:
        payment = payment.at(time)
    if payment.amount is not None:
        refunded = _money(payment.amount.currency, refunded_amount.decode())
        is_refunded = refunded.is_positive and refunded == payment.amount
        payment = replace(payment, refunded_amount=refunded, is_refunded=is_refunded)
    if payment.status is not (status := PAYMENT_STATUS_BY_KIND.get(kind, payment.status)):
        payment = payment.before_outcome() if status is Status.PENDING else replace(payment, status=status)
    refund = _refund(refund_text)
    if refund is not None and refund.status is not (status := REFUND_STATUS_BY_KIND.get(kind, refund.status)):
        refund = refund.before_outcome() if status is Status.PENDING else replace(refund, status=status)
    has_request = kind not in KINDS_WITHOUT_REQUEST
    return PaymentEvent(
        sequence=int(sequence),
        kind=kind,
        occurred_at=time,
        payment=payment,
        refund=refund,
        caller=(_text(caller) or "") if has_request else "",
        request_id=(_text(request_id) or "") if has_request else "",
    )


def _sorted_refunds(texts: Iterable[bytes | None]) -> tuple[Refund, ...]:
    """Return the refunds, oldest first."""
    return tuple(sorted(filter(None, map(_refund, texts)), key=attrgetter("refund_id")))


def _refund(text: bytes | None) -> Refund | None:
    return None if text is None else refund_from_text(text)[0]


def _labels(text: str | None) -> Labels:
    return tuple(sorted(orjson.loads(text).items())) if text else ()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _money(currency: str, amount: str) -> Money:
    if amount == _ZERO_AMOUNT:
        return _ZERO_MONEY[currency]
    minor, rest = divmod(int(amount.replace(".", "")), _MINOR_UNITS[currency])
    # While the legacy service runs beside this one, it may store amounts with more decimals, as it rounds nothing.
    return Money.rounded(currency, Decimal(amount)) if rest else Money(currency, minor)


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
