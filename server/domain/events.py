"""Events of payments and refunds, and rows of the outbox."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from server.domain.dispute import DisputeStatus
from server.domain.payment import Payment, Refund, Status
from server.domain.value import value


class EventKind(StrEnum):
    """What happened to a payment.

    IMPORTED: the payment or a refund was imported from an earlier system, as it was. FORGOTTEN: the customer and labels
    of the payment were erased. ACTION_REQUIRED: the payer must approve the payment. REFUND_FAILED: a refund failed,
    perhaps after it had succeeded.
    """

    PENDING = "PENDING"
    CHARGED = "CHARGED"
    FAILED = "FAILED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    IMPORTED = "IMPORTED"
    FORGOTTEN = "FORGOTTEN"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    DISPUTE_OPENED = "DISPUTE_OPENED"
    DISPUTE_WON = "DISPUTE_WON"
    DISPUTE_LOST = "DISPUTE_LOST"


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

KIND_BY_DISPUTE_STATUS = {
    DisputeStatus.OPEN: EventKind.DISPUTE_OPENED,
    DisputeStatus.WON: EventKind.DISPUTE_WON,
    DisputeStatus.LOST: EventKind.DISPUTE_LOST,
}
"""The kind of event when a dispute gets this status."""

PAYMENT_STATUS_BY_KIND = {
    **{kind: status for status, kind in KIND_BY_CHARGE_STATUS.items()},
    EventKind.ACTION_REQUIRED: Status.PENDING,
    **dict.fromkeys(REFUND_STATUS_BY_KIND, Status.SUCCEEDED),
}
"""The status of the payment after an event of this kind.

The other kinds do not change it: a payment with any status may be imported, be forgotten, or be disputed.
"""


KINDS_WITHOUT_REQUEST = frozenset({EventKind.FORGOTTEN, *KIND_BY_DISPUTE_STATUS.values()})
"""The events that no caller requested: an operator erases a customer, and a payer disputes a payment."""


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
    both are empty for payments from an earlier system, and for ``KINDS_WITHOUT_REQUEST``. For IMPORTED, ``occurred_at``
    is the time of the import, not of the charge.
    """

    sequence: int
    kind: EventKind
    occurred_at: datetime | None
    payment: Payment
    refund: Refund | None
    caller: str
    request_id: str

    def without_customer(self) -> "PaymentEvent":
        """Return the event after the customer and the labels of its payment were erased."""
        names = self.payment.names.without_customer()
        return replace(self, payment=replace(self.payment, names=names))


@value(kw_only=True)
class EventFilter:
    """A filter for events. All conditions must hold; an empty set or None means no condition.

    All conditions but ``kinds`` are about the payment; ``caller`` made it.
    """

    caller: str | None = None
    order_id: int | None = None
    external_reference: str | None = None
    customer_id: str | None = None
    kinds: frozenset[EventKind] = frozenset()

    def matches(self, event: PaymentEvent) -> bool:
        """Return whether all conditions hold for ``event``."""
        payment, names = event.payment, event.payment.names
        return (
            (self.caller is None or payment.caller == self.caller)
            and (self.order_id is None or payment.order_id == self.order_id)
            and (self.external_reference is None or names.external_reference == self.external_reference)
            and (self.customer_id is None or names.customer_id == self.customer_id)
            and (not self.kinds or event.kind in self.kinds)
        )


EVERY_EVENT = EventFilter()


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
