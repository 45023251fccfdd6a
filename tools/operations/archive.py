"""Move old payments out of the live tables, and back.

Payments move with their refunds into tables of the same columns. The service looks there when the live tables have
nothing, so a retried request_id gets its first outcome, and archived payments can be read (``docs/operations/retention.md``).

How no charge is made twice. The statement that inserts a charge looks its keys up in the archive, and the unique keys
of the live table stop what is live. A statement that looked before the copy was in the archive, and inserts after the
live row is gone, would insert the payment a second time. So a payment is copied first, and its live row is deleted only
after all statements that were running at that time have ended. To wait for them, this locks the archive's table, which
each of them holds until its end, and unlocks it at once.
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
from tools.progress import Meter

DEFAULT_BATCH_PAYMENTS = 500
_BATCHES_OF_ROUND = 20
"""Batches between two waits for the charges in progress: each wait holds up the charges behind it for a moment."""

_BARRIER_WAIT_SECONDS = 1
"""The database's shortest. While it waits, charges wait behind it."""

_BARRIER_RETRY_SECONDS = 15.0
_BARRIER_ATTEMPTS = 40
_BACKUP_POLL_SECONDS = 1.0
_MOVE_ATTEMPTS = 5
_USE_ATTEMPTS = 5
_USE_RETRY_SECONDS = 0.2
_OUTBOX_TIMEOUT_SECONDS = 60.0
_OUTBOX_POLL_SECONDS = 0.1


class ArchiveError(ToolError):
    """Archiving cannot go on. What was moved so far stays moved."""


@dataclass(frozen=True, slots=True)
class Archived:
    """How much was moved."""

    payments: int
    refunds: int
    events: int
    in_use: int
    """Payments that stay because somebody was refunding them, however often it was tried."""


def archive(
    settings: DatabaseSettings,
    before: datetime,
    *,
    batch_payments: int = DEFAULT_BATCH_PAYMENTS,
    pause_seconds: float | None = None,
    show: Meter,
) -> Archived:
    """Move the payments that were made before a time and have not changed since; return how much was moved.

    It moves them in small transactions, and pauses ``pause_seconds`` after each, or as long as the transaction took. It
    can be stopped at any moment and started again. Services may run meanwhile.

    Raises:
        ArchiveError: another process archives, the event stream is behind, or a statement does not end.
        SchemaOutdated: the database is not migrated.
    """
    # For the barrier, which locks and unlocks a table in one message.
    with open_migrated(settings, say=show.say, multi_statements=True) as connection:
        execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        with _archive_lock(connection, settings.mysql_db):
            before = before.astimezone(UTC).replace(tzinfo=None)
            return _Archiver(connection, settings.mysql_db, before, batch_payments, pause_seconds, show).run()


