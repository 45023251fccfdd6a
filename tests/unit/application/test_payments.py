"""The use cases over ports in memory: what is asked of the processor and of the store, and what callers are told."""

import itertools
from datetime import datetime

import pytest

from server.application.immediate import ImmediateFlow
from server.application.payments import Payments
from server.application.ports import ChargeFlow
from server.application.two_phase import TwoPhaseFlow, TwoPhaseLimits
from server.domain.deadline import Deadline
from server.domain.errors import (
    DeadlinePassed,
    FieldViolation,
    InvalidRequest,
    PaymentFailed,
    PaymentsError,
    ProcessorUnavailable,
    ReferenceTaken,
)
from server.domain.events import EventKind
from server.domain.listing import NumberedPage, NumberedPageQuery, Order, Page, PageQuery, PaymentFilter
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
    Decision,
    NewCharge,
    PaymentDetails,
    PaymentMethod,
    RefundsQuery,
    Status,
)
from tests.support.fakes import (
    NOW,
    FakeProcessor,
    counted,
    new_charge,
    new_refund,
    stored,
)
from tests.support.memory import Memory, MemoryPaymentStore, MemorySettlementStore

pytestmark = pytest.mark.asyncio

UNREADABLE = InvalidRequest((FieldViolation("order_id", "must be 1 or more"),))


class Deciding:
    """An instant processor: cash fails, and an order 13 is not taken at all."""

    def __init__(self) -> None:
        """Begin with nothing decided."""
        self.decided: list[NewCharge] = []

    async def decide(self, charge: NewCharge) -> Decision:
        """Decide by the method."""
        if charge.order_id == 13:
            raise ProcessorUnavailable("not now", 1)
        self.decided.append(charge)
        status = Status.FAILED if charge.method is PaymentMethod.COD else Status.SUCCEEDED
        return Decision(charge.method or PaymentMethod.CARD, status)


def store_with(*references: str) -> MemoryPaymentStore:
    """Return a store where other payments have these references."""
    return MemoryPaymentStore(Memory(references=set(references)))


def immediate() -> ImmediateFlow:
    return ImmediateFlow(Deciding())


def over(store: MemoryPaymentStore, flow: ChargeFlow) -> Payments:
    """Return the use cases, whose references are R1, R2 and so on, each with the year of its payment."""
    numbers = itertools.count(1)

    def new_reference(create_time: datetime) -> str:
        return f"R{next(numbers)}-{create_time.year}"

    return Payments(store, flow, new_reference=new_reference, now=lambda: NOW)


async def test_a_charge_is_stored_as_the_processor_decided_with_a_reference_of_its_time() -> None:
    store = MemoryPaymentStore(Memory())
    charge = new_charge(method=None)
    outcome = await over(store, immediate()).charge(charge, Deadline())
    payment = outcome.payment
    assert (
        payment.order_id,
        payment.amount,
        payment.method,
        payment.status,
        payment.reference,
        payment.create_time,
    ) == ((charge.order_id, charge.amount, PaymentMethod.CARD, Status.SUCCEEDED, "R1-2026", NOW))
    assert not outcome.replayed
    assert store.batches[0][0].charge is charge


async def test_a_reference_that_is_taken_is_replaced_without_deciding_again() -> None:
    store, processor = store_with("R1-2026", "R2-2026"), Deciding()
    outcome = await over(store, ImmediateFlow(processor)).charge(new_charge(), Deadline())
    assert outcome.payment.reference == "R3-2026"
    assert len(processor.decided) == 1


async def test_a_fifth_reference_is_tried_and_no_sixth() -> None:
    taken = [f"R{number}-2026" for number in range(1, 5)]
    assert (await over(store_with(*taken), immediate()).charge(new_charge(), Deadline())).payment
    store = store_with(*taken, "R5-2026")
    with pytest.raises(ReferenceTaken):
        await over(store, immediate()).charge(new_charge(), Deadline())
    assert len(store.batches) == 5
    (outcome,) = await over(store_with(*taken), immediate()).charge_many([new_charge()], Deadline())
    assert isinstance(outcome, ChargeOutcome)
    store = store_with(*taken, "R5-2026")
    (outcome,) = await over(store, immediate()).charge_many([new_charge()], Deadline())
    assert isinstance(outcome, ReferenceTaken)
    assert len(store.batches) == 5


