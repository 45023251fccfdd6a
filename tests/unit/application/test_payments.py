"""The use cases with in-memory ports: their calls to processor and store, and their results."""

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
from server.domain.payment_source import SourceKeys
from tests.support.fakes import (
    NOW,
    FakeProcessor,
    counter_value,
    new_charge,
    new_refund,
    stored_payment,
)
from tests.support.memory import Memory, MemoryPaymentStore, MemorySettlementStore

pytestmark = pytest.mark.asyncio

INVALID = InvalidRequest((FieldViolation("order_id", "must be 1 or more"),))


class FakeInstantProcessor:
    """An instant processor that declines cash, and raises an error for order 13."""

    def __init__(self) -> None:
        """Start without charges."""
        self.charges: list[NewCharge] = []

    async def decide(self, charge: NewCharge) -> Decision:
        """Decide by the method."""
        if charge.order_id == 13:
            raise ProcessorUnavailable("not now", 1)
        self.charges.append(charge)
        status = Status.FAILED if charge.method is PaymentMethod.COD else Status.SUCCEEDED
        return Decision(charge.method or PaymentMethod.CARD, status)


def store_with(*references: str) -> MemoryPaymentStore:
    """Return a store in which other payments have these references."""
    return MemoryPaymentStore(Memory(references=set(references)))


def immediate() -> ImmediateFlow:
    return ImmediateFlow(FakeInstantProcessor())


def payments_of(store: MemoryPaymentStore, flow: ChargeFlow) -> Payments:
    """Return use cases with references R1, R2 and so on, each with the year of its payment."""
    numbers = itertools.count(1)

    def new_reference(create_time: datetime) -> str:
        return f"R{next(numbers)}-{create_time.year}"

    return Payments(store, flow, new_reference=new_reference, now=lambda: NOW)


async def test_a_charge_is_stored_with_the_decision_of_the_processor_and_a_reference_of_its_time() -> None:
    store = MemoryPaymentStore(Memory())
    charge = new_charge(method=None)
    outcome = await payments_of(store, immediate()).charge(charge, Deadline())
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
    store, processor = store_with("R1-2026", "R2-2026"), FakeInstantProcessor()
    outcome = await payments_of(store, ImmediateFlow(processor)).charge(new_charge(), Deadline())
    assert outcome.payment.reference == "R3-2026"
    assert len(processor.charges) == 1


async def test_five_references_are_tried() -> None:
    taken = [f"R{number}-2026" for number in range(1, 5)]
    assert (await payments_of(store_with(*taken), immediate()).charge(new_charge(), Deadline())).payment
    store = store_with(*taken, "R5-2026")
    with pytest.raises(ReferenceTaken):
        await payments_of(store, immediate()).charge(new_charge(), Deadline())
    assert len(store.batches) == 5
    (outcome,) = await payments_of(store_with(*taken), immediate()).charge_many([new_charge()], Deadline())
    assert isinstance(outcome, ChargeOutcome)
    store = store_with(*taken, "R5-2026")
    (outcome,) = await payments_of(store, immediate()).charge_many([new_charge()], Deadline())
    assert isinstance(outcome, ReferenceTaken)
    assert len(store.batches) == 5


async def test_the_deadline_is_passed_to_the_store() -> None:
    payments = payments_of(MemoryPaymentStore(Memory()), immediate())
    passed = Deadline.after(-1)
    with pytest.raises(DeadlinePassed):
        await payments.charge(new_charge(), passed)
    with pytest.raises(DeadlinePassed):
        await payments.charge_many([new_charge()], passed)
    with pytest.raises(DeadlinePassed):
        await payments.refund(new_refund(), passed)


async def test_a_charge_is_counted_once_however_often_it_is_repeated() -> None:
    payments = payments_of(MemoryPaymentStore(Memory()), immediate())
    labels = {"method": "COD", "status": "FAILED"}
    before = counter_value("payments_charges", **labels)
    charge = new_charge("again", PaymentMethod.COD)
    assert not (await payments.charge(charge, Deadline())).replayed
    assert counter_value("payments_charges", **labels) == before + 1
    assert (await payments.charge(charge, Deadline())).replayed
    assert counter_value("payments_charges", **labels) == before + 1
    await payments.charge_many([charge, new_charge(None, PaymentMethod.COD)], Deadline())
    assert counter_value("payments_charges", **labels) == before + 2