@dataclass(slots=True)
class _Archiver:
    """One run of it. ``before`` is in UTC, as the column has it: without a time zone."""

    connection: DatabaseConnection
    database: str
    before: datetime
    batch_payments: int
    pause_seconds: float | None
    show: Meter
    payments: int = 0
    refunds: int = 0
    in_use: int = 0

    def run(self) -> Archived:
        events = self._move_events()
        place = (datetime(1000, 1, 1), 0)  # noqa: DTZ001 - as the column has it
        while True:
            batches, place = self._copy_round(place)
            if not batches:
                return Archived(self.payments, self.refunds, events, self.in_use)
            self._wait_for_stream()
            self._wait_for_charges()
            self._move_round(batches)

    def _move_events(self) -> int:
        """Move the oldest events, up to the first that is not old."""
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
            with self._throttled(), transaction(self.connection):
                copied = _change(self.connection, archive_statements.COPY_EVENTS, old[-1])
                if _change(self.connection, archive_statements.DELETE_EVENTS, old[-1]) != copied:
                    raise ArchiveError("events changed while they were moved; nothing was lost, run it again")
            count += copied

    def _copy_round(self, place: tuple[datetime, int]) -> tuple[list[list[int]], tuple[datetime, int]]:
        """Copy the next payments; return their ids in batches, and the place of the last."""
        batches: list[list[int]] = []
        while len(batches) < _BATCHES_OF_ROUND:
            created_at, payment_id = place
            values = (created_at, created_at, payment_id, self.before, self.before, self.batch_payments)
            rows = execute(self.connection, archive_statements.CANDIDATES, *values)
            if not rows:
                break
            batch = [int(row[0]) for row in rows]
            place = (rows[-1][1], batch[-1])
            with self._throttled():
                _change(self.connection, archive_statements.ANNOUNCE_PAYMENTS, batch)
            batches.append(batch)
        return batches, place

    def _wait_for_stream(self) -> None:
        """Wait until the relay has numbered all changes until now, so that the payments that changed are known."""
        ((now,),) = execute(self.connection, "SELECT UTC_TIMESTAMP(6)")
        deadline = time.monotonic() + _OUTBOX_TIMEOUT_SECONDS
        while execute(self.connection, archive_statements.IS_BEHIND, now):
            if time.monotonic() > deadline:
                raise ArchiveError(
                    f"the stream of events has been behind for {_OUTBOX_TIMEOUT_SECONDS:.0f} s: `payments doctor` "
                    "tells more; a running service moves it on. Then run this again"
                )
            time.sleep(_OUTBOX_POLL_SECONDS)

    def _wait_for_charges(self) -> None:
        """Wait until every statement that may have looked at the archive before the copies were there has ended."""
        execute(self.connection, f"SET SESSION lock_wait_timeout = {_BARRIER_WAIT_SECONDS}")
        for _ in range(_BARRIER_ATTEMPTS):
            while not execute(self.connection, "SELECT IS_FREE_LOCK(%s)", lock_name(BACKUP_LOCK, self.database))[0][0]:
                # A backup holds the table while it reads it, and charges would wait behind this wait for the lock.
                time.sleep(_BACKUP_POLL_SECONDS)
            try:
                # One message, because a process that is stopped between two would hold up every charge.
                with self.connection.cursor() as cursor:
                    cursor.execute("LOCK TABLES payments_archive WRITE; UNLOCK TABLES")
                    cursor.nextset()
            except pymysql.err.OperationalError as error:
                if error.args[0] != ER.LOCK_WAIT_TIMEOUT:
                    raise
                self.show.say("a long statement holds payments_archive; waiting for its end")
                time.sleep(_BARRIER_RETRY_SECONDS)
            else:
                return
        raise ArchiveError(
            "statements that hold payments_archive do not end: `payments doctor` names long transactions"
        )

    def _move_round(self, batches: Sequence[Sequence[int]]) -> None:
        """Move copied payments; try those that others have locked a few times."""
        in_use: list[int] = []
        for _ in range(_USE_ATTEMPTS):
            in_use = []
            for batch in batches:
                with self._throttled():
                    in_use += self._move_again(batch)
                self.show.show(self.payments, 0)
            if not in_use:
                return
            batches = [in_use]
            time.sleep(_USE_RETRY_SECONDS)
        self.in_use += len(in_use)

    def _move_again(self, batch: Sequence[int]) -> list[int]:
        """Move payments; try again after a deadlock or a lock timeout."""
        for _ in range(_MOVE_ATTEMPTS - 1):
            try:
                return self._move(batch)
            except pymysql.err.OperationalError as error:
                if error.args[0] not in {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT}:
                    raise
        return self._move(batch)

    def _move(self, batch: Sequence[int]) -> list[int]:
        """Move copied payments that did not change since, with their refunds; return those that others have locked."""
        payments = refunds = 0
        with transaction(self.connection):
            locked = {int(row[0]) for row in execute(self.connection, archive_statements.LOCK_PAYMENTS, batch)}
            if unchanged := self._unchanged(locked):
                payments, refunds = self._move_locked(unchanged)
        self.payments += payments
        self.refunds += refunds
        return [payment_id for payment_id in batch if payment_id not in locked]

    def _unchanged(self, locked: set[int]) -> list[int]:
        if not locked:
            return []
        ids = sorted(locked)
        changed = execute(self.connection, archive_statements.CHANGED_PAYMENTS, ids, self.before, ids)
        return sorted(locked - {int(row[0]) for row in changed})

    def _move_locked(self, ids: list[int]) -> tuple[int, int]:
        """Move payments that are locked and unchanged; return how many payments and refunds those are."""
        # Copied again, now that nobody can refund them: a payment may have been refunded in part since the first copy.
        _change(self.connection, archive_statements.DELETE_REFUND_COPIES, ids)
        _change(self.connection, archive_statements.DELETE_PAYMENT_COPIES, ids)
        try:
            _change(self.connection, archive_statements.COPY_PAYMENTS, ids)
            _change(self.connection, archive_statements.COPY_REFUNDS, ids)
        except pymysql.err.IntegrityError as error:
            raise ArchiveError(
                f"payments {ids[0]} to {ids[-1]} stay where they are: another has a key of theirs in the archive "
                f"({error.args[-1]})"
            ) from error
        ((equal_payments,),) = execute(self.connection, archive_statements.COUNT_EQUAL_PAYMENTS, ids)
        ((equal_refunds,),) = execute(self.connection, archive_statements.COUNT_EQUAL_REFUNDS, ids)
        refunds = _change(self.connection, archive_statements.DELETE_REFUNDS, ids)
        payments = _change(self.connection, archive_statements.DELETE_PAYMENTS, ids)
        if (equal_payments, equal_refunds, payments) != (len(ids), refunds, len(ids)):
            raise ArchiveError(f"payments {ids[0]} to {ids[-1]} stay: the copy in the archive differs from them")
        return payments, refunds

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        begun = time.monotonic()
        yield
        time.sleep(time.monotonic() - begun if self.pause_seconds is None else self.pause_seconds)


def unarchive(settings: DatabaseSettings, payment_ids: Sequence[int], say: Callable[[str], None]) -> None:
    """Bring payments back into the live tables, with their refunds; those that are live stay as they are.

    Raises:
        ArchiveError: one is not in the archive; those before it are brought back.
        SchemaOutdated: the database is not migrated.
    """
    with open_migrated(settings) as connection, _archive_lock(connection, settings.mysql_db):
        for payment_id in payment_ids:
            say(f"{payment_id}: {_bring_back(connection, payment_id)}")


def _bring_back(connection: DatabaseConnection, payment_id: int) -> str:
    with transaction(connection):
        if execute(connection, "SELECT 1 FROM payments WHERE payment_id = %s", payment_id):
            return "is live"
        if not _change(connection, archive_statements.BRING_BACK_PAYMENT, payment_id):
            raise ArchiveError(f"{payment_id} is not in the archive")
        # The copy stays, and is ignored while the payment is live, so that the payment is always in one of the tables.
        refunds = _change(connection, archive_statements.BRING_BACK_REFUNDS, payment_id)
    return f"brought back, with {refunds} refunds"


@contextmanager
def _archive_lock(connection: DatabaseConnection, database: str) -> Iterator[None]:
    """Hold the lock of those that move payments."""
    with lock_if_free(connection, lock_name("archive", database)) as is_taken:
        if not is_taken:
            raise ArchiveError(f"another moves payments of {database} at this moment")
        yield


def _change(connection: DatabaseConnection, text: str, *values: object) -> int:
    """Execute a statement; return how many rows it changed."""
    with connection.cursor() as cursor:
        return cursor.execute(text, values)
