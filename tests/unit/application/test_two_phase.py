"""The two-phase flow over ports in memory: what a remote processor is asked, when, and what becomes of its answers."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from server.application.two_phase import TwoPhaseFlow, TwoPhaseLimits
from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest, OutcomeUnknown, Overloaded, ProcessorUnavailable
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, Decision, PaymentMethod, RefundOutcome, Status
from server.domain.processing import Capture, GiveBack, Outcome, PendingRequest
from tests.support.fakes import (
    NOW,
    UNKNOWN,
    FakeProcessor,
    counted,
    new_charge,
    new_refund,
    stored,
    stored_refund,
    until,
)
from tests.support.memory import Memory, MemorySettlementStore

pytestmark = pytest.mark.asyncio

LIMITS = TwoPhaseLimits(
    margin_seconds=0, call_seconds=60, max_requests=100, turn_seconds=60, key_lifetime_seconds=86_400
)
DECLINED = Outcome(Status.FAILED, None)


@pytest.fixture
def processor() -> FakeProcessor:
    return FakeProcessor()


@pytest.fixture
def memory() -> Memory:
    """Hold charges 0 to 5, and refunds 1 and 2 of payment 9: all are reserved."""
    memory = Memory()
    for number in range(6):
        memory.add(stored(number))
    memory.add(stored(9, Status.SUCCEEDED, 56_100))
    for number in (1, 2):
        memory.add_refund(stored_refund(number, 9))
    return memory


def charges(memory: Memory) -> dict[int, Outcome]:
    """Return the outcomes of the charges that were reserved."""
    return {
        number: Outcome(payment.status, memory.processor_ids.get(number))
        for number, payment in memory.payments.items()
        if payment.status is not Status.PENDING and number != 9
    }


def refunds(memory: Memory) -> dict[int, Status]:
    """Return the outcomes of the refunds that were reserved."""
    return {number: one.status for number, one in memory.refunds.items() if one.status is not Status.PENDING}


@pytest.fixture
def flow_with(processor: FakeProcessor, memory: Memory) -> Callable[..., TwoPhaseFlow]:
    """Make one with limits of the test's own."""

    def make(**limits: float) -> TwoPhaseFlow:
        return TwoPhaseFlow(
            MemorySettlementStore(memory),
            processor,
            replace(LIMITS, **limits),  # type: ignore[arg-type]
            default_method=PaymentMethod.CARD,
            now=lambda: NOW,
        )

    return make


@pytest.fixture
def flow(flow_with: Callable[..., TwoPhaseFlow]) -> TwoPhaseFlow:
    return flow_with()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def reserved(payment_id: int = 1) -> ChargeOutcome:
    return ChargeOutcome(stored(payment_id), replayed=False)


def reserved_refund(refund_id: int = 1) -> RefundOutcome:
    refund = stored_refund(refund_id, 9)
    return RefundOutcome(refund, stored(9, Status.SUCCEEDED, 56_100), replayed=False, is_new=True)


async def test_a_charge_has_the_method_that_it_names_or_the_default_one(flow: TwoPhaseFlow) -> None:
    assert await flow.decide(new_charge(method=PaymentMethod.UPI)) == Decision(PaymentMethod.UPI, Status.PENDING)
    assert await flow.decide(new_charge(method=None)) == Decision(PaymentMethod.CARD, Status.PENDING)


async def test_a_method_that_the_processor_cannot_charge_by_is_refused(flow: TwoPhaseFlow) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await flow.decide(new_charge(method=PaymentMethod.COD))
    assert refused.value.violations == (FieldViolation("method", "must be one of CARD, UPI, or left out"),)


