"""The charge flow of the simulated processor: immediate, except for pending charges and refunds."""

import pytest

from server.application.immediate import ImmediateFlow
from server.application.simulated import SimulatedFlow
from server.application.two_phase import TwoPhaseFlow, TwoPhaseLimits
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, Decision, NewCharge, PaymentMethod, RefundOutcome, Status
from server.domain.payment_source import SourceKeys
from tests.support.fakes import NOW, FakeProcessor, new_charge, new_refund, stored_payment, stored_refund
from tests.support.memory import Memory, MemorySettlementStore

pytestmark = pytest.mark.asyncio

LIMITS = TwoPhaseLimits(
    margin_seconds=0, call_timeout_seconds=5, max_requests=4, slot_timeout_seconds=5, key_lifetime_seconds=60
)
DECISION = Decision(PaymentMethod.CARD, Status.PENDING)


class Instant:
    """An instant processor that always makes the same decision."""

    async def decide(self, _charge: NewCharge) -> Decision:
        """Return the decision."""
        return DECISION


def flow_over(memory: Memory, processor: FakeProcessor) -> SimulatedFlow:
    deferred = TwoPhaseFlow(
        MemorySettlementStore(memory),
        processor,
        LIMITS,
        default_method=PaymentMethod.UPI,
        source_keys=SourceKeys(()),
        now=lambda: NOW,
    )
    return SimulatedFlow(ImmediateFlow(Instant()), deferred)


async def test_the_instant_processor_decides() -> None:
    flow = flow_over(Memory(), FakeProcessor())
    assert await flow.decide(new_charge()) == DECISION
    assert flow.decide_refund(new_refund()) is Status.SUCCEEDED


async def test_only_pending_charges_are_sent_to_the_deferred_processor() -> None:
    memory, processor = Memory(), FakeProcessor()
    pending, charged = stored_payment(1), stored_payment(2, Status.SUCCEEDED)
    memory.add(pending)
    flow = flow_over(memory, processor)
    outcomes = [ChargeOutcome(charged, replayed=False), ChargeOutcome(pending, replayed=False)]
    first, second = await flow.finish_charges([(new_charge(), outcome) for outcome in outcomes], Deadline())
    assert first == outcomes[0]
    assert (second.payment.payment_id, second.payment.status) == (1, Status.SUCCEEDED)
    assert len(processor.requests) == 1


async def test_a_single_charge_and_a_refund_take_the_same_ways() -> None:
    memory, processor = Memory(), FakeProcessor()
    payment, pending = stored_payment(9, Status.SUCCEEDED, 56_100), stored_refund(1, 9)
    memory.add(payment)
    memory.add_refund(pending)
    flow = flow_over(memory, processor)
    charged = ChargeOutcome(payment, replayed=False)
    assert await flow.finish_charge(new_charge(), charged, Deadline()) == charged
    done = RefundOutcome(stored_refund(2, 9, Status.SUCCEEDED), payment, replayed=False, is_new=True)
    assert await flow.finish_refund(done, Deadline()) == done
    unknown = RefundOutcome(None, payment, replayed=False, is_new=False)
    assert await flow.finish_refund(unknown, Deadline()) == unknown
    assert not processor.requests
    late = await flow.finish_refund(RefundOutcome(pending, payment, replayed=False, is_new=True), Deadline())
    assert late.refund is not None
    assert (late.refund.status, len(processor.requests)) == (Status.SUCCEEDED, 1)
