"""Batches of charges store many payments in one INSERT, and give each an outcome of its own."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pymysql
import pytest

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed, Overloaded, ReferenceTaken, RequestIdReused, StoreUnavailable
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import Decision, NewCharge, NewPayment, PaymentMethod, Status
from server.storage.batching import Batcher, BatchLimits
from server.storage.database.pool import Database
from server.storage.database.session import Session, StatementResult
from server.storage.payments import insert, insert_queries
from server.storage.payments.insert import BATCH_LIMITS
from server.storage.payments.store import MysqlPaymentStore
from tests.storage.payments.new_payments import TOO_LARGE
from tests.support.databases import DatabaseServer, open_database, settings_of
from tools.operations import archive_statements

_numbers = itertools.count(1)


def new_payment(
    request_id: str | None = None,
    reference: str | None = None,
    order_id: int = 7,
    status: Status = Status.SUCCEEDED,
) -> NewPayment:
    number = next(_numbers)
    key = RequestKey.of("anyone", request_id)
    charge = NewCharge(order_id, Money("INR", 56100), None, key)
    return NewPayment(charge, Decision(PaymentMethod.UPI, status), reference or f"R{number}", datetime.now(UTC))


@asynccontextmanager
async def open_store(
    environment: dict[str, str], limits: BatchLimits = BATCH_LIMITS, **settings: str
) -> AsyncIterator[MysqlPaymentStore]:
    async with open_database(environment, **settings) as database:
        yield MysqlPaymentStore(database, insert_limits=limits)


def test_the_number_of_concurrent_statements_is_limited(migrated_database: dict[str, str]) -> None:
    in_progress = max_in_progress = 0

    async def work(_session: Session, items: Sequence[int]) -> Sequence[int]:
        nonlocal in_progress, max_in_progress
        in_progress += 1
        max_in_progress = max(max_in_progress, in_progress)
        await asyncio.sleep(0.01)
        in_progress -= 1
        return items

    async def run() -> list[int]:
        database = Database(settings_of(migrated_database))
        try:
            batcher = Batcher(database, work, BatchLimits(max_items=1, max_batches=2, max_queued=100), "test")
            return await asyncio.gather(*(batcher.add(number, Deadline()) for number in range(10)))
        finally:
            await database.close(Deadline.after(10))

    assert asyncio.run(run()) == list(range(10))
    assert max_in_progress == 2


def test_items_that_wait_behind_a_failed_batch_are_processed(migrated_database: dict[str, str]) -> None:
    async def work(_session: Session, items: Sequence[int]) -> Sequence[int]:
        if 1 in items:
            raise ValueError("one item of this batch is invalid")
        return items

    async def run() -> list[int | BaseException]:
        database = Database(settings_of(migrated_database))
        try:
            batcher = Batcher(database, work, BatchLimits(max_items=2, max_batches=1, max_queued=100), "test")
            adding = (batcher.add(item, Deadline()) for item in range(1, 6))
            return await asyncio.gather(*adding, return_exceptions=True)
        finally:
            await database.close(Deadline.after(10))

    first, second, *others = asyncio.run(run())
    assert (type(first), type(second), others) == (ValueError, ValueError, [3, 4, 5])


class DisconnectingSession(Session):
    """A session whose connection is lost when a charge is stored, but only the first time."""

    losses = 1

    async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
        """Execute one or more statements, or lose the connection."""
        if DisconnectingSession.losses:
            DisconnectingSession.losses -= 1
            raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
        return await super().script(text, values)


@pytest.mark.parametrize("count", [1, 3])
def test_charges_whose_connection_is_lost_are_retried_on_another(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]], count: int
) -> None:
    async def run() -> list[object]:
        DisconnectingSession.losses = 1
        database = Database(settings_of(migrated_database), DisconnectingSession)
        try:
            return await outcomes(MysqlPaymentStore(database), [new_payment() for _ in range(count)])
        finally:
            await database.close(Deadline.after(10))

    assert not [one for one in asyncio.run(run()) if isinstance(one, BaseException)]
    assert len(rows()) == count


async def outcomes(store: MysqlPaymentStore, payments: list[NewPayment]) -> list[object]:
    inserts = (store.insert(payment, Deadline()) for payment in payments)
    return await asyncio.gather(*inserts, return_exceptions=True)


@pytest.fixture
def rows(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Callable[[], dict[str, int]]:
    """Return a function that reads the ids of all stored payments, by reference."""
    return lambda: dict(
        database_server.execute("SELECT reference, payment_id FROM payments", database=migrated_database["MYSQL_DB"])
    )


@pytest.mark.parametrize("count", [1, 2, 17, 700])
def test_each_payment_of_a_batch_gets_its_own_id(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]], count: int
) -> None:
    async def run() -> None:
        async with open_store(migrated_database) as store:
            payments = [new_payment() for _ in range(count)]
            for payment, outcome in zip(payments, await outcomes(store, payments), strict=True):
                assert not isinstance(outcome, BaseException)
                stored = outcome.payment  # type: ignore[attr-defined]
                assert (stored.payment_id, outcome.replayed) == (rows()[payment.reference], False)  # type: ignore[attr-defined]

    asyncio.run(run())
    assert len(rows()) == count


def test_many_charges_with_the_same_request_id_make_one_payment(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]]
) -> None:
    async def run() -> list[object]:
        async with open_store(migrated_database) as store:
            same = [new_payment("k") for _ in range(50)]
            return await outcomes(store, [*same, new_payment("k", order_id=8)])

    *equal, other = asyncio.run(run())
    assert len(rows()) == 1
    assert len({outcome.payment for outcome in equal}) == 1  # type: ignore[attr-defined]
    assert sum(not outcome.replayed for outcome in equal) == 1  # type: ignore[attr-defined]
    assert isinstance(other, RequestIdReused)


def test_a_duplicate_reference_fails_only_its_own_payment(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]]
) -> None:
    async def run() -> list[object]:
        async with open_store(migrated_database) as store:
            await store.insert(new_payment(reference="taken"), Deadline())
            return await outcomes(store, [new_payment(), new_payment(reference="taken"), new_payment()])

    first, failed, last = asyncio.run(run())
    assert isinstance(failed, ReferenceTaken)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert len(rows()) == 3


def test_a_payment_that_the_database_rejects_is_the_only_one_that_fails(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]]
) -> None:
    async def run() -> list[object]:
        async with open_store(migrated_database) as store:
            return await outcomes(store, [new_payment(), new_payment(order_id=TOO_LARGE), new_payment()])

    first, failed, last = asyncio.run(run())
    assert isinstance(failed, pymysql.err.MySQLError)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert len(rows()) == 2


def test_a_cancelled_caller_cancels_no_payment(
    migrated_database: dict[str, str],
    rows: Callable[[], dict[str, int]],
    lock_payments_table: Callable[[], AbstractContextManager[None]],
) -> None:
    async def run() -> None:
        async with open_store(migrated_database) as store:
            payments = [new_payment() for _ in range(3)]
            with lock_payments_table():
                tasks = [asyncio.create_task(store.insert(payment, Deadline())) for payment in payments]
                await asyncio.sleep(0.3)
                tasks[1].cancel()
                with suppress(asyncio.CancelledError):
                    await tasks[1]
            await asyncio.gather(tasks[0], tasks[2])

    asyncio.run(run())
    # The batch had begun, so the payment of the cancelled caller was stored as well.
    assert len(rows()) == 3


def test_a_charge_that_waits_until_its_deadline_passes_or_its_caller_is_cancelled_is_never_stored(
    migrated_database: dict[str, str],
    rows: Callable[[], dict[str, int]],
    lock_payments_table: Callable[[], AbstractContextManager[None]],
) -> None:
    async def run() -> None:
        async with open_store(
            migrated_database, MYSQL_POOL_MIN="1", MYSQL_POOL_MAX="1", MYSQL_ACQUIRE_TIMEOUT_SECONDS="30"
        ) as store:
            with lock_payments_table():
                running = asyncio.create_task(store.insert(new_payment(), Deadline()))
                await asyncio.sleep(0.3)
                late = asyncio.create_task(store.insert(new_payment(), Deadline.after(0.2)))
                cancelled = asyncio.create_task(store.insert(new_payment(), Deadline()))
                await asyncio.sleep(0.5)
                cancelled.cancel()
                with suppress(asyncio.CancelledError):
                    await cancelled
            await running
            with pytest.raises(DeadlinePassed):
                await late

    asyncio.run(run())
    assert len(rows()) == 1


def test_a_charge_is_rejected_immediately_if_the_queue_is_full(
    migrated_database: dict[str, str],
    lock_payments_table: Callable[[], AbstractContextManager[None]],
) -> None:
    async def run() -> None:
        async with open_store(
            migrated_database, replace(BATCH_LIMITS, max_queued=3), MYSQL_POOL_MIN="1", MYSQL_POOL_MAX="1"
        ) as store:
            with lock_payments_table():
                tasks = [asyncio.create_task(store.insert(new_payment(), Deadline()))]
                await asyncio.sleep(0.3)
                tasks += [asyncio.create_task(store.insert(new_payment(), Deadline())) for _ in range(3)]
                await asyncio.sleep(0)
                with pytest.raises(Overloaded):
                    await store.insert(new_payment(), Deadline())
            await asyncio.gather(*tasks)

    asyncio.run(run())


def test_every_charge_fails_while_the_database_is_unavailable(migrated_database: dict[str, str]) -> None:
    async def run() -> None:
        async with open_store({**migrated_database, "MYSQL_DB": "nowhere"}) as store:
            failed = await outcomes(store, [new_payment() for _ in range(100)])
            assert {type(one) for one in failed} == {StoreUnavailable}
            again = await outcomes(store, [new_payment()])
            assert isinstance(again[0], StoreUnavailable)

    asyncio.run(run())


def test_a_bug_fails_every_call_of_the_batch_but_no_later_call(
    migrated_database: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with open_store(migrated_database) as store:
            with monkeypatch.context() as broken:
                broken.setattr(insert, "payment_values", lambda _payment: 1 / 0)
                failed = await outcomes(store, [new_payment() for _ in range(40)])
                assert {type(one) for one in failed} == {ZeroDivisionError}
            payment = new_payment()
            assert (await store.insert(payment, Deadline())).payment.reference == payment.reference

    asyncio.run(run())


def test_an_insert_that_is_retried_after_a_lost_reply_is_not_a_replay(migrated_database: dict[str, str]) -> None:
    async def run() -> None:
        async with open_store(migrated_database) as store:
            payment = new_payment()
            first = await store.insert(payment, Deadline())
            again = await store.insert(payment, Deadline())
            assert (again.payment.payment_id, again.replayed) == (first.payment.payment_id, False)
            other = replace(payment, reference="another")
            assert (await store.insert(other, Deadline())).replayed

    asyncio.run(run())


def session_with(*replacements: tuple[str, str]) -> tuple[type[Session], list[str]]:
    """Return a session class that replaces parts of its scripts, and the list of all texts that it executes."""
    texts: list[str] = []

    class ReplacingSession(Session):
        async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
            texts.append(text)
            for old, new in replacements:
                text = text.replace(old, new)
            return await super().script(text, values)

    return ReplacingSession, texts


@pytest.mark.parametrize(
    ("replacement", "are_read_back"),
    [
        (("DO LAST_INSERT_ID(0)", "SET auto_increment_increment = 3; DO LAST_INSERT_ID(0)"), False),
        # The step that the database reports does not match the ids.
        (("@@auto_increment_increment", "@@auto_increment_increment + 1"), True),
        (("WHERE reference = %s", "WHERE reference = %s AND FALSE"), True),
    ],
)
def test_ids_are_read_back_unless_the_first_and_last_id_prove_them(
    migrated_database: dict[str, str],
    rows: Callable[[], dict[str, int]],
    replacement: tuple[str, str],
    are_read_back: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    session, texts = session_with(replacement)

    async def run() -> None:
        database = Database(settings_of(migrated_database), session)
        try:
            payments = [new_payment() for _ in range(20)]
            for payment, outcome in zip(
                payments, await MysqlPaymentStore(database).insert_many(payments, Deadline()), strict=True
            ):
                assert not isinstance(outcome, Exception)
                assert (outcome.payment.reference, outcome.replayed) == (payment.reference, False)
                assert outcome.payment.payment_id == rows()[payment.reference]
        finally:
            await database.close(Deadline.after(10))

    asyncio.run(run())
    assert len(rows()) == 20
    assert (insert_queries.SELECT_IDS in texts) == are_read_back


def test_a_batch_with_stored_and_archived_and_repeated_keys_stores_only_the_new_payments(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]], database_server: DatabaseServer
) -> None:
    session, texts = session_with()

    async def run() -> list[object]:
        database = Database(settings_of(migrated_database), session)
        store = MysqlPaymentStore(database)
        try:
            live, archived = [await store.insert(new_payment(key), Deadline()) for key in ("live", "archived")]
            name = migrated_database["MYSQL_DB"]
            for statement in (archive_statements.COPY_PAYMENTS, archive_statements.DELETE_PAYMENTS):
                database_server.execute(statement, ((archived.payment.payment_id,),), name)
            texts.clear()
            first, again, stored, *others = await store.insert_many(
                [
                    new_payment("first"),
                    new_payment("first"),
                    new_payment("live"),
                    new_payment("archived"),
                    new_payment("archived", order_id=8),
                    new_payment("first", order_id=8),
                    new_payment("last"),
                ],
                Deadline(),
            )
            assert (stored, others[0]) == (replace(live, replayed=True), replace(archived, replayed=True))
            return [first, again, *others[1:]]
        finally:
            await database.close(Deadline.after(10))

    first, again, *reused, last = asyncio.run(run())
    assert again == replace(first, replayed=True)  # type: ignore[type-var]
    assert [type(one) for one in reused] == [RequestIdReused, RequestIdReused]
    assert last.replayed is False  # type: ignore[attr-defined]
    assert len(rows()) == 3
    # One INSERT that fails, and one of the two new payments.
    assert sum("INSERT INTO payments" in text for text in texts) == 2


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PENDING])
def test_concurrent_batches_with_the_same_keys_in_different_orders_store_each_key_once(
    migrated_database: dict[str, str], rows: Callable[[], dict[str, int]], status: Status
) -> None:
    async def run() -> list[object]:
        async with open_store(migrated_database) as store:
            keys = [f"key-{number}" for number in range(30)]
            batches = [
                [new_payment(key, status=status) for key in random.Random(seed).sample(keys, 30)] for seed in range(12)
            ]
            results = await asyncio.gather(*(store.insert_many(batch, Deadline()) for batch in batches))
            return [outcome for result in results for outcome in result]

    outcomes = asyncio.run(run())
    assert len(rows()) == 30
    assert sum(not outcome.replayed for outcome in outcomes) == 30  # type: ignore[attr-defined]
    assert {outcome.payment.payment_id for outcome in outcomes} == set(rows().values())  # type: ignore[attr-defined]
