"""The contract of ``SettlementStore`` and ``PendingStore``, for the in-memory and the MySQL stores."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from server.domain.approval import NextAction, NextActionType
from server.domain.deadline import Deadline
from server.domain.errors import PaymentPending
from server.domain.events import EventKind, EventsQuery
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import (
    Decision,
    Failure,
    FailureReason,
    NewCharge,
    NewPayment,
    NewRefund,
    Payment,
    PaymentMethod,
    Refund,
    Status,
)
from server.domain.processing import Outcome
from tests.storage.conftest import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Stores

pytestmark = pytest.mark.asyncio

LATER = datetime(2026, 1, 3, tzinfo=UTC)
ACTION = NextAction(NextActionType.REDIRECT, "https://processor.example/approve/'\\%s", LATER)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
ACTION = NextAction(NextActionType.REDIRECT, "https://bank.example/approve?id=1", NOW + timedelta(minutes=15))
OPPOSITE = {Status.SUCCEEDED: Status.FAILED, Status.FAILED: Status.SUCCEEDED}

Pending = TypeVar("Pending", Payment, Refund)

_numbers = itertools.count(1)


async def charge(stores: Stores, status: Status = Status.PENDING) -> Payment:
    """Store a charge of 100.50 INR."""
    new = NewCharge(7, Money("INR", 10_050), PaymentMethod.UPI, RequestKey.of("shop", None))
    payment = NewPayment(new, Decision(PaymentMethod.UPI, status), f"O{next(_numbers)}", NOW)
    return (await stores.payments.insert(payment, Deadline())).payment


def settle(pending: Pending, outcome: Outcome) -> Pending:
    """Return a pending payment or refund with its outcome."""
    processor_reference = outcome.processor_id or ""
    return replace(pending, status=outcome.status, processor_reference=processor_reference, failure=outcome.failure)


async def refund(stores: Stores, payment: Payment, amount: int | None = None) -> tuple[Refund, Payment]:
    """Store a pending refund."""
    money = None if amount is None else Money("INR", amount)
    new = NewRefund(payment.payment_id, money, "", RequestKey.of("shop", None))
    outcome = await stores.payments.refund(new, NOW, Deadline(), Status.PENDING)
    assert outcome.refund is not None
    return outcome.refund, outcome.payment


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Status.SUCCEEDED, "pi_1"),
        Outcome(Status.FAILED, "pi_1", Failure(FailureReason.INSUFFICIENT_FUNDS, "no_money")),
        Outcome(Status.FAILED, None, Failure(FailureReason.PROCESSOR_ERROR, "")),
        Outcome(Status.FAILED, None),
    ],
)
async def test_only_the_first_outcome_of_a_charge_is_stored(stores: Stores, outcome: Outcome) -> None:
    payment, other = await charge(stores), await charge(stores)
    settled = settle(payment, outcome)
    assert await stores.settlements.settle_charge(payment, outcome, NOW) == (settled, True)
    later = Outcome(OPPOSITE[outcome.status], "pi_2")
    assert await stores.settlements.settle_charge(payment, later, NOW) == (settled, False)
    assert (await stores.payments.get(payment.payment_id, Deadline())).payment == settled
    assert (await stores.payments.get(other.payment_id, Deadline())).payment == other
    assert await stores.settlements.processor_id(payment.payment_id) == outcome.processor_id
    assert [one.payment for one in await stores.pending.claim(10)] == [other]


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
@pytest.mark.parametrize("amount", [None, 50])
async def test_only_the_first_outcome_of_a_refund_is_stored_and_updates_its_payment(
    stores: Stores, status: Status, amount: int | None
) -> None:
    payment = await charge(stores, Status.SUCCEEDED)
    pending, reserved = await refund(stores, payment, amount)
    failure = Failure(FailureReason.DECLINED, "refund_declined") if status is Status.FAILED else None
    outcome = Outcome(status, "re_1", failure)
    settled = settle(pending, outcome)
    after = reserved if status is Status.SUCCEEDED else payment
    assert await stores.settlements.settle_refund(pending, outcome, NOW) == (settled, after, True)
    later = Outcome(OPPOSITE[status], None)
    assert await stores.settlements.settle_refund(pending, later, NOW) == (settled, after, False)
    details = await stores.payments.get(payment.payment_id, Deadline())
    assert (details.payment, details.refunds) == (after, (settled,))
    assert await stores.pending.count_pending() == ({}, 0)


async def test_a_failed_refund_does_not_affect_other_refunds_of_the_payment(stores: Stores) -> None:
    payment = await charge(stores, Status.SUCCEEDED)
    failing, _ = await refund(stores, payment, 50)
    other, _ = await refund(stores, payment, 70)
    _, after, _ = await stores.settlements.settle_refund(failing, Outcome(Status.FAILED, None), NOW)
    assert after.refunded_amount == Money("INR", 70)
    assert [one.refund for one in await stores.pending.claim(10)] == [other]


async def test_the_amount_of_a_failed_refund_can_be_refunded_again(stores: Stores) -> None:
    payment = await charge(stores, Status.SUCCEEDED)
    failing, reserved = await refund(stores, payment)
    assert reserved.is_refunded
    await stores.settlements.settle_refund(failing, Outcome(Status.FAILED, None), NOW)
    _, again = await refund(stores, payment)
    assert again == reserved


async def test_a_payment_can_be_refunded_once_it_has_succeeded(stores: Stores) -> None:
    payment = await charge(stores)
    with pytest.raises(PaymentPending):
        await refund(stores, payment, 50)
    await stores.settlements.settle_charge(payment, Outcome(Status.SUCCEEDED, "pi_1"), NOW)
    _, after = await refund(stores, payment, 50)
    assert after.refunded_amount == Money("INR", 50)


async def test_what_the_payer_must_do_is_stored_with_one_event_until_the_outcome(stores: Stores) -> None:
    payment, other = await charge(stores), await charge(stores)
    waiting = replace(payment, next_action=ACTION, processor_reference="pi_1")
    outcome = Outcome(Status.PENDING, "pi_1", next_action=ACTION)
    for _ in range(2):
        assert await stores.settlements.await_payer(payment, outcome, NOW) == waiting
    later = replace(ACTION, type=NextActionType.APPROVE_ON_PHONE, redirect_url="")
    changed = Outcome(Status.PENDING, "pi_1", next_action=later)
    assert await stores.settlements.await_payer(waiting, changed, NOW) == replace(waiting, next_action=later)
    assert (await stores.payments.get(other.payment_id, Deadline())).payment == other
    settled, _ = await stores.settlements.settle_charge(waiting, Outcome(Status.SUCCEEDED, "pi_1"), NOW)
    assert settled == replace(waiting, status=Status.SUCCEEDED, next_action=None)
    assert await stores.settlements.await_payer(waiting, outcome, NOW) == settled
    await stores.relay()
    page = await stores.history.events_of_payment(EventsQuery(payment.payment_id, 100, None), Deadline())
    assert [event.kind for event in page.events] == [
        EventKind.PENDING,
        *[EventKind.ACTION_REQUIRED] * 2,
        EventKind.CHARGED,
    ]


async def test_a_charge_that_waits_for_its_payer_is_due_again_after_the_shortest_pause(stores: Stores) -> None:
    payment = await charge(stores)
    outcome = Outcome(Status.PENDING, "pi_1", next_action=ACTION)
    for _ in range(3):
        (claimed,) = await stores.pending.claim(10)
        assert (claimed.payment.payment_id, claimed.attempts) == (payment.payment_id, 1)
        await stores.settlements.await_payer(payment, outcome, NOW)
        stores.advance(FIRST_PAUSE_SECONDS)


async def test_a_payment_without_an_outcome_has_no_processor_id(stores: Stores) -> None:
    payment = await charge(stores)
    assert await stores.settlements.processor_id(payment.payment_id) is None


async def test_a_claimed_request_is_postponed_twice_as_long_each_time(stores: Stores) -> None:
    payment = await charge(stores)
    for attempts, pause_seconds in enumerate((10_000, 20_000, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), start=1):
        (claimed,) = await stores.pending.claim(10)
        assert (claimed.payment, claimed.refund, claimed.attempts) == (payment, None, attempts)
        stores.advance(pause_seconds - FIRST_PAUSE_SECONDS / 10)
        assert await stores.pending.claim(10) == []
        stores.advance(FIRST_PAUSE_SECONDS / 10)


async def test_claim_returns_at_most_the_requested_number_each_with_its_details(stores: Stores) -> None:
    charges = [await charge(stores) for _ in range(3)]
    paid = await charge(stores)
    await stores.settlements.settle_charge(paid, Outcome(Status.SUCCEEDED, "pi_7"), NOW)
    pending, reserved = await refund(stores, paid, 50)
    stores.advance(5000)
    claimed = [*await stores.pending.claim(3), *await stores.pending.claim(3)]
    assert len(claimed) == 4
    assert {request.payment.payment_id: request.refund for request in claimed} == {
        **{payment.payment_id: None for payment in charges},
        paid.payment_id: pending,
    }
    (refund_request,) = (request for request in claimed if request.refund is not None)
    assert (refund_request.payment, refund_request.processor_id, refund_request.attempts) == (reserved, "pi_7", 1)
    assert all(5000 <= request.age_seconds < 6000 for request in claimed)


async def test_pending_requests_are_counted_by_kind_with_the_age_of_the_oldest(stores: Stores) -> None:
    assert await stores.pending.count_pending() == ({}, 0)
    for _ in range(2):
        await charge(stores)
    stores.advance(5000)
    await refund(stores, await charge(stores, Status.SUCCEEDED))
    counts, age_seconds = await stores.pending.count_pending()
    assert counts == {"charge": 2, "refund": 1}
    assert 5000 <= age_seconds < 6000


async def test_what_the_payer_must_do_is_stored_once_until_the_outcome(stores: Stores) -> None:
    payment, other = await charge(stores), await charge(stores)
    outcome = Outcome(Status.PENDING, "pi_waiting", next_action=ACTION)
    waiting = replace(payment, next_action=ACTION, processor_reference="pi_waiting")
    for _ in range(2):
        assert await stores.settlements.await_payer(payment, outcome, LATER) == waiting
    assert (await stores.payments.get(payment.payment_id, Deadline())).payment == waiting
    assert (await stores.payments.get(other.payment_id, Deadline())).payment == other
    assert len(await stores.pending.claim(10)) == 2, "the reconciler still asks for the outcome"

    settled = replace(waiting, status=Status.SUCCEEDED, next_action=None)
    success = Outcome(Status.SUCCEEDED, "pi_waiting")
    assert await stores.settlements.settle_charge(payment, success, LATER) == (settled, True)
    assert await stores.settlements.await_payer(payment, outcome, LATER) == settled
    await stores.relay()
    page = await stores.history.events_of_payment(EventsQuery(payment.payment_id, 100, None), Deadline())
    assert [event.kind for event in page.events] == [EventKind.PENDING, EventKind.ACTION_REQUIRED, EventKind.CHARGED]
    assert page.events[1].occurred_at == LATER


async def test_another_action_takes_the_place_of_the_first(stores: Stores) -> None:
    payment = await charge(stores)
    second = NextAction(NextActionType.APPROVE_ON_PHONE, "", LATER)
    for action in (ACTION, second):
        outcome = Outcome(Status.PENDING, "pi_phone", next_action=action)
        assert (await stores.settlements.await_payer(payment, outcome, NOW)).next_action == action
    assert (await stores.payments.get(payment.payment_id, Deadline())).payment.next_action == second
