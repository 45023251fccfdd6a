"""A payment that another transaction has locked delays only the calls that need its row, and for a limited time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import partial

import pytest

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed, StoreUnavailable
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import Decision, NewCharge, NewPayment, NewRefund, PaymentMethod, RefundOutcome, Status
from server.domain.processing import Outcome
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.payments.store import MysqlPaymentStore
from server.storage.settlement.store import MysqlSettlementStore
from tests.support.databases import DatabaseServer, open_database
from tests.support.waiting import wait_until

POOL = 4
CALLS = 20

LockRows = Callable[[], AbstractContextManager[None]]


def open_small_pool(environment: dict[str, str], **settings: str) -> AbstractAsyncContextManager[Database]:
    return open_database(environment, MYSQL_POOL_MAX=str(POOL), **settings)


def new_payment(reference: str, request_id: str | None = None, status: Status = Status.SUCCEEDED) -> NewPayment:
    charge = NewCharge(7, Money("INR", 10_000), PaymentMethod.UPI, RequestKey.of("anyone", request_id))
    return NewPayment(charge, Decision(PaymentMethod.UPI, status), reference, datetime.now(UTC))


def start_refunds(
    store: MysqlPaymentStore, payment_ids: list[int], deadline: Deadline
) -> list[asyncio.Task[RefundOutcome]]:
    """Start a refund of 1.00 INR of each payment."""
    return [
        asyncio.create_task(
            store.refund(
                NewRefund(payment_id, Money("INR", 100), "", RequestKey.of("anyone", None)), datetime.now(UTC), deadline
            )
        )
        for payment_id in payment_ids
    ]


async def charge(store: MysqlPaymentStore, count: int = 1) -> list[int]:
    """Store charges, and return the ids of their payments."""
    outcomes = [await store.insert(new_payment(f"locked-{number}"), Deadline()) for number in range(count)]
    return [outcome.payment.payment_id for outcome in outcomes]


@pytest.mark.parametrize("payment_count", [1, CALLS])
def test_refunds_of_locked_payments_leave_connections_for_charges_and_reads(
    migrated_database: dict[str, str], lock_payment_rows: LockRows, payment_count: int
) -> None:
    async def run() -> None:
        async with open_small_pool(migrated_database, MYSQL_LOCK_TIMEOUT_SECONDS="60") as database:
            store = MysqlPaymentStore(database)
            payment_ids = await charge(store, payment_count)
            with lock_payment_rows():
                waiting = start_refunds(store, payment_ids * (CALLS // payment_count), Deadline())
                await asyncio.sleep(0.2)
                # Each of these would raise StoreUnavailable if it had to wait for a connection.
                for number in range(5):
                    await store.insert(new_payment(f"unlocked-{number}"), Deadline())
                    await store.get(payment_ids[0], Deadline())
                assert not any(one.done() and not one.exception() for one in waiting)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(one, RefundOutcome | StoreUnavailable) for one in results)
            assert any(isinstance(one, RefundOutcome) for one in results)

    asyncio.run(run())


def test_a_refund_whose_caller_is_cancelled_holds_the_payment_lock_until_it_ends(
    migrated_database: dict[str, str], lock_payment_rows: LockRows, database_server: DatabaseServer
) -> None:
    def waiting_sessions() -> int:
        text = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s AND info LIKE '%%FOR UPDATE%%'"
        values = (migrated_database["MYSQL_DB"],)
        ((count,),) = database_server.execute(text, values)
        return int(count)

    async def run() -> None:
        async with open_small_pool(migrated_database, MYSQL_LOCK_TIMEOUT_SECONDS="60") as database:
            store = MysqlPaymentStore(database)
            (payment_id,) = await charge(store)
            with lock_payment_rows():
                for _ in range(CALLS):
                    cancelled = start_refunds(store, [payment_id], Deadline())[0]
                    # The first one until it waits for the row, the others until they wait for the first one.
                    await asyncio.sleep(0.02)
                    await asyncio.to_thread(wait_until, lambda: waiting_sessions() == 1)
                    cancelled.cancel()
                assert waiting_sessions() == 1
                await store.insert(new_payment("unlocked"), Deadline())
                with pytest.raises(DeadlinePassed):
                    await start_refunds(store, [payment_id], Deadline.after(0.2))[0]

    asyncio.run(run())


def test_a_refund_that_waits_for_a_lock_times_out_and_a_later_one_succeeds(
    migrated_database: dict[str, str], lock_payment_rows: LockRows
) -> None:
    async def run() -> None:
        async with open_small_pool(migrated_database, MYSQL_LOCK_TIMEOUT_SECONDS="1") as database:
            store = MysqlPaymentStore(database)
            (payment_id,) = await charge(store)
            with lock_payment_rows():
                for one in await asyncio.gather(
                    *start_refunds(store, [payment_id] * 3, Deadline()), return_exceptions=True
                ):
                    assert isinstance(one, StoreUnavailable)
            (outcome,) = await asyncio.gather(*start_refunds(store, [payment_id], Deadline()))
            assert outcome.is_new
            assert outcome.payment.refunded_amount == Money("INR", 100)

    asyncio.run(run())


def test_a_repeated_charge_whose_payment_is_locked_fails_no_other_charge_of_its_batch(
    migrated_database: dict[str, str], lock_payment_rows: LockRows
) -> None:
    async def run() -> None:
        async with open_small_pool(migrated_database, MYSQL_LOCK_TIMEOUT_SECONDS="1") as database:
            store = MysqlPaymentStore(database)
            first = await store.insert(new_payment("first", "same"), Deadline())
            with lock_payment_rows():
                batch = [new_payment(f"new-{number}") for number in range(3)]
                repeated, *others = await store.insert_many([new_payment("second", "same"), *batch], Deadline())
            assert not isinstance(repeated, Exception)
            assert (repeated.payment, repeated.replayed) == (first.payment, True)
            assert all(not isinstance(one, Exception) and not one.replayed for one in others)

    asyncio.run(run())


@pytest.mark.parametrize("of_refunds", [False, True])
def test_settlements_of_locked_payments_leave_connections_for_charges(
    migrated_database: dict[str, str],
    lock_payment_rows: LockRows,
    of_refunds: bool,  # noqa: FBT001
) -> None:
    status = Status.SUCCEEDED if of_refunds else Status.PENDING
    outcome = Outcome(Status.SUCCEEDED, "pi_1")
    now = datetime.now(UTC)

    async def run() -> None:
        async with open_small_pool(migrated_database, MYSQL_LOCK_TIMEOUT_SECONDS="60") as database:
            store = MysqlPaymentStore(database)
            settlements = MysqlSettlementStore(database, first_pause_seconds=1, longest_pause_seconds=1)

            async def reserve(number: int) -> Callable[[], Awaitable[object]]:
                """Store a pending charge or refund, and return a function that settles it."""
                payment = (await store.insert(new_payment(f"pending-{number}", status=status), Deadline())).payment
                if not of_refunds:
                    return partial(settlements.settle_charge, payment, outcome, now)
                new = NewRefund(payment.payment_id, None, "", RequestKey.of("anyone", None))
                refund = (await store.refund(new, now, Deadline(), Status.PENDING)).refund
                assert refund is not None
                return partial(settlements.settle_refund, refund, outcome, now)

            settle = [await reserve(number) for number in range(CALLS)]
            with lock_payment_rows():
                waiting = [asyncio.ensure_future(one()) for one in settle]
                await asyncio.sleep(0.2)
                await store.insert(new_payment("unlocked"), Deadline())
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(run())


def running_statements(database_server: DatabaseServer, database: str) -> int:
    text = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s AND command = 'Query'"
    ((count,),) = database_server.execute(text, (database,))
    return int(count)


def test_the_database_itself_ends_a_statement_that_takes_too_long(
    migrated_database: dict[str, str], database_server: DatabaseServer
) -> None:
    # Not a query of information_schema, for which MariaDB returns partial results when the time runs out.
    slow = (
        "WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 900) "
        "SELECT COUNT(*) FROM n a, n b, n c WHERE CONCAT(a.k, b.k, c.k) = 'x'"
    )

    async def read(session: Session) -> None:
        await session.rows(slow, ())

    async def run() -> None:
        async with open_small_pool(migrated_database, MYSQL_STATEMENT_TIMEOUT_SECONDS="0.5") as database:
            for _ in range(2):
                readers = (database.run(read, Deadline()) for _ in range(CALLS))
                for one in await asyncio.gather(*readers, return_exceptions=True):
                    assert isinstance(one, StoreUnavailable)
                # Otherwise each statement would run for hours.
                wait_until(
                    lambda: running_statements(database_server, migrated_database["MYSQL_DB"]) == 0, within_seconds=30
                )

    asyncio.run(run())


@pytest.mark.long  # MySQL takes a minute
def test_the_database_ends_a_transaction_that_its_client_left_open(migrated_database: dict[str, str]) -> None:
    async def run() -> None:
        held, released = asyncio.Event(), asyncio.Event()

        async def hold(session: Session) -> None:
            await session.script("SET autocommit = 0; SELECT 1 FROM payments FOR UPDATE", ())
            held.set()
            await released.wait()

        # The connection may stay open for far longer than a transaction.
        async with open_small_pool(migrated_database, MYSQL_STATEMENT_TIMEOUT_SECONDS="600") as database:
            store = MysqlPaymentStore(database)
            (payment_id,) = await charge(store)
            holding = asyncio.create_task(database.run(hold, Deadline()))
            await held.wait()
            try:
                deadline = time.monotonic() + 120
                outcome = None
                while outcome is None:
                    assert time.monotonic() < deadline
                    with suppress(StoreUnavailable):
                        (outcome,) = await asyncio.gather(*start_refunds(store, [payment_id], Deadline()))
                assert outcome.is_new
            finally:
                released.set()
                await asyncio.gather(holding, return_exceptions=True)

    asyncio.run(run())
