"""Locks in the database, so that tools do not interfere with one another.

A lock is a row of ``maintenance_locks``, because a row means the same on every database. ``GET_LOCK`` and ``LOCK
TABLES`` are local to a node of a Galera cluster, and Percona XtraDB Cluster and TiDB deny or ignore them.

**Lease.** A lock ends ``LEASE_SECONDS`` after its holder last renewed it, by the database's clock. A thread renews it
on connections of its own. So the lock of a process that crashed ends by itself.

**Number.** A process that was suspended for longer than the lease does not know that it has lost the lock. Each
acquisition and each release increments ``lease_number``, and a holder confirms its number at the end of each of its
transactions (``confirm``). To confirm means to write the row: on a cluster, a transaction that only reads or locks it
could commit on one node while another node gives the lock away.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import pymysql

from server.config.database import DatabaseSettings
from tools.database.connection import (
    DatabaseConnection,
    DatabaseConnectionError,
    connect,
    execute,
    is_conflict,
    print_line,
)
from tools.errors import ToolError

MIGRATION, ARCHIVING = "migrate", "archive"
"""The names of the locks."""

_ACTIVITIES = {MIGRATION: "migrating", ARCHIVING: "archiving or unarchiving payments of"}

LEASE_SECONDS = 60

_RENEWAL_INTERVAL_SECONDS = 15.0
_RENEWAL_TIMEOUT_SECONDS = 5.0
_POLL_INTERVAL_SECONDS = 0.5
_REPORT_INTERVAL_SECONDS = 15.0

_CREATE_TABLE = """
    CREATE TABLE IF NOT EXISTS maintenance_locks (
        name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
        lease_number BIGINT NOT NULL,
        holder VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        acquired_at DATETIME(6) NOT NULL,
        leased_until DATETIME(6) NOT NULL
    ) ENGINE = InnoDB
"""
"""A lock is free from ``leased_until`` on. ``holder`` is the last process that acquired it. Times are in UTC."""

_ADD_ROW = """
    INSERT IGNORE INTO maintenance_locks (name, lease_number, holder, acquired_at, leased_until)
    VALUES (%s, 0, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
"""
_READ_ROW = """
    SELECT lease_number, leased_until > UTC_TIMESTAMP(6), holder, acquired_at,
        CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), leased_until) / 1000000)
    FROM maintenance_locks WHERE name = %s
"""
_ACQUIRE = """
    UPDATE maintenance_locks SET lease_number = lease_number + 1, holder = %s, acquired_at = UTC_TIMESTAMP(6),
        leased_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND
    WHERE name = %s AND lease_number = %s AND leased_until <= UTC_TIMESTAMP(6)
"""
_RENEW = """
    UPDATE maintenance_locks SET leased_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND
    WHERE name = %s AND lease_number = %s
"""
_RELEASE = """
    UPDATE maintenance_locks SET lease_number = lease_number + 1, leased_until = acquired_at
    WHERE name = %s AND lease_number = %s
"""
"""The number changes, so that a renewal that is late does not acquire the lock again."""


class LockHeld(ToolError):
    """Another process holds the lock."""


class LockLost(ToolError):
    """This process held the lock, but another one has acquired it since."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of ``maintenance_locks``."""

    lease_number: int
    is_held: bool
    holder: str
    acquired_at: datetime
    remaining_seconds: int

    def __str__(self) -> str:
        return f"{self.holder}, since {self.acquired_at:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class MaintenanceLock:
    """A lock that this process holds, unless it has been suspended for too long."""

    name: str
    lease_number: int

    def confirm(self, connection: DatabaseConnection) -> None:
        """Renew the lock in the transaction of ``connection``, which can then commit only if the lock is still held.

        Raises:
            LockLost: another process has acquired the lock; roll back, and change nothing more.
        """
        if not self.renew(connection):
            raise LockLost(
                f"this process was suspended, or could not reach the database, for more than {LEASE_SECONDS} s. "
                f"Meanwhile another one has taken its place ({_read_row(connection, self.name, 'FOR UPDATE')}), so "
                "this one stops"
            )

    def renew(self, connection: DatabaseConnection) -> bool:
        """Renew the lock, and return whether it was still held."""
        return _change(connection, _RENEW, LEASE_SECONDS, self.name, self.lease_number)

    def release(self, connection: DatabaseConnection) -> None:
        """Let other processes acquire the lock at once."""
        _change(connection, _RELEASE, self.name, self.lease_number)


def create_table(connection: DatabaseConnection) -> None:
    """Create the table of locks if it does not exist. It precedes all migrations, because they need a lock."""
    execute(connection, _CREATE_TABLE)


