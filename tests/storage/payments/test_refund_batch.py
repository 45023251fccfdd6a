"""Batches of refunds share a transaction, and leave what they cannot store at once to a transaction of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.application.relay import Relay
from server.domain.deadline import Deadline
from server.domain.errors import PaymentArchived, PaymentNotFound, PaymentsError, RequestIdReused
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import NewRefund, Payment, RefundOutcome, Status
from server.storage.database.session import Session, StatementResult
from server.storage.events.store import MysqlOutbox
from server.storage.payments import queries
from server.storage.payments.store import MysqlPaymentStore
from tests.storage.payments.new_payments import AMOUNT, NOW, new_payment, new_refund
from tests.support.databases import DatabaseServer, open_database
from tests.support.tidb import except_on_tidb
from tools.operations import archive_statements

Execute = Callable[..., list[Any]]
LockPayment = Callable[[Payment], Callable[[], None]]


class RecordingSession(Session):
    """A session that counts its batches of refunds, and its refunds outside of batches."""

    batches: list[int]
    single = 0

    async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
        """Execute one or more statements."""
        if "INSERT INTO refunds" in text and "SKIP LOCKED" in text:
            RecordingSession.batches.append(text.count(" UNION ALL SELECT %s") + 1)
        RecordingSession.single += text == queries.STORE_REFUND
        return await super().script(text, values)


@pytest.fixture
def execute(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Execute:
    """Return a function that executes a statement in the database of the test."""
    return lambda text, values=(): database_server.execute(text, values, migrated_database["MYSQL_DB"])


@pytest.fixture
def environment(database_server: DatabaseServer, migrated_database: dict[str, str]) -> dict[str, str]:
    """Return the settings for the database of the test, as an account that may do everything."""
    return database_server.environment(migrated_database["MYSQL_DB"])


@pytest.fixture
def lock_payment(database_server: DatabaseServer, environment: dict[str, str]) -> Iterator[LockPayment]:
    """Return a function that locks a payment, as another replica does, and returns the function that unlocks it."""
    with database_server.connection(environment["MYSQL_DB"]) as connection:

        def lock(payment: Payment) -> Callable[[], None]:
            connection.begin()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM payments WHERE payment_id = %s FOR UPDATE", (payment.payment_id,))
            return connection.rollback

        yield lock


@asynccontextmanager
async def open_store(
    environment: dict[str, str], session: type[Session] = Session, **settings: str
) -> AsyncIterator[MysqlPaymentStore]:
    async with open_database(environment, session, **settings) as database:
        yield MysqlPaymentStore(database)


async def charge(store: MysqlPaymentStore, count: int) -> list[Payment]:
    outcomes = await store.insert_many([new_payment() for _ in range(count)], Deadline())
    return [outcome.payment for outcome in outcomes if not isinstance(outcome, Exception)]


async def refund(
    store: MysqlPaymentStore, refunds: Sequence[NewRefund], status: Status = Status.SUCCEEDED
) -> list[RefundOutcome | BaseException]:
    return await asyncio.gather(
        *(store.refund(one, NOW, Deadline(), status) for one in refunds), return_exceptions=True
    )


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PENDING])
def test_concurrent_refunds_of_different_payments_share_transactions(
    environment: dict[str, str], execute: Execute, status: Status
) -> None:
    async def run() -> None:
        RecordingSession.batches, RecordingSession.single = [], 0
        async with open_database(environment, RecordingSession) as database:
            store = MysqlPaymentStore(database)
            payments = await charge(store, 40)
            # Parts and whole amounts, in no order.
            refunds = [new_refund(one, amount=number * 100 or None) for number, one in enumerate(payments)][::-1]
            outcomes = await refund(store, refunds, status)
            for asked, outcome in zip(refunds, outcomes, strict=True):
                assert isinstance(outcome, RefundOutcome), outcome
                assert outcome.refund is not None
                amount = asked.amount or AMOUNT
                expected = (asked.payment_id, amount, status, "damaged", NOW)
                stored = outcome.refund
                assert (stored.payment_id, stored.amount, stored.status, stored.reason, stored.create_time) == expected
                assert (outcome.payment.refunded_amount, outcome.payment.is_refunded) == (amount, amount == AMOUNT)
                assert (outcome.is_new, outcome.replayed) == (True, False)
                details = await store.get(asked.payment_id, Deadline())
                assert (details.payment, details.refunds) == (outcome.payment, (outcome.refund,))
            await Relay(MysqlOutbox(database), lambda: None).relay()
        assert sum(RecordingSession.batches) == 40
        assert len(RecordingSession.batches) < 10
        assert RecordingSession.single == 0
        kind = "REFUNDED" if status is Status.SUCCEEDED else "REFUND_PENDING"
        text = "SELECT payment_id, refund_id, refunded_amount, occurred_at FROM payment_events WHERE kind = "
        stored_text = "SELECT r.payment_id, r.refund_id, r.amount, r.created_at FROM refunds r"
        assert sorted(execute(f"{text}'{kind}'")) == sorted(execute(stored_text))
        pending = len(payments) if status is Status.PENDING else 0
        assert execute("SELECT COUNT(*) FROM processor_requests WHERE refund_id IS NOT NULL") == [(pending,)]

    asyncio.run(run())


def test_each_refund_of_a_batch_has_the_outcome_that_it_would_have_alone(
    environment: dict[str, str], execute: Execute
) -> None:
    async def run() -> None:
        async with open_store(environment) as store:
            good, refunded, repeated, other, archived, twice = await charge(store, 6)
            (failed,) = await store.insert_many([new_payment(status=Status.FAILED)], Deadline())
            assert not isinstance(failed, Exception)
            await refund(store, [new_refund(refunded), new_refund(repeated, 100, "repeated")])
            execute(archive_statements.COPY_PAYMENTS, ((archived.payment_id,),))
            execute(archive_statements.DELETE_PAYMENTS, ((archived.payment_id,),))
            refunds = {
                "stored": new_refund(good, 300),
                "refunded before": new_refund(refunded),
                "a repeated key": new_refund(repeated, 100, "repeated"),
                "a reused key": new_refund(other, 200, "repeated"),
                "too much": new_refund(other, AMOUNT.amount_minor + 1),
                "archived": new_refund(archived),
                "failed": new_refund(failed.payment),
                "one of two": new_refund(twice, 5_000),
                "two of two": new_refund(twice, 5_000, reason="late"),
                "unknown": NewRefund(999_999, None, "", RequestKey.of("shop", None)),
            }
            outcomes = dict(zip(refunds, await refund(store, list(refunds.values())), strict=True))
            kinds = {name: type(outcome) for name, outcome in outcomes.items()}
            assert kinds["a reused key"] is RequestIdReused
            assert kinds["archived"] is PaymentArchived
            assert kinds["unknown"] is PaymentNotFound
            assert all(issubclass(kinds[name], PaymentsError) for name in ("too much", "failed"))
            states = {
                name: (outcome.is_new, outcome.replayed)
                for name, outcome in outcomes.items()
                if isinstance(outcome, RefundOutcome)
            }
            assert states == {
                "stored": (True, False),
                "refunded before": (False, False),
                "a repeated key": (False, True),
                "one of two": (True, False),
                "two of two": (True, False),
            }
            details = await store.get(twice.payment_id, Deadline())
            assert details.payment.refunded_amount == Money("INR", 10_000)

    asyncio.run(run())


@pytest.mark.parametrize("count", [2, 3])
def test_a_repeated_key_in_one_batch_is_stored_once(environment: dict[str, str], count: int) -> None:
    async def run() -> None:
        async with open_store(environment) as store:
            (payment,) = await charge(store, 1)
            outcomes = await refund(store, [new_refund(payment, 100, "same")] * count)
            states = [(one.is_new, one.replayed) for one in outcomes if isinstance(one, RefundOutcome)]
            assert sorted(states) == [(False, True)] * (count - 1) + [(True, False)]
            details = await store.get(payment.payment_id, Deadline())
            assert details.payment.refunded_amount == Money("INR", 100)

    asyncio.run(run())


def test_a_locked_payment_delays_no_other_refund_of_its_batch(
    environment: dict[str, str], lock_payment: LockPayment
) -> None:
    async def run() -> None:
        async with open_store(environment, MYSQL_LOCK_TIMEOUT_SECONDS="60") as store:
            payments = await charge(store, 5)
            unlock = lock_payment(payments[0])
            first, *rest = [asyncio.create_task(store.refund(new_refund(one), NOW, Deadline())) for one in payments]
            assert all(outcome.is_new for outcome in await asyncio.gather(*rest))
            assert not first.done()
            unlock()
            assert (await first).is_new

    asyncio.run(run())


def test_a_key_of_an_archived_refund_is_not_used_again(environment: dict[str, str], execute: Execute) -> None:
    async def run() -> None:
        async with open_store(environment) as store:
            archived, other, third = await charge(store, 3)
            await refund(store, [new_refund(archived, 100, "archived")])
            for name in ("COPY_PAYMENTS", "COPY_REFUNDS", "DELETE_REFUNDS", "DELETE_PAYMENTS"):
                execute(getattr(archive_statements, name), ((archived.payment_id,),))
            reused, stored = await refund(store, [new_refund(other, 100, "archived"), new_refund(third, 100)])
            assert isinstance(reused, RequestIdReused)
            assert isinstance(stored, RefundOutcome)
            assert stored.is_new
        assert execute("SELECT payment_id, amount FROM refunds") == [(third.payment_id, 1)]
        assert execute("SELECT refunded_amount FROM payments ORDER BY payment_id") == [(0,), (1,)]

    asyncio.run(run())


def interrupted_session(
    before: int, interrupt: Callable[[], Awaitable[object]], *, abort: bool = False, ignored: str = "no clause"
) -> type[Session]:
    """Return a session class that calls ``interrupt`` once, before a statement of a batch of refunds.

    With ``abort``, the transaction is rolled back first, and the remaining statements are executed all the same. The
    database ignores the clause ``ignored``.
    """

    class InterruptedSession(Session):
        is_interrupted = False

        async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
            if "SKIP LOCKED" not in text or InterruptedSession.is_interrupted:
                return await super().script(text, values)
            InterruptedSession.is_interrupted = True
            statements = (await self._bound(text.replace(ignored, ""), values)).split(";")
            first = await super().script(";".join(statements[:before]), ())
            if abort:
                await super().script("ROLLBACK", ())
            await interrupt()
            return first + await super().script(";".join(statements[before:]), ())

    return InterruptedSession


def test_a_database_that_ignores_skip_locked_refunds_no_payment_beyond_its_amount(
    environment: dict[str, str], execute: Execute
) -> None:
    """Another replica refunds a payment of the batch right after the INSERT, which has not locked it."""

    async def run() -> None:
        async with open_store(environment) as elsewhere:
            good, contested = await charge(elsewhere, 2)
            execute("ALTER TABLE refunds AUTO_INCREMENT = 1000")
            # Neither the constraint nor the lock of the foreign key may be what protects the payment.
            execute("ALTER TABLE payments DROP CONSTRAINT payments_refunded_amount")
            execute("ALTER TABLE refunds DROP FOREIGN KEY refunds_payment")

            async def interrupt() -> None:
                execute(
                    "INSERT INTO refunds"
                    " (refund_id, payment_id, amount, status, reason, caller, request_id, created_at)"
                    " SELECT 1, payment_id, amount, 1, '', 'other', 'other', created_at FROM payments"
                    " WHERE payment_id = %s",
                    (contested.payment_id,),
                )
                execute(
                    "UPDATE payments SET refunded_amount = amount, refunded = 1 WHERE payment_id = %s",
                    (contested.payment_id,),
                )

            session = interrupted_session(3, interrupt, ignored="FOR UPDATE SKIP LOCKED")
            async with open_store(environment, session) as store:
                stored, refused = await refund(store, [new_refund(good), new_refund(contested)])
            assert isinstance(stored, RefundOutcome)
            assert isinstance(refused, RefundOutcome)
            assert (stored.is_new, refused.is_new) == (True, False)
        text = "SELECT payment_id, SUM(amount) FROM refunds GROUP BY payment_id ORDER BY payment_id"
        assert execute(text) == execute("SELECT payment_id, refunded_amount FROM payments ORDER BY payment_id")
        assert execute("SELECT COUNT(*) FROM payments WHERE refunded_amount <> amount") == [(0,)]

    asyncio.run(run())


@except_on_tidb("a batch with a locked payment stores nothing")
@pytest.mark.parametrize("before", range(3, 9))
@pytest.mark.parametrize("request_id", ["the same key", "another key"])
def test_a_refund_that_another_replica_stores_meanwhile_is_not_mistaken_for_one_of_the_batch(
    environment: dict[str, str], execute: Execute, lock_payment: LockPayment, before: int, request_id: str
) -> None:
    """The batch passes over a locked payment, which another replica refunds before the batch ends."""

    async def run() -> None:
        async with open_store(environment) as elsewhere:
            good, passed_over = await charge(elsewhere, 2)
            unlock = lock_payment(passed_over)

            async def interrupt() -> None:
                unlock()
                await elsewhere.refund(new_refund(passed_over, 300, request_id), NOW, Deadline())

            async with open_store(environment, interrupted_session(before, interrupt)) as store:
                refunds = [new_refund(good, 100), new_refund(passed_over, 300, "the same key")]
                first, second = await refund(store, refunds)
        assert isinstance(first, RefundOutcome)
        assert isinstance(second, RefundOutcome)
        assert second.replayed == (request_id == "the same key")
        total = 3 if second.replayed else 6
        text = "SELECT payment_id, refunded_amount FROM payments"
        assert sorted(execute(text)) == [(good.payment_id, 1), (passed_over.payment_id, total)]
        sums = "SELECT payment_id, SUM(amount) FROM refunds GROUP BY payment_id"
        assert sorted(execute(sums)) == sorted(execute(text))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "before"),
    [*((Status.SUCCEEDED, before) for before in range(3, 7)), *((Status.PENDING, before) for before in range(3, 8))],
)
@pytest.mark.parametrize("request_id", ["the same key", "another key"])
def test_a_refund_on_another_node_that_aborts_a_batch_is_not_mistaken_for_one_of_the_batch(
    environment: dict[str, str], execute: Execute, before: int, request_id: str, status: Status
) -> None:
    """On Galera, the commit of a refund on another node aborts the batch, and its other statements find that refund."""

    async def run() -> None:
        async with open_store(environment) as elsewhere:
            payment, other = await charge(elsewhere, 2)

            async def interrupt() -> None:
                await refund(elsewhere, [new_refund(payment, 300, request_id), new_refund(other, 300)], status)

            async with open_store(environment, interrupted_session(before, interrupt, abort=True)) as store:
                (outcome,) = await refund(store, [new_refund(payment, 300, "the same key")], status)
        assert isinstance(outcome, RefundOutcome), outcome
        assert outcome.replayed == (request_id == "the same key")
        total = 3 if outcome.replayed else 6
        text = "SELECT payment_id, refunded_amount FROM payments"
        assert sorted(execute(text)) == [(payment.payment_id, total), (other.payment_id, 3)]
        sums = "SELECT payment_id, SUM(amount) FROM refunds GROUP BY payment_id"
        assert sorted(execute(sums)) == sorted(execute(text))
        requests = "SELECT payment_id, COUNT(*) FROM processor_requests GROUP BY payment_id"
        refunds = "SELECT payment_id, COUNT(*) FROM refunds WHERE status IS NULL GROUP BY payment_id"
        assert sorted(execute(requests)) == sorted(execute(refunds))

    asyncio.run(run())
