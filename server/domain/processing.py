"""What a remote processor is asked to do, and what it says became of that."""

from datetime import datetime

from server.domain.money import Money
from server.domain.payment import Payment, PaymentMethod, Refund, Status
from server.domain.value import value


@value()
class Capture:
    """A payment that a processor is to take the money of. ``reference`` names it there: it is taken once.

    ``create_time`` is when it was reserved.
    """

    payment_id: int
    order_id: int
    reference: str
    amount: Money
    method: PaymentMethod
    create_time: datetime

    @classmethod
    def of(cls, payment: Payment) -> "Capture":
        """Return what a processor is asked for a payment that is reserved."""
        assert payment.reference is not None, "what this service reserves has a reference"
        assert payment.amount is not None, "and an amount"
        assert payment.create_time is not None, "and a time"
        return cls(
            payment.payment_id,
            payment.order_id,
            payment.reference,
            payment.amount,
            payment.method,
            payment.create_time,
        )


@value()
class GiveBack:
    """Money that a processor is to give back, once, of the payment with this reference.

    ``processor_id`` is the processor's name of that payment; None where it is not known.
    """

    refund_id: int
    reference: str
    amount: Money
    processor_id: str | None

    @classmethod
    def of(cls, refund: Refund, payment: Payment, processor_id: str | None) -> "GiveBack":
        """Return what a processor is asked for a refund that is reserved."""
        assert payment.reference is not None, "what is refunded by a processor was charged by this service"
        return cls(refund.refund_id, payment.reference, refund.amount, processor_id)


@value()
class Outcome:
    """What became of it for good: SUCCEEDED or FAILED. ``processor_id`` is the processor's name of it, or None."""

    status: Status
    processor_id: str | None


@value()
class PendingRequest:
    """What a processor was asked, or was to be, and has no outcome yet.

    ``refund`` is None where it is the charge of ``payment``. ``age_seconds`` is how long ago it was reserved;
    ``processor_id`` is the processor's name of the payment, where that is known.
    """

    payment: Payment
    refund: Refund | None
    age_seconds: float
    attempts: int
    processor_id: str | None