async def test_a_deadline_reaches_the_store() -> None:
    payments = over(MemoryPaymentStore(Memory()), immediate())
    passed = Deadline.after(-1)
    with pytest.raises(DeadlinePassed):
        await payments.charge(new_charge(), passed)
    with pytest.raises(DeadlinePassed):
        await payments.charge_many([new_charge()], passed)
    with pytest.raises(DeadlinePassed):
        await payments.refund(new_refund(), passed)


async def test_a_charge_is_counted_once_however_often_it_is_repeated() -> None:
    payments = over(MemoryPaymentStore(Memory()), immediate())
    labels = {"method": "COD", "status": "FAILED"}
    before = counted("payments_charges", **labels)
    charge = new_charge("again", PaymentMethod.COD)
    assert not (await payments.charge(charge, Deadline())).replayed
    assert counted("payments_charges", **labels) == before + 1
    assert (await payments.charge(charge, Deadline())).replayed
    assert counted("payments_charges", **labels) == before + 1
    await payments.charge_many([charge, new_charge(None, PaymentMethod.COD)], Deadline())
    assert counted("payments_charges", **labels) == before + 2


async def test_each_of_many_charges_has_the_outcome_of_its_place() -> None:
    store = store_with("R2-2026")
    charges: list[NewCharge | InvalidRequest] = [
        new_charge(order_id=1),
        UNREADABLE,
        new_charge(order_id=2),
        new_charge(order_id=13),
        new_charge(order_id=3),
    ]
    first, unreadable, second, refused, third = await over(store, immediate()).charge_many(charges, Deadline())
    assert unreadable is UNREADABLE
    assert isinstance(refused, ProcessorUnavailable)
    made = [one.payment for one in (first, second, third) if isinstance(one, ChargeOutcome)]
    # The one whose reference was taken was written again, alone.
    assert [(one.order_id, one.reference) for one in made] == [(1, "R1-2026"), (2, "R4-2026"), (3, "R3-2026")]
    assert [[one.charge.order_id for one in batch] for batch in store.batches] == [[1, 2, 3], [2]]


async def test_the_store_is_not_asked_for_charges_that_are_all_refused() -> None:
    store = MemoryPaymentStore(Memory())
    outcomes = await over(store, immediate()).charge_many([UNREADABLE, new_charge(order_id=13)], Deadline())
    assert [isinstance(one, PaymentsError) for one in outcomes] == [True, True]
    assert not store.batches


@pytest.mark.parametrize(("amount", "kind"), [(None, "full"), (100, "partial")])
async def test_a_refund_is_made_once_now_and_counted_once(amount: int | None, kind: str) -> None:
    memory = Memory()
    store = MemoryPaymentStore(memory)
    memory.add(stored(1, Status.SUCCEEDED))
    payments = over(store, immediate())
    before = counted("payments_refunds", kind=kind)
    refund = new_refund(1, amount, "again")
    first = await payments.refund(refund, Deadline())
    assert first.refund is not None
    assert first.refund.status is Status.SUCCEEDED
    assert counted("payments_refunds", kind=kind) == before + 1
    again = await payments.refund(refund, Deadline())
    assert again.refund == first.refund
    assert [made.create_time for made in memory.refunds.values()] == [NOW]
    assert counted("payments_refunds", kind=kind) == before + 1


async def test_a_refund_that_is_not_possible_is_the_callers_to_know() -> None:
    memory = Memory()
    store = MemoryPaymentStore(memory)
    memory.add(stored(1, Status.FAILED))
    with pytest.raises(PaymentFailed):
        await over(store, immediate()).refund(new_refund(1), Deadline())


async def test_what_is_read_is_what_the_store_has() -> None:
    memory = Memory()
    store = MemoryPaymentStore(memory)
    payment = stored(1)
    memory.add(payment)
    payments = over(store, immediate())
    details = PaymentDetails(payment, (), has_more=False)
    assert await payments.get_payment("R1", Deadline()) == details
    assert await payments.list_refunds(RefundsQuery(1, 10, None), Deadline()) == details
    page = PageQuery(PaymentFilter(), Order.NEWEST_FIRST, 10, None, with_total=False)
    assert await payments.list_payments(page, Deadline()) == Page((payment,), None, None)
    numbered = NumberedPageQuery(order=Order.NEWEST_FIRST, size=10, skip=0)
    assert await payments.list_numbered_page(numbered, Deadline()) == NumberedPage((payment,), 1)


