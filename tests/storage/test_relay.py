"""The relay: what is committed gets its place in the stream, once, in order, however late and by whomever."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pymysql
import pytest

from server.app.background import every, run_forever
from server.application.relay import Relay
from server.domain.deadline import Deadline
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, NewCharge, NewPayment, NewRefund, PaymentMethod, Status
from server.storage.database.pool import Database
from server.storage.events.store import MysqlEventStore, MysqlOutbox
from server.storage.payments.store import MysqlPaymentStore
from tests.storage.payments.test_insert import new_payment
from tests.support.databases import Accounts, DatabaseServer, settings_of

_WAITING = "SELECT outbox_id FROM payment_outbox LIMIT 1"


async def relaying(relay: Relay) -> None:
    """Relay until cancelled, as the service does."""
    await run_forever(relay.round, pause=every(0.01), failure_event="relay_failed")


class Stores:
    """What writes, relays and reads, on one database."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database
        self.payments = MysqlPaymentStore(database)
        self.events = MysqlEventStore(database)
        self.relay = Relay(MysqlOutbox(database), lambda: None)

    async def charged(self, payment: NewPayment | None = None) -> int:
        """Charge, and return the payment's id."""
        outcome = await self.payments.insert(payment or new_payment(), Deadline())
        return outcome.payment.payment_id

    async def refund(self, payment_id: int, amount_minor: int | None = None) -> None:
        """Refund."""
        amount = None if amount_minor is None else Money("INR", amount_minor)
        refund = NewRefund(payment_id, amount, "", RequestKey.of("anyone", None))
        await self.payments.refund(refund, datetime.now(UTC), Deadline())

    async def relay_all(self) -> None:
        """Relay until nothing is left to; what was begun elsewhere, and cancelled, may be at it still."""
        while await self._database.run(lambda session: session.rows(_WAITING, ()), Deadline()):
            await self.relay.relay()


@asynccontextmanager
async def on(environment: dict[str, str]) -> AsyncIterator[Stores]:
    database = Database(settings_of(environment))
    try:
        yield Stores(database)
    finally:
        await database.close(Deadline.after(10))


@pytest.fixture
def rights(accounts: Accounts, migrated_database: dict[str, str]) -> dict[str, str]:
    """Return the settings of a service on the test's database, which may only what ``grants.sql`` says."""
    return accounts.as_service(migrated_database)


Rows = Callable[[], list[tuple[int, int, str, str]]]


