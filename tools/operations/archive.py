"""Move old payments from the live tables to the archive, and back.

Payments move with their refunds to archive tables with the same columns. The service reads these when it finds nothing
in the live tables. A repeated request_id therefore still replays its first outcome, and archived payments can be read
(``docs/operations/retention.md``).

Why no charge is made twice. The statement that inserts a charge looks up its keys in the archive, and the unique keys
of the live table reject duplicates of live payments. One race remains: a statement could look in the archive before the
copy is there, and insert after the live row is deleted. To prevent it, a payment is first copied, and its live row is
deleted only after all statements that were running at that time have ended. To wait for them, the archiver uses a
barrier: it locks the archive's table and immediately unlocks it, because each of these statements holds a lock on that
table until it ends.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pymysql
from pymysql.constants import ER

from server.config.database import DatabaseSettings
from tools.database.connection import DatabaseConnection, execute, transaction
from tools.database.locks import BACKUP_LOCK, lock_if_free, lock_name
from tools.database.migration_records import open_migrated
from tools.errors import ToolError
from tools.operations import archive_statements
from tools.progress import ProgressDisplay

DEFAULT_BATCH_PAYMENTS = 500
_BATCHES_PER_ROUND = 20
"""Batches between two waits for charges in flight. New charges are briefly blocked during each wait."""

_BARRIER_WAIT_SECONDS = 1
"""MySQL's minimum. New charges are blocked while the barrier waits for its lock."""

_BARRIER_RETRY_SECONDS = 15.0
_BARRIER_ATTEMPTS = 40
_BACKUP_POLL_SECONDS = 1.0
_MOVE_ATTEMPTS = 5
_LOCKED_ATTEMPTS = 5
_LOCKED_RETRY_SECONDS = 0.2
_OUTBOX_TIMEOUT_SECONDS = 60.0
_OUTBOX_POLL_SECONDS = 0.1


