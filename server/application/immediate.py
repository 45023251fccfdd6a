"""The flow of charges whose outcome is known at once: the processor decides, and one write stores the outcome."""

from collections.abc import Sequence

from server.application.ports import InstantProcessor
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, Decision, NewCharge, NewRefund, RefundOutcome, Status
from server.observability import metrics


class ImmediateFlow:
    """The ``ChargeFlow`` of an instant processor."""

    def __init__(self, processor: InstantProcessor) -> None:
        """Keep the processor."""
        self._processor = processor

    async def decide(self, charge: NewCharge) -> Decision:
        """Have the processor make the charge."""
        return await self._processor.decide(charge)

    def decide_refund(self, _refund: NewRefund) -> Status:
        """Return SUCCEEDED: an instant processor declines no refund."""
        return Status.SUCCEEDED

    async def finish_charge(self, stored: ChargeOutcome, _deadline: Deadline) -> ChargeOutcome:
        """Count a charge."""
        _count(stored)
        return stored

    async def finish_charges(
        self, stored: Sequence[ChargeOutcome | Exception], _deadline: Deadline
    ) -> list[ChargeOutcome | Exception]:
        """Count many charges, in a loop: a task for each would cost a batch as much as all the rest of it."""
        for one in stored:
            if isinstance(one, ChargeOutcome):
                _count(one)
        return list(stored)

    async def finish_refund(self, stored: RefundOutcome, _deadline: Deadline) -> RefundOutcome:
        """Count a refund."""
        if stored.is_new:
            metrics.count_refund(is_full=stored.payment.is_refunded)
        return stored


def _count(stored: ChargeOutcome) -> None:
    if not stored.replayed:
        metrics.count_charge(stored.payment.method, stored.payment.status)
