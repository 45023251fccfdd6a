"""The two-phase flow with in-memory ports: the requests to a remote processor, and what happens with their outcomes."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from server.application.two_phase import TwoPhaseFlow, TwoPhaseLimits
from server.domain.approval import NextAction, NextActionType
from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest, OutcomeUnknown, Overloaded, ProcessorUnavailable
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, Decision, Payment, PaymentMethod, RefundOutcome, Status
from server.domain.payment_source import SourceKeys
from server.domain.processing import Capture, Outcome, PendingRequest, ProcessorRefund
from tests.support.fakes import (
    NOW,
    UNKNOWN,
    FakeProcessor,
    counter_value,
    new_charge,
    new_refund,
    stored_payment,
    stored_refund,
    until,
)
from tests.support.memory import Memory, MemorySettlementStore

pytestmark = pytest.mark.asyncio

LIMITS = TwoPhaseLimits(
    margin_seconds=0, call_timeout_seconds=60, max_requests=100, slot_timeout_seconds=60, key_lifetime_seconds=86_400
)
DECLINED = Outcome(Status.FAILED, None)


@pytest.fixture
def processor() -> FakeProcessor:
    return FakeProcessor()


@pytest.fixture
def memory() -> Memory:
    """A store with charges 0 to 5, and refunds 1 and 2 of payment 9, all of them pending."""
    memory = Memory()
    for number in range(6):
        memory.add(stored_payment(number))
    memory.add(stored_payment(9, Status.SUCCEEDED, 56_100))
    for number in (1, 2):
        memory.add_refund(stored_refund(number, 9))
    return memory


def settled_charges(memory: Memory) -> dict[int, Outcome]:
    """Return the outcomes of charges 0 to 5, without the pending ones."""
    return {
        number: Outcome(payment.status, memory.processor_ids.get(number))
        for number, payment in memory.payments.items()
        if payment.status is not Status.PENDING and number != 9
    }


def settled_refunds(memory: Memory) -> dict[int, Status]:
    """Return the outcomes of the refunds, without the pending ones."""
    return {number: refund.status for number, refund in memory.refunds.items() if refund.status is not Status.PENDING}


@pytest.fixture
def flow_with(processor: FakeProcessor, memory: Memory) -> Callable[..., TwoPhaseFlow]:
    """Return a function that makes a flow with other limits."""

    def make(**limits: float) -> TwoPhaseFlow:
        return TwoPhaseFlow(
            MemorySettlementStore(memory),
            processor,
            replace(LIMITS, **limits),  # type: ignore[arg-type]
            default_method=PaymentMethod.CARD,
            source_keys=SourceKeys(()),
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


def pending_charge(payment_id: int = 1) -> ChargeOutcome:
    return ChargeOutcome(stored_payment(payment_id), replayed=False)


def settled_payment(status: Status) -> Payment:
    """Return payment 1 with an outcome from the fake processor."""
    return replace(stored_payment(1, status), processor_reference="pi_1")


def pending_refund(refund_id: int = 1) -> RefundOutcome:
    refund = stored_refund(refund_id, 9)
    return RefundOutcome(refund, stored_payment(9, Status.SUCCEEDED, 56_100), replayed=False, is_new=True)


async def test_a_charge_has_its_own_method_or_the_default_one(flow: TwoPhaseFlow) -> None:
    assert await flow.decide(new_charge(method=PaymentMethod.UPI)) == Decision(PaymentMethod.UPI, Status.PENDING)
    assert await flow.decide(new_charge(method=None)) == Decision(PaymentMethod.CARD, Status.PENDING)


@pytest.mark.parametrize(
    ("source", "problem"), [("sim_success", "must not begin with sim_"), ("pm_card_visa", "must be empty")]
)
async def test_a_payment_source_is_rejected_if_it_is_simulated_or_there_are_no_keys(
    flow: TwoPhaseFlow, source: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"payment_source: {problem}"):
        await flow.decide(replace(new_charge(), source=source))


async def test_a_method_that_the_processor_does_not_support_is_rejected(flow: TwoPhaseFlow) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await flow.decide(new_charge(method=PaymentMethod.COD))
    assert raised.value.violations == (FieldViolation("method", "must be one of CARD, UPI, or omitted"),)


async def test_an_amount_that_the_processor_cannot_charge_is_rejected(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    processor.unsupported_amount = Money("INR", 56_100)
    with pytest.raises(InvalidRequest) as raised:
        await flow.decide(new_charge())
    assert raised.value.violations == (FieldViolation("amount", "must be another amount"),)


async def test_no_charge_or_refund_is_admitted_while_the_maximum_is_in_progress(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor
) -> None:
    flow = flow_with(max_in_progress=3)
    processor.may_answer.clear()
    at_once = Deadline.after(0)
    await flow.finish_charge(new_charge(), pending_charge(), at_once)
    await flow.finish_refund(pending_refund(1), at_once)
    flow.decide_refund(new_refund())
    await flow.finish_refund(pending_refund(2), at_once)
    with pytest.raises(Overloaded):
        flow.decide_refund(new_refund())
    processor.may_answer.set()
    await flow.close(Deadline())
    flow.decide_refund(new_refund())


async def test_no_refund_is_admitted_while_the_processor_is_unavailable(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    flow.decide_refund(new_refund())
    processor.accepts_requests = False
    with pytest.raises(ProcessorUnavailable):
        flow.decide_refund(new_refund())


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
async def test_a_charge_gets_the_outcome_from_the_processor_and_is_counted(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory, status: Status
) -> None:
    payments = {"method": "UPI", "status": status.name}
    by_call = {"kind": "charge", "by": "call", "outcome": status.name}
    before = counter_value("payments_charges", **payments), counter_value("payments_settled", **by_call)
    processor.answer = Outcome(status, "pi_1")
    outcome = await flow.finish_charge(new_charge(), pending_charge(), Deadline())
    assert outcome == ChargeOutcome(settled_payment(status), replayed=False)
    assert processor.requests == [Capture.of(stored_payment(1))]
    assert settled_charges(memory) == {1: Outcome(status, "pi_1")}
    assert [event.occurred_at for event in memory.events] == [NOW]
    after = counter_value("payments_charges", **payments), counter_value("payments_settled", **by_call)
    assert after == (before[0] + 1, before[1] + 1)


async def test_a_charge_with_an_outcome_is_not_sent_again(flow: TwoPhaseFlow, processor: FakeProcessor) -> None:
    outcome = ChargeOutcome(stored_payment(1, Status.FAILED), replayed=True)
    assert await flow.finish_charge(new_charge(), outcome, Deadline()) is outcome
    assert not processor.requests


async def test_a_repeated_charge_waits_for_the_call_that_sent_the_first(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    processor.may_answer.clear()
    first = asyncio.create_task(flow.finish_charge(new_charge(), pending_charge(), Deadline()))
    await until(lambda: bool(processor.requests))
    again = asyncio.create_task(
        flow.finish_charge(new_charge(), ChargeOutcome(stored_payment(1), replayed=True), Deadline())
    )
    await asyncio.sleep(0)
    processor.may_answer.set()
    assert await first == ChargeOutcome(settled_payment(Status.SUCCEEDED), replayed=False)
    assert await again == ChargeOutcome(settled_payment(Status.SUCCEEDED), replayed=True)
    assert len(processor.requests) == 1


async def test_a_repeated_charge_that_another_replica_sent_is_pending(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    outcome = ChargeOutcome(stored_payment(1), replayed=True)
    assert await flow.finish_charge(new_charge(), outcome, Deadline()) is outcome
    assert not processor.requests


@pytest.mark.parametrize(
    ("limits", "deadline_seconds"),
    [({"call_timeout_seconds": 0.01}, None), ({}, 0.01), ({"margin_seconds": 60}, None), ({"margin_seconds": 60}, 1)],
    ids=str,
)
async def test_a_call_returns_before_its_deadline_and_a_later_outcome_is_still_stored(
    flow_with: Callable[..., TwoPhaseFlow],
    processor: FakeProcessor,
    memory: Memory,
    limits: dict[str, float],
    deadline_seconds: float | None,
) -> None:
    flow = flow_with(**limits)
    processor.may_answer.clear()
    outcome = await flow.finish_charge(new_charge(), pending_charge(), Deadline.after(deadline_seconds))
    assert outcome == pending_charge()
    refund = await flow.finish_refund(pending_refund(), Deadline.after(deadline_seconds))
    assert refund == pending_refund()
    assert not settled_charges(memory)
    processor.may_answer.set()
    await flow.close(Deadline())
    assert settled_charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}
    assert settled_refunds(memory) == {1: Status.SUCCEEDED}


async def test_a_charge_is_settled_even_if_its_caller_cancels(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.may_answer.clear()
    call = asyncio.create_task(flow.finish_charge(new_charge(), pending_charge(), Deadline()))
    await until(lambda: bool(processor.requests))
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    processor.may_answer.set()
    await flow.close(Deadline())
    assert settled_charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}


@pytest.mark.parametrize("error", [UNKNOWN, ProcessorUnavailable("not now", 1)])
async def test_a_charge_whose_outcome_is_unknown_is_left_pending(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory, log: list[Any], error: Exception
) -> None:
    processor.answer = error
    assert await flow.finish_charge(new_charge(), pending_charge(), Deadline()) == pending_charge()
    assert not settled_charges(memory)
    assert log == [{"event": "left_pending", "log_level": "warning", "reason": str(error), "payment_id": 1}]


async def test_an_internal_error_leaves_a_refund_pending_and_is_logged(
    flow: TwoPhaseFlow, processor: FakeProcessor, log: list[Any]
) -> None:
    processor.answer = ZeroDivisionError()
    assert await flow.finish_refund(pending_refund(), Deadline()) == pending_refund()
    (event,) = log
    assert (event["event"], event["log_level"], event["refund_id"]) == ("settling_failed", "error", 1)


async def test_no_more_than_the_maximum_of_requests_run_concurrently(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory
) -> None:
    flow = flow_with(max_requests=2)
    processor.answer = UNKNOWN
    calls = [flow.finish_charge(new_charge(), pending_charge(number), Deadline()) for number in range(5)]
    await asyncio.gather(*calls)
    assert len(processor.requests) == 5, "a failed request releases its slot"
    processor.answer = Outcome(Status.SUCCEEDED, "pi_1")
    processor.may_answer.clear()
    again = [
        asyncio.create_task(flow.finish_charge(new_charge(), pending_charge(number), Deadline())) for number in range(5)
    ]
    await until(lambda: processor.in_progress == 2)
    processor.may_answer.set()
    await asyncio.gather(*again)
    assert processor.max_in_progress == 2
    assert len(settled_charges(memory)) == 5


async def test_a_charge_that_waits_too_long_for_a_slot_is_left_pending(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, log: list[Any]
) -> None:
    flow = flow_with(max_requests=1, slot_timeout_seconds=0.01)
    processor.may_answer.clear()
    first = asyncio.create_task(flow.finish_charge(new_charge(), pending_charge(1), Deadline()))
    await until(lambda: bool(processor.requests))
    assert await flow.finish_charge(new_charge(), pending_charge(2), Deadline()) == pending_charge(2)
    assert [event["payment_id"] for event in log] == [2]
    processor.may_answer.set()
    assert (await first).payment.status is Status.SUCCEEDED
    assert list(settled_charges(memory)) == [1]


@pytest.mark.parametrize(("status", "refunded"), [(Status.SUCCEEDED, 56_100), (Status.FAILED, 0)])
async def test_a_refund_gets_the_outcome_from_the_processor_and_is_counted(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory, status: Status, refunded: int
) -> None:
    by_call = {"kind": "refund", "by": "call", "outcome": status.name}
    before = counter_value("payments_refunds", kind="full"), counter_value("payments_settled", **by_call)
    memory.processor_ids[9] = "pi_9"
    processor.answer = Outcome(status, "re_1")
    outcome = await flow.finish_refund(pending_refund(), Deadline())
    assert outcome == RefundOutcome(
        replace(stored_refund(1, 9, status), processor_reference="re_1"),
        stored_payment(9, Status.SUCCEEDED, refunded),
        replayed=False,
        is_new=True,
    )
    assert processor.requests == [ProcessorRefund(1, "R9", Money("INR", 56_100), "pi_9", NOW)]
    assert settled_refunds(memory) == {1: status}
    assert [event.occurred_at for event in memory.events] == [NOW]
    after = counter_value("payments_refunds", kind="full"), counter_value("payments_settled", **by_call)
    assert after == (before[0] + (status is Status.SUCCEEDED), before[1] + 1)


async def test_a_refund_of_a_payment_without_a_reference_fails_because_the_processor_cannot_find_it(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    adopted = replace(stored_payment(9, Status.SUCCEEDED, 56_100), reference=None, caller="", request_id="")
    memory.add(adopted)
    outcome = await flow.finish_refund(replace(pending_refund(), payment=adopted), Deadline())
    assert outcome.refund is not None
    assert (outcome.refund.status, outcome.payment.refunded_amount) == (Status.FAILED, Money("INR", 0))
    assert not processor.requests


async def test_a_pending_refund_of_a_payment_without_a_reference_fails_too(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    adopted = replace(stored_payment(9, Status.SUCCEEDED, 56_100), reference=None, caller="", request_id="")
    memory.add(adopted)
    await flow.settle(replace(refund_request(0), payment=adopted, processor_id=None))
    assert not processor.requests
    assert settled_refunds(memory) == {1: Status.FAILED}


async def test_a_refund_with_an_outcome_or_without_a_record_is_not_sent(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    payment = stored_payment(9, Status.SUCCEEDED, 56_100)
    for refund in (None, stored_refund(1, 9, Status.FAILED)):
        outcome = RefundOutcome(refund, payment, replayed=True, is_new=False)
        assert await flow.finish_refund(outcome, Deadline()) is outcome
    assert not processor.requests


async def test_a_repeated_refund_waits_for_the_call_that_sent_the_first(
    flow: TwoPhaseFlow, processor: FakeProcessor
) -> None:
    repeated = replace(pending_refund(), replayed=True, is_new=False)
    assert await flow.finish_refund(repeated, Deadline()) is repeated, "another replica sent it"
    processor.may_answer.clear()
    first = asyncio.create_task(flow.finish_refund(pending_refund(), Deadline()))
    await until(lambda: bool(processor.requests))
    again = asyncio.create_task(flow.finish_refund(repeated, Deadline()))
    await asyncio.sleep(0)
    processor.may_answer.set()
    settled = await first
    assert settled.refund is not None
    assert settled.refund.status is Status.SUCCEEDED
    assert await again == replace(settled, replayed=True, is_new=False)
    assert len(processor.requests) == 1


def charge_request(age_seconds: float) -> PendingRequest:
    return PendingRequest(stored_payment(1), None, age_seconds, attempts=1, processor_id=None)


def refund_request(age_seconds: float) -> PendingRequest:
    payment = stored_payment(9, Status.SUCCEEDED, 56_100)
    return PendingRequest(payment, stored_refund(1, 9), age_seconds, attempts=1, processor_id="pi_9")


KEY_LIFETIME_SECONDS = 1000.0
"""How long the processor remembers an idempotency key in the tests below."""


@pytest.mark.parametrize("age_seconds", [0.0, 749.9])
async def test_a_pending_request_is_retried_while_its_key_is_remembered(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, age_seconds: float
) -> None:
    flow = flow_with(key_lifetime_seconds=KEY_LIFETIME_SECONDS)
    labels = {"by": "janitor", "outcome": "SUCCEEDED"}
    before = [counter_value("payments_settled", kind=kind, **labels) for kind in ("charge", "refund")]
    await flow.settle(charge_request(age_seconds))
    await flow.settle(refund_request(age_seconds))
    assert processor.requests == [
        Capture.of(stored_payment(1)),
        ProcessorRefund(1, "R9", Money("INR", 56_100), "pi_9", NOW),
    ]
    assert not processor.lookups
    assert settled_charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}
    assert settled_refunds(memory) == {1: Status.SUCCEEDED}
    assert [counter_value("payments_settled", kind=kind, **labels) for kind in ("charge", "refund")] == [
        count + 1 for count in before
    ]


async def test_a_charge_that_waited_for_its_payer_is_not_counted_as_settled_late(
    flow: TwoPhaseFlow, memory: Memory
) -> None:
    action = NextAction(NextActionType.APPROVE_ON_PHONE, "", NOW)
    pending = replace(stored_payment(1), next_action=action)
    memory.payments[1] = pending
    labels = {"kind": "charge", "outcome": "SUCCEEDED"}
    before = [counter_value("payments_settled", by=by, **labels) for by in ("janitor", "payer")]
    await flow.settle(replace(charge_request(0), payment=pending))
    assert settled_charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_1")}
    after = [counter_value("payments_settled", by=by, **labels) for by in ("janitor", "payer")]
    assert after == [before[0], before[1] + 1]


@pytest.mark.parametrize("outcome", [Outcome(Status.SUCCEEDED, "pi_1"), DECLINED])
async def test_a_check_follows_each_success_that_the_reconciler_finds(
    processor: FakeProcessor, memory: Memory, outcome: Outcome
) -> None:
    checked: list[int] = []

    async def check_again(payment_id: int) -> None:
        assert not settled_charges(memory), "a crash after the outcome is stored must not lose the check"
        checked.append(payment_id)

    flow = TwoPhaseFlow(
        MemorySettlementStore(memory),
        processor,
        LIMITS,
        default_method=PaymentMethod.CARD,
        source_keys=SourceKeys(()),
        now=lambda: NOW,
        check_again=check_again,
    )
    processor.answer = outcome
    await flow.settle(refund_request(0))
    await flow.settle(charge_request(0))
    assert settled_charges(memory)
    assert checked == ([9, 1] if outcome.status is Status.SUCCEEDED else [])


@pytest.mark.parametrize("age_seconds", [750.0, 999.9, 1000.0, 5000.0])
async def test_an_older_request_is_only_looked_up(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, age_seconds: float
) -> None:
    flow = flow_with(key_lifetime_seconds=KEY_LIFETIME_SECONDS)
    processor.found = DECLINED
    await flow.settle(charge_request(age_seconds))
    await flow.settle(refund_request(age_seconds))
    assert not processor.requests
    assert processor.lookups == [
        Capture.of(stored_payment(1)),
        ProcessorRefund(1, "R9", Money("INR", 56_100), "pi_9", NOW),
    ]
    assert settled_charges(memory) == {1: DECLINED}
    assert settled_refunds(memory) == {1: Status.FAILED}


@pytest.mark.parametrize("age_seconds", [0.0, 749.9])
async def test_a_retried_request_without_an_answer_is_looked_up(
    flow_with: Callable[..., TwoPhaseFlow], processor: FakeProcessor, memory: Memory, age_seconds: float
) -> None:
    flow = flow_with(key_lifetime_seconds=KEY_LIFETIME_SECONDS)
    processor.answer = UNKNOWN
    processor.found = Outcome(Status.SUCCEEDED, "pi_2")
    await flow.settle(charge_request(age_seconds))
    assert settled_charges(memory) == {1: Outcome(Status.SUCCEEDED, "pi_2")}
    processor.found = None
    with pytest.raises(OutcomeUnknown) as unknown:
        await flow.settle(refund_request(age_seconds))
    assert unknown.value is UNKNOWN
    assert not settled_refunds(memory)


async def test_an_unknown_request_stays_pending_while_its_key_is_remembered_and_then_fails(
    flow_with: Callable[..., TwoPhaseFlow], memory: Memory, log: list[Any]
) -> None:
    flow = flow_with(key_lifetime_seconds=KEY_LIFETIME_SECONDS)
    reason = "the request is too old to be retried, and the processor does not list it yet"
    with pytest.raises(OutcomeUnknown, match=f"^{reason}$"):
        await flow.settle(charge_request(999.9))
    assert not settled_charges(memory)
    before = counter_value("payments_processor_problems", problem="never_did")
    await flow.settle(charge_request(1000.0))
    assert settled_charges(memory) == {1: DECLINED}
    assert counter_value("payments_processor_problems", problem="never_did") == before + 1
    assert log == [{"event": "processor_never_did", "log_level": "error", "reference": "R1", "kind": "Capture"}]


async def test_a_request_that_cannot_be_looked_up_stays_pending_at_any_age(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.found = UNKNOWN
    with pytest.raises(OutcomeUnknown):
        await flow.settle(charge_request(1_000_000))
    assert not settled_charges(memory)


async def test_a_request_in_progress_in_a_call_of_this_replica_is_left_to_the_call(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.may_answer.clear()
    await flow.finish_charge(new_charge(), pending_charge(), Deadline.after(0))
    await flow.finish_refund(pending_refund(), Deadline.after(0))
    await until(lambda: len(processor.requests) == 2)
    await flow.settle(charge_request(0))
    await flow.settle(refund_request(0))
    assert len(processor.requests) == 2
    processor.may_answer.set()
    await flow.close(Deadline())
    assert len(settled_charges(memory)) + len(settled_refunds(memory)) == 2
    await flow.settle(charge_request(0))
    assert len(processor.requests) == 3, "the request is no longer in progress"


async def test_an_outcome_that_is_found_twice_is_counted_once(
    flow: TwoPhaseFlow, processor: FakeProcessor, log: list[Any]
) -> None:
    names = ("payments_charges", {"method": "UPI", "status": "SUCCEEDED"}), ("payments_refunds", {"kind": "full"})
    before = [counter_value(name, **labels) for name, labels in names]
    for _ in range(2):
        await flow.settle(charge_request(0))
        await flow.settle(refund_request(0))
    assert [counter_value(name, **labels) for name, labels in names] == [count + 1 for count in before]
    assert processor.answer == Outcome(Status.SUCCEEDED, "pi_1")
    assert not log, "the outcome was the same both times"


async def test_an_outcome_that_contradicts_the_stored_one_is_logged_as_an_error(
    flow: TwoPhaseFlow, memory: Memory, log: list[Any]
) -> None:
    memory.payments[1] = stored_payment(1, Status.FAILED)
    memory.refunds[1] = stored_refund(1, 9, Status.FAILED)
    await flow.settle(charge_request(0))
    await flow.settle(refund_request(0))
    same = {"event": "processor_disagrees", "log_level": "error", "kept": "FAILED", "told": "SUCCEEDED"}
    assert log == [{**same, "kind": "charge", "payment_id": 1}, {**same, "kind": "refund", "refund_id": 1}]


async def test_closing_waits_for_requests_in_progress_until_the_deadline(
    flow: TwoPhaseFlow, processor: FakeProcessor, memory: Memory
) -> None:
    processor.may_answer.clear()
    call = asyncio.create_task(flow.finish_charge(new_charge(), pending_charge(), Deadline()))
    refund = asyncio.create_task(flow.finish_refund(pending_refund(), Deadline()))
    await until(lambda: len(processor.requests) == 2)
    await flow.close(Deadline.after(0.01))
    assert processor.in_progress == 0
    assert await call == pending_charge()
    assert await refund == pending_refund()
    assert not settled_charges(memory)
    await flow.close(Deadline())
