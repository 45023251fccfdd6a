"""The contract of ``EventStore``, for the in-memory store and the MySQL store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.domain.deadline import Deadline
from server.domain.errors import PaymentNotFound
from server.domain.events import EventKind, EventsPage, EventsQuery, PaymentEvent
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import Decision, NewCharge, NewPayment, NewRefund, Payment, PaymentMethod, Refund, Status
from server.domain.processing import Outcome
from tests.storage.conftest import Stores

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = NOW + timedelta(seconds=9)


async def charge(stores: Stores, status: Status = Status.SUCCEEDED) -> tuple[Payment, str]:
    """Store a charge, and return its payment and request_id."""
    key = RequestKey.of("shop", None)
    new = NewPayment(
        NewCharge(7, Money("INR", 10_050), PaymentMethod.UPI, key),
        Decision(PaymentMethod.UPI, status),
        key.request_id,
        NOW,
    )
    return (await stores.payments.insert(new, Deadline())).payment, key.request_id


async def refund(
    stores: Stores, payment: Payment, amount: int | None = None, status: Status = Status.SUCCEEDED
) -> tuple[Refund, Payment, str]:
    """Refund a payment, and return the refund, the payment after it, and the refund's request_id."""
    key = RequestKey.of("shop", None)
    money = None if amount is None else Money("INR", amount)
    outcome = await stores.payments.refund(NewRefund(payment.payment_id, money, "late", key), LATER, Deadline(), status)
    assert outcome.refund is not None
    return outcome.refund, outcome.payment, key.request_id


async def new_events(stores: Stores, after: int, at_most: int = 100) -> list[PaymentEvent]:
    await stores.relay()
    return list(await stores.events.events_after(after, at_most))


async def end_of_stream(stores: Stores) -> int:
    await stores.relay()
    return await stores.events.last_sequence()


async def test_an_event_has_its_payment_and_refund_in_their_state_right_after_it(stores: Stores) -> None:
    start = await end_of_stream(stores)
    payment, charge_id = await charge(stores)
    part, after_part, part_id = await refund(stores, payment, 50)
    rest, after_all, rest_id = await refund(stores, payment)
    failed, failed_id = await charge(stores, Status.FAILED)
    assert await new_events(stores, start) == [
        PaymentEvent(start + 1, EventKind.CHARGED, NOW, payment, None, "shop", charge_id),
        PaymentEvent(start + 2, EventKind.REFUNDED, LATER, after_part, part, "shop", part_id),
        PaymentEvent(start + 3, EventKind.REFUNDED, LATER, after_all, rest, "shop", rest_id),
        PaymentEvent(start + 4, EventKind.FAILED, NOW, failed, None, "shop", failed_id),
    ]


@pytest.mark.parametrize(
    ("status", "charge_kind", "refund_kind"),
    [
        (Status.SUCCEEDED, EventKind.CHARGED, EventKind.REFUNDED),
        (Status.FAILED, EventKind.FAILED, EventKind.REFUND_FAILED),
    ],
)
async def test_a_pending_charge_or_refund_has_one_event_and_its_outcome_has_another(
    stores: Stores, status: Status, charge_kind: EventKind, refund_kind: EventKind
) -> None:
    start = await end_of_stream(stores)
    payment, charge_id = await charge(stores, Status.PENDING)
    settled, _ = await stores.settlements.settle_charge(payment, Outcome(status, "pi_1"), LATER)
    await stores.settlements.settle_charge(payment, Outcome(status, "pi_1"), LATER)
    paid, _ = await charge(stores)
    pending, reserved, refund_id = await refund(stores, paid, 50, Status.PENDING)
    settled_refund, after, _ = await stores.settlements.settle_refund(pending, Outcome(status, "re_1"), NOW)
    charge_event, outcome_event, _, refund_event, refund_outcome_event = await new_events(stores, start)
    assert charge_event == PaymentEvent(start + 1, EventKind.PENDING, NOW, payment, None, "shop", charge_id)
    assert outcome_event == PaymentEvent(start + 2, charge_kind, LATER, settled, None, "shop", charge_id)
    assert refund_event == PaymentEvent(
        start + 4, EventKind.REFUND_PENDING, LATER, reserved, pending, "shop", refund_id
    )
    assert refund_outcome_event == PaymentEvent(start + 5, refund_kind, NOW, after, settled_refund, "shop", refund_id)


async def test_repeated_and_rejected_refunds_have_no_event(stores: Stores) -> None:
    payment, _ = await charge(stores)
    new = NewRefund(payment.payment_id, None, "", RequestKey.of("shop", None))
    await stores.payments.refund(new, NOW, Deadline())
    start = await end_of_stream(stores)
    await stores.payments.refund(new, NOW, Deadline())
    await stores.payments.refund(replace(new, key=RequestKey.of("shop", None)), NOW, Deadline())
    assert await new_events(stores, start) == []
    assert await end_of_stream(stores) == start


async def test_events_are_read_a_page_at_a_time_without_gaps(stores: Stores) -> None:
    start = await end_of_stream(stores)
    for _ in range(5):
        await charge(stores)
    first = await new_events(stores, start, 2)
    rest = await new_events(stores, first[-1].sequence, 9)
    assert [event.sequence for event in (*first, *rest)] == list(range(start + 1, start + 6))
    assert await stores.events.last_sequence() == start + 5
    assert await new_events(stores, start + 5) == []


async def test_the_events_of_a_payment_are_read_in_pages_without_those_of_others(stores: Stores) -> None:
    start = await end_of_stream(stores)
    payment, _ = await charge(stores)
    await charge(stores)
    for amount in (1, 2, 3):
        await refund(stores, payment, amount)
    events = [event for event in await new_events(stores, start) if event.payment.payment_id == payment.payment_id]
    payment_id = payment.payment_id
    assert await stores.history.events_of_payment(EventsQuery(payment_id, 4, None), Deadline()) == EventsPage(
        tuple(events), has_more=False
    )
    first = await stores.history.events_of_payment(EventsQuery(payment_id, 3, None), Deadline())
    assert first == EventsPage(tuple(events[:3]), has_more=True)
    rest = EventsQuery(payment_id, 3, first.events[-1].sequence)
    assert await stores.history.events_of_payment(rest, Deadline()) == EventsPage((events[3],), has_more=False)


async def test_a_payment_without_events_has_an_empty_page_and_an_unknown_one_has_none(stores: Stores) -> None:
    payment, _ = await charge(stores)
    stores.drop_events(await end_of_stream(stores))
    query = EventsQuery(payment.payment_id, 9, None)
    assert await stores.history.events_of_payment(query, Deadline()) == EventsPage((), has_more=False)
    with pytest.raises(PaymentNotFound):
        await stores.history.events_of_payment(replace(query, payment_id=1 << 60), Deadline())


async def test_the_first_sequence_is_that_of_the_oldest_event_in_the_stream(stores: Stores) -> None:
    start = await end_of_stream(stores)
    for _ in range(3):
        await charge(stores)
    await stores.relay()
    stores.drop_events(start + 1)
    assert await stores.events.first_sequence() == start + 2
    stores.drop_events(start + 3)
    assert await stores.events.first_sequence() == start + 4
    assert await stores.events.last_sequence() == start + 3
