"""The database: a pool of connections, work that is done on them, and the driver's errors by their meaning.

What aiomysql's pool leaves open is settled here. A task that is cancelled in the middle of a reply would give back a
connection that still has the rest of it to come ("Packet sequence number wrong"): so work, once begun, runs to its end
in a task of its own, whatever becomes of its caller. A connection that is closed is given back without waking those who
wait for one: so nobody waits in the pool, but for a slot before it.
"""

import asyncio
import random
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar, cast

import aiomysql
import pymysql.err
import structlog
from pymysql.constants import CR

from server import metrics
from server.config import Settings
from server.domain.deadline import Deadline, deadline_passed
from server.domain.errors import PaymentsError, StoreUnavailable
from server.storage import queries
from server.storage.one_column import read_values

Result = TypeVar("Result")
Row = tuple[Any, ...]
"""A row as the driver gives it: its columns, in the order and of the types that the query's text says."""

_ATTEMPTS = 3
_BACKOFF_SECONDS = 0.02

_ER_DUP_ENTRY = 1062
_TRY_AGAIN = frozenset({1205, 1213, 1927, 2006, 2013, 2055, 4031})
"""Lock wait timeout, deadlock, connection killed or lost: the same work, begun anew, may well succeed at once."""
_NOT_LET_IN = frozenset(
    {
        *(1044, 1045, 1049, 1129, 1130, 1698),  # who, where from, to which database
        *(1142, 1143, 1227),  # rights on a table, on a column, of the server
        *(1820, 1862, 3118, 3955, 4151),  # the password has expired, the account is locked
    }
)
"""What an administrator has taken away, and gives back: nothing is wrong with what was asked."""

_UNAVAILABLE = _TRY_AGAIN | frozenset(
    {
        *(1021, 1037, 1038, 1114),  # disk, memory or table full
        *(1040, 1203, 1226),  # too many connections
        *_NOT_LET_IN,
        *(1053, 1077, 1080, 1152, 1158, 1159, 1160, 1161, 1184),  # shutting down, connection broken
        *(1180, 1290, 1792, 1836, 3100),  # cannot commit, read-only
        *(1317, 1969, 3024),  # interrupted
        *range(2000, 2100),  # the client side of all these
    }
)

_KINDS = {
    **dict.fromkeys((1205, 1213), "lock"),
    **dict.fromkeys((1927, 2006, 2013, 2055, 4031), "connection_lost"),
    **dict.fromkeys((1021, 1037, 1038, 1114), "full"),
    **dict.fromkeys((1040, 1203, 1226), "too_many_connections"),
    **dict.fromkeys(_NOT_LET_IN, "access_denied"),
    **dict.fromkeys((1290, 1792, 1836, 3100), "read_only"),
}
_TIMEOUT, _PASSING, _REFUSED = "timeout", "unavailable", "refused"
"""What errors are counted as, by their code: "unavailable" is any other that may pass, "refused" any other at all."""

_log = structlog.get_logger(__name__)


class DuplicateKey(Exception):
    """A row with the same value of a unique key is there already; nothing was written."""


class Executed(NamedTuple):
    """What one statement of several gave: its rows, and the id that it gave to the row it inserted, else 0."""

    rows: Sequence[Row]
    inserted_id: int