def with_remote(memory: Memory, processor: FakeProcessor) -> Payments:
    limits = TwoPhaseLimits(
        margin_seconds=0, call_timeout_seconds=60, max_requests=10, slot_timeout_seconds=60, key_lifetime_seconds=86_400
    )
    outcomes = MemorySettlementStore(memory)
    flow = TwoPhaseFlow(outcomes, processor, limits, default_method=PaymentMethod.CARD, now=lambda: NOW)
    return over(MemoryPaymentStore(memory), flow)


async def test_a_charge_is_reserved_before_a_remote_processor_is_asked_and_then_settled() -> None:
    memory, processor = Memory(), FakeProcessor()
    payments = with_remote(memory, processor)
    outcome = await payments.charge(new_charge(method=None), Deadline())
    assert [event.kind for event in memory.events] == [EventKind.PENDING, EventKind.CHARGED]
    assert outcome.payment.method is PaymentMethod.CARD
    assert [asked.reference for asked in processor.asked] == ["R1-2026"]
    assert outcome.payment.status is Status.SUCCEEDED


async def test_many_charges_are_each_settled_and_those_refused_stay_in_their_places() -> None:
    memory, processor = Memory(), FakeProcessor()
    payments = with_remote(memory, processor)
    charges: list[NewCharge | InvalidRequest] = [
        UNREADABLE,
        new_charge(order_id=1),
        new_charge(method=PaymentMethod.COD),
        new_charge(order_id=2),
    ]
    unreadable, first, refused, second = await payments.charge_many(charges, Deadline())
    assert unreadable is UNREADABLE
    assert isinstance(refused, InvalidRequest)
    for outcome, order_id in ((first, 1), (second, 2)):
        assert isinstance(outcome, ChargeOutcome)
        assert (outcome.payment.order_id, outcome.payment.status) == (order_id, Status.SUCCEEDED)
    assert len(processor.asked) == 2


async def test_nothing_is_reserved_while_a_remote_processor_is_away() -> None:
    memory, processor = Memory(), FakeProcessor()
    memory.add(stored(1, Status.SUCCEEDED))
    processor.may_be_asked = False
    payments = with_remote(memory, processor)
    with pytest.raises(ProcessorUnavailable):
        await payments.charge(new_charge(), Deadline())
    with pytest.raises(ProcessorUnavailable):
        await payments.refund(new_refund(1), Deadline())
    assert len(memory.payments) == 1
    assert not memory.refunds


async def test_a_refund_is_reserved_before_a_remote_processor_is_asked_and_then_settled() -> None:
    memory, processor = Memory(), FakeProcessor()
    memory.add(stored(1, Status.SUCCEEDED))
    memory.processor_ids[1] = "pi_7"
    outcome = await with_remote(memory, processor).refund(new_refund(1), Deadline())
    assert [event.kind for event in memory.events] == [EventKind.REFUND_PENDING, EventKind.REFUNDED]
    assert [asked.reference for asked in processor.asked] == ["R1"]
    assert outcome.refund is not None
    assert outcome.refund.status is Status.SUCCEEDED


async def test_a_refund_of_an_amount_that_a_remote_processor_cannot_give_back_is_not_reserved() -> None:
    memory, processor = Memory(), FakeProcessor()
    memory.add(stored(1, Status.SUCCEEDED))
    processor.refused_amount = Money("INR", 100)
    payments = with_remote(memory, processor)
    with pytest.raises(InvalidRequest) as refused:
        await payments.refund(new_refund(1, 100), Deadline())
    assert refused.value.violations == (FieldViolation("amount", "must be another amount"),)
    assert not memory.refunds
    # A whole refund names no amount to check: what was charged can be given back.
    assert (await payments.refund(new_refund(1), Deadline())).is_new


async def test_a_deadline_bounds_the_wait_for_a_remote_processor() -> None:
    memory, processor = Memory(), FakeProcessor()
    processor.may_answer.clear()
    payments = with_remote(memory, processor)
    outcome = await payments.charge(new_charge(), Deadline.after(0.01))
    assert outcome.payment.status is Status.PENDING
    refunded = stored(5, Status.SUCCEEDED)
    memory.add(refunded)
    refund = await payments.refund(new_refund(5), Deadline.after(0.01))
    assert refund.refund is not None
    assert refund.refund.status is Status.PENDING
