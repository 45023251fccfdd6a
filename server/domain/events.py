"""Events of payments and refunds, and rows of the outbox."""

from datetime import datetime
from enum import StrEnum

from server.domain.payment import Payment, Refund, Status
from server.domain.value import value


class EventKind(StrEnum):
    """What happened to a payment. IMPORTED: the payment or a refund was imported from an earlier system, as it was."""

    PENDING = "PENDING"
    CHARGED = "CHARGED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    IMPORTED = "IMPORTED"


KIND_BY_CHARGE_STATUS = {
    Status.PENDING: EventKind.PENDING,
    Status.SUCCEEDED: EventKind.CHARGED,
    Status.FAILED: EventKind.FAILED,
}
"""The kind of event when a payment gets this status."""

KIND_BY_REFUND_STATUS = {
    Status.PENDING: EventKind.REFUND_PENDING,
    Status.SUCCEEDED: EventKind.REFUNDED,
    Status.FAILED: EventKind.REFUND_FAILED,
}
"""The kind of event when a refund gets this status."""


REFUND_STATUS_BY_KIND = {kind: status for status, kind in KIND_BY_REFUND_STATUS.items()}
"""The status of the refund after an event of this kind."""

PAYMENT_STATUS_BY_KIND = {kind: status for status, kind in KIND_BY_CHARGE_STATUS.items()} | dict.fromkeys(
    REFUND_STATUS_BY_KIND, Status.SUCCEEDED
)
"""The status of the payment after an event of this kind, except IMPORTED: an imported payment may have any status."""


@value()
class OutboxRow:
    """The changes of one committed transaction that the relay has not numbered yet. ``age_seconds`` is their age."""

    outbox_id: int
    size_bytes: int
    age_seconds: float


@value()
class OutboxHead:
    """The oldest rows of the outbox, and the lease of the event stream when they were read.

    ``lease_number`` is the number of the lease, and ``is_leased`` whether it had not ended yet.
    """

    rows: tuple[OutboxRow, ...]
    lease_number: int
    is_leased: bool


@value()
class PaymentEvent:
    """Something that happened to a payment.

    ``sequence`` is the position in the stream, 1 or more. ``payment`` and ``refund`` are as they were right after the
    event; ``refund`` is None unless the event is about a refund. ``caller`` and ``request_id`` identify the request;
    both are empty for payments from an earlier system. For IMPORTED, ``occurred_at`` is the time of the import, not of
    the charge.
    """

    sequence: int
    kind: EventKind
    occurred_at: datetime | None
    payment: Payment
    refund: Refund | None
    caller: str
    request_id: str


@value()
class EventsQuery:
    """A page of events to read: at most ``size`` after the sequence ``after``, or the first ones if it is None."""

    payment_id: int
    size: int
    after: int | None


@value()
class EventsPage:
    """A page of a payment's events, oldest first. ``has_more`` is whether there are later events."""

    events: tuple[PaymentEvent, ...]
    has_more: bool