@pytest.fixture
def events(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Rows:
    """Read the stream: sequence, payment_id, kind and refunded amount."""
    return lambda: database_server.execute(
        "SELECT sequence, payment_id, kind, CAST(refunded_amount AS CHAR) FROM payment_events ORDER BY sequence",
        database=migrated_database["MYSQL_DB"],
    )


@pytest.fixture
def sql(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Callable[..., list[Any]]:
    """Execute a statement in the test's database."""
    return lambda text, *values: database_server.execute(text, values, database=migrated_database["MYSQL_DB"])


@contextmanager
def transaction(database_server: DatabaseServer, name: str) -> Iterator[pymysql.cursors.Cursor]:
    """Give a transaction that others see nothing of before it is committed, at the end."""
    connection = pymysql.connect(**database_server.connect_kwargs, database=name, autocommit=False)
    with connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        yield cursor
        connection.commit()


def test_charges_and_refunds_become_events_in_order(rights: dict[str, str], events: Rows) -> None:
    async def run() -> tuple[int, int]:
        async with on(rights) as stores:
            one = await stores.charged()
            other = await stores.charged(replace(new_payment(), status=Status.FAILED))
            await stores.refund(one, 100)
            await stores.refund(one)
            await stores.relay_all()
            return one, other

    one, other = asyncio.run(run())
    assert events() == [
        (1, one, "CHARGED", "0.00"),
        (2, other, "FAILED", "0.00"),
        (3, one, "REFUNDED", "1.00"),
        (4, one, "REFUNDED", "561.00"),
    ]


def test_an_event_tells_the_payment_and_refund_as_they_were(rights: dict[str, str]) -> None:
    async def run() -> None:
        async with on(rights) as stores:
            payment = new_payment("request-1")
            payment_id = await stores.charged(payment)
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


@pytest.mark.parametrize("count", [1, 2, 40, 700])
def test_each_of_many_charges_has_one_event_and_the_sequence_no_gap(
    rights: dict[str, str], events: Rows, count: int
) -> None:
    async def run() -> list[int]:
        async with on(rights) as stores:
            ids = await asyncio.gather(*(stores.charged() for _ in range(count)))
            await stores.relay_all()
            return ids

    ids = asyncio.run(run())
    assert [sequence for sequence, *_ in events()] == list(range(1, count + 1))
    assert sorted(payment_id for _, payment_id, *_ in events()) == sorted(ids)


def test_a_repeated_request_has_no_event_of_its_own(rights: dict[str, str], events: Rows) -> None:
    async def run() -> None:
        async with on(rights) as stores:
            await asyncio.gather(*(stores.charged(new_payment("same")) for _ in range(50)))
            await stores.charged(new_payment("same"))
            await stores.relay_all()

    asyncio.run(run())
    assert len(events()) == 1


def test_a_group_whose_answer_was_lost_is_told_once(rights: dict[str, str], events: Rows) -> None:
    async def run() -> None:
        async with on(rights) as stores:
            group = [new_payment() for _ in range(20)]
            # The very same rows again, as after a commit whose answer never came; and among others that are new.
            first = await stores.payments.insert_many(group, Deadline())
            again = await stores.payments.insert_many(group, Deadline())
            assert [outcome.payment for outcome in first if isinstance(outcome, ChargeOutcome)] == [
                outcome.payment for outcome in again if isinstance(outcome, ChargeOutcome)
            ]
            one = await stores.charged(group[0])
            assert isinstance(first[0], ChargeOutcome)
            assert one == first[0].payment.payment_id
            await stores.relay_all()

    asyncio.run(run())
    assert len(events()) == 20


def test_a_charge_that_is_refused_alone_in_its_group_has_no_event(
    rights: dict[str, str], events: Rows, sql: Callable[..., list[Any]]
) -> None:
    sql("ALTER TABLE payments ADD CONSTRAINT unlucky CHECK (order_id <> 13)")

    async def run() -> None:
        async with on(rights) as stores:
            await stores.payments.insert_many([new_payment(order_id=number) for number in (12, 13, 14)], Deadline())
            await stores.relay_all()

    asyncio.run(run())
    assert [payment_id for _, payment_id, *_ in events()] == [row[0] for row in sql("SELECT payment_id FROM payments")]
    assert len(events()) == 2


def test_a_transaction_that_commits_late_is_told_late_and_not_left_out(
    database_server: DatabaseServer, migrated_database: dict[str, str], events: Rows, rights: dict[str, str]
) -> None:
    name = migrated_database["MYSQL_DB"]

    async def relayed() -> None:
        async with on(rights) as stores:
            await stores.charged()
            await stores.relay_all()

    with transaction(database_server, name) as cursor:
        cursor.execute("INSERT INTO payments (order_id, method, reference) VALUES (1, 'UPI', 'LATE')")
        late = cursor.lastrowid
        cursor.execute("""INSERT INTO payment_outbox (changes) VALUES ('[["CHARGED", "LATE"]]')""")
        late_place = cursor.lastrowid
        asyncio.run(relayed())
        assert [(sequence, kind) for sequence, _, kind, _ in events()] == [(1, "CHARGED")]
        assert late not in {payment_id for _, payment_id, *_ in events()}
    (row,) = database_server.execute("SELECT COUNT(*) FROM payment_outbox WHERE outbox_id = %s", (late_place,), name)
    assert row == (1,)
    asyncio.run(relayed())
    assert [sequence for sequence, *_ in events()] == [1, 2, 3]
    assert events()[1][1] == late


def test_a_transaction_that_is_rolled_back_is_not_told(
    database_server: DatabaseServer, migrated_database: dict[str, str], events: Rows, rights: dict[str, str]
) -> None:
    async def relayed() -> None:
        async with on(rights) as stores:
            await stores.charged()
            await stores.relay_all()

    with transaction(database_server, migrated_database["MYSQL_DB"]) as cursor:
        cursor.execute("INSERT INTO payments (order_id, method, reference) VALUES (1, 'UPI', 'GONE')")
        cursor.execute("""INSERT INTO payment_outbox (changes) VALUES ('[["CHARGED", "GONE"]]')""")
        asyncio.run(relayed())
        cursor.execute("ROLLBACK")
    asyncio.run(relayed())
    assert [sequence for sequence, *_ in events()] == [1, 2]


def test_relays_of_many_replicas_at_once_tell_everything_once(rights: dict[str, str], events: Rows) -> None:
    async def run() -> list[int]:
        async with (
            on(rights) as one,
            on(rights) as two,
            on(rights) as three,
        ):
            relays = [asyncio.create_task(relaying(stores.relay)) for stores in (one, two, three)]

            async def work(stores: Stores) -> list[int]:
                ids = []
                for _ in range(60):
                    payment_id = await stores.charged()
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
    told = events()
    assert [sequence for sequence, *_ in told] == list(range(1, 2 * len(ids) + 1))
    kinds: dict[int, list[str]] = {}
    for _, payment_id, kind, _ in told:
        kinds.setdefault(payment_id, []).append(kind)
    assert kinds == {payment_id: ["CHARGED", "REFUNDED"] for payment_id in ids}


def test_a_relay_that_hangs_in_its_transaction_keeps_the_others_from_nothing_but_waiting(
    database_server: DatabaseServer, migrated_database: dict[str, str], events: Rows, rights: dict[str, str]
) -> None:
    async def run() -> tuple[int, bool]:
        async with on(rights) as stores:
            await stores.charged()
            return await stores.relay.relay()

    with transaction(database_server, migrated_database["MYSQL_DB"]) as cursor:
        cursor.execute("SELECT last_sequence FROM payment_stream FOR UPDATE")
        assert asyncio.run(run()) == (0, False)
        assert events() == []
    assert asyncio.run(run()) == (2, False)
    assert [sequence for sequence, *_ in events()] == [1, 2]


def test_a_relay_whose_connection_is_killed_at_any_moment_leaves_no_half(
    rights: dict[str, str],
    events: Rows,
    sql: Callable[..., list[Any]],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            database_server.end_connections(migrated_database["MYSQL_DB"])
            time.sleep(0.02)

    async def run() -> int:
        async with on(rights) as stores:
            charged = 0
            relay = asyncio.create_task(relaying(stores.relay))
            killer = threading.Thread(target=kill)
            killer.start()
            try:
                for _ in range(100):
                    group = [new_payment() for _ in range(30)]
                    try:
                        outcomes = await stores.payments.insert_many(group, Deadline())
                    except Exception:  # noqa: BLE001, S112 - of which some are stored, and some not: the table tells
                        continue
                    charged += len(outcomes)
            finally:
                stop.set()
                killer.join()
                relay.cancel()
                await asyncio.gather(relay, return_exceptions=True)
        async with on(rights) as stores:
            await stores.relay_all()
        return charged

    charged = asyncio.run(run())
    stored = sorted(row[0] for row in sql("SELECT payment_id FROM payments"))
    assert len(stored) >= charged > 0
    assert [sequence for sequence, *_ in events()] == list(range(1, len(stored) + 1))
    assert sorted(payment_id for _, payment_id, *_ in events()) == stored


def test_a_long_row_goes_alone_and_what_follows_keeps_its_order(
    rights: dict[str, str], events: Rows, sql: Callable[..., list[Any]]
) -> None:
    async def run() -> list[tuple[int, bool]]:
        async with on(rights) as stores:
            for _ in range(3):
                charge = NewCharge(1, Money("INR", 100), None, RequestKey.of("x", None))
                rows = [
                    NewPayment(charge, PaymentMethod.UPI, Status.SUCCEEDED, f"{next(numbers):0100}", datetime.now(UTC))
                    for _ in range(3_000)
                ]
                changes = "[" + ",".join(f'["CHARGED","{row.reference}"]' for row in rows) + "]"
                sql("INSERT INTO payment_outbox (changes) VALUES (%s)", changes)
            await stores.charged()
            return [await stores.relay.relay() for _ in range(4)]

    numbers = itertools.count()
    # Payments that do not exist make no events: what counts here is how many rows went at once.
    assert [count for count, _ in asyncio.run(run())] == [0, 0, 0, 1]
    assert len(events()) == 1
