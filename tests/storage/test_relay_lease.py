"""One relay at a time holds the lease of the stream. A relay that has lost it can neither add nor delete anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pymysql.err
import pytest
from pymysql.constants import CR

from server.application.relay import Relay
from server.domain.deadline import Deadline
from server.storage.database.fast_read import RawRow
from server.storage.database.session import Session, StatementResult
from server.storage.events.store import MysqlOutbox
from server.storage.payments.store import MysqlPaymentStore
from server.storage.statements import name_of
from tests.storage.payments.new_payments import new_payment
from tests.support.databases import Accounts, DatabaseServer, open_database

Execute = Callable[..., list[Any]]
Hook = Callable[[], Awaitable[None]]

END_LEASE = "UPDATE payment_stream SET leased_until = UTC_TIMESTAMP(6)"
ADD_REPLAY = """INSERT INTO payment_outbox (changes) VALUES ('[["CHARGED", "not stored"]]')"""

SEQUENCES = "SELECT sequence FROM payment_events ORDER BY sequence"
PAYMENT_IDS = "SELECT payment_id FROM payments ORDER BY payment_id"
EVENT_PAYMENT_IDS = "SELECT payment_id FROM payment_events ORDER BY payment_id"
OUTBOX_IDS = "SELECT outbox_id FROM payment_outbox"


@pytest.fixture
def execute(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Execute:
    """Return a function that executes a statement in the database of the test."""
    return lambda text: database_server.execute(text, (), migrated_database["MYSQL_DB"])


@pytest.fixture
def environment(accounts: Accounts, migrated_database: dict[str, str]) -> dict[str, str]:
    """Return the settings of a service on the test's database, with only the privileges of ``grants.sql``."""
    return accounts.as_service(migrated_database)


@asynccontextmanager
async def open_relay(environment: dict[str, str], session: type[Session] = Session) -> AsyncIterator[Relay]:
    async with open_database(environment, session) as database:
        yield Relay(MysqlOutbox(database), lambda: None)


async def charge(environment: dict[str, str], count: int) -> None:
    """Store charges, each with a row of its own in the outbox."""
    async with open_database(environment) as database:
        store = MysqlPaymentStore(database)
        for _ in range(count):
            await store.insert(new_payment(), Deadline())


