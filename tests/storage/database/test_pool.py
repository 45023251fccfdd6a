"""The pool never gives a task the reply to another task's statement, whatever happens to the other task."""

import asyncio
import itertools
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import pytest
import uvloop

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed, StoreUnavailable
from server.storage.database.pool import Database
from server.storage.database.session import Session
from tests.support.databases import DatabaseServer, settings_of

ROWS = 500
"""Enough rows for a reply that takes several packets and several reads."""

NUMBERS = f"WITH RECURSIVE n AS (SELECT 1 AS number UNION ALL SELECT number + 1 FROM n WHERE number < {ROWS})"


@asynccontextmanager
async def open_database(environment: dict[str, str], connections: int) -> AsyncIterator[Database]:
    pool = {"MYSQL_POOL_MIN": "1", "MYSQL_POOL_MAX": str(connections)}
    database = Database(settings_of({**environment, **pool}))
    try:
        yield database
    finally:
        await database.close(Deadline.after(10))


async def query_own_values(database: Database, task_number: int) -> None:
    """Execute queries whose results are unique to this task, with each method of a session, and check the results."""

    async def work(session: Session) -> None:
        rows = await session.rows(f"{NUMBERS} SELECT %s, number FROM n", (task_number,))
        assert list(rows) == [(task_number, number) for number in range(1, ROWS + 1)]
        values = await session.values(f"{NUMBERS} SELECT CONCAT(%s, ' ', number) FROM n", (task_number,))
        assert values == [f"{task_number} {number}".encode() for number in range(1, ROWS + 1)]
        results = await session.script("SELECT %s; SELECT %s + 1", (task_number, task_number))
        assert [list(result.rows) for result in results] == [[(task_number,)], [(task_number + 1,)]]

    await database.run(work, Deadline())


@pytest.mark.asyncio
async def test_a_task_that_is_cancelled_at_any_time_leaves_no_unread_reply(empty_database: dict[str, str]) -> None:
    rng = random.Random(1)
    async with open_database(empty_database, connections=4) as database:
        for number in range(200):
            tasks = [asyncio.create_task(query_own_values(database, 10 * number + index)) for index in range(4)]
            await asyncio.sleep(10 ** rng.uniform(-5, -2))
            for task in tasks[1:]:
                task.cancel()
            await tasks[0]
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)
            await query_own_values(database, number)


@pytest.mark.asyncio
async def test_work_that_fails_in_the_middle_of_a_reply_leaves_no_unread_reply(empty_database: dict[str, str]) -> None:
    async def fail(session: Session) -> None:
        read = rng.choice((session.rows, session.values))
        reading = asyncio.ensure_future(read(f"{NUMBERS} SELECT CONCAT('left behind ', number) FROM n", ()))
        await asyncio.sleep(rng.uniform(0, 0.003))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        raise KeyError("failed")

    rng = random.Random(2)
    async with open_database(empty_database, connections=1) as database:
        for number in range(100):
            with pytest.raises(KeyError, match="failed"):
                await database.run(fail, Deadline())
            await query_own_values(database, number)


class _SlowClockDeadline(Deadline):
    """A deadline that never passes by the clock, although a timer for it fires."""

    def seconds_left(self) -> float:
        return 0.05


@pytest.mark.asyncio
async def test_a_wait_for_a_connection_until_the_deadline_raises_deadline_passed(
    empty_database: dict[str, str],
) -> None:
    async with open_database(empty_database, connections=1) as database:
        released = asyncio.Event()
        holding = asyncio.create_task(database.run(lambda _: released.wait(), Deadline()))
        await asyncio.sleep(0)
        try:
            with pytest.raises(DeadlinePassed):
                await database.run(lambda _: released.wait(), _SlowClockDeadline())
        finally:
            released.set()
            await holding


@pytest.mark.asyncio
async def test_work_in_the_current_task_releases_its_connection_even_if_it_fails(
    empty_database: dict[str, str],
) -> None:
    async def fail(_session: Session) -> None:
        raise KeyError("failed")

    async def read(session: Session) -> list[object]:
        return list(await session.rows("SELECT 1", ()))

    async with open_database(empty_database, connections=1) as database:
        for _ in range(3):
            with pytest.raises(KeyError):
                await database.run_in_this_task(fail)
            assert await database.run_in_this_task(read) == [(1,)]


