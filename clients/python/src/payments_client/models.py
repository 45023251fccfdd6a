"""Payments, refunds, events and conditions, as Python types.

Amounts are exact :class:`~decimal.Decimal` values in units of the currency (rupees, not paise), and have at least two
decimals (``Decimal("561.00")``) in results. Currencies are ISO 4217 codes, and times are timezone-aware and in UTC.
``payments.proto`` documents each field.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypedDict

from payments_client._labels import Labels


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


class Failure(StrEnum):
    """Why a payment or a refund failed. ``UNKNOWN`` is a reason that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    """The account has too little money."""
    EXPIRED_METHOD = "EXPIRED_METHOD"
    """The card or another means of payment has expired."""
    INVALID_METHOD = "INVALID_METHOD"
    """The means of payment does not exist, is closed or blocked, or cannot be used for this payment."""
    AUTHENTICATION_REQUIRED = "AUTHENTICATION_REQUIRED"
    """The payer must approve the payment, or failed to."""
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    """The processor or the bank suspects fraud. Do not tell the payer."""
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    """The amount or the number of payments exceeds a limit of the account."""
    DECLINED = "DECLINED"
    """The bank or the processor declined, without one of the reasons above."""
    PROCESSOR_ERROR = "PROCESSOR_ERROR"
    """The processor failed, or never carried out the request. A new attempt may succeed."""


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
    """The processor rejected a refund, or reported that a refund which had succeeded failed later."""
    IMPORTED = "IMPORTED"
    """The payment or refund was imported, or changed by a later import."""
    FORGOTTEN = "FORGOTTEN"
    """The customer and the labels of the payment were erased."""
    ACTION_REQUIRED = "ACTION_REQUIRED"
    """The payer must approve the payment: see :attr:`Payment.next_action`."""
    DISPUTE_OPENED = "DISPUTE_OPENED"
    """The payer disputes the payment, or the amount or the reason of the open dispute has changed."""
    DISPUTE_WON = "DISPUTE_WON"
    """The dispute was decided for the merchant."""
    DISPUTE_LOST = "DISPUTE_LOST"
    """The dispute was decided for the payer."""


class NextActionType(StrEnum):
    """What the payer must do. ``UNKNOWN`` is an action that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    REDIRECT = "REDIRECT"
    """Open :attr:`NextAction.redirect_url` in a browser, and approve the payment there (3-D Secure, for example)."""
    APPROVE_ON_PHONE = "APPROVE_ON_PHONE"
    """Approve the payment in an app on the phone, which has notified the payer (UPI, for example)."""


class DisputeStatus(StrEnum):
    """The state of a dispute. ``UNKNOWN`` is a state that this version of the client does not know."""

    UNKNOWN = "UNKNOWN"
    OPEN = "OPEN"
    """The bank has not decided yet, and holds the disputed amount."""
    WON = "WON"
    """The bank decided for the merchant, who keeps the money."""
    LOST = "LOST"
    """The bank decided for the payer, who got the disputed amount back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCharge:
    """One charge of a batch: the arguments of ``charge``."""

    order_id: int | None = None
    amount: Decimal
    currency: str | None = None
    method: PaymentMethod | None = None
    request_id: str | None = None
    external_reference: str = ""
    customer_id: str = ""
    labels: Mapping[str, str] = field(default_factory=Labels, hash=False)
    payment_source: str = field(default="", repr=False)
    unless_pending: bool = False
    return_url: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NextAction:
    """The action that a payer must take before a charge can succeed.

    ``redirect_url`` is empty unless ``type`` is REDIRECT, and for other callers without the role ``payments.audit``.
    Anyone who has it can approve the payment, so show it only to the payer; the ``repr`` omits it. After
    ``expire_time``, the charge fails with AUTHENTICATION_REQUIRED.
    """

    type: NextActionType
    redirect_url: str = field(repr=False)
    expire_time: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispute:
    """A payer's demand that the bank return the money of a payment, also called a chargeback.

    ``amount`` and ``currency`` are None if the disputed amount is in another currency than the payment. ``reason`` is
    the processor's own code, such as ``fraudulent``, and may be empty. ``open_time`` and ``close_time`` are when the
    service learned of the dispute and of its outcome; ``close_time`` is None while it is open.
    """

    status: DisputeStatus
    amount: Decimal | None
    currency: str | None
    reason: str
    open_time: datetime
    close_time: datetime | None
    processor_reference: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """A charge of an order, and how much of it has been refunded.

    ``amount``, ``currency``, ``refunded_amount`` and ``create_time`` are None, and ``reference`` is empty, only on
    adopted payments for which the legacy service did not record them. ``order_id`` is 0 if the charge had only an
    ``external_reference``. ``caller`` made the charge with ``request_id``, which is empty if it is another caller's.
    ``failure`` is None unless the charge failed for a known reason, and ``failure_code`` is the processor's own code
    for it. ``labels`` cannot be changed. ``next_action`` is None unless the charge is PENDING because the payer must
    approve it. ``dispute`` is None if there was none; if there were several, it is the open one, or the last.
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
    caller: str = ""
    request_id: str = ""
    processor_reference: str = ""
    failure: Failure | None = None
    failure_code: str = ""
    external_reference: str = ""
    customer_id: str = ""
    labels: Mapping[str, str] = field(default_factory=Labels)
    next_action: NextAction | None = None
    dispute: Dispute | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refund:
    """A refund of a payment.

    ``caller`` requested it with ``request_id``, which is empty if it is another caller's. ``failure`` is None unless
    the refund failed, perhaps after it had succeeded, and ``failure_code`` is the processor's own code for it.
    """

    refund_id: int
    payment_id: int
    amount: Decimal
    currency: str
    status: RefundStatus
    reason: str
    create_time: datetime
    caller: str = ""
    request_id: str = ""
    processor_reference: str = ""
    failure: Failure | None = None
    failure_code: str = ""


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

    ``payment`` and ``refund`` are as they were after the event, except that ``payment.next_action`` is the current one;
    ``refund`` is None if the event is not about a refund.
    ``caller`` requested the change with ``request_id``; both are empty if the legacy service made the payment, if an
    operator erased its customer, or if the event is about a dispute. The ``request_id`` of another caller is empty too.
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
    request_id: str | None
    """The payment whose charge had this request_id, of ``caller``, or of the client's own caller if that is None."""
    caller: str | None
    """Payments charged by the caller with this name."""
    processor_reference: str | None
    """Payments with exactly this identifier at the processor."""
    external_reference: str | None
    """Payments with exactly this external_reference."""
    customer_id: str | None
    """Payments of exactly this customer."""


class PaymentEventConditions(TypedDict, total=False):
    """Selects events. An event must satisfy all conditions that are present and not None."""

    caller: str | None
    """Events of payments that were charged by the caller with this name."""
    order_id: int | None
    """Events of payments of this order."""
    external_reference: str | None
    """Events of payments with exactly this external_reference."""
    customer_id: str | None
    """Events of payments of exactly this customer. An erased customer matches no event, not even an earlier one."""
    types: Iterable[PaymentEventType] | None
    """Events of one of these types; empty means any."""