async def test_the_outcomes_of_many_charges_are_in_the_order_of_the_charges() -> None:
    store = store_with("R2-2026")
    charges: list[NewCharge | InvalidRequest] = [
        new_charge(order_id=1),
        INVALID,
        new_charge(order_id=2),
        new_charge(order_id=13),
        new_charge(order_id=3),
    ]
    first, invalid, second, unavailable, third = await payments_of(store, immediate()).charge_many(charges, Deadline())
    assert invalid is INVALID
    assert isinstance(unavailable, ProcessorUnavailable)
    payments = [outcome.payment for outcome in (first, second, third) if isinstance(outcome, ChargeOutcome)]
    references = [(payment.order_id, payment.reference) for payment in payments]
    assert references == [(1, "R1-2026"), (2, "R4-2026"), (3, "R3-2026")]
    # Only the payment whose reference was taken is written again.
    assert [[payment.charge.order_id for payment in batch] for batch in store.batches] == [[1, 2, 3], [2]]


async def test_the_store_is_not_called_if_all_charges_are_rejected() -> None:
    store = MemoryPaymentStore(Memory())
    outcomes = await payments_of(store, immediate()).charge_many([INVALID, new_charge(order_id=13)], Deadline())
    assert [isinstance(outcome, PaymentsError) for outcome in outcomes] == [True, True]
    assert not store.batches


@pytest.mark.parametrize(("amount", "kind"), [(None, "full"), (100, "partial")])
async def test_a_refund_is_made_and_counted_once(amount: int | None, kind: str) -> None:
    memory = Memory()
    store = MemoryPaymentStore(memory)
    memory.add(stored_payment(1, Status.SUCCEEDED))
    payments = payments_of(store, immediate())
    before = counter_value("payments_refunds", kind=kind)
    refund = new_refund(1, amount, "again")
    first = await payments.refund(refund, Deadline())
    assert first.refund is not None
    assert first.refund.status is Status.SUCCEEDED
    assert counter_value("payments_refunds", kind=kind) == before + 1
    again = await payments.refund(refund, Deadline())
    assert again.refund == first.refund
    assert [stored_refund.create_time for stored_refund in memory.refunds.values()] == [NOW]
    assert counter_value("payments_refunds", kind=kind) == before + 1


async def test_the_error_of_a_refund_that_is_not_possible_is_raised_to_the_caller() -> None:
    memory = Memory()
    store = MemoryPaymentStore(memory)
    memory.add(stored_payment(1, Status.FAILED))
    with pytest.raises(PaymentFailed):
        await payments_of(store, immediate()).refund(new_refund(1), Deadline())


async def test_reads_return_the_payments_of_the_store() -> None:
    memory = Memory()
    store = MemoryPaymentStore(memory)
    payment = stored_payment(1)
    memory.add(payment)
    payments = payments_of(store, immediate())
    details = PaymentDetails(payment, (), has_more=False)
    assert await payments.get_payment("R1", Deadline()) == details
    assert await payments.list_refunds(RefundsQuery(1, 10, None), Deadline()) == details
    page = PageQuery(PaymentFilter(), Order.NEWEST_FIRST, 10, None, with_total=False)
    assert await payments.list_payments(page, Deadline()) == Page((payment,), None, None)
    numbered = NumberedPageQuery(order=Order.NEWEST_FIRST, size=10, skip=0)
    assert await payments.list_numbered_page(numbered, Deadline()) == NumberedPage((payment,), 1)


def payments_with_remote(memory: Memory, processor: FakeProcessor) -> Payments:
    limits = TwoPhaseLimits(
        margin_seconds=0, call_timeout_seconds=60, max_requests=10, slot_timeout_seconds=60, key_lifetime_seconds=86_400
    )
    outcomes = MemorySettlementStore(memory)
    flow = TwoPhaseFlow(
        outcomes, processor, limits, default_method=PaymentMethod.CARD, source_keys=SourceKeys(()), now=lambda: NOW
    )
    return payments_of(MemoryPaymentStore(memory), flow)


