"""The contract of ``LateStore``, for the in-memory store and the MySQL store."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.domain.deadline import Deadline
from server.domain.dispute import Dispute, DisputeStatus
from server.domain.errors import PaymentDisputed
from server.domain.events import EventKind, EventsQuery, PaymentEvent
from server.domain.identifiers import RequestKey
from server.domain.late_outcomes import Check, CheckCounts, FailedRefund, Hint
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
from tests.storage.conftest import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Execute, Stores

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
AMOUNT = Money("INR", 10_050)
PART = Money("INR", 50)
DECLINED = Failure(FailureReason.DECLINED, "expired_or_canceled_card")
OPEN = Dispute(DisputeStatus.OPEN, AMOUNT, "fraudulent", NOW, None, "dp_1")
WON = replace(OPEN, status=DisputeStatus.WON, close_time=LATER)
LOST = replace(OPEN, status=DisputeStatus.LOST, close_time=LATER)

_numbers = itertools.count(1)


async def pending_charge(stores: Stores) -> Payment:
    new = NewCharge(7, AMOUNT, PaymentMethod.CARD, RequestKey.of("shop", None))
    payment = NewPayment(new, Decision(PaymentMethod.CARD, Status.PENDING), f"L{next(_numbers)}", NOW)
    return (await stores.payments.insert(payment, Deadline())).payment


async def paid(stores: Stores) -> Payment:
    """Store a charge that succeeded, with an id at the processor."""
    payment = await pending_charge(stores)
    outcome = Outcome(Status.SUCCEEDED, f"pi_{payment.reference}")
    return (await stores.settlements.settle_charge(payment, outcome, NOW))[0]


async def refunded(stores: Stores, payment: Payment, status: Status = Status.SUCCEEDED) -> Refund:
    """Store a refund of a part, with an id at the processor."""
    new = NewRefund(payment.payment_id, PART, "", RequestKey.of("shop", None))
    refund = (await stores.payments.refund(new, NOW, Deadline(), Status.PENDING)).refund
    assert refund is not None
    if status is Status.PENDING:
        return refund
    failure = DECLINED if status is Status.FAILED else None
    outcome = Outcome(status, f"re_{refund.refund_id}", failure)
    return (await stores.settlements.settle_refund(refund, outcome, NOW))[0]


async def stored(stores: Stores, payment: Payment) -> Payment:
    return (await stores.payments.get(payment.payment_id, Deadline())).payment


async def events_of(stores: Stores, payment: Payment) -> tuple[PaymentEvent, ...]:
    await stores.relay()
    return (await stores.history.events_of_payment(EventsQuery(payment.payment_id, 100, None), Deadline())).events


async def claimed(stores: Stores) -> Check:
    (check,) = await stores.late.claim_checks(10)
    return check


def hint_of(payment: Payment) -> Hint:
    return Hint(payment.processor_reference, None)


@pytest.mark.parametrize(
    "hint_at",
    [
        lambda payment: Hint(payment.processor_reference, None),
        lambda payment: Hint(None, payment.reference),
        lambda payment: Hint(payment.processor_reference, payment.reference),
        lambda payment: Hint("pi_unknown", payment.reference),
    ],
)
@pytest.mark.parametrize("is_archived", [False, True])
async def test_a_hint_makes_its_payment_due_with_the_refunds_that_can_still_fail(
    stores: Stores, hint_at: Callable[[Payment], Hint], *, is_archived: bool
) -> None:
    await paid(stores)
    payment = await paid(stores)
    succeeded = [await refunded(stores, payment) for _ in range(2)]
    await refunded(stores, payment, Status.FAILED)
    if not is_archived:
        await refunded(stores, payment, Status.PENDING)
    payment = await stored(stores, payment)
    if is_archived:
        stores.archive(payment)

    assert await stores.late.request_check(hint_at(payment))

    check = await claimed(stores)
    assert (check.payment, check.hints, check.is_archived) == (payment, 1, is_archived)
    assert sorted(check.succeeded_refunds, key=lambda refund: refund.refund_id) == succeeded
    assert 0 <= check.age_seconds < 1000
    assert await stores.late.claim_checks(10) == []


async def test_a_hint_about_an_unknown_payment_stores_nothing(stores: Stores) -> None:
    await paid(stores)
    assert not await stores.late.request_check(Hint("pi_unknown", "unknown"))
    assert not await stores.late.request_check(Hint("pi_unknown", None))
    assert not await stores.late.request_check(Hint(None, "unknown"))
    assert await stores.late.count_checks() == CheckCounts(0, 0, 0, 0.0)


async def test_a_hint_makes_the_pending_requests_of_its_payment_due(stores: Stores) -> None:
    payment, other = await pending_charge(stores), await pending_charge(stores)
    for _ in range(3):
        await stores.pending.claim(10)
        stores.advance(LONGEST_PAUSE_SECONDS)
    await stores.pending.claim(10)

    assert await stores.late.request_check(Hint(None, payment.reference))

    (request,) = await stores.pending.claim(10)
    assert (request.payment, request.attempts) == (payment, 1)
    assert other.payment_id != payment.payment_id


async def test_a_check_is_kept_if_another_hint_arrives_meanwhile(stores: Stores) -> None:
    payment = await paid(stores)
    await stores.late.request_check(hint_of(payment))
    check = await claimed(stores)
    await stores.late.request_check(hint_of(payment))

    await stores.late.finish_check(check, again_after_seconds=None)
    await stores.late.finish_check(check, again_after_seconds=50_000)

    again = await claimed(stores)
    assert (again.payment, again.hints) == (payment, 2)
    await stores.late.finish_check(again, again_after_seconds=None)
    assert await stores.late.count_checks() == CheckCounts(0, 0, 0, 0.0)


async def test_the_check_of_an_open_dispute_is_due_again_and_counted_as_one(stores: Stores) -> None:
    disputed, other = await paid(stores), await paid(stores)
    await stores.late.request_check(hint_of(disputed))
    await stores.late.finish_check(await claimed(stores), again_after_seconds=50_000)
    stores.advance(20_000)
    await stores.late.request_check(hint_of(other))

    counts = await stores.late.count_checks()
    assert (counts.waiting, counts.due, counts.disputed) == (1, 1, 1)
    assert 0 <= counts.oldest_seconds < 1000
    assert (await claimed(stores)).payment == other
    stores.advance(30_000)
    assert disputed in [check.payment for check in await stores.late.claim_checks(10)]


async def test_a_disputed_payment_waits_from_the_first_hint_or_attempt_until_a_check_succeeds(stores: Stores) -> None:
    payment = await paid(stores)
    await stores.late.request_check(hint_of(payment))
    await stores.late.finish_check(await claimed(stores), again_after_seconds=50_000)
    stores.advance(50_000)
    for _ in range(2):
        await claimed(stores)
        stores.advance(LONGEST_PAUSE_SECONDS)

    counts = await stores.late.count_checks()
    assert (counts.waiting, counts.disputed) == (1, 1)
    assert 2 * LONGEST_PAUSE_SECONDS <= counts.oldest_seconds < 2 * LONGEST_PAUSE_SECONDS + 1000
    check = await claimed(stores)
    assert check.age_seconds >= 2 * LONGEST_PAUSE_SECONDS

    await stores.late.finish_check(check, again_after_seconds=50_000)
    counts = await stores.late.count_checks()
    assert (counts.waiting, counts.oldest_seconds, counts.disputed) == (0, 0.0, 1)

    stores.advance(10_000)
    await stores.late.request_check(hint_of(payment))
    counts = await stores.late.count_checks()
    assert (counts.waiting, counts.due, counts.disputed) == (1, 1, 1)
    assert counts.oldest_seconds < 1000


async def test_a_claimed_check_is_postponed_twice_as_long_each_time(stores: Stores) -> None:
    payment = await paid(stores)
    await stores.late.request_check(hint_of(payment))
    for pause_seconds in (10_000, 20_000, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        assert (await claimed(stores)).payment == payment
        stores.advance(pause_seconds - FIRST_PAUSE_SECONDS / 10)
        assert await stores.late.claim_checks(10) == []
        stores.advance(FIRST_PAUSE_SECONDS / 10)
    assert (await stores.late.count_checks()).oldest_seconds >= 100_000


async def test_a_hint_ends_the_growth_of_the_pauses(stores: Stores) -> None:
    payment = await paid(stores)
    await stores.late.request_check(hint_of(payment))
    for _ in range(3):
        await claimed(stores)
        stores.advance(LONGEST_PAUSE_SECONDS)
    await stores.late.request_check(hint_of(payment))
    await claimed(stores)
    stores.advance(FIRST_PAUSE_SECONDS)
    assert (await claimed(stores)).payment == payment


async def test_at_most_the_requested_number_is_claimed_the_longest_due_first(stores: Stores) -> None:
    payments = [await paid(stores) for _ in range(3)]
    for payment in payments:
        await stores.late.request_check(hint_of(payment))
        stores.advance(1)
    claims = [await stores.late.claim_checks(2), await stores.late.claim_checks(2)]
    ids = [{check.payment.payment_id for check in checks} for checks in claims]
    first, second, third = (payment.payment_id for payment in payments)
    assert ids == [{first, second}, {third}]


@pytest.mark.parametrize(("decided", "kind"), [(WON, EventKind.DISPUTE_WON), (LOST, EventKind.DISPUTE_LOST)])
async def test_a_dispute_and_its_decision_are_stored_with_an_event_each(
    stores: Stores, decided: Dispute, kind: EventKind
) -> None:
    payment, other = await paid(stores), await paid(stores)
    assert await stores.late.set_dispute(payment, OPEN, NOW)
    opened = replace(payment, dispute=OPEN)
    assert await stored(stores, payment) == opened
    assert await stores.late.set_dispute(opened, decided, LATER)
    closed = replace(payment, dispute=decided)
    assert (await stored(stores, payment), await stored(stores, other)) == (closed, other)

    *_, opening, decision = await events_of(stores, payment)

    assert (opening.kind, opening.occurred_at, opening.caller, opening.request_id) == (
        *(EventKind.DISPUTE_OPENED, NOW),
        *("", ""),
    )
    assert (decision.kind, decision.occurred_at, decision.payment) == (kind, LATER, closed)


async def test_a_dispute_is_not_stored_if_the_payment_has_another_by_now(stores: Stores) -> None:
    payment = await paid(stores)
    assert await stores.late.set_dispute(payment, LOST, NOW)
    count = len(await events_of(stores, payment))
    assert not await stores.late.set_dispute(payment, OPEN, LATER)
    for earlier in (OPEN, replace(LOST, processor_reference="dp_2")):
        assert not await stores.late.set_dispute(replace(payment, dispute=earlier), WON, LATER)
    assert (await stored(stores, payment)).dispute == LOST
    assert len(await events_of(stores, payment)) == count


async def test_a_disputed_payment_is_not_refunded_unless_the_dispute_is_won(stores: Stores) -> None:
    payment = await paid(stores)
    for dispute in (OPEN, LOST):
        assert await stores.late.set_dispute(await stored(stores, payment), dispute, NOW)
        with pytest.raises(PaymentDisputed):
            await refunded(stores, payment)
    assert await stores.late.set_dispute(await stored(stores, payment), WON, NOW)
    await refunded(stores, payment)
    assert (await stored(stores, payment)).refunded_amount == PART


async def test_a_refund_that_fails_late_can_be_made_again(stores: Stores) -> None:
    payment = await paid(stores)
    refund, other = await refunded(stores, payment), await refunded(stores, payment)
    failed = FailedRefund(refund.refund_id, refund.processor_reference, PART, DECLINED)

    assert await stores.late.fail_refund(payment, failed, LATER) is True
    assert await stores.late.fail_refund(payment, failed, LATER) is False

    details = await stores.payments.get(payment.payment_id, Deadline())
    after = replace(refund, status=Status.FAILED, failure=DECLINED)
    assert details.payment == replace(payment, refunded_amount=PART)
    assert details.refunds == (after, other)
    *_, event = await events_of(stores, payment)
    assert (event.kind, event.occurred_at, event.payment, event.refund) == (
        *(EventKind.REFUND_FAILED, LATER),
        *(details.payment, after),
    )
    rest = NewRefund(payment.payment_id, None, "", RequestKey.of("shop", None))
    assert (await stores.payments.refund(rest, LATER, Deadline())).payment.is_refunded


async def test_a_full_refund_that_fails_late_leaves_the_payment_unrefunded(stores: Stores) -> None:
    payment = await paid(stores)
    new = NewRefund(payment.payment_id, None, "", RequestKey.of("shop", None))
    refund = (await stores.payments.refund(new, NOW, Deadline())).refund
    assert refund is not None
    failed = FailedRefund(refund.refund_id, "", AMOUNT, DECLINED)
    assert await stores.late.fail_refund(payment, failed, LATER)
    assert await stored(stores, payment) == payment


@pytest.mark.parametrize(
    "change",
    [
        lambda failed: replace(failed, refund_id=2**40),
        lambda failed: replace(failed, processor_id="re_other"),
        lambda failed: replace(failed, amount=Money("INR", 51)),
    ],
)
async def test_another_refund_than_the_stored_one_changes_nothing(
    stores: Stores, change: Callable[[FailedRefund], FailedRefund]
) -> None:
    payment = await paid(stores)
    refund = await refunded(stores, payment)
    before = await stores.payments.get(payment.payment_id, Deadline())
    failed = FailedRefund(refund.refund_id, refund.processor_reference, PART, DECLINED)
    assert await stores.late.fail_refund(payment, change(failed), LATER) is None
    assert await stores.late.fail_refund(await paid(stores), failed, LATER) is None
    assert await stores.payments.get(payment.payment_id, Deadline()) == before


async def test_one_replica_at_a_time_polls_and_continues_after_the_last_event(stores: Stores) -> None:
    assert await stores.late.take_poll(10_000) == (True, None)
    assert await stores.late.take_poll(10_000) == (False, None)
    await stores.late.set_last_event("evt_1")
    stores.advance(9_000)
    assert await stores.late.take_poll(10_000) == (False, None)
    stores.advance(1_000)
    assert await stores.late.take_poll(10_000) == (True, "evt_1")
    await stores.late.set_last_event(None)
    stores.advance(10_000)
    assert await stores.late.take_poll(10_000) == (True, None)


@pytest.mark.parametrize("stores", ["mysql"], indirect=True)
async def test_late_outcomes_are_recorded_once_for_the_doctor(stores: Stores, execute: Execute) -> None:
    execute("DELETE FROM late_outcomes")
    payment = await paid(stores)
    refund = await refunded(stores, payment)
    failed = FailedRefund(refund.refund_id, refund.processor_reference, PART, DECLINED)
    for _ in range(2):
        await stores.late.set_dispute(payment, OPEN, NOW)
        await stores.late.fail_refund(payment, failed, LATER)
    await stores.late.set_dispute(replace(payment, dispute=OPEN), WON, LATER)
    assert execute("SELECT kind, payment_id, refund_id FROM late_outcomes ORDER BY late_outcome_id") == [
        ("DISPUTE_OPENED", payment.payment_id, None),
        ("REFUND_FAILED", payment.payment_id, refund.refund_id),
        ("DISPUTE_WON", payment.payment_id, None),
    ]


@pytest.mark.parametrize("is_refund", [False, True])
async def test_a_check_says_whether_its_payment_has_pending_requests(stores: Stores, *, is_refund: bool) -> None:
    other = await paid(stores)
    if is_refund:
        payment = await paid(stores)
        await refunded(stores, payment, Status.PENDING)
    else:
        payment = await pending_charge(stores)
    for one in (payment, other):
        await stores.late.request_check(Hint(None, one.reference))
    checks = {check.payment.payment_id: check for check in await stores.late.claim_checks(10)}
    assert checks[payment.payment_id].has_pending_requests
    assert not checks[other.payment_id].has_pending_requests


async def test_a_postponed_check_does_not_wait_until_it_is_claimed_again(stores: Stores) -> None:
    payment = await paid(stores)
    await stores.late.request_check(hint_of(payment))
    stores.advance(5000)
    check = await claimed(stores)
    await stores.late.postpone_check(replace(check, hints=check.hints + 1))
    assert (await stores.late.count_checks()).oldest_seconds >= 5000, "there was another hint"
    await stores.late.postpone_check(check)
    assert await stores.late.count_checks() == CheckCounts(0, 0, 0, 0.0)
    stores.advance(FIRST_PAUSE_SECONDS)
    assert (await claimed(stores)).hints == check.hints


async def test_a_check_without_a_hint_leaves_the_pending_requests_alone(stores: Stores) -> None:
    payment = await pending_charge(stores)
    assert len(await stores.pending.claim(10)) == 1
    await stores.late.add_check(payment.payment_id)
    assert await stores.pending.claim(10) == []
    check = await claimed(stores)
    assert (check.payment, check.hints, check.has_pending_requests) == (payment, 1, True)
    await stores.late.add_check(payment.payment_id)
    await stores.late.finish_check(check, again_after_seconds=None)
    assert (await claimed(stores)).hints == 2, "it is kept, as after another hint"
