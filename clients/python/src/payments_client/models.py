"""Payments, refunds, events and conditions, as Python types.

Amounts are exact :class:`~decimal.Decimal` values in units of the currency (rupees, not paise), and have at least two
decimals (``Decimal("561.00")``) in results. Currencies are ISO 4217 codes, and times are timezone-aware and in UTC.
``payments.proto`` documents each field.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypedDict


class PaymentMethod(StrEnum):
    """How a payment was made. ``UNKNOWN`` is a method that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    UPI = "UPI"
    CARD = "CARD"
    COD = "COD"
    OTHER = "OTHER"
    """Another method, named in :attr:`Payment.other_method`. Only on adopted payments; rejected in a charge."""


class PaymentStatus(StrEnum):
    """The outcome of a charge. ``UNKNOWN`` is a status that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RefundState(StrEnum):
    """How much of a payment has been refunded. ``UNKNOWN`` is a state that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


class RefundStatus(StrEnum):
    """The outcome of a refund. ``UNKNOWN`` is a status that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class PaymentEventType(StrEnum):
    """What happened to a payment. ``UNKNOWN`` is an event that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    """A charge was requested. The processor has not answered yet."""
    CHARGED = "CHARGED"
    FAILED = "FAILED"
    """The processor declined the charge. Nothing was charged."""
    REFUND_PENDING = "REFUND_PENDING"
    """A refund was requested. The processor has not answered yet."""
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    IMPORTED = "IMPORTED"
    """The payment or refund was imported, or changed by a later import."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCharge:
    """One charge of a batch: the arguments of ``charge``."""

    order_id: int
    amount: Decimal
    currency: str | None = None
    method: PaymentMethod | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """A charge of an order, and how much of it has been refunded.

    ``amount``, ``currency``, ``refunded_amount`` and ``create_time`` are None, and ``reference`` is empty, only on
    adopted payments for which the legacy service did not record them.
    """

    payment_id: int
    order_id: int
    amount: Decimal | None
    currency: str | None
    method: PaymentMethod
    other_method: str
    status: PaymentStatus
    reference: str
    create_time: datetime | None
    refunded_amount: Decimal | None
    refund_state: RefundState


@dataclass(frozen=True, kw_only=True, slots=True)
class Refund:
    """A refund of a payment."""

    refund_id: int
    payment_id: int
    amount: Decimal
    currency: str
    status: RefundStatus
    reason: str
    create_time: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundResult:
    """A refund and the updated payment.

    ``refund`` is None only if the call repeats a full refund made by the legacy service, which stored no refunds.
    """

    refund: Refund | None
    payment: Payment


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentDetails:
    """A payment with its first 100 refunds, oldest first.

    ``next_refunds_page_token`` is empty if ``refunds`` is complete. Otherwise pass it as ``page_token`` to
    ``list_refunds`` to get the rest.
    """

    payment: Payment
    refunds: tuple[Refund, ...]
    next_refunds_page_token: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundPage:
    """One page of the refunds of a payment, oldest first. ``next_page_token`` is empty on the last page."""

    refunds: tuple[Refund, ...]
    next_page_token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentPage:
    """One page of a list of payments.

    ``next_page_token`` is empty on the last page. ``total_size`` is the number of matching payments over all pages, or
    None if it was not requested.
    """

    payments: tuple[Payment, ...]
    next_page_token: str
    total_size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentEvent:
    """A change to a payment.

    ``payment`` and ``refund`` are as they were after the event; ``refund`` is None if the event is not about a refund.
    ``caller`` requested the change with ``request_id``; both are empty if the legacy service made the payment.
    ``event_time`` is when it happened (for an import, the time of the import), or None if the service sent none.
    """

    type: PaymentEventType
    event_time: datetime | None
    payment: Payment
    refund: Refund | None
    caller: str
    request_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentEventPage:
    """One page of the events of a payment, oldest first. ``next_page_token`` is empty on the last page."""

    events: tuple[PaymentEvent, ...]
    next_page_token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentUpdate:
    """One update from a watch. ``event`` is None if the update only carries a newer token.

    Pass ``resume_token`` to ``watch_payments`` to resume after this update.
    """

    event: PaymentEvent | None
    resume_token: str


class PaymentConditions(TypedDict, total=False):
    """Selects payments. A payment must satisfy all conditions that are present and not None. Bounds are inclusive."""

    order_id: int | None
    """Payments of this order."""
    methods: Iterable[PaymentMethod] | None
    """Payments made with one of these methods; empty means any."""
    statuses: Iterable[PaymentStatus] | None
    """Payments with one of these statuses; empty means any."""
    refund_states: Iterable[RefundState] | None
    """Payments in one of these refund states; empty means any."""
    reference: str | None
    """The payment with this reference."""
    min_amount: Decimal | None
    """Payments of at least this amount."""
    max_amount: Decimal | None
    """Payments of at most this amount."""
    currency: str | None
    """The currency of the two amounts (ISO 4217). None means the deployment's default."""
    min_create_time: datetime | None
    """Payments made at or after this time, which must be timezone-aware."""
    max_create_time: datetime | None
    """Payments made at or before this time, which must be timezone-aware."""