async def test_an_amount_that_the_processor_cannot_charge_is_refused(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    processor.refused_amount = Money("INR", 56_100)
    with pytest.raises(InvalidRequest) as refused:
        await flow.decide(new_charge())
    assert refused.value.violations == (FieldViolation("amount", "must be another amount"),)


async def test_nothing_more_is_admitted_while_as_many_charges_and_refunds_wait_as_may(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor
) -> None:
    flow = flow_with(in_progress=3)
    processor.may_answer.clear()
    at_once = Deadline.after(0)
    await flow.finish_charge(reserved(), at_once)
    await flow.finish_refund(reserved_refund(1), at_once)
    flow.decide_refund(new_refund())
    await flow.finish_refund(reserved_refund(2), at_once)
    with pytest.raises(Overloaded):
        flow.decide_refund(new_refund())
    processor.may_answer.set()
    await flow.close(Deadline())
    flow.decide_refund(new_refund())


async def test_nothing_is_admitted_while_the_processor_is_away(flow: TwoPhaseFlow, processor: FakeProcessor) -> None:
    flow.decide_refund(new_refund())
    processor.may_be_asked = False
    with pytest.raises(ProcessorUnavailable):
        flow.decide_refund(new_refund())


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
async def test_a_charge_becomes_what_the_processor_says_and_is_counted(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory, status: Status
) -> None:
    payments = {"method": "UPI", "status": status.name}
    by_call = {"kind": "charge", "by": "call", "outcome": status.name}
    before = counted("payments_charges", **payments), counted("payments_settled", **by_call)
    processor.answer = Outcome(status, "pi_1")
    outcome = await flow.finish_charge(reserved(), Deadline())
    assert outcome == ChargeOutcome(stored(1, status), replayed=False)
    assert processor.asked == [Capture.of(stored(1))]
    assert charges(memory) == {1: Outcome(status, "pi_1")}
    assert [event.occurred_at for event in memory.events] == [NOW]
    after = counted("payments_charges", **payments), counted("payments_settled", **by_call)
    assert after == (before[0] + 1, before[1] + 1)


async def test_a_charge_that_has_its_outcome_is_not_asked_again(flow: TwoPhaseFlow, processor: FakeProcessor) -> None:
    outcome = ChargeOutcome(stored(1, Status.FAILED), replayed=True)
    assert await flow.finish_charge(outcome, Deadline()) is outcome
    assert not processor.asked


async def test_a_repeated_charge_waits_for_the_call_that_asks_the_processor(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    processor.may_answer.clear()
    first = asyncio.create_task(flow.finish_charge(reserved(), Deadline()))
    await until(lambda: bool(processor.asked))
    again = asyncio.create_task(flow.finish_charge(ChargeOutcome(stored(1), replayed=True), Deadline()))
    await asyncio.sleep(0)
    processor.may_answer.set()
    assert await first == ChargeOutcome(stored(1, Status.SUCCEEDED), replayed=False)
    assert await again == ChargeOutcome(stored(1, Status.SUCCEEDED), replayed=True)
    assert len(processor.asked) == 1


async def test_a_repeated_charge_that_another_replica_asks_for_is_pending(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    outcome = ChargeOutcome(stored(1), replayed=True)
    assert await flow.finish_charge(outcome, Deadline()) is outcome
    assert not processor.asked


@pytest.mark.parametrize(
    ("limits", "deadline_seconds"),
    [({"call_seconds": 0.01}, None), ({}, 0.01), ({"margin_seconds": 60}, None), ({"margin_seconds": 60}, 1)],
    ids=str,
)
async def test_a_caller_is_told_before_its_time_is_up_and_the_outcome_is_kept_all_the_same(
    flow_with: Callable[..., TwoPhaseFlow],
    processor: FakeProcessor,
    memory: Memory,
    limits: dict[str, float],
    deadline_seconds: float | None,
) -> None:
    flow = flow_with(**limits)
    processor.may_answer.clear()
    outcome = await flow.finish_charge(reserved(), Deadline.after(deadline_seconds))
    assert outcome == reserved()
    refund = await flow.finish_refund(reserved_refund(), Deadline.after(deadline_seconds))
    assert refund == reserved_refund()
    assert not charges(memory)
    processor.may_answer.set()
    await flow.close(Deadline())
    assert charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}
    assert refunds(memory) == {1: Status.SUCCEEDED}


async def test_a_caller_that_goes_away_leaves_its_charge_with_the_processor(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.may_answer.clear()
    call = asyncio.create_task(flow.finish_charge(reserved(), Deadline()))
    await until(lambda: bool(processor.asked))
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    processor.may_answer.set()
    await flow.close(Deadline())
    assert charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}


@pytest.mark.parametrize("error", [UNKNOWN, ProcessorUnavailable("not now", 1)])
async def test_a_charge_whose_outcome_is_unknown_is_left_pending(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory, log: list[Any], error: Exception
) -> None:
    processor.answer = error
    assert await flow.finish_charge(reserved(), Deadline()) == reserved()
    assert not charges(memory)
    assert log == [{"event": "left_pending", "log_level": "warning", "reason": str(error), "payment_id": 1}]


async def test_a_fault_of_our_own_leaves_a_refund_pending_and_is_logged(
    flow: TwoPhaseFlow, processor: FakeProcessor, log: list[Any]
) -> None:
    processor.answer = ZeroDivisionError()
    assert await flow.finish_refund(reserved_refund(), Deadline()) == reserved_refund()
    ((event),) = log
    assert (event["event"], event["log_level"], event["refund_id"]) == ("settling_failed", "error", 1)


async def test_the_processor_is_asked_for_no_more_at_a_time_than_is_allowed(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory
) -> None:
    flow = flow_with(max_requests=2)
    processor.answer = UNKNOWN
    calls = [flow.finish_charge(reserved(number), Deadline()) for number in range(5)]
    await asyncio.gather(*calls)
    assert len(processor.asked) == 5, "one that failed makes room for the next"
    processor.answer = Outcome(Status.SUCCEEDED, "pi_1")
    processor.may_answer.clear()
    again = [asyncio.create_task(flow.finish_charge(reserved(number), Deadline())) for number in range(5)]
    await until(lambda: processor.in_progress == 2)
    processor.may_answer.set()
    await asyncio.gather(*again)
    assert processor.most_in_progress == 2
    assert len(charges(memory)) == 5


async def test_a_charge_that_waits_too_long_for_its_turn_is_left_pending(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, log: list[Any]
) -> None:
    flow = flow_with(max_requests=1, turn_seconds=0.01)
    processor.may_answer.clear()
    first = asyncio.create_task(flow.finish_charge(reserved(1), Deadline()))
    await until(lambda: bool(processor.asked))
    assert await flow.finish_charge(reserved(2), Deadline()) == reserved(2)
    assert [event["payment_id"] for event in log] == [2]
    processor.may_answer.set()
    assert (await first).payment.status is Status.SUCCEEDED
    assert list(charges(memory)) == [1]


@pytest.mark.parametrize(("status", "refunded"), [(Status.SUCCEEDED, 56_100), (Status.FAILED, 0)])
async def test_a_refund_becomes_what_the_processor_says_of_its_payment(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory, status: Status, refunded: int
) -> None:
    by_call = {"kind": "refund", "by": "call", "outcome": status.name}
    before = counted("payments_refunds", kind="full"), counted("payments_settled", **by_call)
    memory.processor_ids[9] = "pi_9"
    processor.answer = Outcome(status, "re_1")
    outcome = await flow.finish_refund(reserved_refund(), Deadline())
    assert outcome == RefundOutcome(
        stored_refund(1, 9, status), stored(9, Status.SUCCEEDED, refunded), replayed=False, is_new=True
    )
    assert processor.asked == [GiveBack(1, "R9", Money("INR", 56_100), "pi_9")]
    assert refunds(memory) == {1: status}
    assert [event.occurred_at for event in memory.events] == [NOW]
    after = counted("payments_refunds", kind="full"), counted("payments_settled", **by_call)
    assert after == (before[0] + (status is Status.SUCCEEDED), before[1] + 1)


async def test_a_refund_of_a_payment_without_a_reference_fails_because_the_processor_cannot_know_it(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    adopted = replace(stored(9, Status.SUCCEEDED, 56_100), reference=None, is_adopted=True)
    memory.add(adopted)
    asked = replace(reserved_refund(), payment=adopted)
    outcome = await flow.finish_refund(asked, Deadline())
    assert outcome.refund is not None
    assert (outcome.refund.status, outcome.payment.refunded_amount) == (Status.FAILED, Money("INR", 0))
    assert not processor.asked


async def test_a_pending_refund_of_a_payment_without_a_reference_fails_too(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    adopted = replace(stored(9, Status.SUCCEEDED, 56_100), reference=None, is_adopted=True)
    memory.add(adopted)
    await flow.settle(replace(pending_refund(0), payment=adopted, processor_id=None))
    assert not processor.asked
    assert refunds(memory) == {1: Status.FAILED}


async def test_a_refund_that_has_its_outcome_or_no_record_is_not_asked(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    payment = stored(9, Status.SUCCEEDED, 56_100)
    for refund in (None, stored_refund(1, 9, Status.FAILED)):
        outcome = RefundOutcome(refund, payment, replayed=True, is_new=False)
        assert await flow.finish_refund(outcome, Deadline()) is outcome
    assert not processor.asked


async def test_a_repeated_refund_waits_for_the_call_that_asks_the_processor(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    repeated = replace(reserved_refund(), replayed=True, is_new=False)
    assert await flow.finish_refund(repeated, Deadline()) is repeated, "another replica asks"
    processor.may_answer.clear()
    first = asyncio.create_task(flow.finish_refund(reserved_refund(), Deadline()))
    await until(lambda: bool(processor.asked))
    again = asyncio.create_task(flow.finish_refund(repeated, Deadline()))
    await asyncio.sleep(0)
    processor.may_answer.set()
    settled = await first
    assert settled.refund is not None
    assert settled.refund.status is Status.SUCCEEDED
    assert await again == replace(settled, replayed=True, is_new=False)
    assert len(processor.asked) == 1


def pending(age_seconds: float) -> PendingRequest:
    return PendingRequest(stored(1), None, age_seconds, attempts=1, processor_id=None)


def pending_refund(age_seconds: float) -> PendingRequest:
    payment = stored(9, Status.SUCCEEDED, 56_100)
    return PendingRequest(payment, stored_refund(1, 9), age_seconds, attempts=1, processor_id="pi_9")


LIFETIME = 1000.0
"""How long the processor remembers an idempotency key, in the tests below."""


@pytest.mark.parametrize("age_seconds", [0.0, 749.9])
async def test_what_is_pending_is_asked_again_while_its_key_is_remembered(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, age_seconds: float
) -> None:
    flow = flow_with(key_lifetime_seconds=LIFETIME)
    labels = {"by": "janitor", "outcome": "SUCCEEDED"}
    before = [counted("payments_settled", kind=kind, **labels) for kind in ("charge", "refund")]
    await flow.settle(pending(age_seconds))
    await flow.settle(pending_refund(age_seconds))
    assert processor.asked == [Capture.of(stored(1)), GiveBack(1, "R9", Money("INR", 56_100), "pi_9")]
    assert not processor.looked_up
    assert charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}
    assert refunds(memory) == {1: Status.SUCCEEDED}
    assert [counted("payments_settled", kind=kind, **labels) for kind in ("charge", "refund")] == [
        count + 1 for count in before
    ]


@pytest.mark.parametrize("age_seconds", [750.0, 999.9, 1000.0, 5000.0])
async def test_what_is_older_is_only_looked_up(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, age_seconds: float
) -> None:
    flow = flow_with(key_lifetime_seconds=LIFETIME)
    processor.found = DECLINED
    await flow.settle(pending(age_seconds))
    await flow.settle(pending_refund(age_seconds))
    assert not processor.asked
    assert processor.looked_up == [Capture.of(stored(1)), GiveBack(1, "R9", Money("INR", 56_100), "pi_9")]
    assert charges(memory) == {1: DECLINED}
    assert refunds(memory) == {1: Status.FAILED}


@pytest.mark.parametrize("age_seconds", [0.0, 749.9])
async def test_what_is_asked_again_without_an_answer_is_looked_up(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, age_seconds: float
) -> None:
    flow = flow_with(key_lifetime_seconds=LIFETIME)
    processor.answer = UNKNOWN
    processor.found = Outcome(Status.SUCCEEDED, "pi_2")
    await flow.settle(pending(age_seconds))
    assert charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_2")}
    processor.found = None
    with pytest.raises(OutcomeUnknown) as unknown:
        await flow.settle(pending_refund(age_seconds))
    assert unknown.value is UNKNOWN
    assert not refunds(memory)


async def test_what_the_processor_does_not_know_stays_pending_while_its_key_is_remembered_and_fails_then(
    flow_with: Callable[..., TwoPhaseFlow], memory: Memory, log: list[Any]
) -> None:
    flow = flow_with(key_lifetime_seconds=LIFETIME)
    told = "the processor is no longer asked for it, and does not show it yet"
    with pytest.raises(OutcomeUnknown, match=f"^{told}$"):
        await flow.settle(pending(999.9))
    assert not charges(memory)
    before = counted("payments_processor_problems", problem="never_did")
    await flow.settle(pending(1000.0))
    assert charges(memory) == {1: DECLINED}
    assert counted("payments_processor_problems", problem="never_did") == before + 1
    assert log == [{"event": "processor_never_did", "log_level": "error", "reference": "R1", "kind": "Capture"}]


async def test_what_cannot_be_looked_up_stays_pending_however_old_it_is(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.found = UNKNOWN
    with pytest.raises(OutcomeUnknown):
        await flow.settle(pending(1_000_000))
    assert not charges(memory)


async def test_what_a_call_of_this_replica_asks_is_left_to_it(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.may_answer.clear()
    await flow.finish_charge(reserved(), Deadline.after(0))
    await flow.finish_refund(reserved_refund(), Deadline.after(0))
    await until(lambda: len(processor.asked) == 2)
    await flow.settle(pending(0))
    await flow.settle(pending_refund(0))
    assert len(processor.asked) == 2
    processor.may_answer.set()
    await flow.close(Deadline())
    assert len(charges(memory)) + len(refunds(memory)) == 2
    await flow.settle(pending(0))
    assert len(processor.asked) == 3, "it is in progress no longer"


async def test_an_outcome_that_was_told_twice_is_counted_once(
    flow: TwoPhaseFlow, processor: FakeProcessor, log: list[Any]
) -> None:
    names = ("payments_charges", {"method": "UPI", "status": "SUCCEEDED"}), ("payments_refunds", {"kind": "full"})
    before = [counted(name, **labels) for name, labels in names]
    for _ in range(2):
        await flow.settle(pending(0))
        await flow.settle(pending_refund(0))
    assert [counted(name, **labels) for name, labels in names] == [count + 1 for count in before]
    assert processor.answer == Outcome(Status.SUCCEEDED, "pi_1")
    assert not log, "both times it was the same"


async def test_an_outcome_that_contradicts_the_one_that_is_kept_is_shown_to_people(
    flow: TwoPhaseFlow, memory: Memory, log: list[Any]
) -> None:
    memory.payments[1] = stored(1, Status.FAILED)
    memory.refunds[1] = stored_refund(1, 9, Status.FAILED)
    await flow.settle(pending(0))
    await flow.settle(pending_refund(0))
    same = {"event": "processor_disagrees", "log_level": "error", "kept": "FAILED", "told": "SUCCEEDED"}
    assert log == [{**same, "kind": "charge", "payment_id": 1}, {**same, "kind": "refund", "refund_id": 1}]


async def test_at_the_end_what_is_in_progress_is_waited_for_until_the_deadline(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.may_answer.clear()
    call = asyncio.create_task(flow.finish_charge(reserved(), Deadline()))
    refund = asyncio.create_task(flow.finish_refund(reserved_refund(), Deadline()))
    await until(lambda: len(processor.asked) == 2)
    await flow.close(Deadline.after(0.01))
    assert processor.in_progress == 0
    assert await call == reserved()
    assert await refund == reserved_refund()
    assert not charges(memory)
    await flow.close(Deadline())
