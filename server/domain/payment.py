"""Payments and refunds: what they are, and the rules that they keep."""

import unicodedata
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from server.domain.errors import (
    FieldViolation,
    InvalidRequest,
    InvalidValue,
    PaymentFailed,
    PaymentPending,
    RefundExceedsPayment,
)
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.value import value

MAX_REFERENCE_LENGTH = 100
MAX_REASON_LENGTH = 255

MAX_REFUNDS_SHOWN = 100
"""How many of its refunds a payment is shown with; the others are listed a page at a time."""


class PaymentMethod(StrEnum):
    """How a payment was made. OTHER stands for text in adopted payments; no charge is made by it."""

    UPI = "UPI"
    CARD = "CARD"
    COD = "COD"
    OTHER = "OTHER"


CHARGEABLE_METHODS = (PaymentMethod.UPI, PaymentMethod.CARD, PaymentMethod.COD)
"""The methods that a charge can be made by."""


class Status(StrEnum):
    """What became of a payment or a refund."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RefundState(StrEnum):
    """How much of a payment was given back."""

    NONE = "NONE"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


@value()
class NewCharge:
    """A charge that a caller asks for. ``method`` None lets the processor pick."""

    order_id: int
    amount: Money
    method: PaymentMethod | None
    key: RequestKey


@value()
class Decision:
    """What a processor made of a charge: by which method, and whether it succeeded."""

    method: PaymentMethod
    status: Status


@value()
class NewPayment:
    """A charge with its outcome, about to be stored."""

    charge: NewCharge
    method: PaymentMethod
    status: Status
    reference: str
    create_time: datetime


@value()
class NewRefund:
    """A refund that a caller asks for. ``amount`` None asks for all that remains."""

    payment_id: int
    amount: Money | None
    reason: str
    key: RequestKey


@value()
class Refund:
    """Money of a payment given back."""

    refund_id: int
    payment_id: int
    amount: Money
    status: Status
    reason: str
    create_time: datetime


@value()
class Payment:
    """A stored payment.

    ``amount``, ``reference`` and ``create_time`` are None only in adopted payments that have none. ``other_method`` is
    the text of a method OTHER, else empty. ``is_refunded`` tells that all of it was given back: so it can be for an
    adopted payment that has no refunds. ``is_adopted`` tells that an earlier system made it.
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
    is_adopted: bool

    @property
    def refund_state(self) -> RefundState:
        """How much of it was given back."""
        if self.is_refunded:
            return RefundState.FULL
        if self.refunded_amount is not None and self.refunded_amount.is_positive:
            return RefundState.PARTIAL
        return RefundState.NONE

    def refundable(self, requested: Money | None) -> Money:
        """Return what to give back when ``requested`` is asked for; None asks for all that remains.

        Raises:
            PaymentFailed: nothing was charged.
            PaymentPending: it is not known yet whether anything was charged.
            InvalidRequest: the request is in another currency.
            RefundExceedsPayment: less than that remains, or nothing.
        """
        if self.status is Status.FAILED:
            raise PaymentFailed("payment had failed; there is nothing to refund")
        if self.status is Status.PENDING:
            raise PaymentPending("payment is pending; it can be refunded once it has succeeded")
        if self.is_refunded or self.amount is None or self.refunded_amount is None:
            raise RefundExceedsPayment("nothing remains of the payment to refund")
        if requested is not None and requested.currency != self.amount.currency:
            other = f"must be the payment's currency, {self.amount.currency}"
            raise InvalidRequest((FieldViolation("amount.currency_code", other),))
        remaining = self.amount.minus(self.refunded_amount)
        if not remaining.is_positive:
            raise RefundExceedsPayment("nothing remains of the payment to refund")
        if requested is not None and requested.amount_minor > remaining.amount_minor:
            raise RefundExceedsPayment(f"only {remaining} of the payment remains to refund")
        return requested or remaining

    def settled(self, status: Status) -> "Payment":
        """Return the payment as it is once its outcome is known."""
        return replace(self, status=status)

    def after_refund_of(self, amount: Money) -> "Payment":
        """Return the payment as it is once ``amount``, which must be refundable, has been given back."""
        assert self.amount is not None
        assert self.refunded_amount is not None
        refunded_amount = self.refunded_amount.plus(amount)
        return replace(self, refunded_amount=refunded_amount, is_refunded=refunded_amount == self.amount)

    def is_repeated_by(self, refund: NewRefund) -> bool:
        """Whether ``refund`` asks once more, with no request_id to tell, for the whole refund that was already made."""
        return self.is_refunded and refund.key.generated and refund.amount in {None, self.amount}


@value()
class ChargeOutcome:
    """A payment that was asked for. ``replayed`` tells that an earlier call with the same request_id made it."""

    payment: Payment
    replayed: bool


@value()
class RefundOutcome:
    """A refund and its payment after it. ``refund`` is None when an earlier system made it, which kept no record.

    ``replayed`` tells that an earlier call with the same request_id made it; ``is_new`` that this very call did. It is
    neither where nothing was left to refund.
    """

    refund: Refund | None
    payment: Payment
    replayed: bool
    is_new: bool


@value()
class PaymentDetails:
    """A payment with some of its refunds, oldest first; ``has_more`` tells that others follow the last of these."""

    payment: Payment
    refunds: tuple[Refund, ...]
    has_more: bool


@value()
class RefundsQuery:
    """The refunds of a payment to read: at most ``size``, those made after the refund ``after``, or the first ones."""

    payment_id: int
    size: int
    after: int | None


def identifier(value: int) -> int:
    """Return ``value`` when it can identify an order that is charged, or a payment.

    Raises:
        InvalidValue: it is below 1.
    """
    if value < 1:
        raise InvalidValue("must be 1 or more")
    return value


def reference(text: str) -> str:
    """Return ``text`` when a payment can have it as its reference.

    Raises:
        InvalidValue: it is not 1 to 100 characters.
    """
    if not 0 < len(text) <= MAX_REFERENCE_LENGTH:
        raise InvalidValue(f"must be 1 to {MAX_REFERENCE_LENGTH} characters")
    return text


def reason(text: str) -> str:
    """Return ``text`` when a refund can have it as its reason.

    Raises:
        InvalidValue: it is over 255 characters, or has control characters.
    """
    if len(text) > MAX_REASON_LENGTH or any(unicodedata.category(character) == "Cc" for character in text):
        raise InvalidValue(f"must be at most {MAX_REASON_LENGTH} characters, without control characters")
    return text