async def test_a_charge_is_stored_as_pending_before_it_is_sent_and_then_settled() -> None:
    memory, processor = Memory(), FakeProcessor()
    payments = payments_with_remote(memory, processor)
    outcome = await payments.charge(new_charge(method=None), Deadline())
    assert [event.kind for event in memory.events] == [EventKind.PENDING, EventKind.CHARGED]
    assert outcome.payment.method is PaymentMethod.CARD
    assert [request.reference for request in processor.requests] == ["R1-2026"]
    assert outcome.payment.status is Status.SUCCEEDED


async def test_many_charges_are_settled_and_errors_keep_their_places() -> None:
    memory, processor = Memory(), FakeProcessor()
    payments = payments_with_remote(memory, processor)
    charges: list[NewCharge | InvalidRequest] = [
        INVALID,
        new_charge(order_id=1),
        new_charge(method=PaymentMethod.COD),
        new_charge(order_id=2),
    ]
    invalid, first, unsupported, second = await payments.charge_many(charges, Deadline())
    assert invalid is INVALID
    assert isinstance(unsupported, InvalidRequest)
    for outcome, order_id in ((first, 1), (second, 2)):
        assert isinstance(outcome, ChargeOutcome)
        assert (outcome.payment.order_id, outcome.payment.status) == (order_id, Status.SUCCEEDED)
    assert len(processor.requests) == 2


async def test_nothing_is_stored_while_a_remote_processor_is_unavailable() -> None:
    memory, processor = Memory(), FakeProcessor()
    memory.add(stored_payment(1, Status.SUCCEEDED))
    processor.accepts_requests = False
    payments = payments_with_remote(memory, processor)
    with pytest.raises(ProcessorUnavailable):
        await payments.charge(new_charge(), Deadline())
    with pytest.raises(ProcessorUnavailable):
        await payments.refund(new_refund(1), Deadline())
    assert len(memory.payments) == 1
    assert not memory.refunds


async def test_a_refund_is_stored_as_pending_before_it_is_sent_and_then_settled() -> None:
    memory, processor = Memory(), FakeProcessor()
    memory.add(stored_payment(1, Status.SUCCEEDED))
    memory.processor_ids[1] = "pi_7"
    outcome = await payments_with_remote(memory, processor).refund(new_refund(1), Deadline())
    assert [event.kind for event in memory.events] == [EventKind.REFUND_PENDING, EventKind.REFUNDED]
    assert [request.reference for request in processor.requests] == ["R1"]
    assert outcome.refund is not None
    assert outcome.refund.status is Status.SUCCEEDED


async def test_a_refund_of_an_amount_that_a_remote_processor_cannot_refund_is_not_stored() -> None:
    memory, processor = Memory(), FakeProcessor()
    memory.add(stored_payment(1, Status.SUCCEEDED))
    processor.unsupported_amount = Money("INR", 100)
    payments = payments_with_remote(memory, processor)
    with pytest.raises(InvalidRequest) as raised:
        await payments.refund(new_refund(1, 100), Deadline())
    assert raised.value.violations == (FieldViolation("amount", "must be another amount"),)
    assert not memory.refunds
    # A full refund has no amount to check, because a charged amount can always be refunded.
    assert (await payments.refund(new_refund(1), Deadline())).is_new


async def test_the_deadline_limits_the_wait_for_a_remote_processor() -> None:
    memory, processor = Memory(), FakeProcessor()
    processor.may_answer.clear()
    payments = payments_with_remote(memory, processor)
    outcome = await payments.charge(new_charge(), Deadline.after(0.01))
    assert outcome.payment.status is Status.PENDING
    refunded = stored_payment(5, Status.SUCCEEDED)
    memory.add(refunded)
    refund = await payments.refund(new_refund(5), Deadline.after(0.01))
    assert refund.refund is not None
    assert refund.refund.status is Status.PENDING
