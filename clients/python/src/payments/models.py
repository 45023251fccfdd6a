"""What the client takes and gives: payments, refunds and conditions in Python's own types.

Amounts are exact :class:`~decimal.Decimal` numbers of whole units with at least two decimals (``Decimal("561.00")``),
currencies are ISO 4217 codes, times are aware and UTC. What each field means is said in ``payments.proto``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypedDict


class PaymentMethod(StrEnum):
    """How a payment was made. ``UNKNOWN`` stands for a method that this version of the client has no name for."""

    UNKNOWN = "UNKNOWN"
    UPI = "UPI"
    CARD = "CARD"
    COD = "COD"
    OTHER = "OTHER"
    """Named in :attr:`Payment.other_method`: only on payments from an earlier system, never accepted on a charge."""


class PaymentStatus(StrEnum):
    """What became of a charge. ``UNKNOWN`` stands for a status that this version of the client has no name for."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RefundState(StrEnum):
    """How much of a payment was given back. ``UNKNOWN`` is a state that this version of the client has no name for."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


class RefundStatus(StrEnum):
    """What became of a refund. ``UNKNOWN`` stands for a status that this version of the client has no name for."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class PaymentEventType(StrEnum):
    """What happened to a payment. ``UNKNOWN`` stands for what this version of the client has no name for."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    """It was asked for; the processor has not answered yet."""
    CHARGED = "CHARGED"
    FAILED = "FAILED"
    """The processor declined; nothing was charged."""
    REFUND_PENDING = "REFUND_PENDING"
    """A refund was asked for; the processor has not answered yet."""
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    IMPORTED = "IMPORTED"
    """It was taken over from an earlier system, as it was there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCharge:
    """One charge of many (``batch_charge``): the arguments that ``charge`` takes."""

    order_id: int
    amount: Decimal
    currency: str | None = None
    method: PaymentMethod | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """One charge of an order, and what was refunded of it.

    ``amount``, ``currency`` and ``refunded_amount`` are None, and ``reference`` is empty, only on payments adopted from
    an earlier system that have none; so is ``create_time``.
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
    """Money of a payment given back."""

    refund_id: int
    payment_id: int
    amount: Decimal
    currency: str
    status: RefundStatus
    reason: str
    create_time: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundResult:
    """A refund, and the payment after it.

    ``refund`` is None only when the call repeats a whole refund made by an earlier system, which kept no record of it.
    """

    refund: Refund | None
    payment: Payment


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentDetails:
    """A payment with its refunds, oldest first, at most 100.

    ``next_refunds_page_token`` is empty when ``refunds`` has them all. Otherwise pass it as ``page_token`` to
    ``list_refunds`` to get the refunds that follow.
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

    ``next_page_token`` is empty on the last page. ``total_size`` counts the matching payments of all pages, and is None
    unless it was asked for.
    """

    payments: tuple[Payment, ...]
    next_page_token: str
    total_size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentEvent:
    """Something that happened to a payment.

    ``payment`` is as this left it, and so is ``refund``, which is None where the event is not about one. ``caller``
    asked for it with ``request_id``; both are empty where an earlier system made the payment. What was imported has the
    time at which it was.
    """

    type: PaymentEventType
    event_time: datetime | None
    payment: Payment
    refund: Refund | None
    caller: str
    request_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentUpdate:
    """What a watch gives next: an event, or None for that there was none; and the token to go on from after it."""

    event: PaymentEvent | None
    resume_token: str


class PaymentConditions(TypedDict, total=False):
    """Which payments to list: all conditions that are given, and not None, must hold. Bounds are inclusive."""

    order_id: int | None
    """Payments of this order."""
    methods: Iterable[PaymentMethod] | None
    """Payments made by one of these methods; empty means any."""
    statuses: Iterable[PaymentStatus] | None
    """Payments with one of these statuses; empty means any."""
    refund_states: Iterable[RefundState] | None
    """Payments in one of these refund states; empty means any."""
    reference: str | None
    """The payment with this reference."""
    min_amount: Decimal | None
    """Payments of this amount or more."""
    max_amount: Decimal | None
    """Payments of this amount or less."""
    currency: str | None
    """Currency of the two amounts (ISO 4217); None means the deployment's default."""
    min_create_time: datetime | None
    """Payments made at this time or later. Must be aware."""
    max_create_time: datetime | None
    """Payments made at this time or earlier. Must be aware."""
