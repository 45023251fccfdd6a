"""Move old payments from the live tables to the archive, and back.

Payments move with their refunds to archive tables with the same columns. The service reads these when it finds nothing
in the live tables. A repeated request_id therefore still replays its first outcome, and archived payments can be read
(``docs/operations/retention.md``).

Why no charge or refund is made twice. A live row is deleted in the transaction that writes its copy, and a copy is
never deleted, except to replace it. At every commit, the keys of a payment are therefore in the live table, in the
archive, or in both. A batch of charges or refunds, or an import, inserts its rows first, and then looks up their keys
in the archive, in a later statement of the same READ COMMITTED transaction. The unique keys of the live table reject
the keys of a live row, and make the INSERT wait for a session that is deleting it. So after an INSERT that succeeded,
the deletion has been committed, and with it the copy, which the later statement sees. On Galera, a node applies both at
once, and rejects the keys until then. On TiDB, the INSERT locks its keys, or conflicts with the deletion at its commit.
A single refund looks in both tables with one statement, which reads them as of the same moment.

A refund also changes the row of its payment, which the archive locks and deletes. On Galera, where locks are local to a
node, one of the two transactions is therefore aborted, and retried.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import pymysql

from server.config.database import DatabaseSettings
from server.storage.database import driver_errors
from tools.database.connection import DatabaseConnection, execute, is_conflict, is_lock_timeout, transaction
from tools.database.maintenance_locks import ARCHIVING, MaintenanceLock, maintenance_lock
from tools.database.migration_records import open_migrated
from tools.errors import ToolError
from tools.operations import archive_statements
from tools.progress import ProgressDisplay

DEFAULT_BATCH_PAYMENTS = 500
_BATCHES_PER_ROUND = 20
"""Batches between two waits for the event stream."""

_ATTEMPTS = 5
_LOCKED_ATTEMPTS = 5
_LOCKED_RETRY_SECONDS = 0.2
_OUTBOX_TIMEOUT_SECONDS = 60.0
_OUTBOX_POLL_SECONDS = 0.1

Result = TypeVar("Result")


class ArchiveError(ToolError):
    """Archiving cannot continue. The payments that have been moved stay moved."""


class _PaymentsLocked(Exception):
    """Another session has locked a payment of a batch."""


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """How many rows were moved."""

    payments: int
    refunds: int
    events: int
    in_use: int
    """Payments that were not moved because other sessions kept them locked, for example to refund them."""


def archive(
    settings: DatabaseSettings,
    before: datetime,
    *,
    batch_payments: int = DEFAULT_BATCH_PAYMENTS,
    pause_seconds: float | None = None,
    progress: ProgressDisplay,
) -> ArchiveResult:
    """Move the payments that were created before a time and have not changed since; return how many rows were moved.

    A payment that has an open dispute, or is to be read again at the processor, stays, because it may still change.

    Payments are moved in small transactions. After each, the run pauses for ``pause_seconds``, or for as long as the
    transaction took. It can be stopped at any moment and started again, and services can keep running.

    Raises:
        ArchiveError: the event stream is behind, rows in the archive conflict with the payments or differ from them, or
            a later release added a column.
        LockHeld: another process is archiving.
        LockLost: this process was suspended, and another one has been archiving since.
        SchemaOutdated: the database is not migrated.
    """
    with (
        open_migrated(settings, report=progress.print_line) as connection,
        archive_transactions(connection, settings) as runner,
    ):
        before = before.astimezone(UTC).replace(tzinfo=None)
        return _Archiver(runner, before, batch_payments, pause_seconds, progress).run()


@dataclass(frozen=True, slots=True)
class ArchiveTransactions:
    """Runs transactions, none of which can commit once this process has lost the lock."""

    connection: DatabaseConnection
    lock: MaintenanceLock

    def run(self, work: Callable[[], Result]) -> Result:
        """Run ``work`` in a transaction. Retry it after a conflict, which Galera may report only at the commit."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._run_once(work)
            except pymysql.err.MySQLError as error:
                if not (is_conflict(error) or is_lock_timeout(error)):
                    raise
        return self._run_once(work)

    def _run_once(self, work: Callable[[], Result]) -> Result:
        with transaction(self.connection):
            result = work()
            self.lock.confirm(self.connection)
        return result


