"""Payments and refunds in the database: what is written, what a repeated call is answered, and what is read."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from server.domain.deadline import Deadline
from server.domain.errors import (
    DeadlinePassed,
    InvalidRequest,
    PaymentArchived,
    PaymentFailed,
    PaymentNotFound,
    PaymentPending,
    RefundExceedsPayment,
    RequestIdReused,
)
from server.domain.identifiers import RequestKey
from server.domain.listing import NumberedPage, NumberedPageQuery, Order, PageQuery, PaymentFilter
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
    NewCharge,
    NewPayment,
    NewRefund,
    Payment,
    PaymentDetails,
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.storage.database.pool import Database
from server.storage.payments.store import MysqlPaymentStore
from tests.support.databases import Accounts, DatabaseServer, settings_of

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
AMOUNT = Money("INR", 10_050)
DUE_SECONDS = 5_000_000.0
"""When what is pending is due: far from the default, and from how long a test takes."""

_numbers = itertools.count(1)

Execute = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def environment(make_migrated_database: Callable[[], dict[str, str]], accounts: Accounts) -> dict[str, str]:
    """Return the settings of a database that these tests share: each looks only at payments of its own."""
    made = make_migrated_database()
    return accounts.as_service(made)


@pytest.fixture
def execute(database_server: DatabaseServer, environment: dict[str, str]) -> Execute:
    return lambda text, *values: database_server.execute(text, values, environment["MYSQL_DB"])


@pytest_asyncio.fixture
async def store(environment: dict[str, str]) -> AsyncIterator[MysqlPaymentStore]:
    database = Database(settings_of(environment))
    yield MysqlPaymentStore(database, DUE_SECONDS)
    await database.close(Deadline.after(10))


def new_payment(
    request_id: str | None = None,
    status: Status = Status.SUCCEEDED,
    requested: PaymentMethod | None = PaymentMethod.UPI,
    amount: Money = AMOUNT,
    order_id: int = 7,
) -> NewPayment:
    charge = NewCharge(order_id, amount, requested, RequestKey.of("shop", request_id))
    return NewPayment(charge, requested or PaymentMethod.COD, status, f"S{next(_numbers)}", NOW)


def new_refund(
    payment: Payment, amount: int | None = None, request_id: str | None = None, reason: str = "damaged"
) -> NewRefund:
    money = None if amount is None else Money("INR", amount)
    return NewRefund(payment.payment_id, money, reason, RequestKey.of("shop", request_id))


def own_key() -> str:
    return f"key-{next(_numbers)}"


async def charged(store: MysqlPaymentStore, new: NewPayment | None = None) -> Payment:
    return (await store.insert(new or new_payment(), Deadline())).payment


async def refunded(store: MysqlPaymentStore, refund: NewRefund) -> RefundOutcome:
    return await store.refund(refund, NOW, Deadline())


def told_of(execute: Execute, text: str) -> list[list[Any]]:
    """Return the changes that the outbox has in which a text occurs."""
    rows = execute("SELECT changes FROM payment_outbox WHERE changes LIKE %s ORDER BY outbox_id", f"%{text}%")
    return [change for (changes,) in rows for change in json.loads(changes)]


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("requested", [PaymentMethod.CARD, None])
async def test_a_charge_is_found_as_it_was_written(
    store: MysqlPaymentStore, execute: Execute, status: Status, requested: PaymentMethod | None
) -> None:
    new = new_payment(None, status, requested)
    outcome = await store.insert(new, Deadline())
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
    assert await store.get(expected.payment_id, Deadline()) == details
    assert await store.get(new.reference, Deadline()) == details
    kind = {Status.PENDING: "PENDING", Status.SUCCEEDED: "CHARGED", Status.FAILED: "FAILED"}[status]
    assert told_of(execute, f'"{new.reference}"') == [[kind, new.reference]]


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PENDING])
async def test_many_charges_are_found_as_they_were_written(store: MysqlPaymentStore, status: Status) -> None:
    new = [new_payment(None, status, order_id=number) for number in range(1, 4)]
    outcomes = await store.insert_many(new, Deadline())
    for order_id, (made, outcome) in enumerate(zip(new, outcomes, strict=True), start=1):
        assert isinstance(outcome, ChargeOutcome)
        payment = outcome.payment
        assert (payment.order_id, payment.reference, payment.status) == (order_id, made.reference, status)
        assert (await store.get(payment.payment_id, Deadline())).payment == payment


@pytest.mark.parametrize("count", [1, 3])
async def test_pending_charges_and_refunds_are_due_after_the_stores_time(
    store: MysqlPaymentStore, execute: Execute, count: int
) -> None:
    outcomes = await store.insert_many([new_payment(None, Status.PENDING) for _ in range(count)], Deadline())
    ids = [outcome.payment.payment_id for outcome in outcomes if isinstance(outcome, ChargeOutcome)]
    paid = await charged(store)
    refund = (await store.refund(new_refund(paid), NOW, Deadline(), Status.PENDING)).refund
    assert refund is not None
    rows = execute(
        "SELECT kind, payment_id, refund_id, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), due_at) FROM processor_requests "
        "WHERE payment_id IN %s ORDER BY processor_request_id",
        (*ids, paid.payment_id),
    )
    assert [row[:3] for row in rows] == [
        *(("charge", payment_id, None) for payment_id in ids),
        ("refund", paid.payment_id, refund.refund_id),
    ]
    assert all(DUE_SECONDS / 2 < seconds <= DUE_SECONDS for *_, seconds in rows)


async def test_what_has_its_outcome_is_not_asked_of_a_processor(store: MysqlPaymentStore, execute: Execute) -> None:
    payment = await charged(store)
    await refunded(store, new_refund(payment))
    assert not execute("SELECT * FROM processor_requests WHERE payment_id = %s", payment.payment_id)


async def test_a_repeated_charge_shows_the_payment_as_it_is_now(store: MysqlPaymentStore) -> None:
    key = own_key()
    payment = await charged(store, new_payment(key))
    await refunded(store, new_refund(payment, 50))
    now = (await store.get(payment.payment_id, Deadline())).payment
    assert now.refunded_amount == Money("INR", 50)
    again = await store.insert(new_payment(key), Deadline())
    assert again == ChargeOutcome(now, replayed=True)
    among_others = await store.insert_many([new_payment(), new_payment(key), new_payment()], Deadline())
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
    store: MysqlPaymentStore, changed: dict[str, Any]
) -> None:
    key = own_key()
    await charged(store, new_payment(key))
    with pytest.raises(RequestIdReused, match=f"^request_id '{key}' came before, in a Charge with other parameters$"):
        await store.insert(new_payment(key, **changed), Deadline())


async def test_a_deadline_that_has_passed_stops_a_call_before_it_writes(store: MysqlPaymentStore) -> None:
    payment = await charged(store)
    passed = Deadline.after(-1)
    calls: list[Awaitable[object]] = [
        store.insert(new_payment(), passed),
        store.insert_many([new_payment()], passed),
        store.refund(new_refund(payment), NOW, passed),
        store.get(payment.payment_id, passed),
        store.get(str(payment.reference), passed),
        store.list_refunds(RefundsQuery(payment.payment_id, 10, None), passed),
        store.list_page(PageQuery(PaymentFilter(), Order.NEWEST_FIRST, 1, None, with_total=False), passed),
        store.list_numbered_page(NumberedPageQuery(order=Order.NEWEST_FIRST, size=1, skip=0), passed),
    ]
    for call in calls:
        with pytest.raises(DeadlinePassed):
            await call
    assert (await store.get(payment.payment_id, Deadline())).payment == payment


@pytest.mark.parametrize(
    ("amount", "of_payment", "is_full"), [(None, 10_050, True), (10_050, 10_050, True), (50, 50, False)]
)
async def test_a_refund_is_found_as_it_was_written(
    store: MysqlPaymentStore,
    execute: Execute,
    amount: int | None,
    of_payment: int,
    is_full: bool,  # noqa: FBT001
) -> None:
    payment = await charged(store)
    outcome = await refunded(store, new_refund(payment, amount))
    assert outcome.refund is not None
    refund = Refund(
        outcome.refund.refund_id, payment.payment_id, Money("INR", of_payment), Status.SUCCEEDED, "damaged", NOW
    )
    after = replace(payment, refunded_amount=Money("INR", of_payment), is_refunded=is_full)
    assert outcome == RefundOutcome(refund, after, replayed=False, is_new=True)
    assert await store.get(payment.payment_id, Deadline()) == PaymentDetails(after, (refund,), has_more=False)
    row = execute("SELECT requested_amount FROM refunds WHERE refund_id = %s", refund.refund_id)
    assert row == [(None if amount is None else Decimal(amount) / 100,)]
    assert told_of(execute, f", {payment.payment_id}, {refund.refund_id}, ") == [
        [
            "REFUNDED",
            None,
            payment.payment_id,
            refund.refund_id,
            f"{Decimal(of_payment) / 100:.2f}",
            "2026-01-02 03:04:05.678901",
        ]
    ]


async def test_a_pending_refund_counts_as_one_that_was_made(store: MysqlPaymentStore, execute: Execute) -> None:
    payment = await charged(store)
    outcome = await store.refund(new_refund(payment, 50), NOW, Deadline(), Status.PENDING)
    assert outcome.refund is not None
    assert outcome.refund.status is Status.PENDING
    assert outcome.payment.refunded_amount == Money("INR", 50)
    assert told_of(execute, f", {payment.payment_id}, {outcome.refund.refund_id}, ")[0][0] == "REFUND_PENDING"


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
    store: MysqlPaymentStore, status: Status, amount: Money | None, error: type[Exception]
) -> None:
    payment = await charged(store, new_payment(None, status))
    with pytest.raises(error):
        await refunded(store, replace(new_refund(payment), amount=amount))
    assert await store.get(payment.payment_id, Deadline()) == PaymentDetails(payment, (), has_more=False)


async def test_a_payment_that_is_not_there_is_not_found(store: MysqlPaymentStore) -> None:
    nobody = replace(await charged(store), payment_id=2**62)
    calls: list[Awaitable[object]] = [
        refunded(store, new_refund(nobody)),
        store.get(nobody.payment_id, Deadline()),
        store.get("nobody's", Deadline()),
        store.list_refunds(RefundsQuery(nobody.payment_id, 10, None), Deadline()),
    ]
    for call in calls:
        with pytest.raises(PaymentNotFound, match=r"^payment not found$"):
            await call


async def test_a_repeated_refund_shows_the_one_that_was_made_and_its_payment_as_it_is_now(
    store: MysqlPaymentStore,
) -> None:
    payment, key = await charged(store), own_key()
    first = await refunded(store, new_refund(payment, 50, key))
    second = await refunded(store, new_refund(payment, 70))
    again = await refunded(store, new_refund(payment, 50, key))
    assert again == RefundOutcome(first.refund, second.payment, replayed=True, is_new=False)


@pytest.mark.parametrize(
    "changed",
    [{"amount": None}, {"amount": Money("INR", 51)}, {"reason": "late"}, {"payment_id": None}],
    ids=str,
)
async def test_a_key_that_comes_again_with_another_refund_is_refused(
    store: MysqlPaymentStore, changed: dict[str, Any]
) -> None:
    payment, other, key = await charged(store), await charged(store), own_key()
    await refunded(store, new_refund(payment, 50, key))
    changed = {"payment_id": other.payment_id} if "payment_id" in changed else changed
    with pytest.raises(RequestIdReused, match=f"^request_id '{key}' came before, in a Refund with other parameters$"):
        await refunded(store, replace(new_refund(payment, 50, key), **changed))
    assert (await store.get(other.payment_id, Deadline())).payment == other


async def test_a_refund_waits_for_one_of_another_payment_with_its_key_and_is_told_of_that(
    store: MysqlPaymentStore, execute: Execute, database_server: DatabaseServer, environment: dict[str, str]
) -> None:
    payment, other, key = await charged(store), await charged(store), own_key()
    insert = (
        "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
        "VALUES (%s, 0.5, 1, 'damaged', 'shop', %s, UTC_TIMESTAMP(6))"
    )
    waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    with database_server.connection(environment["MYSQL_DB"]) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute(insert, (other.payment_id, key))
        refund = asyncio.create_task(refunded(store, new_refund(payment, 50, key)))
        while execute(waiting) == [(0,)]:  # noqa: ASYNC110 - nothing tells that it waits
            await asyncio.sleep(0.2)  # the database looks no more often
        connection.commit()
    with pytest.raises(RequestIdReused):
        await refund
    assert (await store.get(payment.payment_id, Deadline())).payment == payment


async def test_one_key_for_refunds_of_two_payments_at_once_makes_one_of_them(store: MysqlPaymentStore) -> None:
    for _ in range(10):
        payments, key = [await charged(store) for _ in range(2)], own_key()
        refunds = (refunded(store, new_refund(payment, 50, key)) for payment in payments)
        outcomes = await asyncio.gather(*refunds, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RefundOutcome", "RequestIdReused"]


async def test_a_whole_refund_asked_again_without_a_request_id_shows_the_last_one(store: MysqlPaymentStore) -> None:
    payment = await charged(store)
    await refunded(store, new_refund(payment, 50))
    last = await refunded(store, new_refund(payment))
    again = await refunded(store, new_refund(payment))
    assert again == RefundOutcome(last.refund, last.payment, replayed=False, is_new=False)
    with pytest.raises(RefundExceedsPayment):
        await refunded(store, new_refund(payment, 50))
    with pytest.raises(RefundExceedsPayment):
        await refunded(store, new_refund(payment, None, own_key()))


async def test_a_whole_refund_that_an_earlier_system_made_has_no_record(
    store: MysqlPaymentStore, execute: Execute
) -> None:
    payment = await charged(store)
    execute("UPDATE payments SET refunded = 1 WHERE payment_id = %s", payment.payment_id)
    outcome = await refunded(store, new_refund(payment))
    after = replace(payment, refunded_amount=payment.amount, is_refunded=True)
    assert outcome == RefundOutcome(None, after, replayed=False, is_new=False)


def move_to_archive(execute: Execute, payment: Payment) -> None:
    """Move a payment and its refunds into the archive, as ``payments archive`` does."""
    for table in ("refunds", "payments"):
        columns = [
            name
            for (name,) in execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
                "AND table_name = %s AND column_name <> 'archived_at'",
                f"{table}_archive",
            )
        ]
        names = ", ".join(columns)
        execute(
            f"INSERT INTO {table}_archive ({names}, archived_at) SELECT {names}, UTC_TIMESTAMP(6) FROM {table} "
            "WHERE payment_id = %s",
            payment.payment_id,
        )
        execute(f"DELETE FROM {table} WHERE payment_id = %s", payment.payment_id)


async def test_an_archived_payment_is_read_and_repeated_but_not_refunded(
    store: MysqlPaymentStore, execute: Execute
) -> None:
    charge_key, refund_key = own_key(), own_key()
    payment = await charged(store, new_payment(charge_key))
    first = await refunded(store, new_refund(payment, 50, refund_key))
    assert first.refund is not None
    move_to_archive(execute, payment)

    details = PaymentDetails(first.payment, (first.refund,), has_more=False)
    assert await store.get(payment.payment_id, Deadline()) == details
    assert await store.get(str(payment.reference), Deadline()) == details
    assert await store.list_refunds(RefundsQuery(payment.payment_id, 10, None), Deadline()) == details
    assert await store.insert(new_payment(charge_key), Deadline()) == ChargeOutcome(first.payment, replayed=True)
    with pytest.raises(RequestIdReused):
        await store.insert(new_payment(charge_key, order_id=8), Deadline())
    assert await refunded(store, new_refund(payment, 50, refund_key)) == replace(first, replayed=True, is_new=False)
    with pytest.raises(RequestIdReused):
        await refunded(store, new_refund(payment, 51, refund_key))
    with pytest.raises(PaymentArchived, match="brought back"):
        await refunded(store, new_refund(payment))
    with pytest.raises(RefundExceedsPayment):
        await refunded(store, new_refund(payment, 10_001))


async def test_a_whole_refund_of_an_archived_payment_asked_again_shows_the_last_one(
    store: MysqlPaymentStore, execute: Execute
) -> None:
    payment = await charged(store)
    await refunded(store, new_refund(payment, 50))
    last = await refunded(store, new_refund(payment))
    move_to_archive(execute, payment)
    again = await refunded(store, new_refund(payment))
    assert again == RefundOutcome(last.refund, last.payment, replayed=False, is_new=False)


async def test_the_refunds_of_a_payment_are_read_a_page_at_a_time(store: MysqlPaymentStore) -> None:
    payment = await charged(store)
    made = [(await refunded(store, new_refund(payment, amount))).refund for amount in (1, 2, 3, 4)]
    refunds = tuple(refund for refund in made if refund is not None)
    now = (await store.get(payment.payment_id, Deadline())).payment

    async def page(size: int, after: int | None) -> PaymentDetails:
        return await store.list_refunds(RefundsQuery(payment.payment_id, size, after), Deadline())

    assert await page(2, None) == PaymentDetails(now, refunds[:2], has_more=True)
    assert await page(2, refunds[1].refund_id) == PaymentDetails(now, refunds[2:], has_more=False)
    assert await page(3, refunds[1].refund_id) == PaymentDetails(now, refunds[2:], has_more=False)
    assert await page(9, refunds[3].refund_id) == PaymentDetails(now, (), has_more=False)


async def test_a_payment_is_shown_with_its_first_hundred_refunds(store: MysqlPaymentStore) -> None:
    payment = await charged(store)
    made = [(await refunded(store, new_refund(payment, 1))).refund for _ in range(101)]
    now = (await store.get(payment.payment_id, Deadline())).payment
    for key in (payment.payment_id, str(payment.reference)):
        details = await store.get(key, Deadline())
        assert details == PaymentDetails(now, tuple(one for one in made[:100] if one is not None), has_more=True)


async def test_a_reference_names_a_payment_to_the_letter(store: MysqlPaymentStore) -> None:
    new = replace(new_payment(), reference=f"भुगतान-{next(_numbers)}")
    payment = await charged(store, new)
    assert (await store.get(new.reference, Deadline())).payment == payment
    for other in (f"{new.reference} ", new.reference.replace("भु", "भ")):
        with pytest.raises(PaymentNotFound):
            await store.get(other, Deadline())


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
async def test_pages_walk_over_every_payment_once_in_order(
    store: MysqlPaymentStore, execute: Execute, order: Order, size: int
) -> None:
    order_id = 1000 + next(_numbers)
    made = [
        await charged(store, replace(new_payment(order_id=order_id), create_time=NOW + timedelta(seconds=number // 2)))
        for number in range(4)
    ]
    undated = replace(await charged(store, new_payment(order_id=order_id)), create_time=None)
    execute("UPDATE payments SET created_at = NULL WHERE payment_id = %s", undated.payment_id)
    expected = [undated, *made] if order is Order.OLDEST_FIRST else [*reversed(made), undated]
    found: list[Payment] = []
    query = PageQuery(PaymentFilter(order_id=order_id), order, size, None, with_total=True)
    while True:
        page = await store.list_page(query, Deadline())
        assert page.total == 5
        assert len(page.payments) == min(size, 5 - len(found))
        found += page.payments
        if page.next is None:
            break
        query = replace(query, after=page.next)
    assert found == expected
    assert (await store.list_page(replace(query, with_total=False), Deadline())).total is None


async def test_numbered_pages_count_all_payments_and_hold_those_of_the_page(store: MysqlPaymentStore) -> None:
    order_id = 1000 + next(_numbers)
    made = tuple([await charged(store, new_payment(order_id=order_id)) for _ in range(3)])
    query = NumberedPageQuery(order=Order.OLDEST_FIRST, size=2, skip=0, order_id=order_id)

    async def page(**changes: object) -> NumberedPage:
        return await store.list_numbered_page(replace(query, **changes), Deadline())  # type: ignore[arg-type]

    assert await page() == NumberedPage(made[:2], 3)
    assert await page(skip=2) == NumberedPage(made[2:], 3)
    assert await page(skip=3) == NumberedPage((), 3)
    assert await page(size=0) == NumberedPage((), 3)
    assert await page(method="upi", size=9) == NumberedPage(made, 3)
    assert await page(method="CARD") == NumberedPage((), 0)
    assert await page(method="nobody's") == NumberedPage((), 0)