@pytest.mark.asyncio
@pytest.mark.parametrize("is_in_time", [True, False])
async def test_close_waits_until_its_deadline_for_work_in_the_task_of_its_caller(
    empty_database: dict[str, str],
    is_in_time: bool,  # noqa: FBT001
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work(session: Session) -> int:
        begun.set()
        await may_end.wait()
        ((number,),) = await session.rows("SELECT 7", ())
        return int(number)

    async with open_database(empty_database, connections=2) as database:
        working = asyncio.create_task(database.run_in_this_task(work))
        await begun.wait()
        closing = asyncio.create_task(database.close(Deadline.after(60 if is_in_time else 0)))
        if is_in_time:
            await asyncio.sleep(0)
            assert not closing.done()
            may_end.set()
        await closing
        assert working.done()
        assert working.cancelled() is not is_in_time
        assert not is_in_time or working.result() == 7


@pytest.mark.asyncio
async def test_a_ping_fails_if_the_database_answers_but_cannot_read_a_table(
    migrated_database: dict[str, str], database_server: DatabaseServer
) -> None:
    async with open_database(migrated_database, connections=1) as database:
        await database.ping()
        database_server.execute("RENAME TABLE payment_stream TO unreadable", database=migrated_database["MYSQL_DB"])
        with pytest.raises(StoreUnavailable):
            await database.ping()
        database_server.execute("RENAME TABLE unreadable TO payment_stream", database=migrated_database["MYSQL_DB"])
        await database.ping()


def test_a_connection_that_was_reset_while_idle_makes_the_database_unavailable(
    migrated_database: dict[str, str],
) -> None:
    """uvloop, unlike asyncio, raises RuntimeError for a write to such a connection."""

    async def check() -> None:
        # MySQL asks for the whole password in the first login, and how it is sent depends on the kind of socket, which
        # the relay changes. Later logins send a hash.
        async with open_database(migrated_database, connections=1) as database:
            await database.ping()
        async with Relay(migrated_database) as relay, open_database(relay.environment, connections=1) as database:
            await database.ping()
            relay.reset_connections()
            await asyncio.sleep(0.1)  # the event loop notices
            with pytest.raises(StoreUnavailable):
                await database.ping()
            await database.ping()
            for method in (Session.rows, Session.values, Session.raw_rows):
                await database.run(query_after_reset(relay, method), Deadline())

    uvloop.run(check())


def query_after_reset(
    relay: "Relay", query: Callable[[Session, str, tuple[()]], Awaitable[object]]
) -> Callable[[Session], Awaitable[None]]:
    """Return work whose connection is reset before its query, but not when it is retried."""
    attempts = itertools.count()

    async def work(session: Session) -> None:
        if next(attempts) == 0:
            relay.reset_connections()
            await asyncio.sleep(0.1)
        await query(session, "SELECT 1", ())

    return work


class Relay:
    """Relays TCP connections to the database."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Relay to the database of ``environment``; the attribute ``environment`` is for the relay itself."""
        self._settings = settings_of(environment)
        self._others = {name: value for name, value in environment.items() if name != "MYSQL_SOCKET"}
        self._clients: list[asyncio.StreamWriter] = []
        self.environment: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.environment = {**self._others, "MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(port)}
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close everything."""
        self._server.close()
        self.reset_connections()

    def reset_connections(self) -> None:
        """Reset (RST) all connections."""
        for client in self._clients:
            connection: socket.socket = client.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.transport.abort()
        self._clients.clear()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.append(writer)
        if self._settings.mysql_socket is not None:
            database_reader, database_writer = await asyncio.open_unix_connection(self._settings.mysql_socket)
        else:
            address = self._settings.mysql_host, self._settings.mysql_port
            database_reader, database_writer = await asyncio.open_connection(*address)
        with suppress(OSError):
            await asyncio.gather(copy(reader, database_writer), copy(database_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy everything from ``reader`` to ``writer``, then close it."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