def hooked_session(name: str, before: Hook, after: Hook) -> type[Session]:
    """Return a session class that calls ``before`` and ``after`` around the first statement with this name."""
    is_first = True

    async def run(text: str, execute: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - rows or results
        nonlocal is_first
        if name_of(text) != name or not is_first:
            return await execute()
        is_first = False
        await before()
        result = await execute()
        await after()
        return result

    class HookedSession(Session):
        async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
            results: list[StatementResult] = await run(text, lambda: super(HookedSession, self).script(text, values))
            return results

        async def raw_rows(self, text: str, values: Sequence[object]) -> list[RawRow]:
            rows: list[RawRow] = await run(text, lambda: super(HookedSession, self).raw_rows(text, values))
            return rows

    return HookedSession


async def do_nothing() -> None:
    """Do nothing."""


def assert_complete(execute: Execute, count: int) -> None:
    """Fail unless each of ``count`` charges has one event, sequences have no gaps, and the outbox is empty."""
    assert execute(SEQUENCES) == [(sequence,) for sequence in range(1, count + 1)]
    assert execute(EVENT_PAYMENT_IDS) == execute(PAYMENT_IDS)
    assert execute("SELECT last_sequence FROM payment_stream") == [(count,)]
    assert execute(OUTBOX_IDS) == []


def test_while_a_relay_holds_the_lease_another_moves_nothing(environment: dict[str, str], execute: Execute) -> None:
    async def run() -> None:
        async with open_relay(environment) as one, open_relay(environment) as other:
            await charge(environment, 1)
            assert await one.relay() == (1, False)
            await charge(environment, 1)
            assert await other.relay() == (0, False)
            assert await one.relay() == (1, False)

    asyncio.run(run())
    assert_complete(execute, 2)
    assert execute("SELECT lease_number FROM payment_stream") == [(1,)]


def test_after_a_release_another_relay_continues_at_once(environment: dict[str, str], execute: Execute) -> None:
    async def run() -> None:
        async with open_relay(environment) as one, open_relay(environment) as other:
            await charge(environment, 1)
            await one.relay()
            await charge(environment, 1)
            await one.release()
            assert await other.relay() == (1, False)
            await one.release()  # Of a lease that it does not hold anymore.
            await charge(environment, 1)
            assert await other.relay() == (1, False)

    asyncio.run(run())
    assert_complete(execute, 3)


def test_after_a_crash_another_relay_continues_once_the_lease_has_ended(
    environment: dict[str, str], execute: Execute
) -> None:
    async def run() -> None:
        await charge(environment, 1)
        async with open_relay(environment) as one:
            await one.relay()
        await charge(environment, 1)
        async with open_relay(environment) as other:
            assert await other.relay() == (0, False)
            await other.catch_up()

    asyncio.run(run())
    assert_complete(execute, 2)


def test_each_move_renews_the_lease(environment: dict[str, str], execute: Execute) -> None:
    async def run() -> None:
        async with open_relay(environment) as one, open_relay(environment) as other:
            await charge(environment, 1)
            await one.relay()
            execute(END_LEASE)
            await charge(environment, 1)
            assert await one.relay() == (1, False)
            await charge(environment, 1)
            assert await other.relay() == (0, False)

    asyncio.run(run())


STATEMENTS = ["TAKE_LEASE", "SELECT_CHANGES", "SELECT_CHARGES", "MOVE", "DISCARD"]


@pytest.mark.parametrize("other_moves", [False, True], ids=["the other only takes the lease", "the other moves"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_relay_that_is_suspended_before_a_statement_and_has_lost_the_lease_changes_nothing(
    environment: dict[str, str], execute: Execute, name: str, *, other_moves: bool
) -> None:
    stream = "SELECT last_sequence, lease_number FROM payment_stream"
    seen: list[Any] = []

    async def run() -> None:
        if name == "DISCARD":
            execute(ADD_REPLAY)
        else:
            await charge(environment, 3)

        async def take_over() -> None:
            execute(END_LEASE)
            if other_moves:
                async with open_relay(environment) as other:
                    assert (await other.relay())[0] > 0
            else:
                execute("UPDATE payment_stream SET lease_number = lease_number + 1, leased_until = '2100-01-01'")
            seen[:] = [execute(stream), execute(OUTBOX_IDS), execute(SEQUENCES)]

        session = hooked_session(name, take_over, do_nothing)
        async with open_relay(environment, session) as suspended:
            assert await suspended.relay() == (0, False)
            assert seen == [execute(stream), execute(OUTBOX_IDS), execute(SEQUENCES)]
            execute(END_LEASE)
            async with open_relay(environment) as last:
                await last.catch_up()

    asyncio.run(run())
    assert_complete(execute, 0 if name == "DISCARD" else 3)


@pytest.mark.parametrize("name", ["SELECT_HEAD", *STATEMENTS, "RELEASE_LEASE"])
def test_a_connection_that_is_lost_after_a_statement_loses_and_repeats_no_event(
    environment: dict[str, str], execute: Execute, name: str
) -> None:
    async def run() -> None:
        await charge(environment, 3)
        if name == "DISCARD":
            execute("DELETE FROM payment_outbox")
            execute("DELETE FROM payments")
            execute(ADD_REPLAY)

        async def lose_connection() -> None:
            raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")

        session = hooked_session(name, do_nothing, lose_connection)
        async with open_relay(environment, session) as relay:
            await relay.relay()
            await relay.release()
            if name == "TAKE_LEASE":  # It does not know that it has taken the lease.
                assert execute(SEQUENCES) == []
                execute(END_LEASE)
            await relay.catch_up()

    asyncio.run(run())
    assert_complete(execute, 0 if name == "DISCARD" else 3)


def test_a_relay_whose_earlier_attempt_is_committed_meanwhile_repeats_nothing(
    environment: dict[str, str], execute: Execute
) -> None:
    async def run() -> None:
        execute(ADD_REPLAY)

        async def commit_earlier_attempt() -> None:
            await charge(environment, 3)
            ids = [outbox_id for (outbox_id,) in execute(OUTBOX_IDS)]
            async with open_database(environment) as database:
                assert await MysqlOutbox(database).move(ids, 1, 60) == {"CHARGED": 3}

        session = hooked_session("DISCARD", commit_earlier_attempt, do_nothing)
        async with open_relay(environment, session) as relay:
            assert await relay.relay() == (0, False)

    asyncio.run(run())
    assert_complete(execute, 3)


def test_of_relays_that_take_the_lease_at_the_same_time_one_gets_it(environment: dict[str, str]) -> None:
    async def run() -> None:
        async with open_database(environment) as database:
            outbox = MysqlOutbox(database)
            for number in range(20):
                taken = await asyncio.gather(*(outbox.take_lease(2 * number, 60) for _ in range(4)))
                assert sorted(taken) == [False, False, False, True]
                await outbox.release_lease(2 * number + 1)

    asyncio.run(run())


def test_a_change_that_is_committed_late_with_a_lower_id_is_moved(
    environment: dict[str, str], execute: Execute
) -> None:
    async def run() -> None:
        async with open_relay(environment) as relay:
            await charge(environment, 3)
            ((first,), *_) = execute(f"{OUTBOX_IDS} ORDER BY outbox_id")
            execute(f"UPDATE payment_outbox SET outbox_id = outbox_id + 100 WHERE outbox_id > {first}")
            assert await relay.relay() == (3, False)
            await charge(environment, 1)
            execute(f"UPDATE payment_outbox SET outbox_id = {first + 1}")
            await relay.catch_up()

    asyncio.run(run())
    assert_complete(execute, 4)
