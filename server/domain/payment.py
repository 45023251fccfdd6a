"""Payments and refunds, and the rules for them."""

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


class RefundState(StrEnum):
    """How much of a payment was refunded."""

    NONE = "NONE"
    PARTIAL = "PARTIAL"
    FULL = "FULL"


@value()
class NewCharge:
    """A charge that a caller requests. If ``method`` is None, the processor chooses one."""

    order_id: int
    amount: Money
    method: PaymentMethod | None
    key: RequestKey


@value()
class Decision:
    """The method and the status with which a charge is stored."""

    method: PaymentMethod
    status: Status


@value()
class NewPayment:
    """A payment that is about to be stored."""

    charge: NewCharge
    method: PaymentMethod
    status: Status
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
    """A stored full or partial refund."""

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
    the stored text if the method is OTHER, and otherwise empty. ``is_refunded`` is whether the whole amount was
    refunded; an adopted payment can be refunded without a stored refund. ``is_adopted`` is whether an earlier system
    made the payment.
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
            InvalidRequest: ``requested`` is in another currency.
            RefundExceedsPayment: less than ``requested`` remains, or nothing remains.
        """
        if self.status is Status.FAILED:
            raise PaymentFailed("payment failed; there is nothing to refund")
        if self.status is Status.PENDING:
            raise PaymentPending("payment is pending; it can be refunded once it has succeeded")
        if self.is_refunded or self.amount is None or self.refunded_amount is None:
            raise RefundExceedsPayment("nothing is left to refund")
        if requested is not None and requested.currency != self.amount.currency:
            description = f"must be the payment's currency, {self.amount.currency}"
            raise InvalidRequest((FieldViolation("amount.currency_code", description),))
        remaining = self.amount.minus(self.refunded_amount)
        if not remaining.is_positive:
            raise RefundExceedsPayment("nothing is left to refund")
        if requested is not None and requested.amount_minor > remaining.amount_minor:
            raise RefundExceedsPayment(f"only {remaining} is left to refund")
        return requested or remaining

    def with_status(self, status: Status) -> "Payment":
        """Return the payment with another status."""
        return replace(self, status=status)

    def after_refund_of(self, amount: Money) -> "Payment":
        """Return the payment after a refund of ``amount``, which must not exceed what remains."""
        assert self.amount is not None
        assert self.refunded_amount is not None
        refunded_amount = self.refunded_amount.plus(amount)
        return replace(self, refunded_amount=refunded_amount, is_refunded=refunded_amount == self.amount)

    def is_full_refund_repeated_by(self, refund: NewRefund) -> bool:
        """Return whether ``refund``, without a request_id from its caller, repeats the full refund of this payment."""
        return self.is_refunded and refund.key.generated and refund.amount in {None, self.amount}


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


def identifier(value: int) -> int:
    """Return ``value`` if it is a valid payment_id, or a valid order_id of a charge.

    Raises:
        InvalidValue: it is less than 1.
    """
    if value < 1:
        raise InvalidValue("must be 1 or more")
    return value


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
    if len(text) > MAX_REASON_LENGTH or any(unicodedata.category(character) == "Cc" for character in text):
        raise InvalidValue(f"must be at most {MAX_REASON_LENGTH} characters, without control characters")
    return text
