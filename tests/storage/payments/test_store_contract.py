"""The contract of ``PaymentStore``, for the in-memory store and the MySQL store."""

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
from tests.storage.payments.new_payments import NOW, new_payment, new_refund, new_request_id, numbers

pytestmark = pytest.mark.asyncio


def new_order_id() -> int:
    return 1000 + next(numbers)


async def make_payment(stores: Stores, new: NewPayment | None = None) -> Payment:
    return (await stores.payments.insert(new or new_payment(), Deadline())).payment


async def make_refund(stores: Stores, refund: NewRefund) -> RefundOutcome:
    return await stores.payments.refund(refund, NOW, Deadline())


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("requested", [PaymentMethod.CARD, None])
async def test_a_stored_charge_can_be_read_unchanged(
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
        caller="shop",
        request_id=new.charge.key.request_id,
    )
    assert outcome == ChargeOutcome(expected, replayed=False)
    details = PaymentDetails(expected, (), has_more=False)
    assert await stores.payments.get(expected.payment_id, Deadline()) == details
    assert await stores.payments.get(new.reference, Deadline()) == details


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PENDING])
async def test_many_stored_charges_can_be_read_unchanged(stores: Stores, status: Status) -> None:
    new = [new_payment(None, status, order_id=number) for number in range(1, 4)]
    outcomes = await stores.payments.insert_many(new, Deadline())
    for order_id, (charge, outcome) in enumerate(zip(new, outcomes, strict=True), start=1):
        assert isinstance(outcome, ChargeOutcome)
        payment = outcome.payment
        assert (payment.order_id, payment.reference, payment.status) == (order_id, charge.reference, status)
        assert (await stores.payments.get(payment.payment_id, Deadline())).payment == payment


async def test_a_repeated_charge_returns_the_current_state_of_the_first_payment(stores: Stores) -> None:
    key = new_request_id()
    payment = await make_payment(stores, new_payment(key))
    await make_refund(stores, new_refund(payment, 50))
    current = (await stores.payments.get(payment.payment_id, Deadline())).payment
    assert current.refunded_amount == Money("INR", 50)
    again = await stores.payments.insert(new_payment(key), Deadline())
    assert again == ChargeOutcome(current, replayed=True)
    batch = await stores.payments.insert_many([new_payment(), new_payment(key), new_payment()], Deadline())
    assert batch[1] == ChargeOutcome(current, replayed=True)


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
async def test_a_charge_with_a_used_request_id_and_another_parameter_is_rejected(
    stores: Stores, changed: dict[str, Any]
) -> None:
    key = new_request_id()
    await make_payment(stores, new_payment(key))
    with pytest.raises(RequestIdReused, match=f"^request_id '{key}' came before, in a Charge with other parameters$"):
        await stores.payments.insert(new_payment(key, **changed), Deadline())


async def test_a_call_whose_deadline_has_passed_does_nothing(stores: Stores) -> None:
    payment = await make_payment(stores)
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
    ("amount", "refunded", "is_full"), [(None, 10_050, True), (10_050, 10_050, True), (50, 50, False)]
)
async def test_a_stored_refund_can_be_read_unchanged(
    stores: Stores,
    amount: int | None,
    refunded: int,
    is_full: bool,  # noqa: FBT001
) -> None:
    payment = await make_payment(stores)
    outcome = await make_refund(stores, new_refund(payment, amount))
    assert outcome.refund is not None
    refund = Refund(
        outcome.refund.refund_id,
        payment.payment_id,
        Money("INR", refunded),
        Status.SUCCEEDED,
        "damaged",
        NOW,
        "shop",
        outcome.refund.request_id,
    )
    after = replace(payment, refunded_amount=Money("INR", refunded), is_refunded=is_full)
    assert outcome == RefundOutcome(refund, after, replayed=False, is_new=True)
    assert await stores.payments.get(payment.payment_id, Deadline()) == PaymentDetails(after, (refund,), has_more=False)


async def test_a_pending_refund_reduces_the_remaining_amount(stores: Stores) -> None:
    payment = await make_payment(stores)
    outcome = await stores.payments.refund(new_refund(payment, 50), NOW, Deadline(), Status.PENDING)
    assert outcome.refund is not None
    assert outcome.refund.status is Status.PENDING
    assert outcome.payment.refunded_amount == Money("INR", 50)
    with pytest.raises(RefundExceedsPayment):
        await make_refund(stores, new_refund(payment, 10_001))


