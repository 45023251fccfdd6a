"""The relay numbers each committed change once, without gaps, even if it is committed late or many relays run."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql
import pytest

from server.app.background import every, run_forever
from server.application.relay import Relay
from server.domain.deadline import Deadline
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, Decision, NewCharge, NewPayment, NewRefund, PaymentMethod, Status
from server.storage.database.pool import Database
from server.storage.events.store import MysqlEventStore, MysqlOutbox
from server.storage.payments.store import MysqlPaymentStore
from tests.storage.payments.new_payments import TOO_LARGE
from tests.storage.payments.test_insert import new_payment
from tests.support.databases import Accounts, DatabaseServer, settings_of
from tests.support.legacy_table import NO_PAD
from tests.support.tidb import except_on_tidb

_SELECT_ANY_OUTBOX_ROW = "SELECT outbox_id FROM payment_outbox LIMIT 1"


async def run_relay(relay: Relay) -> None:
    """Run the relay until cancelled, as the service does."""
    await run_forever(relay.round, pause=every(0.01), failure_event="relay_failed")


class Stores:
    """The stores and the relay of one database."""

    def __init__(self, database: Database) -> None:
        """Create the stores and the relay."""
        self._database = database
        self.payments = MysqlPaymentStore(database)
        self.events = MysqlEventStore(database)
        self.relay = Relay(MysqlOutbox(database), lambda: None)

    async def charge(self, payment: NewPayment | None = None) -> int:
        """Store a charge, and return the payment_id."""
        outcome = await self.payments.insert(payment or new_payment(), Deadline())
        return outcome.payment.payment_id

    async def refund(self, payment_id: int, amount_minor: int | None = None) -> None:
        """Store a refund."""
        amount = None if amount_minor is None else Money("INR", amount_minor)
        refund = NewRefund(payment_id, amount, "", RequestKey.of("anyone", None))
        await self.payments.refund(refund, datetime.now(UTC), Deadline())

    async def relay_all(self) -> None:
        """Run the relay until the outbox is empty. The transaction of another, cancelled relay may still be running."""
        while await self._database.run(lambda session: session.rows(_SELECT_ANY_OUTBOX_ROW, ()), Deadline()):
            if not (await self.relay.relay())[0]:
                await asyncio.sleep(0.01)  # another relay may hold the lease


@asynccontextmanager
async def open_stores(environment: dict[str, str]) -> AsyncIterator[Stores]:
    database = Database(settings_of(environment))
    stores = Stores(database)
    try:
        yield stores
    finally:
        await stores.relay.release()
        await database.close(Deadline.after(10))


@pytest.fixture
def service_environment(accounts: Accounts, migrated_database: dict[str, str]) -> dict[str, str]:
    """Return the settings of a service on the test's database, with only the privileges of ``grants.sql``."""
    return accounts.as_service(migrated_database)


Rows = Callable[[], list[tuple[int, int, str, str]]]


