"""Requests to a remote processor, and their outcomes."""

from dataclasses import field
from datetime import datetime

from server.domain.approval import NextAction
from server.domain.money import Money
from server.domain.payment import Failure, NewCharge, Payment, PaymentMethod, Refund, Status
from server.domain.simulation import SimulatedSource
from server.domain.value import value


@value()
class Capture:
    """A request to capture a pending payment.

    ``reference`` identifies the payment at the processor, so that it is captured only once. ``create_time`` is when the
    pending payment was stored. ``simulated_source`` is None unless the processor is simulated.

    ``has_own_source`` is whether the caller gave the payer's means of payment. It is ``source`` in the first request,
    and None in later ones, because it is not stored. ``processor_id`` is the processor's id for the payment, or None if
    it is not known.
    """

    payment_id: int
    order_id: int
    reference: str
    amount: Money
    method: PaymentMethod
    create_time: datetime
    simulated_source: SimulatedSource | None = None
    has_own_source: bool = False
    source: str | None = field(default=None, repr=False)
    return_url: str = field(default="", repr=False)
    processor_id: str | None = None

    @classmethod
    def of(cls, payment: Payment, charge: NewCharge | None = None) -> "Capture":
        """Return the request for a pending payment: the first one for its ``charge``, or a later one."""
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
            payment.simulated_source,
            payment.source_mark is not None,
            None if charge is None else charge.source,
            "" if charge is None else charge.return_url,
            payment.processor_reference or None,
        )


@value()
class ProcessorRefund:
    """A request to refund ``amount`` of the payment with this reference. ``refund_id`` makes it idempotent.

    ``processor_id`` is the processor's id for the payment, or None if it is not known. ``create_time`` is when the
    pending refund was stored. ``simulated_source`` is that of the payment.
    """

    refund_id: int
    reference: str
    amount: Money
    processor_id: str | None
    create_time: datetime
    simulated_source: SimulatedSource | None = None

    @classmethod
    def of(cls, refund: Refund, payment: Payment, processor_id: str | None) -> "ProcessorRefund":
        """Return the request for a pending refund."""
        assert payment.reference is not None, "a payment that a processor captured has a reference"
        return cls(
            refund.refund_id,
            payment.reference,
            refund.amount,
            processor_id,
            refund.create_time,
            payment.simulated_source,
        )


@value()
class Outcome:
    """The outcome of a request: SUCCEEDED or FAILED, or PENDING if the payer must do ``next_action`` first.

    ``processor_id`` is the processor's id for it, or None. ``failure`` is None unless it failed.
    """

    status: Status
    processor_id: str | None
    failure: Failure | None = None
    next_action: NextAction | None = None


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
