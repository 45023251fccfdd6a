"""What every ``PaymentStore`` promises, of the one in memory and of the one on MySQL."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from server.domain.deadline import Deadline
from server.domain.errors import (
    DeadlinePassed,
    InvalidRequest,
    PaymentArchived,
    PaymentFailed,
    PaymentNotFound,
    PaymentPending,
    ReferenceTaken,
    RefundExceedsPayment,
    RequestIdReused,
)
from server.domain.listing import NumberedPage, NumberedPageQuery, Order, PageQuery, PaymentFilter
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
    NewPayment,
    NewRefund,
    Payment,
    PaymentDetails,
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    RefundState,
    Status,
)
from tests.storage.conftest import Stores
from tests.storage.payments.new_payments import NOW, new_payment, new_refund, numbers, own_key

pytestmark = pytest.mark.asyncio


def own_order() -> int:
    return 1000 + next(numbers)


async def charged(stores: Stores, new: NewPayment | None = None) -> Payment:
    return (await stores.payments.insert(new or new_payment(), Deadline())).payment


async def refunded(stores: Stores, refund: NewRefund) -> RefundOutcome:
    return await stores.payments.refund(refund, NOW, Deadline())


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("requested", [PaymentMethod.CARD, None])
async def test_a_charge_is_found_as_it_was_written(
    stores: Stores, status: Status, requested: PaymentMethod | None
) -> None:
    new = new_payment(None, status, requested)
    outcome = await stores.payments.insert(new, Deadline())
    expected = Payment(
        payment_id=outcome.payment.payment_id,
        order_id=7,
        amount=Money("INR", 10_050),
        method=requested or PaymentMethod.COD,
        other_method="",
        status=status,
        reference=new.reference,
        create_time=NOW,
        refunded_amount=Money("INR", 0),
        is_refunded=False,
        is_adopted=False,
    )
    assert outcome == ChargeOutcome(expected, replayed=False)
    details = PaymentDetails(expected, (), has_more=False)
    assert await stores.payments.get(expected.payment_id, Deadline()) == details
    assert await stores.payments.get(new.reference, Deadline()) == details


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PENDING])
async def test_many_charges_are_found_as_they_were_written(stores: Stores, status: Status) -> None:
    new = [new_payment(None, status, order_id=number) for number in range(1, 4)]
    outcomes = await stores.payments.insert_many(new, Deadline())
    for order_id, (made, outcome) in enumerate(zip(new, outcomes, strict=True), start=1):
        assert isinstance(outcome, ChargeOutcome)
        payment = outcome.payment
        assert (payment.order_id, payment.reference, payment.status) == (order_id, made.reference, status)
        assert (await stores.payments.get(payment.payment_id, Deadline())).payment == payment


async def test_a_repeated_charge_shows_the_payment_as_it_is_now(stores: Stores) -> None:
    key = own_key()
    payment = await charged(stores, new_payment(key))
    await refunded(stores, new_refund(payment, 50))
    now = (await stores.payments.get(payment.payment_id, Deadline())).payment
    assert now.refunded_amount == Money("INR", 50)
    again = await stores.payments.insert(new_payment(key), Deadline())
    assert again == ChargeOutcome(now, replayed=True)
    among_others = await stores.payments.insert_many([new_payment(), new_payment(key), new_payment()], Deadline())
    assert among_others[1] == ChargeOutcome(now, replayed=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"order_id": 8},
        {"amount": Money("INR", 10_051)},
        {"amount": Money("USD", 10_050)},
        {"requested": PaymentMethod.COD},
        {"requested": None},
    ],
    ids=str,
)
async def test_a_key_that_comes_again_with_another_parameter_is_refused(
    stores: Stores, changed: dict[str, Any]
) -> None:
    key = own_key()
    await charged(stores, new_payment(key))
    with pytest.raises(RequestIdReused, match=f"^request_id '{key}' came before, in a Charge with other parameters$"):
        await stores.payments.insert(new_payment(key, **changed), Deadline())


async def test_a_deadline_that_has_passed_stops_a_call_before_it_writes(stores: Stores) -> None:
    payment = await charged(stores)
    passed = Deadline.after(-1)
    calls: list[Awaitable[object]] = [
        stores.payments.insert(new_payment(), passed),
        stores.payments.insert_many([new_payment()], passed),
        stores.payments.refund(new_refund(payment), NOW, passed),
        stores.payments.get(payment.payment_id, passed),
        stores.payments.get(str(payment.reference), passed),
        stores.payments.list_refunds(RefundsQuery(payment.payment_id, 10, None), passed),
        stores.payments.list_page(PageQuery(PaymentFilter(), Order.NEWEST_FIRST, 1, None, with_total=False), passed),
        stores.payments.list_numbered_page(NumberedPageQuery(order=Order.NEWEST_FIRST, size=1, skip=0), passed),
    ]
    for call in calls:
        with pytest.raises(DeadlinePassed):
            await call
    assert (await stores.payments.get(payment.payment_id, Deadline())).payment == payment


@pytest.mark.parametrize(
    ("amount", "of_payment", "is_full"), [(None, 10_050, True), (10_050, 10_050, True), (50, 50, False)]
)
async def test_a_refund_is_found_as_it_was_written(
    stores: Stores,
    amount: int | None,
    of_payment: int,
    is_full: bool,  # noqa: FBT001
) -> None:
    payment = await charged(stores)
    outcome = await refunded(stores, new_refund(payment, amount))
    assert outcome.refund is not None
    refund = Refund(
        outcome.refund.refund_id, payment.payment_id, Money("INR", of_payment), Status.SUCCEEDED, "damaged", NOW
    )
    after = replace(payment, refunded_amount=Money("INR", of_payment), is_refunded=is_full)
    assert outcome == RefundOutcome(refund, after, replayed=False, is_new=True)
    assert await stores.payments.get(payment.payment_id, Deadline()) == PaymentDetails(after, (refund,), has_more=False)


async def test_a_pending_refund_counts_as_one_that_was_made(stores: Stores) -> None:
    payment = await charged(stores)
    outcome = await stores.payments.refund(new_refund(payment, 50), NOW, Deadline(), Status.PENDING)
    assert outcome.refund is not None
    assert outcome.refund.status is Status.PENDING
    assert outcome.payment.refunded_amount == Money("INR", 50)
    with pytest.raises(RefundExceedsPayment):
        await refunded(stores, new_refund(payment, 10_001))


@pytest.mark.parametrize(
    ("status", "amount", "error"),
    [
        (Status.FAILED, None, PaymentFailed),
        (Status.PENDING, None, PaymentPending),
        (Status.SUCCEEDED, Money("INR", 10_051), RefundExceedsPayment),
        (Status.SUCCEEDED, Money("USD", 1), InvalidRequest),
    ],
)
async def test_a_refund_that_is_not_possible_changes_nothing(
    stores: Stores, status: Status, amount: Money | None, error: type[Exception]
) -> None:
    payment = await charged(stores, new_payment(None, status))
    with pytest.raises(error):
        await refunded(stores, replace(new_refund(payment), amount=amount))
    assert await stores.payments.get(payment.payment_id, Deadline()) == PaymentDetails(payment, (), has_more=False)


async def test_a_payment_that_is_not_there_is_not_found(stores: Stores) -> None:
    nobody = replace(await charged(stores), payment_id=2**62)
    calls: list[Awaitable[object]] = [
        refunded(stores, new_refund(nobody)),
        stores.payments.get(nobody.payment_id, Deadline()),
        stores.payments.get("nobody's", Deadline()),
        stores.payments.list_refunds(RefundsQuery(nobody.payment_id, 10, None), Deadline()),
    ]
    for call in calls:
        with pytest.raises(PaymentNotFound, match=r"^payment not found$"):
            await call


async def test_a_repeated_refund_shows_the_one_that_was_made_and_its_payment_as_it_is_now(
    stores: Stores,
) -> None:
    payment, key = await charged(stores), own_key()
    first = await refunded(stores, new_refund(payment, 50, key))
    second = await refunded(stores, new_refund(payment, 70))
    again = await refunded(stores, new_refund(payment, 50, key))
    assert again == RefundOutcome(first.refund, second.payment, replayed=True, is_new=False)


@pytest.mark.parametrize(
    "changed",
    [{"amount": None}, {"amount": Money("INR", 51)}, {"reason": "late"}, {"payment_id": None}],
    ids=str,
)
async def test_a_key_that_comes_again_with_another_refund_is_refused(stores: Stores, changed: dict[str, Any]) -> None:
    payment, other, key = await charged(stores), await charged(stores), own_key()
    await refunded(stores, new_refund(payment, 50, key))
    changed = {"payment_id": other.payment_id} if "payment_id" in changed else changed
    with pytest.raises(RequestIdReused, match=f"^request_id '{key}' came before, in a Refund with other parameters$"):
        await refunded(stores, replace(new_refund(payment, 50, key), **changed))
    assert (await stores.payments.get(other.payment_id, Deadline())).payment == other


async def test_one_key_for_refunds_of_two_payments_at_once_makes_one_of_them(stores: Stores) -> None:
    for _ in range(10):
        payments, key = [await charged(stores) for _ in range(2)], own_key()
        refunds = (refunded(stores, new_refund(payment, 50, key)) for payment in payments)
        outcomes = await asyncio.gather(*refunds, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RefundOutcome", "RequestIdReused"]


async def test_a_whole_refund_asked_again_without_a_request_id_shows_the_last_one(stores: Stores) -> None:
    payment = await charged(stores)
    await refunded(stores, new_refund(payment, 50))
    last = await refunded(stores, new_refund(payment))
    again = await refunded(stores, new_refund(payment))
    assert again == RefundOutcome(last.refund, last.payment, replayed=False, is_new=False)
    with pytest.raises(RefundExceedsPayment):
        await refunded(stores, new_refund(payment, 50))
    with pytest.raises(RefundExceedsPayment):
        await refunded(stores, new_refund(payment, None, own_key()))


async def test_a_whole_refund_that_an_earlier_system_made_has_no_record(stores: Stores) -> None:
    payment = await charged(stores)
    stores.refund_elsewhere(payment)
    outcome = await refunded(stores, new_refund(payment))
    after = replace(payment, refunded_amount=payment.amount, is_refunded=True)
    assert outcome == RefundOutcome(None, after, replayed=False, is_new=False)


async def test_an_archived_payment_is_read_and_repeated_but_not_refunded(stores: Stores) -> None:
    charge_key, refund_key = own_key(), own_key()
    payment = await charged(stores, new_payment(charge_key))
    first = await refunded(stores, new_refund(payment, 50, refund_key))
    assert first.refund is not None
    stores.archive(payment)

    details = PaymentDetails(first.payment, (first.refund,), has_more=False)
    assert await stores.payments.get(payment.payment_id, Deadline()) == details
    assert await stores.payments.get(str(payment.reference), Deadline()) == details
    assert await stores.payments.list_refunds(RefundsQuery(payment.payment_id, 10, None), Deadline()) == details
    assert await stores.payments.insert(new_payment(charge_key), Deadline()) == ChargeOutcome(
        first.payment, replayed=True
    )
    with pytest.raises(RequestIdReused):
        await stores.payments.insert(new_payment(charge_key, order_id=8), Deadline())
    assert await refunded(stores, new_refund(payment, 50, refund_key)) == replace(first, replayed=True, is_new=False)
    with pytest.raises(RequestIdReused):
        await refunded(stores, new_refund(payment, 51, refund_key))
    with pytest.raises(PaymentArchived, match="brought back"):
        await refunded(stores, new_refund(payment))
    with pytest.raises(RefundExceedsPayment):
        await refunded(stores, new_refund(payment, 10_001))


async def test_a_whole_refund_of_an_archived_payment_asked_again_shows_the_last_one(stores: Stores) -> None:
    payment = await charged(stores)
    await refunded(stores, new_refund(payment, 50))
    last = await refunded(stores, new_refund(payment))
    stores.archive(payment)
    again = await refunded(stores, new_refund(payment))
    assert again == RefundOutcome(last.refund, last.payment, replayed=False, is_new=False)


async def test_the_refunds_of_a_payment_are_read_a_page_at_a_time(stores: Stores) -> None:
    payment = await charged(stores)
    made = [(await refunded(stores, new_refund(payment, amount))).refund for amount in (1, 2, 3, 4)]
    refunds = tuple(refund for refund in made if refund is not None)
    now = (await stores.payments.get(payment.payment_id, Deadline())).payment

    async def page(size: int, after: int | None) -> PaymentDetails:
        return await stores.payments.list_refunds(RefundsQuery(payment.payment_id, size, after), Deadline())

    assert await page(2, None) == PaymentDetails(now, refunds[:2], has_more=True)
    assert await page(2, refunds[1].refund_id) == PaymentDetails(now, refunds[2:], has_more=False)
    assert await page(3, refunds[1].refund_id) == PaymentDetails(now, refunds[2:], has_more=False)
    assert await page(9, refunds[3].refund_id) == PaymentDetails(now, (), has_more=False)


async def test_a_payment_is_shown_with_its_first_hundred_refunds(stores: Stores) -> None:
    payment = await charged(stores)
    made = [(await refunded(stores, new_refund(payment, 1))).refund for _ in range(101)]
    now = (await stores.payments.get(payment.payment_id, Deadline())).payment
    for key in (payment.payment_id, str(payment.reference)):
        details = await stores.payments.get(key, Deadline())
        assert details == PaymentDetails(now, tuple(one for one in made[:100] if one is not None), has_more=True)


async def test_a_reference_names_a_payment_to_the_letter(stores: Stores) -> None:
    new = replace(new_payment(), reference=f"भुगतान-{next(numbers)}")
    payment = await charged(stores, new)
    assert (await stores.payments.get(new.reference, Deadline())).payment == payment
    for other in (f"{new.reference} ", new.reference.replace("भु", "भ")):
        with pytest.raises(PaymentNotFound):
            await stores.payments.get(other, Deadline())


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
async def test_pages_walk_over_every_payment_once_in_order(stores: Stores, order: Order, size: int) -> None:
    order_id = own_order()
    made = [
        await charged(stores, replace(new_payment(order_id=order_id), create_time=NOW + timedelta(seconds=number // 2)))
        for number in range(4)
    ]
    undated = replace(await charged(stores, new_payment(order_id=order_id)), create_time=None)
    stores.undate(undated)
    expected = [undated, *made] if order is Order.OLDEST_FIRST else [*reversed(made), undated]
    found: list[Payment] = []
    query = PageQuery(PaymentFilter(order_id=order_id), order, size, None, with_total=True)
    while True:
        page = await stores.payments.list_page(query, Deadline())
        assert page.total == 5
        assert len(page.payments) == min(size, 5 - len(found))
        found += page.payments
        if page.next is None:
            break
        query = replace(query, after=page.next)
    assert found == expected
    assert (await stores.payments.list_page(replace(query, with_total=False), Deadline())).total is None


async def test_numbered_pages_count_all_payments_and_hold_those_of_the_page(stores: Stores) -> None:
    order_id = own_order()
    made = tuple([await charged(stores, new_payment(order_id=order_id)) for _ in range(3)])
    query = NumberedPageQuery(order=Order.OLDEST_FIRST, size=2, skip=0, order_id=order_id)

    async def page(**changes: object) -> NumberedPage:
        return await stores.payments.list_numbered_page(replace(query, **changes), Deadline())  # type: ignore[arg-type]

    assert await page() == NumberedPage(made[:2], 3)
    assert await page(skip=2) == NumberedPage(made[2:], 3)
    assert await page(skip=3) == NumberedPage((), 3)
    assert await page(size=0) == NumberedPage((), 3)
    assert await page(method="upi", size=9) == NumberedPage(made, 3)
    assert await page(method="CARD") == NumberedPage((), 0)
    assert await page(method="nobody's") == NumberedPage((), 0)


async def test_one_key_for_many_charges_at_once_makes_one_payment(stores: Stores) -> None:
    key = own_key()
    new = [new_payment(key) for _ in range(5)]
    outcomes = await asyncio.gather(*(stores.payments.insert(one, Deadline()) for one in new))
    assert len({outcome.payment for outcome in outcomes}) == 1
    assert sum(not outcome.replayed for outcome in outcomes) == 1


async def test_a_key_is_its_caller_s_own(stores: Stores) -> None:
    mine = new_payment(own_key())
    theirs = replace(new_payment(), charge=replace(mine.charge, key=replace(mine.charge.key, caller="other")))
    first, second = await charged(stores, mine), await charged(stores, theirs)
    assert first.payment_id != second.payment_id


async def test_the_very_same_payment_stored_again_is_not_a_replay(stores: Stores) -> None:
    new = new_payment()
    first = await stores.payments.insert(new, Deadline())
    assert await stores.payments.insert(new, Deadline()) == first
    assert await stores.payments.insert_many([new, new_payment()], Deadline()) != [first]
    assert (await stores.payments.insert_many([new, new_payment()], Deadline()))[0] == first


async def test_a_reference_that_is_taken_fails_its_payment_alone(stores: Stores) -> None:
    taken = await charged(stores)
    assert taken.reference is not None
    with pytest.raises(ReferenceTaken):
        await stores.payments.insert(replace(new_payment(), reference=taken.reference), Deadline())
    among_others = [new_payment(), replace(new_payment(), reference=taken.reference), new_payment()]
    first, refused, last = await stores.payments.insert_many(among_others, Deadline())
    assert isinstance(refused, ReferenceTaken)
    assert isinstance(first, ChargeOutcome)
    assert isinstance(last, ChargeOutcome)


async def test_refunds_at_once_never_exceed_the_payment(stores: Stores) -> None:
    payment = await charged(stores)
    attempts = (refunded(stores, new_refund(payment, 3_000)) for _ in range(8))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    made = [one for one in outcomes if isinstance(one, RefundOutcome)]
    assert all(isinstance(one, RefundOutcome | RefundExceedsPayment) for one in outcomes)
    assert len(made) == 3
    now = await stores.payments.get(payment.payment_id, Deadline())
    assert now.payment.refunded_amount == Money("INR", 9_000)
    assert len(now.refunds) == 3


async def test_a_payment_without_a_processor_s_answer_is_found_as_pending(stores: Stores) -> None:
    new = new_payment(None, Status.PENDING, order_id=own_order())
    payment = await charged(stores, new)
    query = PageQuery(PaymentFilter(order_id=payment.order_id), Order.NEWEST_FIRST, 9, None, with_total=False)
    assert (await stores.payments.list_page(query, Deadline())).payments == (payment,)
    assert (
        await stores.payments.insert(new_payment(new.charge.key.request_id, order_id=payment.order_id), Deadline())
    ) == ChargeOutcome(payment, replayed=True)


async def test_an_archived_payment_is_in_no_list(stores: Stores) -> None:
    payment = await charged(stores, new_payment(order_id=own_order()))
    stores.archive(payment)
    query = PageQuery(PaymentFilter(order_id=payment.order_id), Order.NEWEST_FIRST, 9, None, with_total=True)
    page = await stores.payments.list_page(query, Deadline())
    assert (page.payments, page.total) == ((), 0)
    numbered = NumberedPageQuery(order=Order.NEWEST_FIRST, size=9, skip=0, order_id=payment.order_id)
    assert await stores.payments.list_numbered_page(numbered, Deadline()) == NumberedPage((), 0)


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [0, 1, 2, 3]),
    ({"methods": frozenset({PaymentMethod.UPI})}, [0, 3]),
    ({"methods": frozenset({PaymentMethod.UPI, PaymentMethod.CARD})}, [0, 1, 3]),
    ({"methods": frozenset({PaymentMethod.OTHER})}, []),
    ({"statuses": frozenset({Status.FAILED})}, [1]),
    ({"statuses": frozenset({Status.PENDING, Status.FAILED})}, [1, 2]),
    ({"refund_states": frozenset({RefundState.NONE})}, [1, 2, 3]),
    ({"refund_states": frozenset({RefundState.PARTIAL})}, [0]),
    ({"refund_states": frozenset({RefundState.PARTIAL, RefundState.FULL})}, [0]),
    ({"min_amount": Money("INR", 200)}, [1, 2]),
    ({"max_amount": Money("INR", 200)}, [0, 1]),
    ({"min_amount": Money("INR", 101), "max_amount": Money("INR", 299)}, [1]),
    ({"min_amount": Money("USD", 1)}, [3]),
    ({"min_create_time": NOW + timedelta(seconds=1)}, [1, 2, 3]),
    ({"max_create_time": NOW + timedelta(seconds=1)}, [0, 1]),
    ({"statuses": frozenset({Status.SUCCEEDED}), "methods": frozenset({PaymentMethod.CARD})}, []),
]


def named(value: object) -> str:
    """Return the name of a parameter; a set has none of its own, as its text differs in each process."""
    return ",".join(value) if isinstance(value, dict) else str(value)


async def four_payments(stores: Stores, order_id: int) -> list[Payment]:
    """Charge four payments that differ in everything that a list can ask for, the oldest first."""
    new = [
        new_payment(None, Status.SUCCEEDED, PaymentMethod.UPI, Money("INR", 100), order_id),
        new_payment(None, Status.FAILED, PaymentMethod.CARD, Money("INR", 200), order_id),
        new_payment(None, Status.PENDING, PaymentMethod.COD, Money("INR", 300), order_id),
        new_payment(None, Status.SUCCEEDED, PaymentMethod.UPI, Money("USD", 400), order_id),
    ]
    made = [
        await charged(stores, replace(one, create_time=NOW + timedelta(seconds=number)))
        for number, one in enumerate(new)
    ]
    return [(await refunded(stores, new_refund(made[0], 1))).payment, *made[1:]]


@pytest.mark.parametrize(("conditions", "expected"), FILTERS, ids=named)
async def test_a_list_has_the_payments_for_which_every_condition_holds(
    stores: Stores, conditions: dict[str, Any], expected: list[int]
) -> None:
    order_id = own_order()
    made = await four_payments(stores, order_id)
    query = PageQuery(PaymentFilter(order_id=order_id, **conditions), Order.OLDEST_FIRST, 9, None, with_total=True)
    page = await stores.payments.list_page(query, Deadline())
    assert page.payments == tuple(made[number] for number in expected)
    assert (page.total, page.next) == (len(expected), None)


async def test_a_list_by_reference_has_that_payment_alone(stores: Stores) -> None:
    payment = await charged(stores)
    for reference, expected in ((payment.reference, (payment,)), ("nobody's", ())):
        query = PageQuery(PaymentFilter(reference=reference), Order.NEWEST_FIRST, 9, None, with_total=True)
        page = await stores.payments.list_page(query, Deadline())
        assert (page.payments, page.total) == (expected, len(expected))


NUMBERED: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [0, 1, 2, 3]),
    ({"method": "Upi"}, [0, 3]),
    ({"status": Status.FAILED}, [1]),
    ({"status": Status.PENDING}, [2]),
    ({"min_amount": Decimal(2), "max_amount": Decimal(3)}, [1, 2]),
    ({"min_amount": Decimal(3), "max_amount": Decimal(2)}, []),
    ({"min_create_time": NOW + timedelta(seconds=1), "max_create_time": NOW + timedelta(seconds=2)}, [1, 2]),
]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize(("conditions", "expected"), NUMBERED, ids=named)
async def test_a_numbered_list_has_the_payments_for_which_every_condition_holds(
    stores: Stores, conditions: dict[str, Any], expected: list[int], order: Order
) -> None:
    order_id = own_order()
    made = await four_payments(stores, order_id)
    found = [made[number] for number in expected]
    if order is Order.NEWEST_FIRST:
        found.reverse()
    query = NumberedPageQuery(order=order, size=9, skip=0, order_id=order_id, **conditions)
    assert await stores.payments.list_numbered_page(query, Deadline()) == NumberedPage(tuple(found), len(found))
