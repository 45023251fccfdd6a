"""The database: a bounded pool of connections, the work that runs on them, and its retries.

Two gaps of aiomysql's pool are closed here. A task that is cancelled in the middle of a reply returns a connection that
has yet to receive the rest ("Packet sequence number wrong"). So work runs in a task that no caller can cancel: one of
its own (``run``), or a background task of its caller (``run_in_this_task``). And the pool wakes no task when a closed
connection is returned to it. So tasks wait for a slot first, and never in the pool.
"""

import asyncio
import math
import random
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiomysql
import pymysql.err

from server.config.database import DatabaseSettings
from server.domain.deadline import Deadline
from server.domain.errors import PaymentsError, StoreUnavailable
from server.observability import metrics
from server.storage.database import driver_errors
from server.storage.database.outage_log import OutageLog
from server.storage.database.session import DuplicateKey, Session
from server.storage.database.turns import Turns, acquire

Result = TypeVar("Result")

_ATTEMPTS = 3
_BACKOFF_SECONDS = 0.02

_SESSION = """
    SET SESSION
        time_zone = '+00:00',
        sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY',
        group_concat_max_len = 1048576,
        innodb_lock_wait_timeout = {lock_timeout_seconds},
        lock_wait_timeout = {table_lock_timeout_seconds}
        /*M!100600 , max_statement_time = {statement_timeout_seconds:.3f} */
        /*M!100600 , idle_transaction_timeout = {idle_transaction_seconds} */
        /*!80000 , max_execution_time = {statement_timeout_ms}, wait_timeout = {idle_connection_seconds} */;

    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
"""
"""Prepares a connection, with limits that hold even when this process is stopped or gone.

Only MariaDB executes ``/*M!``, and only MySQL ``/*!80000``. MySQL limits the time of SELECTs only, and not that of a
transaction that its client left open; there an idle connection is closed, and its transaction rolled back. READ
COMMITTED takes no gap locks, so a refund of an unknown payment delays no charge. GROUP_CONCAT returns the outcomes of a
whole batch in one value.
"""

_IDLE_TRANSACTION_SECONDS = 5
"""Far more than is needed: a transaction waits for this process only when it failed and is to be rolled back."""

_IDLE_CONNECTION_SECONDS = 60

_ANSWER_SECONDS = 1.0
"""How much longer than the server's own limit to wait for an answer, so that the server ends a statement first: a
statement goes on there when its connection is closed.
"""