@pytest.mark.parametrize(
    ("status", "amount", "error"),
    [
        (Status.FAILED, None, PaymentFailed),
        (Status.PENDING, None, PaymentPending),
        (Status.SUCCEEDED, Money("INR", 10_051), RefundExceedsPayment),
        (Status.SUCCEEDED, Money("USD", 1), InvalidRequest),
    ],
)
async def test_a_rejected_refund_changes_nothing(
    stores: Stores, status: Status, amount: Money | None, error: type[Exception]
) -> None:
    payment = await make_payment(stores, new_payment(None, status))
    with pytest.raises(error):
        await make_refund(stores, replace(new_refund(payment), amount=amount))
    assert await stores.payments.get(payment.payment_id, Deadline()) == PaymentDetails(payment, (), has_more=False)


async def test_an_unknown_payment_is_not_found(stores: Stores) -> None:
    unknown = replace(await make_payment(stores), payment_id=2**62)
    calls: list[Awaitable[object]] = [
        make_refund(stores, new_refund(unknown)),
        stores.payments.get(unknown.payment_id, Deadline()),
        stores.payments.get("unknown", Deadline()),
        stores.payments.list_refunds(RefundsQuery(unknown.payment_id, 10, None), Deadline()),
    ]
    for call in calls:
        with pytest.raises(PaymentNotFound, match=r"^payment not found$"):
            await call


async def test_a_repeated_refund_returns_the_first_refund_and_the_current_payment(
    stores: Stores,
) -> None:
    payment, key = await make_payment(stores), new_request_id()
    first = await make_refund(stores, new_refund(payment, 50, key))
    second = await make_refund(stores, new_refund(payment, 70))
    again = await make_refund(stores, new_refund(payment, 50, key))
    assert again == RefundOutcome(first.refund, second.payment, replayed=True, is_new=False)


@pytest.mark.parametrize(
    "changed",
    [{"amount": None}, {"amount": Money("INR", 51)}, {"reason": "late"}, {"payment_id": None}],
    ids=str,
)
async def test_a_refund_with_a_used_request_id_and_another_parameter_is_rejected(
    stores: Stores, changed: dict[str, Any]
) -> None:
    payment, other, key = await make_payment(stores), await make_payment(stores), new_request_id()
    await make_refund(stores, new_refund(payment, 50, key))
    changed = {"payment_id": other.payment_id} if "payment_id" in changed else changed
    with pytest.raises(RequestIdReused, match=f"^request_id '{key}' came before, in a Refund with other parameters$"):
        await make_refund(stores, replace(new_refund(payment, 50, key), **changed))
    assert (await stores.payments.get(other.payment_id, Deadline())).payment == other


