"""The charge flow of the simulated processor: immediate, except for what a simulated source defers."""

from collections.abc import Sequence

from server.application.immediate import ImmediateFlow
from server.application.ports import ChargeFlow
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, Decision, NewCharge, NewRefund, RefundOutcome, Status


class SimulatedFlow:
    """The ``ChargeFlow`` of the simulated processor."""

    def __init__(self, immediate: ImmediateFlow, deferred: ChargeFlow) -> None:
        """Finish PENDING charges and refunds through ``deferred``, and do everything else through ``immediate``."""
        self._immediate = immediate
        self._deferred = deferred

    async def decide(self, charge: NewCharge) -> Decision:
        """Return the decision of the simulated processor."""
        return await self._immediate.decide(charge)

    def decide_refund(self, refund: NewRefund) -> Status:
        """Return SUCCEEDED. The store makes the refund PENDING if the source of its payment defers refunds."""
        return self._immediate.decide_refund(refund)

    async def finish_charge(self, charge: NewCharge, stored: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Finish a stored charge."""
        return await self._flow_of(stored.payment.status).finish_charge(charge, stored, deadline)

    async def finish_charges(
        self, stored: Sequence[tuple[NewCharge, ChargeOutcome]], deadline: Deadline
    ) -> list[ChargeOutcome]:
        """Finish many stored charges."""
        is_pending = [outcome.payment.status is Status.PENDING for _, outcome in stored]
        finished = await self._immediate.finish_charges(
            [charge for charge, pending in zip(stored, is_pending, strict=True) if not pending], deadline
        )
        settled = await self._deferred.finish_charges(
            [charge for charge, pending in zip(stored, is_pending, strict=True) if pending], deadline
        )
        outcomes = {False: iter(finished), True: iter(settled)}
        return [next(outcomes[pending]) for pending in is_pending]

    async def finish_refund(self, stored: RefundOutcome, deadline: Deadline) -> RefundOutcome:
        """Finish a stored refund."""
        status = Status.SUCCEEDED if stored.refund is None else stored.refund.status
        return await self._flow_of(status).finish_refund(stored, deadline)

    def _flow_of(self, status: Status) -> ChargeFlow:
        return self._deferred if status is Status.PENDING else self._immediate
