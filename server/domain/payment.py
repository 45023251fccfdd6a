"""Payments and refunds, and the rules for them."""

from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum

from server.domain.approval import NextAction
from server.domain.dispute import Dispute, DisputeStatus
from server.domain.errors import (
    FieldViolation,
    InvalidRequest,
    InvalidValue,
    PaymentDisputed,
    PaymentFailed,
    PaymentPending,
    RefundExceedsPayment,
)
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.names import NO_NAMES, Names, has_control_characters
from server.domain.simulation import SimulatedSource
from server.domain.value import value

MAX_REFERENCE_LENGTH = 100
MAX_REASON_LENGTH = 255
MAX_PROCESSOR_REFERENCE_LENGTH = 255

MAX_REFUNDS_SHOWN = 100
"""The maximum number of refunds that are returned with their payment. The others are read a page at a time."""


class PaymentMethod(StrEnum):
    """How a payment is made. OTHER is any other text that an adopted row has as its method; no charge can use it."""

    UPI = "UPI"
    CARD = "CARD"
    COD = "COD"
    OTHER = "OTHER"


CHARGEABLE_METHODS = (PaymentMethod.UPI, PaymentMethod.CARD, PaymentMethod.COD)
"""The methods that a charge can use."""


class Status(StrEnum):
    """The status of a payment or a refund."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class FailureReason(StrEnum):
    """Why a payment or a refund failed."""

    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    EXPIRED_METHOD = "EXPIRED_METHOD"
    INVALID_METHOD = "INVALID_METHOD"
    AUTHENTICATION_REQUIRED = "AUTHENTICATION_REQUIRED"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    DECLINED = "DECLINED"
    PROCESSOR_ERROR = "PROCESSOR_ERROR"


@value()
class Failure:
    """Why a payment or a refund failed. ``code`` is the processor's own code, which may be empty."""

    reason: FailureReason
    code: str


class RefundState(StrEnum):
    """How much of a payment was refunded."""

    NONE = "NONE"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


@value()
class NewCharge:
    """A charge that a caller requests. If ``method`` is None, the processor chooses one.

    ``order_id`` is 0 if only the external reference in ``names`` identifies the order. ``source`` is None unless the
    caller gave one; it must not reach a log or the database. ``return_url`` may be empty. With ``unless_pending``, the
    charge is rejected while another payment of its order is PENDING.
    """

    order_id: int
    amount: Money
    method: PaymentMethod | None
    key: RequestKey
    names: Names = NO_NAMES
    source: str | None = field(default=None, repr=False)
    unless_pending: bool = False
    return_url: str = field(default="", repr=False)


@value()
class Decision:
    """How a charge is stored.

    ``failure`` is None unless the status is FAILED. If the charge has a source, it is either ``simulated_source``, or
    the one with ``source_marks``: see ``payment_source``.
    """

    method: PaymentMethod
    status: Status
    failure: Failure | None = None
    simulated_source: SimulatedSource | None = None
    source_marks: tuple[str, ...] = ()


@value()
class NewPayment:
    """A payment that is about to be stored."""

    charge: NewCharge
    decision: Decision
    reference: str
    create_time: datetime


@value()
class NewRefund:
    """A refund that a caller requests. If ``amount`` is None, everything that remains of the payment is refunded."""

    payment_id: int
    amount: Money | None
    reason: str
    key: RequestKey


@value()
class Refund:
    """A stored full or partial refund.

    ``caller`` and ``request_id`` identify the request. ``processor_reference`` is the refund's id at the processor, or
    empty. ``failure`` is None unless the refund failed for a known reason.
    """

    refund_id: int
    payment_id: int
    amount: Money
    status: Status
    reason: str
    create_time: datetime
    caller: str
    request_id: str
    processor_reference: str = ""
    failure: Failure | None = None

    def before_outcome(self) -> "Refund":
        """Return the refund as it was while it was pending."""
        return replace(self, status=Status.PENDING, processor_reference="", failure=None)


