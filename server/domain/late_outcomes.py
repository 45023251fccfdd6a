"""Late outcomes, which change a payment or refund after its outcome, and the processor's hints at them."""

from server.domain.dispute import SeenDispute
from server.domain.money import Money
from server.domain.payment import Failure, Payment, Refund, Status
from server.domain.value import value


@value()
class Hint:
    """Something may have changed about a payment. At least one of the two identifies it.

    ``processor_id`` is the processor's id for the payment, and ``reference`` is that of this service.
    """

    processor_id: str | None
    reference: str | None


@value()
class Hints:
    """Some hints from the processor's list of events.

    ``last_event_id`` is the last event that need not be read again, or None if all of them must be. ``has_more`` is
    whether there are later events.
    """

    hints: tuple[Hint, ...]
    last_event_id: str | None
    has_more: bool


@value()
class Check:
    """A payment to read again at the processor.

    ``hints`` is the number of hints so far, by which a later one is noticed, and ``age_seconds`` is for how long the
    payment has waited. ``is_archived`` is whether the payment is archived, so that it cannot be changed.
    ``has_pending_requests`` is whether the payment, or one of its refunds, has no outcome yet. ``succeeded_refunds``
    are those that can still fail.
    """

    payment: Payment
    hints: int
    age_seconds: float
    is_archived: bool
    has_pending_requests: bool
    succeeded_refunds: tuple[Refund, ...]


@value()
class FailedRefund:
    """A refund that failed, as the processor knows it. ``processor_id`` is empty if it has none."""

    refund_id: int
    processor_id: str
    amount: Money
    failure: Failure


@value()
class ProcessorView:
    """What the processor knows about a payment now.

    ``status`` is None while it is not final. ``dispute`` is the open one, or the last, or None.
    """

    status: Status | None
    dispute: SeenDispute | None
    failed_refunds: tuple[FailedRefund, ...]


@value()
class CheckCounts:
    """The payments to check: how many are waiting, how many are due, and how many have an open dispute.

    A payment waits from the first hint, or from the first attempt, until a check succeeds. ``oldest_seconds`` is for
    how long the oldest has waited, or 0.
    """

    waiting: int
    due: int
    disputed: int
    oldest_seconds: float
