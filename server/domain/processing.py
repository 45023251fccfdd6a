"""Requests to a remote processor, and their outcomes."""

from datetime import datetime

from server.domain.money import Money
from server.domain.payment import Payment, PaymentMethod, Refund, Status
from server.domain.value import value


@value()
class Capture:
    """A request to capture a pending payment.

    ``reference`` identifies the payment at the processor, so that it is captured only once. ``create_time`` is when the
    pending payment was stored.
    """

    payment_id: int
    order_id: int
    reference: str
    amount: Money
    method: PaymentMethod
    create_time: datetime

    @classmethod
    def of(cls, payment: Payment) -> "Capture":
        """Return the request for a pending payment."""
        assert payment.reference is not None, "a pending payment has a reference"
        assert payment.amount is not None, "a pending payment has an amount"
        assert payment.create_time is not None, "a pending payment has a time"
        return cls(
            payment.payment_id,
            payment.order_id,
            payment.reference,
            payment.amount,
            payment.method,
            payment.create_time,
        )


@value()
class ProcessorRefund:
    """A request to refund ``amount`` of the payment with this reference. ``refund_id`` makes it idempotent.

    ``processor_id`` is the processor's id for the payment, or None if it is not known.
    """

    refund_id: int
    reference: str
    amount: Money
    processor_id: str | None

    @classmethod
    def of(cls, refund: Refund, payment: Payment, processor_id: str | None) -> "ProcessorRefund":
        """Return the request for a pending refund."""
        assert payment.reference is not None, "a payment that a processor captured has a reference"
        return cls(refund.refund_id, payment.reference, refund.amount, processor_id)


@value()
class Outcome:
    """The final outcome of a request: SUCCEEDED or FAILED. ``processor_id`` is the processor's id for it, or None."""

    status: Status
    processor_id: str | None


@value()
class PendingRequest:
    """A pending charge or refund, whose request the processor may or may not have received.

    ``refund`` is None for the charge of ``payment``. ``age_seconds`` is the time since the charge or refund was stored.
    ``processor_id`` is the processor's id for the payment, or None if it is not known.
    """

    payment: Payment
    refund: Refund | None
    age_seconds: float
    attempts: int
    processor_id: str | None