async def test_of_two_concurrent_refunds_of_different_payments_with_one_request_id_only_one_succeeds(
    stores: Stores,
) -> None:
    for _ in range(10):
        payments, key = [await make_payment(stores) for _ in range(2)], new_request_id()
        refunds = (make_refund(stores, new_refund(payment, 50, key)) for payment in payments)
        outcomes = await asyncio.gather(*refunds, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RefundOutcome", "RequestIdReused"]


async def test_a_full_refund_repeated_without_a_request_id_returns_the_last_refund(stores: Stores) -> None:
    payment = await make_payment(stores)
    await make_refund(stores, new_refund(payment, 50))
    last = await make_refund(stores, new_refund(payment))
    again = await make_refund(stores, new_refund(payment))
    assert again == RefundOutcome(last.refund, last.payment, replayed=False, is_new=False)
    with pytest.raises(RefundExceedsPayment):
        await make_refund(stores, new_refund(payment, 50))
    with pytest.raises(RefundExceedsPayment):
        await make_refund(stores, new_refund(payment, None, new_request_id()))


async def test_a_full_refund_by_an_earlier_system_is_returned_without_a_refund(stores: Stores) -> None:
    payment = await make_payment(stores)
    stores.mark_refunded(payment)
    outcome = await make_refund(stores, new_refund(payment))
    after = replace(payment, refunded_amount=payment.amount, is_refunded=True)
    assert outcome == RefundOutcome(None, after, replayed=False, is_new=False)


async def test_an_archived_payment_can_be_read_and_replayed_but_not_refunded(stores: Stores) -> None:
    charge_key, refund_key = new_request_id(), new_request_id()
    payment = await make_payment(stores, new_payment(charge_key))
    first = await make_refund(stores, new_refund(payment, 50, refund_key))
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
    assert await make_refund(stores, new_refund(payment, 50, refund_key)) == replace(first, replayed=True, is_new=False)
    with pytest.raises(RequestIdReused):
        await make_refund(stores, new_refund(payment, 51, refund_key))
    with pytest.raises(PaymentArchived, match="brought back"):
        await make_refund(stores, new_refund(payment))
    with pytest.raises(RefundExceedsPayment):
        await make_refund(stores, new_refund(payment, 10_001))


async def test_a_repeated_full_refund_of_an_archived_payment_returns_the_last_refund(stores: Stores) -> None:
    payment = await make_payment(stores)
    await make_refund(stores, new_refund(payment, 50))
    last = await make_refund(stores, new_refund(payment))
    stores.archive(payment)
    again = await make_refund(stores, new_refund(payment))
    assert again == RefundOutcome(last.refund, last.payment, replayed=False, is_new=False)


async def test_the_refunds_of_a_payment_are_read_a_page_at_a_time(stores: Stores) -> None:
    payment = await make_payment(stores)
    results = [(await make_refund(stores, new_refund(payment, amount))).refund for amount in (1, 2, 3, 4)]
    refunds = tuple(refund for refund in results if refund is not None)
    current = (await stores.payments.get(payment.payment_id, Deadline())).payment

    async def page(size: int, after: int | None) -> PaymentDetails:
        return await stores.payments.list_refunds(RefundsQuery(payment.payment_id, size, after), Deadline())

    assert await page(2, None) == PaymentDetails(current, refunds[:2], has_more=True)
    assert await page(2, refunds[1].refund_id) == PaymentDetails(current, refunds[2:], has_more=False)
    assert await page(3, refunds[1].refund_id) == PaymentDetails(current, refunds[2:], has_more=False)
    assert await page(9, refunds[3].refund_id) == PaymentDetails(current, (), has_more=False)


async def test_a_payment_is_returned_with_its_first_hundred_refunds(stores: Stores) -> None:
    payment = await make_payment(stores)
    refunds = [(await make_refund(stores, new_refund(payment, 1))).refund for _ in range(101)]
    current = (await stores.payments.get(payment.payment_id, Deadline())).payment
    for key in (payment.payment_id, str(payment.reference)):
        details = await stores.payments.get(key, Deadline())
        assert details == PaymentDetails(current, tuple(one for one in refunds[:100] if one is not None), has_more=True)


async def test_a_payment_is_found_only_by_its_exact_reference(stores: Stores) -> None:
    new = replace(new_payment(), reference=f"भुगतान-{next(numbers)}")
    payment = await make_payment(stores, new)
    assert (await stores.payments.get(new.reference, Deadline())).payment == payment
    for other in (f"{new.reference} ", new.reference.replace("भु", "भ")):
        with pytest.raises(PaymentNotFound):
            await stores.payments.get(other, Deadline())


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
async def test_pages_contain_every_payment_once_in_order(stores: Stores, order: Order, size: int) -> None:
    order_id = new_order_id()
    dated = [
        await make_payment(
            stores, replace(new_payment(order_id=order_id), create_time=NOW + timedelta(seconds=number // 2))
        )
        for number in range(4)
    ]
    undated = replace(await make_payment(stores, new_payment(order_id=order_id)), create_time=None)
    stores.remove_time(undated)
    expected = [undated, *dated] if order is Order.OLDEST_FIRST else [*reversed(dated), undated]
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


async def test_a_numbered_page_has_its_payments_and_the_total(stores: Stores) -> None:
    order_id = new_order_id()
    payments = tuple([await make_payment(stores, new_payment(order_id=order_id)) for _ in range(3)])
    query = NumberedPageQuery(order=Order.OLDEST_FIRST, size=2, skip=0, order_id=order_id)

    async def page(**changes: object) -> NumberedPage:
        return await stores.payments.list_numbered_page(replace(query, **changes), Deadline())  # type: ignore[arg-type]

    assert await page() == NumberedPage(payments[:2], 3)
    assert await page(skip=2) == NumberedPage(payments[2:], 3)
    assert await page(skip=3) == NumberedPage((), 3)
    assert await page(size=0) == NumberedPage((), 3)
    assert await page(method="upi", size=9) == NumberedPage(payments, 3)
    assert await page(method="CARD") == NumberedPage((), 0)
    assert await page(method="unknown") == NumberedPage((), 0)


async def test_concurrent_charges_with_one_request_id_make_one_payment(stores: Stores) -> None:
    key = new_request_id()
    new = [new_payment(key) for _ in range(5)]
    outcomes = await asyncio.gather(*(stores.payments.insert(one, Deadline()) for one in new))
    assert len({outcome.payment for outcome in outcomes}) == 1
    assert sum(not outcome.replayed for outcome in outcomes) == 1


async def test_callers_can_use_the_same_request_id_independently(stores: Stores) -> None:
    new = new_payment(new_request_id())
    other = replace(new_payment(), charge=replace(new.charge, key=replace(new.charge.key, caller="other")))
    first, second = await make_payment(stores, new), await make_payment(stores, other)
    assert first.payment_id != second.payment_id


async def test_the_same_payment_inserted_again_is_not_a_replay(stores: Stores) -> None:
    new = new_payment()
    first = await stores.payments.insert(new, Deadline())
    assert await stores.payments.insert(new, Deadline()) == first
    assert await stores.payments.insert_many([new, new_payment()], Deadline()) != [first]
    assert (await stores.payments.insert_many([new, new_payment()], Deadline()))[0] == first


async def test_a_duplicate_reference_fails_only_its_own_payment(stores: Stores) -> None:
    taken = await make_payment(stores)
    assert taken.reference is not None
    with pytest.raises(ReferenceTaken):
        await stores.payments.insert(replace(new_payment(), reference=taken.reference), Deadline())
    batch = [new_payment(), replace(new_payment(), reference=taken.reference), new_payment()]
    first, failed, last = await stores.payments.insert_many(batch, Deadline())
    assert isinstance(failed, ReferenceTaken)
    assert isinstance(first, ChargeOutcome)
    assert isinstance(last, ChargeOutcome)


async def test_concurrent_refunds_never_exceed_the_payment(stores: Stores) -> None:
    payment = await make_payment(stores)
    attempts = (make_refund(stores, new_refund(payment, 3_000)) for _ in range(8))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    successes = [one for one in outcomes if isinstance(one, RefundOutcome)]
    assert all(isinstance(one, RefundOutcome | RefundExceedsPayment) for one in outcomes)
    assert len(successes) == 3
    details = await stores.payments.get(payment.payment_id, Deadline())
    assert details.payment.refunded_amount == Money("INR", 9_000)
    assert len(details.refunds) == 3


async def test_a_pending_payment_is_listed_and_replayed_as_pending(stores: Stores) -> None:
    new = new_payment(None, Status.PENDING, order_id=new_order_id())
    payment = await make_payment(stores, new)
    query = PageQuery(PaymentFilter(order_id=payment.order_id), Order.NEWEST_FIRST, 9, None, with_total=False)
    assert (await stores.payments.list_page(query, Deadline())).payments == (payment,)
    assert (
        await stores.payments.insert(new_payment(new.charge.key.request_id, order_id=payment.order_id), Deadline())
    ) == ChargeOutcome(payment, replayed=True)


async def test_an_archived_payment_is_not_listed(stores: Stores) -> None:
    payment = await make_payment(stores, new_payment(order_id=new_order_id()))
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


def parameter_id(value: object) -> str:
    """Return the test id of a parameter: only the keys of a dict, because the text of a set differs in each process."""
    return ",".join(value) if isinstance(value, dict) else str(value)


async def four_payments(stores: Stores, order_id: int) -> list[Payment]:
    """Store four payments, oldest first, that differ in all properties that a filter can select."""
    new = [
        new_payment(None, Status.SUCCEEDED, PaymentMethod.UPI, Money("INR", 100), order_id),
        new_payment(None, Status.FAILED, PaymentMethod.CARD, Money("INR", 200), order_id),
        new_payment(None, Status.PENDING, PaymentMethod.COD, Money("INR", 300), order_id),
        new_payment(None, Status.SUCCEEDED, PaymentMethod.UPI, Money("USD", 400), order_id),
    ]
    payments = [
        await make_payment(stores, replace(one, create_time=NOW + timedelta(seconds=number)))
        for number, one in enumerate(new)
    ]
    return [(await make_refund(stores, new_refund(payments[0], 1))).payment, *payments[1:]]


@pytest.mark.parametrize(("conditions", "expected"), FILTERS, ids=parameter_id)
async def test_a_list_has_the_payments_that_match_every_condition(
    stores: Stores, conditions: dict[str, Any], expected: list[int]
) -> None:
    order_id = new_order_id()
    payments = await four_payments(stores, order_id)
    query = PageQuery(PaymentFilter(order_id=order_id, **conditions), Order.OLDEST_FIRST, 9, None, with_total=True)
    page = await stores.payments.list_page(query, Deadline())
    assert page.payments == tuple(payments[number] for number in expected)
    assert (page.total, page.next) == (len(expected), None)


async def test_a_list_by_reference_has_only_that_payment(stores: Stores) -> None:
    payment = await make_payment(stores)
    for reference, expected in ((payment.reference, (payment,)), ("unknown", ())):
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
@pytest.mark.parametrize(("conditions", "expected"), NUMBERED, ids=parameter_id)
async def test_a_numbered_page_has_the_payments_that_match_every_condition(
    stores: Stores, conditions: dict[str, Any], expected: list[int], order: Order
) -> None:
    order_id = new_order_id()
    payments = await four_payments(stores, order_id)
    matching = [payments[number] for number in expected]
    if order is Order.NEWEST_FIRST:
        matching.reverse()
    query = NumberedPageQuery(order=order, size=9, skip=0, order_id=order_id, **conditions)
    assert await stores.payments.list_numbered_page(query, Deadline()) == NumberedPage(tuple(matching), len(matching))