@pytest.fixture
def events(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Rows:
    """Return a function that reads all events: sequence, payment_id, kind and refunded amount."""
    return lambda: database_server.execute(
        "SELECT sequence, payment_id, kind, CAST(refunded_amount AS CHAR) FROM payment_events ORDER BY sequence",
        database=migrated_database["MYSQL_DB"],
    )


@pytest.fixture
def sql(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Callable[..., list[Any]]:
    """Return a function that executes a statement in the test's database."""
    return lambda text, *values: database_server.execute(text, values, database=migrated_database["MYSQL_DB"])


@contextmanager
def transaction(database_server: DatabaseServer, name: str) -> Iterator[pymysql.cursors.Cursor]:
    """Yield a cursor in a transaction that is committed at the end of the context."""
    connection = pymysql.connect(**database_server.connect_kwargs, database=name, autocommit=False)
    with connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        yield cursor
        connection.commit()


def test_charges_and_refunds_become_events_in_order(service_environment: dict[str, str], events: Rows) -> None:
    async def run() -> tuple[int, int]:
        async with open_stores(service_environment) as stores:
            one = await stores.charge()
            other = await stores.charge(new_payment(status=Status.FAILED))
            await stores.refund(one, 100)
            await stores.refund(one)
            await stores.relay_all()
            return one, other

    one, other = asyncio.run(run())
    assert events() == [
        (1, one, "CHARGED", "0.0000"),
        (2, other, "FAILED", "0.0000"),
        (3, one, "REFUNDED", "1.0000"),
        (4, one, "REFUNDED", "561.0000"),
    ]


def test_an_event_has_its_payment_and_refund_in_their_state_right_after_it(service_environment: dict[str, str]) -> None:
    async def run() -> None:
        async with open_stores(service_environment) as stores:
            payment = new_payment("request-1")
            payment_id = await stores.charge(payment)
            await stores.refund(payment_id, 100)
            await stores.refund(payment_id)
            await stores.relay_all()
            charged, partial, full = await stores.events.events_after(0, 10)
            assert (charged.kind, charged.occurred_at) == ("CHARGED", payment.create_time)
            assert (charged.caller, charged.request_id, charged.refund) == ("anyone", "request-1", None)
            assert (str(charged.payment.refunded_amount), charged.payment.is_refunded) == ("0.00 INR", False)
            assert (str(partial.payment.refunded_amount), partial.payment.is_refunded) == ("1.00 INR", False)
            assert (str(full.payment.refunded_amount), full.payment.is_refunded) == ("561.00 INR", True)
            assert partial.refund is not None
            assert full.refund is not None
            assert (str(partial.refund.amount), str(full.refund.amount)) == ("1.00 INR", "560.00 INR")
            assert partial.occurred_at == partial.refund.create_time

    asyncio.run(run())


@except_on_tidb("it cannot change the collation of a column under an index")
@pytest.mark.parametrize("collation", ["utf8mb4_bin", NO_PAD], ids=["padding", "no padding"])
def test_charges_are_numbered_whichever_collation_references_have(
    service_environment: dict[str, str], events: Rows, sql: Callable[..., list[Any]], collation: str
) -> None:
    # Replicas of two releases work during an upgrade, while a migration may have changed the collation or not.
    text = f"CHARACTER SET utf8mb4 COLLATE {collation}"
    sql(f"ALTER TABLE payments MODIFY reference VARCHAR(100) {text}, MODIFY method VARCHAR(255) {text} NOT NULL")

    async def run() -> int:
        async with open_stores(service_environment) as stores:
            payment_id = await stores.charge()
            await stores.relay_all()
            return payment_id

    payment_id = asyncio.run(run())
    assert events() == [(1, payment_id, "CHARGED", "0.0000")]


@pytest.mark.parametrize("count", [1, 2, 40, 700])
def test_each_of_many_charges_has_one_event_and_sequences_have_no_gaps(
    service_environment: dict[str, str], events: Rows, count: int
) -> None:
    async def run() -> list[int]:
        async with open_stores(service_environment) as stores:
            ids = await asyncio.gather(*(stores.charge() for _ in range(count)))
            await stores.relay_all()
            return ids

    ids = asyncio.run(run())
    assert [sequence for sequence, *_ in events()] == list(range(1, count + 1))
    assert sorted(payment_id for _, payment_id, *_ in events()) == sorted(ids)


def test_a_replayed_charge_has_no_event(service_environment: dict[str, str], events: Rows) -> None:
    async def run() -> None:
        async with open_stores(service_environment) as stores:
            await asyncio.gather(*(stores.charge(new_payment("same")) for _ in range(50)))
            await stores.charge(new_payment("same"))
            await stores.relay_all()

    asyncio.run(run())
    assert len(events()) == 1


def test_a_batch_that_is_retried_after_a_lost_reply_has_one_event_for_each_charge(
    service_environment: dict[str, str], events: Rows
) -> None:
    async def run() -> None:
        async with open_stores(service_environment) as stores:
            batch = [new_payment() for _ in range(20)]
            # The same rows again, as after a commit whose reply was lost: first as a batch, then one of them alone.
            first = await stores.payments.insert_many(batch, Deadline())
            again = await stores.payments.insert_many(batch, Deadline())
            assert [outcome.payment for outcome in first if isinstance(outcome, ChargeOutcome)] == [
                outcome.payment for outcome in again if isinstance(outcome, ChargeOutcome)
            ]
            one = await stores.charge(batch[0])
            assert isinstance(first[0], ChargeOutcome)
            assert one == first[0].payment.payment_id
            await stores.relay_all()

    asyncio.run(run())
    assert len(events()) == 20


def test_a_charge_of_a_batch_that_the_database_rejects_has_no_event(
    service_environment: dict[str, str], events: Rows, sql: Callable[..., list[Any]]
) -> None:
    payments = [new_payment(), new_payment(order_id=TOO_LARGE), new_payment()]

    async def run() -> None:
        async with open_stores(service_environment) as stores:
            await stores.payments.insert_many(payments, Deadline())
            await stores.relay_all()

    asyncio.run(run())
    assert [payment_id for _, payment_id, *_ in events()] == [row[0] for row in sql("SELECT payment_id FROM payments")]
    assert len(events()) == 2


def test_a_transaction_that_commits_late_gets_a_later_sequence(
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
    events: Rows,
    service_environment: dict[str, str],
) -> None:
    name = migrated_database["MYSQL_DB"]

    async def charge_and_relay() -> None:
        async with open_stores(service_environment) as stores:
            await stores.charge()
            await stores.relay_all()

    with transaction(database_server, name) as cursor:
        cursor.execute("INSERT INTO payments (order_id, method, reference) VALUES (1, 'UPI', 'LATE')")
        late = cursor.lastrowid
        cursor.execute("""INSERT INTO payment_outbox (changes) VALUES ('[["CHARGED", "LATE"]]')""")
        late_outbox_id = cursor.lastrowid
        asyncio.run(charge_and_relay())
        assert [(sequence, kind) for sequence, _, kind, _ in events()] == [(1, "CHARGED")]
        assert late not in {payment_id for _, payment_id, *_ in events()}
    (row,) = database_server.execute(
        "SELECT COUNT(*) FROM payment_outbox WHERE outbox_id = %s", (late_outbox_id,), name
    )
    assert row == (1,)
    asyncio.run(charge_and_relay())
    assert [sequence for sequence, *_ in events()] == [1, 2, 3]
    assert events()[1][1] == late


def test_a_transaction_that_is_rolled_back_has_no_event(
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
    events: Rows,
    service_environment: dict[str, str],
) -> None:
    async def charge_and_relay() -> None:
        async with open_stores(service_environment) as stores:
            await stores.charge()
            await stores.relay_all()

    with transaction(database_server, migrated_database["MYSQL_DB"]) as cursor:
        cursor.execute("INSERT INTO payments (order_id, method, reference) VALUES (1, 'UPI', 'GONE')")
        cursor.execute("""INSERT INTO payment_outbox (changes) VALUES ('[["CHARGED", "GONE"]]')""")
        asyncio.run(charge_and_relay())
        cursor.execute("ROLLBACK")
    asyncio.run(charge_and_relay())
    assert [sequence for sequence, *_ in events()] == [1, 2]


def test_concurrent_relays_of_many_replicas_number_each_change_once(
    service_environment: dict[str, str], events: Rows
) -> None:
    async def run() -> list[int]:
        async with (
            open_stores(service_environment) as one,
            open_stores(service_environment) as two,
            open_stores(service_environment) as three,
        ):
            relays = [asyncio.create_task(run_relay(stores.relay)) for stores in (one, two, three)]

            async def work(stores: Stores) -> list[int]:
                ids = []
                for _ in range(60):
                    payment_id = await stores.charge()
                    await stores.refund(payment_id, 100)
                    ids.append(payment_id)
                return ids

            ids = await asyncio.gather(*(work(stores) for stores in (one, two, three) for _ in range(4)))
            for relay in relays:
                relay.cancel()
            await asyncio.gather(*relays, return_exceptions=True)
            await one.relay_all()
            return list(itertools.chain(*ids))

    ids = asyncio.run(run())
    stream = events()
    assert [sequence for sequence, *_ in stream] == list(range(1, 2 * len(ids) + 1))
    kinds: dict[int, list[str]] = {}
    for _, payment_id, kind, _ in stream:
        kinds.setdefault(payment_id, []).append(kind)
    assert kinds == {payment_id: ["CHARGED", "REFUNDED"] for payment_id in ids}


def test_a_relay_whose_connection_is_killed_at_any_time_loses_and_repeats_no_event(
    service_environment: dict[str, str],
    events: Rows,
    sql: Callable[..., list[Any]],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            database_server.kill_connections(migrated_database["MYSQL_DB"])
            time.sleep(0.02)

    async def run() -> int:
        async with open_stores(service_environment) as stores:
            charged = 0
            relay = asyncio.create_task(run_relay(stores.relay))
            killer = threading.Thread(target=kill)
            killer.start()
            try:
                for _ in range(100):
                    batch = [new_payment() for _ in range(30)]
                    try:
                        outcomes = await stores.payments.insert_many(batch, Deadline())
                    except Exception:  # noqa: BLE001, S112 - the table shows whether the batch was stored
                        continue
                    charged += len(outcomes)
            finally:
                stop.set()
                killer.join()
                relay.cancel()
                await asyncio.gather(relay, return_exceptions=True)
        async with open_stores(service_environment) as stores:
            await stores.relay_all()
        return charged

    charged = asyncio.run(run())
    stored = sorted(row[0] for row in sql("SELECT payment_id FROM payments"))
    assert len(stored) >= charged > 0
    assert [sequence for sequence, *_ in events()] == list(range(1, len(stored) + 1))
    assert sorted(payment_id for _, payment_id, *_ in events()) == stored


def test_a_long_outbox_row_is_moved_alone(
    service_environment: dict[str, str], events: Rows, sql: Callable[..., list[Any]]
) -> None:
    async def run() -> list[tuple[int, bool]]:
        async with open_stores(service_environment) as stores:
            for _ in range(3):
                charge = NewCharge(1, Money("INR", 100), None, RequestKey.of("x", None))
                rows = [
                    NewPayment(
                        charge,
                        Decision(PaymentMethod.UPI, Status.SUCCEEDED),
                        f"{next(numbers):0100}",
                        datetime.now(UTC),
                    )
                    for _ in range(3_000)
                ]
                changes = "[" + ",".join(f'["CHARGED","{row.reference}"]' for row in rows) + "]"
                sql("INSERT INTO payment_outbox (changes) VALUES (%s)", changes)
            await stores.charge()
            return [await stores.relay.relay() for _ in range(4)]

    numbers = itertools.count()
    # The payments of the long rows do not exist, so they have no events; this test is about the rows moved at a time.
    assert asyncio.run(run()) == [(1, True), (1, True), (1, True), (1, False)]
    assert len(events()) == 1