class Session:
    """A connection, while one piece of work has it."""

    def __init__(self, connection: aiomysql.Connection) -> None:
        """Keep the connection."""
        self._connection = connection

    async def write(self, text: str, values: Sequence[object]) -> int:
        """Execute a statement, and return the id that it gave to the row it inserted, else 0.

        Raises:
            DuplicateKey: it would break a unique key.
        """
        async with self._connection.cursor() as cursor:
            try:
                await cursor.execute(text, values)
            except pymysql.err.IntegrityError as error:
                if error.args[0] == _ER_DUP_ENTRY:
                    raise DuplicateKey from error
                raise
            return int(cursor.lastrowid or 0)

    async def rows(self, text: str, values: Sequence[object]) -> Sequence[Row]:
        """Execute a query, and return all its rows."""
        async with self._connection.cursor() as cursor:
            await cursor.execute(text, values)
            return cast("Sequence[Row]", await cursor.fetchall())

    async def values(self, text: str, values: Sequence[object]) -> list[bytes]:
        """Execute a query of one column that is never NULL, and return its values, in UTF-8: see ``one_column``."""
        async with self._connection.cursor() as cursor:
            query = cursor.mogrify(text, values)
        return await read_values(self._connection, query)

    async def row(self, text: str, values: Sequence[object]) -> Row | None:
        """Execute a query of at most one row, and return it, or None."""
        rows = await self.rows(text, values)
        return rows[0] if rows else None

    async def script(self, text: str, values: Sequence[object]) -> list[Executed]:
        """Execute several statements, with semicolons between, in one message, and return what each gave.

        One message for each would wake the database, and wait for it, as many times.

        Raises:
            DuplicateKey: one of them would break a unique key; those after it are not executed.
        """
        async with self._connection.cursor() as cursor:
            try:
                await cursor.execute(text, values)
                executed = []
                while True:
                    rows = await cursor.fetchall() if cursor.description else ()
                    executed.append(Executed(cast("Sequence[Row]", rows), int(cursor.lastrowid or 0)))
                    if not await cursor.nextset():
                        return executed
            except pymysql.err.IntegrityError as error:
                if error.args[0] == _ER_DUP_ENTRY:
                    raise DuplicateKey from error
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Leave no transaction open that is begun inside: if it was not committed there, it is rolled back."""
        try:
            yield
        except (PaymentsError, DuplicateKey):
            await self._connection.rollback()
            raise
        except pymysql.err.MySQLError as error:
            if is_refusal(error):
                await self._connection.rollback()
            raise
        if self._connection.get_transaction_status():
            await self._connection.rollback()


class Database:
    """A database, reached over a bounded pool of connections."""

    def __init__(self, settings: Settings, session: type[Session] = Session) -> None:
        """Keep the settings, and what work is given as its ``session``; nothing is connected before it is needed."""
        self._settings = settings
        self._session = session
        self._pool = aiomysql.Pool(
            minsize=settings.mysql_pool_min,
            maxsize=settings.mysql_pool_max,
            echo=False,
            pool_recycle=-1,
            loop=asyncio.get_running_loop(),
            **self._connect_arguments(),
        )
        self._slots = asyncio.Semaphore(settings.mysql_pool_max)
        self._prepared: weakref.WeakSet[aiomysql.Connection] = weakref.WeakSet()
        self._working: set[asyncio.Task[Any]] = set()
        self._probe: aiomysql.Connection | None = None
        metrics.expect_database_errors({*_KINDS.values(), _TIMEOUT, _PASSING, _REFUSED})
        metrics.watch_connections(
            lambda: len(self._working), lambda: self._pool.freesize, at_most=settings.mysql_pool_max
        )

    async def run(self, work: Callable[[Session], Awaitable[Result]], deadline: Deadline) -> Result:
        """Do ``work`` on a connection, and return what it returns.

        Work must be safe to repeat: when its connection is lost, or it is chosen as the victim of a deadlock, it is
        begun anew, a few times. Once begun it is finished, even when the caller is cancelled.

        Raises:
            DeadlinePassed: the deadline passed before the work was begun.
            StoreUnavailable: the database cannot be reached, or did not answer in time.
            Exception: whatever ``work`` raises.
        """
        await self._take_slot(deadline)
        task = asyncio.create_task(self._attempt(work, deadline))
        self._working.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def ping(self) -> None:
        """Ask the database for a sign of life, over a connection kept for that.

        Raises:
            StoreUnavailable: there was none in time.
        """
        try:
            async with asyncio.timeout(self._settings.mysql_connect_timeout_seconds):
                if self._probe is None:
                    self._probe = await aiomysql.connect(**self._connect_arguments())
                await Session(self._probe).rows(queries.PING, ())
        except (pymysql.err.MySQLError, OSError, TimeoutError) as error:
            self._close_probe()
            raise _unavailable(error) from error
        except BaseException:
            self._close_probe()
            raise

    async def close(self, deadline: Deadline) -> None:
        """Wait for the work in progress until ``deadline``, then close every connection."""
        if self._working:
            await asyncio.wait(self._working, timeout=max(0, deadline.seconds_left()))
        for task in tuple(self._working):
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._close_probe()
        self._pool.close()
        await self._pool.wait_closed()

    def _connect_arguments(self) -> dict[str, Any]:
        settings = self._settings
        where: dict[str, Any] = (
            {"unix_socket": str(settings.mysql_socket)}
            if settings.mysql_socket is not None
            else {"host": settings.mysql_host, "port": settings.mysql_port}
        )
        return {
            **where,
            "user": settings.mysql_user,
            "password": settings.mysql_password.get_secret_value(),
            "db": settings.mysql_db,
            "charset": "utf8mb4",
            "autocommit": True,
            # Connecting is bounded from outside, whole. The driver's own bound covers only opening the socket, and by
            # asyncio.wait_for, which in Python 3.11 can swallow the outer bound's cancellation: then it waits for ever.
            "connect_timeout": None,
        }

    async def _take_slot(self, deadline: Deadline) -> None:
        if not self._slots.locked():
            deadline.check()
            await self._slots.acquire()  # at once, so that no timer is needed
            return
        started_seconds = time.perf_counter()
        at_most_seconds = self._settings.mysql_acquire_timeout_seconds
        wait_seconds = deadline.remaining_seconds(at_most_seconds)
        try:
            async with asyncio.timeout(wait_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            if wait_seconds < at_most_seconds:
                # Not asked of the clock again: the timer may be a little early by it.
                raise deadline_passed() from error
            raise _unavailable(error) from error
        finally:
            metrics.waited_for_connection(time.perf_counter() - started_seconds)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        self._slots.release()
        # The caller may be gone; asking for the exception keeps asyncio from reporting it as never retrieved.
        if not task.cancelled():
            task.exception()

    async def _attempt(self, work: Callable[[Session], Awaitable[Result]], deadline: Deadline) -> Result:
        deadline.check()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._once(work)
            except (pymysql.err.MySQLError, OSError, TimeoutError) as error:
                metrics.database_failed(_kind(error))
                if attempt < _ATTEMPTS and _code(error) in _TRY_AGAIN:
                    await asyncio.sleep(random.uniform(0.5, 1) * _BACKOFF_SECONDS * 2**attempt)
                elif not isinstance(error, pymysql.err.MySQLError) or not is_refusal(error):
                    raise _unavailable(error) from error
                else:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        async with asyncio.timeout(self._settings.mysql_connect_timeout_seconds):
            connection = await self._pool.acquire()
        try:
            async with asyncio.timeout(self._settings.mysql_statement_timeout_seconds):
                session = self._session(connection)
                if connection not in self._prepared:
                    await self._prepare(session)
                    self._prepared.add(connection)
                return await work(session)
        except (PaymentsError, DuplicateKey):
            raise
        except BaseException:
            # In which state the connection is, is not known.
            connection.close()
            raise
        finally:
            # Given back at once; what it returns only wakes those who wait in the pool, and nobody does. Waiting for
            # that would keep a finished call behind the connections that are being opened.
            self._pool.release(connection)

    async def _prepare(self, session: Session) -> None:
        await session.write("SET SESSION time_zone = '+00:00', sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY'", ())
        # One value holds what a whole batch of payments became.
        await session.write("SET SESSION group_concat_max_len = 1048576", ())
        # Without gap locks: a refund of an unknown payment must not make charges wait.
        await session.write("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", ())

    def _close_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None


def is_refusal(error: pymysql.err.MySQLError) -> bool:
    """Tell whether the database refuses what it was given: asking again would end the same."""
    return _code(error) not in _UNAVAILABLE


def _code(error: Exception) -> int:
    if isinstance(error, pymysql.err.MySQLError) and error.args and isinstance(error.args[0], int):
        # InterfaceError(0, ...) is the driver's word for a connection that is closed.
        return error.args[0] or CR.CR_SERVER_GONE_ERROR
    return -1


def _kind(error: Exception) -> str:
    """Return what an error is counted as."""
    if isinstance(error, TimeoutError):
        return _TIMEOUT
    return _KINDS.get(_code(error), _PASSING if _code(error) in _UNAVAILABLE | {-1} else _REFUSED)


def _unavailable(error: Exception) -> StoreUnavailable:
    _log.warning("database_unavailable", error=type(error).__name__, code=_code(error), detail=str(error))
    return StoreUnavailable("the payment store cannot be reached at the moment")