class ArchiveError(ToolError):
    """Archiving cannot continue. The payments that have been moved stay moved."""


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

    Payments are moved in small transactions. After each, the run pauses for ``pause_seconds``, or for as long as the
    transaction took. It can be stopped at any moment and started again, and services can keep running.

    Raises:
        ArchiveError: another process is archiving, the event stream is behind, a statement does not end, rows in the
            archive conflict with the payments or differ from them, or a later release added a column.
        SchemaOutdated: the database is not migrated.
    """
    # multi_statements is for the barrier, which locks and unlocks a table in one message.
    with open_migrated(settings, report=progress.print_line, multi_statements=True) as connection:
        execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        with _archive_lock(connection, settings.mysql_db):
            before = before.astimezone(UTC).replace(tzinfo=None)
            return _Archiver(connection, settings.mysql_db, before, batch_payments, pause_seconds, progress).run()


@dataclass(slots=True)
class _Archiver:
    """One archive run. ``before`` is in UTC and naive, like the column."""

    connection: DatabaseConnection
    database: str
    before: datetime
    batch_payments: int
    pause_seconds: float | None
    progress: ProgressDisplay
    payments: int = 0
    refunds: int = 0
    in_use: int = 0

    def run(self) -> ArchiveResult:
        events = self._move_events()
        position = (datetime(1000, 1, 1), 0)  # noqa: DTZ001 - naive, like the column
        while True:
            batches, position = self._copy_round(position)
            if not batches:
                return ArchiveResult(self.payments, self.refunds, events, self.in_use)
            self._wait_for_stream()
            self._wait_for_charges()
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
            with self._throttle(), transaction(self.connection):
                copied = _change(self.connection, archive_statements.COPY_EVENTS, old[-1])
                if _change(self.connection, archive_statements.DELETE_EVENTS, old[-1]) != copied:
                    raise ArchiveError("events changed while they were moved; nothing was lost, run the command again")
            count += copied

    def _copy_round(self, position: tuple[datetime, int]) -> tuple[list[list[int]], tuple[datetime, int]]:
        """Copy the next payments; return their ids in batches, and the position of the last one."""
        batches: list[list[int]] = []
        while len(batches) < _BATCHES_PER_ROUND:
            created_at, payment_id = position
            values = (created_at, created_at, payment_id, self.before, self.before, self.batch_payments)
            rows = execute(self.connection, archive_statements.CANDIDATES, *values)
            if not rows:
                break
            batch = [int(row[0]) for row in rows]
            position = (rows[-1][1], batch[-1])
            with self._throttle():
                _change(self.connection, archive_statements.PRECOPY_PAYMENTS, batch)
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

    def _wait_for_charges(self) -> None:
        """Wait for the end of every statement that may have looked in the archive before the copies were there."""
        execute(self.connection, f"SET SESSION lock_wait_timeout = {_BARRIER_WAIT_SECONDS}")
        for _ in range(_BARRIER_ATTEMPTS):
            while not execute(self.connection, "SELECT IS_FREE_LOCK(%s)", lock_name(BACKUP_LOCK, self.database))[0][0]:
                # A backup holds the table while it reads it, and charges would be blocked behind our lock request.
                time.sleep(_BACKUP_POLL_SECONDS)
            try:
                # In one message, because a process suspended between two messages would block every charge.
                with self.connection.cursor() as cursor:
                    cursor.execute("LOCK TABLES payments_archive WRITE; UNLOCK TABLES")
                    cursor.nextset()
            except pymysql.err.OperationalError as error:
                if error.args[0] != ER.LOCK_WAIT_TIMEOUT:
                    raise
                self.progress.print_line("waiting for a long statement that holds payments_archive to end")
                time.sleep(_BARRIER_RETRY_SECONDS)
            else:
                return
        raise ArchiveError(
            "statements that hold payments_archive do not end: find long transactions with `payments doctor`"
        )

    def _move_round(self, batches: Sequence[Sequence[int]]) -> None:
        """Move copied payments; make a few attempts at those that other sessions have locked."""
        in_use: list[int] = []
        for _ in range(_LOCKED_ATTEMPTS):
            in_use = []
            for batch in batches:
                with self._throttle():
                    in_use += self._move_with_retries(batch)
                self.progress.update(self.payments, 0)
            if not in_use:
                return
            batches = [in_use]
            time.sleep(_LOCKED_RETRY_SECONDS)
        self.in_use += len(in_use)

    def _move_with_retries(self, batch: Sequence[int]) -> list[int]:
        """Move payments; retry after a deadlock or a lock timeout."""
        for _ in range(_MOVE_ATTEMPTS - 1):
            try:
                return self._move(batch)
            except pymysql.err.OperationalError as error:
                if error.args[0] not in {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT}:
                    raise
        return self._move(batch)

    def _move(self, batch: Sequence[int]) -> list[int]:
        """Move the copied payments that have not changed, with their refunds; return those that others have locked."""
        payments = refunds = 0
        with transaction(self.connection):
            locked = {int(row[0]) for row in execute(self.connection, archive_statements.LOCK_PAYMENTS, batch)}
            if unchanged := self._unchanged_payments(locked):
                payments, refunds = self._move_locked(unchanged)
        self.payments += payments
        self.refunds += refunds
        return [payment_id for payment_id in batch if payment_id not in locked]

    def _unchanged_payments(self, locked: set[int]) -> list[int]:
        if not locked:
            return []
        ids = sorted(locked)
        changed = execute(self.connection, archive_statements.CHANGED_PAYMENTS, ids, self.before, ids)
        return sorted(locked - {int(row[0]) for row in changed})

    def _move_locked(self, ids: list[int]) -> tuple[int, int]:
        """Move locked, unchanged payments; return the number of payments and refunds."""
        # Copy them again now that they are locked, because a payment may have been refunded since the first copy.
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
        SchemaOutdated: the database is not migrated.
    """
    with open_migrated(settings) as connection, _archive_lock(connection, settings.mysql_db):
        for payment_id in payment_ids:
            report(f"{payment_id}: {_unarchive_one(connection, payment_id)}")


def _unarchive_one(connection: DatabaseConnection, payment_id: int) -> str:
    """Move a payment back, and describe the outcome."""
    with transaction(connection):
        if execute(connection, "SELECT 1 FROM payments WHERE payment_id = %s", payment_id):
            return "already live"
        if not _change(connection, archive_statements.UNARCHIVE_PAYMENT, payment_id):
            raise ArchiveError(f"payment {payment_id} is not in the archive")
        # The copy stays in the archive, so that the payment is always in at least one table. While the payment is live,
        # the copy is ignored.
        refunds = _change(connection, archive_statements.UNARCHIVE_REFUNDS, payment_id)
    return f"moved back, with {refunds} refunds"


@contextmanager
def _archive_lock(connection: DatabaseConnection, database: str) -> Iterator[None]:
    """Hold the lock that lets one process at a time move payments."""
    with lock_if_free(connection, lock_name("archive", database)) as is_acquired:
        if not is_acquired:
            raise ArchiveError(f"another process is archiving or unarchiving payments of {database}; try again later")
        _check_columns(connection)
        yield


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
