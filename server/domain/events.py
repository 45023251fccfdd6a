"""Events: what happened to payments, one by one, in the order of the stream."""

from datetime import datetime
from enum import StrEnum

from server.domain.payment import Payment, Refund, Status
from server.domain.value import value


class EventKind(StrEnum):
    """What happened to a payment. IMPORTED: it was taken over from an earlier system, as it was there."""

    PENDING = "PENDING"
    CHARGED = "CHARGED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    IMPORTED = "IMPORTED"


OF_CHARGE = {
    Status.PENDING: EventKind.PENDING,
    Status.SUCCEEDED: EventKind.CHARGED,
    Status.FAILED: EventKind.FAILED,
}
"""What happened to a payment that came to have a status."""

OF_REFUND = {
    Status.PENDING: EventKind.REFUND_PENDING,
    Status.SUCCEEDED: EventKind.REFUNDED,
    Status.FAILED: EventKind.REFUND_FAILED,
}
"""What happened to the payment of a refund that came to have a status."""


STATUS_OF_REFUND = {kind: status for status, kind in OF_REFUND.items()}
"""The status of the refund that an event is about, as it left it."""

STATUS_OF_PAYMENT = {kind: status for status, kind in OF_CHARGE.items()} | dict.fromkeys(
    STATUS_OF_REFUND, Status.SUCCEEDED
)
"""The status of its payment, as an event left it; an imported one has whichever it came with."""


@value()
class OutboxRow:
    """Committed changes that wait for their sequence: of one transaction, stored ``age_seconds`` ago."""

    outbox_id: int
    size_bytes: int
    age_seconds: float


@value()
class PaymentEvent:
    """Something that happened to a payment.

    ``sequence`` is its place in the stream, 1 or more. ``payment`` and ``refund`` are as this left them; ``refund`` is
    None where it is not about one. ``caller`` asked for it with ``request_id``; both are empty where an earlier system
    made the payment. One that is imported occurred when it was, not when it was made.
    """

    sequence: int
    kind: EventKind
    occurred_at: datetime | None
    payment: Payment
    refund: Refund | None
    caller: str
    request_id: str
