"""Give up waiting for a lock after a second, and repeat the statement after a pause.

A statement that waits for a metadata lock makes all later statements on the table wait. So a migration that waited for
its lock without a limit would block the service until another session ends its transaction.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pymysql

from tools.database.connection import DatabaseConnection, execute, is_conflict, is_lock_timeout
from tools.database.maintenance_locks import MaintenanceLock

LOCK_WAIT_SECONDS = 1
"""How long a statement waits for a lock. One second is the shortest time that all databases know."""

LOCK_PAUSE_SECONDS = 3.0
"""The pause before a statement that did not get its lock is repeated. Writes that waited for it continue meanwhile."""

_SELECT_LOCK_WAITS = "SELECT @@SESSION.lock_wait_timeout, @@SESSION.innodb_lock_wait_timeout"


def is_locked(error: pymysql.err.MySQLError) -> bool:
    """Whether another session held a lock or made the transaction fail, so that a later attempt may succeed."""
    return is_lock_timeout(error) or is_conflict(error)


class Attempts:
    """Limits how often a statement is repeated: for a time, but at least so often that a slow one has more attempts."""

    def __init__(self, seconds: float, *, at_least: int = 3) -> None:
        """Allow ``at_least`` attempts, and others for ``seconds``."""
        self._deadline = time.monotonic() + seconds
        self._left = at_least

    def are_exhausted(self) -> bool:
        """Count a failed attempt, and return whether it was the last one."""
        self._left -= 1
        return self._left <= 0 and time.monotonic() >= self._deadline


@contextmanager
def short_lock_waits(connection: DatabaseConnection) -> Iterator[None]:
    """Let no statement wait for a lock for longer than writes may wait for the statement."""
    (lock_waits,) = execute(connection, _SELECT_LOCK_WAITS)
    metadata_seconds, row_seconds = map(int, lock_waits)  # TiDB returns strings
    _set_lock_waits(connection, LOCK_WAIT_SECONDS, LOCK_WAIT_SECONDS)
    try:
        yield
    finally:
        with suppress(pymysql.err.MySQLError):
            _set_lock_waits(connection, metadata_seconds, row_seconds)


def _set_lock_waits(connection: DatabaseConnection, metadata_seconds: int, row_seconds: int) -> None:
    waits = f"lock_wait_timeout = {metadata_seconds:d}, innodb_lock_wait_timeout = {row_seconds:d}"
    execute(connection, f"SET SESSION {waits}")


@dataclass(frozen=True, slots=True)
class DdlExecutor:
    """Executes statements that need a metadata lock, for a process that holds a maintenance lock.

    Use it within ``short_lock_waits``.
    """

    connection: DatabaseConnection
    lock: MaintenanceLock
    timeout_seconds: float
    """How long to try to get a metadata lock."""

    def execute(self, statement: str) -> None:
        """Execute a statement. Repeat it while others hold the metadata lock.

        Raises:
            LockLost: another process has acquired the maintenance lock.
        """
        attempts = Attempts(self.timeout_seconds)
        while True:
            try:
                self.lock.confirm(self.connection)
                execute(self.connection, statement)
            except pymysql.err.MySQLError as error:
                if not is_locked(error) or attempts.are_exhausted():
                    raise
                time.sleep(LOCK_PAUSE_SECONDS)
            else:
                return