@value()
class Payment:
    """A stored payment.

    ``amount``, ``reference`` and ``create_time`` are None only in adopted payments that have none. ``other_method`` is
    the stored text if the method is OTHER, and otherwise empty. ``is_refunded`` is whether the whole amount was
    refunded; an adopted payment can be refunded without a stored refund.

    ``caller`` and ``request_id`` identify the request; both are empty in adopted payments. ``processor_reference`` is
    the payment's id at the processor, or empty. ``failure`` is None unless the payment failed for a known reason.
    ``simulated_source`` is None unless the caller chose the outcome of the simulated processor. ``source_mark`` is None
    unless the caller gave the payer's means of payment. ``next_action`` is None unless the payer must approve the
    payment, and ``dispute`` is None unless there was one.
    """

    payment_id: int
    order_id: int
    amount: Money | None
    method: PaymentMethod
    other_method: str
    status: Status
    reference: str | None
    create_time: datetime | None
    refunded_amount: Money | None
    is_refunded: bool
    caller: str
    request_id: str
    processor_reference: str = ""
    failure: Failure | None = None
    names: Names = NO_NAMES
    simulated_source: SimulatedSource | None = None
    source_mark: str | None = None
    next_action: NextAction | None = None
    dispute: Dispute | None = None

    @property
    def is_adopted(self) -> bool:
        """Whether an earlier system made the payment."""
        return not self.caller

    @property
    def refund_state(self) -> RefundState:
        """How much of the payment was refunded."""
        if self.is_refunded:
            return RefundState.FULL
        if self.refunded_amount is not None and self.refunded_amount.is_positive:
            return RefundState.PARTIAL
        return RefundState.NONE

    def amount_to_refund(self, requested: Money | None) -> Money:
        """Return the amount to refund: ``requested``, or everything that remains if it is None.

        Raises:
            PaymentFailed: nothing was charged.
            PaymentPending: it is not known yet whether anything was charged.
            PaymentDisputed: a dispute decides who gets the money, or the payer got it by one.
            InvalidRequest: ``requested`` is in another currency.
            RefundExceedsPayment: less than ``requested`` remains, or nothing remains.
        """
        if self.status is Status.FAILED:
            raise PaymentFailed("payment failed; there is nothing to refund")
        if self.status is Status.PENDING:
            raise PaymentPending("payment is pending; it can be refunded once it has succeeded")
        if self.is_refunded or self.amount is None or self.refunded_amount is None:
            raise RefundExceedsPayment("nothing is left to refund")
        if self.dispute is not None:
            _check_dispute(self.dispute)
        if requested is not None and requested.currency != self.amount.currency:
            description = f"must be the payment's currency, {self.amount.currency}"
            raise InvalidRequest((FieldViolation("amount.currency_code", description),))
        remaining = self.amount.minus(self.refunded_amount)
        if not remaining.is_positive:
            raise RefundExceedsPayment("nothing is left to refund")
        if requested is not None and requested.amount_minor > remaining.amount_minor:
            raise RefundExceedsPayment(f"only {remaining} is left to refund")
        return requested or remaining

    def before_outcome(self) -> "Payment":
        """Return the payment as it was while it was pending."""
        return replace(self, status=Status.PENDING, processor_reference="", failure=None)

    def at(self, time: datetime) -> "Payment":
        """Return the payment with its dispute as it was at ``time``."""
        return self if self.dispute is None else replace(self, dispute=self.dispute.at(time))

    def after_refund_of(self, amount: Money) -> "Payment":
        """Return the payment after a refund of ``amount``, which must not exceed what remains."""
        assert self.amount is not None
        assert self.refunded_amount is not None
        refunded_amount = self.refunded_amount.plus(amount)
        return replace(self, refunded_amount=refunded_amount, is_refunded=refunded_amount == self.amount)

    def is_full_refund_repeated_by(self, refund: NewRefund) -> bool:
        """Return whether ``refund``, without a request_id from its caller, repeats the full refund of this payment."""
        return self.is_refunded and refund.key.generated and refund.amount in {None, self.amount}


PaymentKey = int | str | RequestKey
"""Identifies a payment: its id, its reference, or the request key of its charge."""


@value()
class ChargeOutcome:
    """The payment of a charge. ``replayed`` is whether an earlier call with the same request_id made it."""

    payment: Payment
    replayed: bool


@value()
class RefundOutcome:
    """A refund and its payment. ``refund`` is None if an earlier system made the refund without storing one.

    ``replayed`` is whether an earlier call with the same request_id made the refund, and ``is_new`` whether this call
    did. Both are false if the payment was already fully refunded.
    """

    refund: Refund | None
    payment: Payment
    replayed: bool
    is_new: bool


@value()
class PaymentDetails:
    """A payment with some of its refunds, oldest first. ``has_more`` is whether there are later refunds."""

    payment: Payment
    refunds: tuple[Refund, ...]
    has_more: bool


@value()
class RefundsQuery:
    """A page of refunds to read: at most ``size`` that follow the refund ``after``, or the first ones if it is None."""

    payment_id: int
    size: int
    after: int | None


def _check_dispute(dispute: Dispute) -> None:
    """Check that a payment with this dispute can be refunded. If it could, the payer might get the money twice.

    Raises:
        PaymentDisputed: it cannot.
    """
    if dispute.status is DisputeStatus.OPEN:
        msg = "the payer disputes this payment; it cannot be refunded while the dispute is open"
        raise PaymentDisputed(msg)
    if dispute.status is DisputeStatus.LOST:
        raise PaymentDisputed("the payer got the money back by a dispute; it cannot be refunded")


def identifier(value: int) -> int:
    """Return ``value`` if it is a valid payment_id.

    Raises:
        InvalidValue: it is less than 1.
    """
    if value < 1:
        raise InvalidValue("must be 1 or more")
    return value


def order_of_charge(order_id: int, external_reference: str) -> int:
    """Return ``order_id`` if it is valid in a charge. It may be 0 if the charge has an external reference.

    Raises:
        InvalidValue: it is less than 1.
    """
    if order_id < 1 and not (order_id == 0 and external_reference):
        raise InvalidValue("must be 1 or more, or left out if there is an external_reference")
    return order_id


def processor_reference(text: str) -> str:
    """Return ``text`` if it is a possible identifier of a payment at a processor.

    Raises:
        InvalidValue: it does not have 1 to 255 characters.
    """
    if not 0 < len(text) <= MAX_PROCESSOR_REFERENCE_LENGTH:
        raise InvalidValue(f"must be 1 to {MAX_PROCESSOR_REFERENCE_LENGTH} characters")
    return text


def reference(text: str) -> str:
    """Return ``text`` if it is a valid reference of a payment.

    Raises:
        InvalidValue: it does not have 1 to 100 characters.
    """
    if not 0 < len(text) <= MAX_REFERENCE_LENGTH:
        raise InvalidValue(f"must be 1 to {MAX_REFERENCE_LENGTH} characters")
    return text


def reason(text: str) -> str:
    """Return ``text`` if it is a valid reason of a refund.

    Raises:
        InvalidValue: it has more than 255 characters, or control characters.
    """
    if len(text) > MAX_REASON_LENGTH or has_control_characters(text):
        raise InvalidValue(f"must be at most {MAX_REASON_LENGTH} characters, without control characters")
    return text