class Database:
    """A database, reached over a bounded pool of connections."""

    def __init__(
        self, settings: DatabaseSettings, make_session: Callable[[aiomysql.Connection], Session] = Session
    ) -> None:
        """Keep the settings, and how a connection becomes a session; connect when work needs it."""
        self._settings = settings
        self._make_session = make_session
        self._pool = aiomysql.Pool(
            minsize=settings.mysql_pool_min,
            maxsize=settings.mysql_pool_max,
            echo=False,
            pool_recycle=-1,
            loop=asyncio.get_running_loop(),
            **self._connect_arguments(),
        )
        self._slots = asyncio.Semaphore(settings.mysql_pool_max)
        self._turns = Turns(max(1, settings.mysql_pool_max // 2), settings.mysql_acquire_timeout_seconds)
        self._prepared: weakref.WeakSet[aiomysql.Connection] = weakref.WeakSet()
        self._working: set[asyncio.Task[Any]] = set()
        self._probe: aiomysql.Connection | None = None
        self._outages = OutageLog()
        metrics.initialize_database_errors(driver_errors.KINDS)
        metrics.track_connections(
            lambda: len(self._working), lambda: self._pool.freesize, maximum=settings.mysql_pool_max
        )

    async def run(
        self,
        work: Callable[[Session], Awaitable[Result]],
        deadline: Deadline,
        *,
        locked_payment_id: int | None = None,
    ) -> Result:
        """Run ``work`` on a connection, in a task of its own, and return its result.

        Work must be safe to repeat: it is retried a few times when its connection is lost, or it is the victim of a
        deadlock. Once begun it runs to its end, even when the caller is cancelled.

        ``locked_payment_id`` names the payment whose row the work locks, if it does: see ``Turns``.

        Raises:
            DeadlinePassed: the deadline passed before the work began.
            StoreUnavailable: the database cannot be reached, or did not answer in time.
            Exception: whatever ``work`` raises.
        """
        end_turn = None
        if locked_payment_id is not None:
            end_turn = await self._turns.take(locked_payment_id, deadline)
        try:
            await self._take_slot(deadline)
        except BaseException:
            if end_turn is not None:
                end_turn()
            raise
        task = asyncio.create_task(self._attempt(work))
        self._working.add(task)
        task.add_done_callback(self._finished)
        if end_turn is not None:
            # Not when the caller leaves, because the work goes on, and its row may still be locked.
            task.add_done_callback(lambda _: end_turn())
        return await asyncio.shield(task)

    async def run_in_this_task(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run ``work`` like ``run``, without a deadline, in the current task: one that nobody else cancels."""
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        await self._take_slot(Deadline())
        self._working.add(task)
        try:
            return await self._attempt(work)
        finally:
            self._working.discard(task)
            self._slots.release()

    def log_outages(self) -> None:
        """Log from now on when the database is unavailable; until then, the startup reports it."""
        self._outages.open()

    async def ping(self) -> None:
        """Check that the database answers, on a connection of its own.

        Raises:
            StoreUnavailable: it does not answer in time.
        """
        try:
            async with asyncio.timeout(self._settings.mysql_connect_timeout_seconds):
                if self._probe is None:
                    self._probe = await aiomysql.connect(**self._connect_arguments())
                await Session(self._probe).rows("SELECT 1", ())
        except (pymysql.err.MySQLError, OSError, TimeoutError) as error:
            self._close_probe()
            raise self._unavailable(error) from error
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
            # ``_once`` limits the time to connect as a whole. The driver's own timeout covers opening the socket only,
            # by asyncio.wait_for, which in Python 3.11 can swallow an outer cancellation and then waits for ever.
            "connect_timeout": None,
        }

    async def _take_slot(self, deadline: Deadline) -> None:
        if not self._slots.locked():
            await acquire(self._slots, deadline, 0)
            return
        started_seconds = time.perf_counter()
        try:
            await acquire(self._slots, deadline, self._settings.mysql_acquire_timeout_seconds)
        except TimeoutError as error:
            raise self._unavailable(error) from error
        finally:
            metrics.observe_connection_wait(time.perf_counter() - started_seconds)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        self._slots.release()
        # The caller may be gone. Retrieving the exception keeps asyncio from reporting it as never retrieved.
        if not task.cancelled():
            task.exception()

    async def _attempt(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._once(work)
            except (pymysql.err.MySQLError, OSError, TimeoutError) as error:
                metrics.count_database_error(driver_errors.kind(error))
                if attempt < _ATTEMPTS and driver_errors.may_retry_at_once(error):
                    await asyncio.sleep(random.uniform(0.5, 1) * _BACKOFF_SECONDS * 2**attempt)
                elif driver_errors.is_refusal(error):
                    raise
                else:
                    raise self._unavailable(error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        async with asyncio.timeout(self._settings.mysql_connect_timeout_seconds):
            connection = await self._pool.acquire()
        try:
            async with asyncio.timeout(self._settings.mysql_statement_timeout_seconds + _ANSWER_SECONDS):
                session = self._make_session(connection)
                if connection not in self._prepared:
                    await self._prepare(session)
                    self._prepared.add(connection)
                return await work(session)
        except (PaymentsError, DuplicateKey):
            raise
        except BaseException:
            # The state of the connection is unknown.
            connection.close()
            raise
        finally:
            # Not awaited, because the pool only wakes tasks that wait in it, and there are none. Waiting would keep a
            # finished call behind connections that are being opened.
            self._pool.release(connection)

    async def _prepare(self, session: Session) -> None:
        timeout_seconds = self._settings.mysql_statement_timeout_seconds
        limits = {
            "lock_timeout_seconds": self._settings.mysql_lock_timeout_seconds,
            "table_lock_timeout_seconds": math.ceil(timeout_seconds),
            "statement_timeout_seconds": timeout_seconds,
            "statement_timeout_ms": math.ceil(timeout_seconds * 1000),
            "idle_transaction_seconds": _IDLE_TRANSACTION_SECONDS,
            "idle_connection_seconds": _IDLE_CONNECTION_SECONDS,
        }
        await session.script(_SESSION.format(**limits), ())

    def _close_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        self._outages.add(error)
        return StoreUnavailable("the payment store cannot be reached at the moment")
