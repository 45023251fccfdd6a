"""A bounded pool of database connections, the work that runs on them, and its retries.

This works around two gaps in aiomysql's pool:

- A task that is cancelled in the middle of a reply returns its connection with the rest of the reply unread ("Packet
  sequence number wrong"). Therefore work runs in a task that no caller can cancel: a task of its own (``run``), or a
  background task of the caller (``run_in_this_task``).
- The pool wakes no waiting task when a closed connection is returned. Therefore tasks wait for a semaphore slot first,
  and never in the pool.
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
from server.storage.database.causal_reads import make_reads_causal
from server.storage.database.outage_log import OutageLog
from server.storage.database.payment_locks import PaymentLocks, acquire
from server.storage.database.session import DuplicateKey, Session

Result = TypeVar("Result")

_ATTEMPTS = 3
_BACKOFF_SECONDS = 0.02

_PREPARE_CONNECTION = """
    SET SESSION
        time_zone = '+00:00',
        sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY',
        innodb_lock_wait_timeout = {lock_timeout_seconds},
        lock_wait_timeout = {table_lock_timeout_seconds}
        /*M!100600 , max_statement_time = {statement_timeout_seconds:.3f} */
        /*M!100600 , idle_transaction_timeout = {idle_transaction_seconds} */
        /*!80000 , max_execution_time = {statement_timeout_ms}, wait_timeout = {idle_connection_seconds} */
        /*T! , tidb_txn_mode = 'pessimistic', tidb_idle_transaction_timeout = {idle_transaction_seconds} */;

    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
"""
"""Prepares a connection, with time limits that the database enforces even if this process is stopped or killed.