@dataclass(slots=True)
class _Archiver:
    """One archive run. ``before`` is in UTC and naive, like the column."""

    transactions: ArchiveTransactions
    before: datetime
    batch_payments: int
    pause_seconds: float | None
    progress: ProgressDisplay
    payments: int = 0
    refunds: int = 0
    in_use: int = 0

    @property
    def connection(self) -> DatabaseConnection:
        """The connection of the transactions."""
        return self.transactions.connection

    def run(self) -> ArchiveResult:
        events = self._move_events()
        position = (datetime(1000, 1, 1), 0)  # noqa: DTZ001 - naive, like the column
        while True:
            batches, position = self._next_round(position)
            if not batches:
                return ArchiveResult(self.payments, self.refunds, events, self.in_use)
            self._wait_for_stream()
            self._move_round(batches)

    def _move_events(self) -> int:
        """Move the events from the start of the stream up to the first that is not old enough."""
        count = 0
        while True:
            rows = execute(self.connection, archive_statements.OLD_EVENTS, self.batch_payments)
            old = []
            for sequence, occurred_at in rows:
                if occurred_at is not None and occurred_at >= self.before:
                    break
                old.append(sequence)
            if not old:
                return count
            with self._throttle():
                count += self.transactions.run(partial(self._move_events_until, old[-1]))

    def _move_events_until(self, sequence: int) -> int:
        copied = _change(self.connection, archive_statements.COPY_EVENTS, sequence)
        if _change(self.connection, archive_statements.DELETE_EVENTS, sequence) != copied:
            raise ArchiveError("events changed while they were moved; nothing was lost, run the command again")
        return copied

    def _next_round(self, position: tuple[datetime, int]) -> tuple[list[list[int]], tuple[datetime, int]]:
        """Return the ids of the next payments in batches, and the position of the last one."""
        batches: list[list[int]] = []
        while len(batches) < _BATCHES_PER_ROUND:
            created_at, payment_id = position
            values = (created_at, created_at, payment_id, self.before, self.before, self.batch_payments)
            rows = execute(self.connection, archive_statements.CANDIDATES, *values)
            if not rows:
                break
            batch = [int(row[0]) for row in rows]
            position = (rows[-1][1], batch[-1])
            batches.append(batch)
        return batches, position

    def _wait_for_stream(self) -> None:
        """Wait until the relay has numbered all changes made so far, so that changed payments can be recognized."""
        ((now,),) = execute(self.connection, "SELECT UTC_TIMESTAMP(6)")
        deadline = time.monotonic() + _OUTBOX_TIMEOUT_SECONDS
        while execute(self.connection, archive_statements.IS_BEHIND, now):
            if time.monotonic() > deadline:
                raise ArchiveError(
                    f"the event stream has been behind for {_OUTBOX_TIMEOUT_SECONDS:.0f} s: make sure that a service "
                    "is running, check `payments doctor`, then run the command again"
                )
            time.sleep(_OUTBOX_POLL_SECONDS)

    def _move_round(self, batches: Sequence[Sequence[int]]) -> None:
        """Move payments; make a few attempts at those that other sessions have locked."""
        in_use: list[int] = []
        for _ in range(_LOCKED_ATTEMPTS):
            in_use = []
            for batch in batches:
                with self._throttle():
                    in_use += self._move(batch)
                self.progress.update(self.payments, 0)
            if not in_use:
                return
            batches = [in_use]
            time.sleep(_LOCKED_RETRY_SECONDS)
        self.in_use += len(in_use)

    def _move(self, batch: Sequence[int]) -> list[int]:
        """Move the payments that have not changed, with their refunds; return those that others have locked."""
        try:
            payments, refunds = self.transactions.run(partial(self._move_unchanged, batch))
        except _PaymentsLocked:
            if len(batch) == 1:
                return list(batch)
            middle = len(batch) // 2
            return self._move(batch[:middle]) + self._move(batch[middle:])
        self.payments += payments
        self.refunds += refunds
        return []

    def _move_unchanged(self, batch: Sequence[int]) -> tuple[int, int]:
        unchanged = self._unchanged_payments(self._lock_payments(batch))
        return self._move_locked(unchanged) if unchanged else (0, 0)

    def _lock_payments(self, batch: Sequence[int]) -> set[int]:
        """Lock the payments that exist, and have an outcome and no open dispute; return their ids.

        Raises:
            _PaymentsLocked: another session has locked one of them.
        """
        try:
            return {int(row[0]) for row in execute(self.connection, archive_statements.LOCK_PAYMENTS, batch)}
        except pymysql.err.MySQLError as error:
            if not (is_lock_timeout(error) or driver_errors.code(error) == driver_errors.LOCKED_NOWAIT):
                raise
            raise _PaymentsLocked from error

    def _unchanged_payments(self, locked: set[int]) -> list[int]:
        if not locked:
            return []
        ids = sorted(locked)
        changed = execute(self.connection, archive_statements.CHANGED_PAYMENTS, ids, self.before, ids, ids)
        return sorted(locked - {int(row[0]) for row in changed})

    def _move_locked(self, ids: list[int]) -> tuple[int, int]:
        """Move locked, unchanged payments; return the number of payments and refunds."""
        # Replace the copies of payments that were unarchived.
        _change(self.connection, archive_statements.DELETE_REFUND_COPIES, ids)
        _change(self.connection, archive_statements.DELETE_PAYMENT_COPIES, ids)
        try:
            _change(self.connection, archive_statements.COPY_PAYMENTS, ids)
            _change(self.connection, archive_statements.COPY_REFUNDS, ids)
        except pymysql.err.IntegrityError as error:
            raise ArchiveError(
                f"payments {ids[0]} to {ids[-1]} were not moved: an archived payment has one of their keys "
                f"({error.args[-1]})"
            ) from error
        ((equal_payments,),) = execute(self.connection, archive_statements.COUNT_EQUAL_PAYMENTS, ids)
        ((equal_refunds,),) = execute(self.connection, archive_statements.COUNT_EQUAL_REFUNDS, ids)
        refunds = _change(self.connection, archive_statements.DELETE_REFUNDS, ids)
        payments = _change(self.connection, archive_statements.DELETE_PAYMENTS, ids)
        if (equal_payments, equal_refunds, payments) != (len(ids), refunds, len(ids)):
            raise ArchiveError(f"payments {ids[0]} to {ids[-1]} were not moved: their copies in the archive differ")
        return payments, refunds

    @contextmanager
    def _throttle(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        time.sleep(time.monotonic() - start if self.pause_seconds is None else self.pause_seconds)


def unarchive(settings: DatabaseSettings, payment_ids: Sequence[int], report: Callable[[str], None]) -> None:
    """Move payments back to the live tables, with their refunds; live payments stay as they are.

    Raises:
        ArchiveError: a payment is not in the archive, in which case the payments before it have been moved back; or
            a later release added a column.
        LockHeld, LockLost: as in ``archive``.
        SchemaOutdated: the database is not migrated.
    """
    with open_migrated(settings) as connection, archive_transactions(connection, settings) as transactions:
        for payment_id in payment_ids:
            outcome = transactions.run(partial(unarchive_one, connection, payment_id))
            report(f"{payment_id}: {outcome}")


def unarchive_one(connection: DatabaseConnection, payment_id: int) -> str:
    """Move a payment back, and describe the outcome."""
    if execute(connection, "SELECT 1 FROM payments WHERE payment_id = %s", payment_id):
        return "already live"
    if not _change(connection, archive_statements.UNARCHIVE_PAYMENT, payment_id):
        raise ArchiveError(f"payment {payment_id} is not in the archive")
    # The copy stays in the archive, so that the payment is always in at least one table. While the payment is live,
    # the copy is ignored.
    refunds = _change(connection, archive_statements.UNARCHIVE_REFUNDS, payment_id)
    return f"moved back, with {refunds} refunds"


@contextmanager
def archive_transactions(connection: DatabaseConnection, settings: DatabaseSettings) -> Iterator[ArchiveTransactions]:
    """Hold the lock that lets one process at a time move payments."""
    execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    with maintenance_lock(connection, settings, ARCHIVING) as lock:
        _check_columns(connection)
        yield ArchiveTransactions(connection, lock)


def _check_columns(connection: DatabaseConnection) -> None:
    """Check that rows are moved with all their columns.

    Raises:
        ArchiveError: a table has other columns, because a later release has migrated it.
    """
    for table, columns in archive_statements.MOVED_COLUMNS.items():
        rows = execute(connection, archive_statements.COLUMNS, [table, f"{table}_archive"])
        unknown = [str(column) for (column,) in rows if column not in columns.split(", ")]
        if unknown:
            raise ArchiveError(
                f"{table} has columns that this release cannot move: {', '.join(unknown)}. Use the release that added "
                "them; nothing was moved"
            )


def _change(connection: DatabaseConnection, text: str, *values: object) -> int:
    """Execute a statement and return the number of rows that it changed."""
    with connection.cursor() as cursor:
        return cursor.execute(text, values)
