"""The charge flow of an instant processor, which decides first, so that one write stores the charge and its outcome."""

from collections.abc import Sequence

from server.application.ports import InstantProcessor
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, Decision, NewCharge, NewRefund, RefundOutcome, Status
from server.observability import metrics


class ImmediateFlow:
    """The ``ChargeFlow`` of an instant processor."""

    def __init__(self, processor: InstantProcessor) -> None:
        """Charge through ``processor``."""
        self._processor = processor

    async def decide(self, charge: NewCharge) -> Decision:
        """Charge through the processor, and return its decision."""
        return await self._processor.decide(charge)

    def decide_refund(self, _refund: NewRefund) -> Status:
        """Return SUCCEEDED, because an instant processor never declines a refund."""
        return Status.SUCCEEDED

    async def finish_charge(self, _charge: NewCharge, stored: ChargeOutcome, _deadline: Deadline) -> ChargeOutcome:
        """Count the charge unless it is a replay, and return it."""
        _count(stored)
        return stored

    async def finish_charges(
        self, stored: Sequence[tuple[NewCharge, ChargeOutcome]], _deadline: Deadline
    ) -> list[ChargeOutcome]:
        """Count many charges in a loop, because a task for each would double the cost of a batch."""
        outcomes = [outcome for _, outcome in stored]
        for outcome in outcomes:
            _count(outcome)
        return outcomes

    async def finish_refund(self, stored: RefundOutcome, _deadline: Deadline) -> RefundOutcome:
        """Count the refund if it is new, and return it."""
        if stored.is_new:
            metrics.count_refund(is_full=stored.payment.is_refunded)
        return stored


def _count(stored: ChargeOutcome) -> None:
    if not stored.replayed:
        metrics.count_charge(stored.payment.method, stored.payment.status)