Only MariaDB executes ``/*M!``, only MySQL and TiDB ``/*!80000``, and only TiDB ``/*T!``. MySQL can limit the time of
SELECTs, but not of a transaction that its client left open; instead, it closes the idle connection and so rolls the
transaction back. READ COMMITTED takes no gap locks, so a refund of an unknown payment does not delay charges. In an
optimistic transaction, TiDB would ignore both READ COMMITTED and FOR UPDATE until the commit.
"""

_PROBE = "SELECT last_sequence FROM payment_stream WHERE stream_id = 1"
"""Reads a table, because a Galera node without quorum still answers ``SELECT 1``."""

_IDLE_TRANSACTION_SECONDS = 5
"""Far more than necessary, because a transaction is idle only between an error and its rollback."""

_IDLE_CONNECTION_SECONDS = 60

_REPLY_GRACE_SECONDS = 1.0
"""How much longer than the server's own time limit to wait for a reply, so that the server ends the statement first:
closing a connection does not stop its statement.
"""


def prepare_connection(settings: DatabaseSettings) -> str:
    """Return the statements that prepare a connection of the service."""
    timeout_seconds = settings.mysql_statement_timeout_seconds
    return _PREPARE_CONNECTION.format(
        lock_timeout_seconds=settings.mysql_lock_timeout_seconds,
        table_lock_timeout_seconds=math.ceil(timeout_seconds),
        statement_timeout_seconds=timeout_seconds,
        statement_timeout_ms=math.ceil(timeout_seconds * 1000),
        idle_transaction_seconds=_IDLE_TRANSACTION_SECONDS,
        idle_connection_seconds=_IDLE_CONNECTION_SECONDS,
    )


class Database:
    """A database, accessed through a bounded pool of connections."""

    def __init__(
        self, settings: DatabaseSettings, make_session: Callable[[aiomysql.Connection], Session] = Session
    ) -> None:
        """Create an empty pool, which connects on demand. ``make_session`` turns a connection into a session."""
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
        self._payment_locks = PaymentLocks(max(1, settings.mysql_pool_max // 2), settings.mysql_acquire_timeout_seconds)
        self._prepared_connections: weakref.WeakSet[aiomysql.Connection] = weakref.WeakSet()
        self._working_tasks: set[asyncio.Task[Any]] = set()
        self._probe_connection: aiomysql.Connection | None = None
        self._outages = OutageLog()
        metrics.initialize_database_errors(driver_errors.KINDS)
        metrics.track_connections(
            lambda: len(self._working_tasks), lambda: self._pool.freesize, maximum=settings.mysql_pool_max
        )

    async def run(
        self,
        work: Callable[[Session], Awaitable[Result]],
        deadline: Deadline,
        *,
        locked_payment_id: int | None = None,
    ) -> Result:
        """Run ``work`` on a connection, in a task of its own, and return its result.

        The work must be safe to repeat, because it is retried a few times, for example after a lost connection or a
        deadlock. Once started, it runs to completion even if the caller is cancelled.

        ``locked_payment_id`` is the payment whose row the work locks, if any: see ``PaymentLocks``.

        Raises:
            DeadlinePassed: the deadline passed before the work began.
            StoreUnavailable: the database cannot be reached, or did not answer in time.
            Exception: any other error of ``work``.
        """
        release_payment = None
        if locked_payment_id is not None:
            release_payment = await self._payment_locks.acquire(locked_payment_id, deadline)
        try:
            await self._take_slot(deadline)
        except BaseException:
            if release_payment is not None:
                release_payment()
            raise
        task = asyncio.create_task(self._run_with_retries(work))
        self._working_tasks.add(task)
        task.add_done_callback(self._finish)
        if release_payment is not None:
            # Not as soon as the caller is cancelled, because the work continues and may still hold the row lock.
            task.add_done_callback(lambda _: release_payment())
        return await asyncio.shield(task)

    async def run_in_this_task(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run ``work`` like ``run``, but without a deadline, and in the current task, which no caller may cancel."""
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        await self._take_slot(Deadline())
        self._working_tasks.add(task)
        try:
            return await self._run_with_retries(work)
        finally:
            self._working_tasks.discard(task)
            self._slots.release()

    def log_outages(self) -> None:
        """Start logging outages. Until then, ``wait_for_database`` reports that the database is unavailable."""
        self._outages.open()

    async def ping(self) -> None:
        """Check that the database can read a table, on a dedicated connection.

        Raises:
            StoreUnavailable: the database does not answer in time.
        """
        try:
            async with asyncio.timeout(self._settings.mysql_connect_timeout_seconds):
                if self._probe_connection is None:
                    self._probe_connection = await aiomysql.connect(**self._connect_arguments())
                await Session(self._probe_connection).rows(_PROBE, ())
        except (pymysql.err.MySQLError, OSError, TimeoutError) as error:
            self._close_probe()
            raise self._unavailable(error) from error
        except BaseException:
            self._close_probe()
            raise

    async def close(self, deadline: Deadline) -> None:
        """Wait until ``deadline`` for the work in progress, cancel the rest, and close all connections."""
        if self._working_tasks:
            await asyncio.wait(self._working_tasks, timeout=max(0, deadline.seconds_left()))
        for task in tuple(self._working_tasks):
            task.cancel()
        await asyncio.gather(*self._working_tasks, return_exceptions=True)
        self._close_probe()
        self._pool.close()
        await self._pool.wait_closed()

    def _connect_arguments(self) -> dict[str, Any]:
        settings = self._settings
        address: dict[str, Any] = (
            {"unix_socket": str(settings.mysql_socket)}
            if settings.mysql_socket is not None
            else {"host": settings.mysql_host, "port": settings.mysql_port}
        )
        return {
            **address,
            "user": settings.mysql_user,
            "password": settings.mysql_password.get_secret_value(),
            "db": settings.mysql_db,
            "charset": "utf8mb4",
            "autocommit": True,
            # ``_run_once`` limits the total time to connect. The driver's own timeout covers only opening the socket,
            # and it uses asyncio.wait_for, which in Python 3.11 can swallow an outer cancellation and wait forever.
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

    def _finish(self, task: asyncio.Task[Any]) -> None:
        self._working_tasks.discard(task)
        self._slots.release()
        # Otherwise asyncio would report that the exception was never retrieved, if the caller was cancelled.
        if not task.cancelled():
            task.exception()

    async def _run_with_retries(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._run_once(work)
            except (pymysql.err.MySQLError, OSError, TimeoutError) as error:
                metrics.count_database_error(driver_errors.kind(error))
                if attempt < _ATTEMPTS and driver_errors.is_retryable(error):
                    await asyncio.sleep(random.uniform(0.5, 1) * _BACKOFF_SECONDS * 2**attempt)
                elif driver_errors.is_refusal(error):
                    raise
                else:
                    raise self._unavailable(error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _run_once(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        async with asyncio.timeout(self._settings.mysql_connect_timeout_seconds):
            connection = await self._pool.acquire()
        try:
            async with asyncio.timeout(self._settings.mysql_statement_timeout_seconds + _REPLY_GRACE_SECONDS):
                session = self._make_session(connection)
                if connection not in self._prepared_connections:
                    await session.script(prepare_connection(self._settings), ())
                    if self._settings.mysql_causal_reads:
                        await make_reads_causal(session)
                    self._prepared_connections.add(connection)
                return await work(session)
        except (PaymentsError, DuplicateKey):
            raise
        except BaseException:
            # The state of the connection is unknown.
            connection.close()
            raise
        finally:
            # Not awaited, because it only wakes tasks that wait in the pool, and there are none. Awaiting it would make
            # a finished call wait while other connections are being opened.
            self._pool.release(connection)

    def _close_probe(self) -> None:
        if self._probe_connection is not None:
            self._probe_connection.close()
            self._probe_connection = None

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        self._outages.add(error)
        return StoreUnavailable("the payment store cannot be reached at the moment")