@contextmanager
def maintenance_lock(
    connection: DatabaseConnection,
    settings: DatabaseSettings,
    name: str,
    *,
    timeout_seconds: float = 0.0,
    report: Callable[[str], None] = print_line,
) -> Iterator[MaintenanceLock]:
    """Hold a lock until the context ends, and renew it.

    If another process holds the lock, reports which one, and waits up to ``timeout_seconds``.

    Raises:
        LockHeld: another process still holds the lock.
    """
    activity = f"{_ACTIVITIES[name]} {settings.mysql_db}"
    lock = _acquire(connection, name, activity, timeout_seconds, report)
    is_done = threading.Event()
    # A daemon, because it may be waiting for a database that does not answer when this process wants to end.
    threading.Thread(target=_keep_renewing, args=(lock, settings, is_done), daemon=True).start()
    try:
        yield lock
    finally:
        is_done.set()
        _release(lock, connection, settings)


def _acquire(
    connection: DatabaseConnection,
    name: str,
    activity: str,
    timeout_seconds: float,
    report: Callable[[str], None],
) -> MaintenanceLock:
    deadline = time.monotonic() + timeout_seconds
    next_report = 0.0
    while True:
        lock, row = _try_to_acquire(connection, name)
        if lock is not None:
            return lock
        remaining_seconds = deadline - time.monotonic()
        held = f"another process is {activity}: {row}"
        if remaining_seconds <= 0:
            raise LockHeld(
                f"{held}. Try again later; if that process has crashed, its lock ends in {row.remaining_seconds} s"
            )
        if time.monotonic() >= next_report:
            report(f"{held}; waiting up to {remaining_seconds:.0f} s more")
            next_report = time.monotonic() + _REPORT_INTERVAL_SECONDS
        time.sleep(min(_POLL_INTERVAL_SECONDS, remaining_seconds))


def _try_to_acquire(connection: DatabaseConnection, name: str) -> tuple[MaintenanceLock | None, _Row]:
    """Acquire a lock if it is free; return it, or None, and the row as it was before."""
    row = _read_row(connection, name)
    while not row.is_held:
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        if _change_unless_rejected(connection, _ACQUIRE, holder, LEASE_SECONDS, name, row.lease_number):
            return MaintenanceLock(name, row.lease_number + 1), row
        row = _read_row(connection, name)
    return None, row


def _read_row(connection: DatabaseConnection, name: str, clause: str = "") -> _Row:
    """Return the row of a lock; create it if it does not exist."""
    while not (rows := execute(connection, f"{_READ_ROW} {clause}", name)):
        _change_unless_rejected(connection, _ADD_ROW, name)
    number, is_held, holder, acquired_at, remaining_seconds = rows[0]
    return _Row(number, bool(is_held), holder, acquired_at, int(remaining_seconds))


def _change(connection: DatabaseConnection, text: str, *values: object) -> bool:
    """Execute a statement, and return whether it changed a row."""
    with connection.cursor() as cursor:
        return cursor.execute(text, values) > 0


def _change_unless_rejected(connection: DatabaseConnection, text: str, *values: object) -> bool:
    """Execute a statement, and return whether it changed a row. On a cluster, another node may prevent it."""
    try:
        return _change(connection, text, *values)
    except pymysql.err.MySQLError as error:
        if not is_conflict(error):
            raise
        return False


def _keep_renewing(lock: MaintenanceLock, settings: DatabaseSettings, is_done: threading.Event) -> None:
    """Renew a lock until it is released or lost. If a renewal fails, the next one may succeed before the lease ends."""
    quick = settings.model_copy(update={"mysql_startup_timeout_seconds": _RENEWAL_TIMEOUT_SECONDS})
    is_held = True
    while is_held and not is_done.wait(_RENEWAL_INTERVAL_SECONDS):
        with (
            suppress(DatabaseConnectionError, pymysql.err.MySQLError),
            closing(connect(quick, report=lambda _: None)) as connection,
        ):
            is_held = lock.renew(connection)


def _release(lock: MaintenanceLock, connection: DatabaseConnection, settings: DatabaseSettings) -> None:
    """Release a lock, on another connection if this one was lost or interrupted. Otherwise the lease ends by itself."""
    try:
        lock.release(connection)
    except pymysql.err.MySQLError:
        once = settings.model_copy(update={"mysql_startup_timeout_seconds": 0})
        with (
            suppress(DatabaseConnectionError, pymysql.err.MySQLError),
            closing(connect(once, report=lambda _: None)) as another,
        ):
            lock.release(another)
