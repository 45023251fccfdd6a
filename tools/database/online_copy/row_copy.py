"""Copy the rows in chunks, and compare the keys of both tables.

A chunk is a short transaction, and locks its rows, so that a row is either copied before a change, which a trigger then
repeats, or after it. A chunk never waits for a lock, because writes would wait with it.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pymysql

from server.storage.database import driver_errors
from server.storage.database.server_version import ServerVersion, is_mariadb
from tools.database.connection import execute
from tools.database.lock_waits import Attempts, is_locked
from tools.database.maintenance_locks import MaintenanceLock
from tools.database.migration_files import MigrationError
from tools.database.online_copy.columns import CopiedColumn
from tools.database.online_copy.tables import Table

_CHUNK_SECONDS = 0.1
_FIRST_CHUNK_ROWS = 500
_MIN_CHUNK_ROWS = 50
_MAX_CHUNK_ROWS = 10_000
_MAX_GROWTH = 2.0
_PAUSE_FRACTION = 0.25
"""The pause after a chunk, as a fraction of its time. Writes that waited for the chunk continue meanwhile."""

_COMPARED_ROWS = 100_000
_PROGRESS_SECONDS = 5.0

_DUPLICATE_ID = re.compile(r"for key '(?:\w+\.)?PRIMARY'")


@dataclass(frozen=True, slots=True)
class RowCopier:
    """Copies rows from the original table to the new one, while triggers repeat the changes of other sessions."""

    original: Table
    new: Table
    columns: Sequence[CopiedColumn]
    version: ServerVersion
    lock: MaintenanceLock
    lock_timeout_seconds: float
    """How long to try again to copy a chunk whose rows others have locked."""
    report: Callable[[str], None]

    def copy_rows(self) -> None:
        """Copy the rows that are in the table now. Triggers have copied all later ones."""
        key, name = self.original.key, self.original.quoted
        select_range = f"SELECT MIN({key}), MAX({key}), COUNT(*) FROM {name}"  # noqa: S608
        ((first, last, count),) = execute(self.original.connection, select_range)
        if first is None:
            return
        position, chunk_rows, copied = first - 1, _FIRST_CHUNK_ROWS, 0
        attempts = Attempts(self.lock_timeout_seconds)
        next_report = time.monotonic() + _PROGRESS_SECONDS
        while position < last:
            end = _range_end(self.original, position, chunk_rows)
            end = last if end is None else min(end, last)
            start = time.monotonic()
            try:
                copied += self._copy_chunk(position, end)
            except pymysql.err.MySQLError as error:
                if not (is_locked(error) or _has_copied_row(error)) or attempts.are_exhausted():
                    raise
                chunk_rows = max(_MIN_CHUNK_ROWS, chunk_rows // 2)
                time.sleep(_CHUNK_SECONDS)
                continue
            seconds = time.monotonic() - start
            position = end
            attempts = Attempts(self.lock_timeout_seconds)
            growth = min(_MAX_GROWTH, _CHUNK_SECONDS / max(seconds, 0.001))
            chunk_rows = min(_MAX_CHUNK_ROWS, max(_MIN_CHUNK_ROWS, int(chunk_rows * growth)))
            if time.monotonic() >= next_report:
                self.report(f"{self.original.name}: {copied:,} of {count:,} rows copied")
                next_report = time.monotonic() + _PROGRESS_SECONDS
            time.sleep(seconds * _PAUSE_FRACTION)

    def _copy_chunk(self, position: int, end: int) -> int:
        """Copy the rows after ``position`` up to ``end`` in one transaction; return how many were there."""
        key, name, new = self.original.key, self.original.quoted, self.new.quoted
        selected = f"FROM {name} s FORCE INDEX (PRIMARY) WHERE s.{key} > %s AND s.{key} <= %s"
        share = "LOCK IN SHARE MODE NOWAIT" if is_mariadb(self.version.text) else "FOR SHARE NOWAIT"
        names = ", ".join(column.quoted_name for column in self.columns)
        values = ", ".join(column.value("s") for column in self.columns)
        copy = f"INSERT INTO {new} ({names}) SELECT {values} {selected} {share}"
        with self._chunk_transaction():
            try:
                return self._count(copy, position, end)
            except pymysql.err.IntegrityError as error:
                if driver_errors.code(error) != driver_errors.DUPLICATE_KEY:
                    raise
        # Triggers have already copied some of the rows, such as inserted ones with an ID in this range. They are copied
        # again, so that a duplicate of another key is still an error. The rows of the original table are locked first,
        # in the order of a trigger. Another row may be inserted even now: then the chunk starts again.
        with self._chunk_transaction():
            execute(self.original.connection, f"SELECT COUNT(*) {selected} {share}", position, end)
            self._count(f"DELETE FROM {new} WHERE {key} > %s AND {key} <= %s", position, end)  # noqa: S608
            return self._count(copy, position, end)

    @contextmanager
    def _chunk_transaction(self) -> Iterator[None]:
        connection = self.original.connection
        connection.begin()
        try:
            yield
            self.lock.confirm(connection)
            connection.commit()
        except BaseException:
            with suppress(pymysql.err.MySQLError):
                connection.rollback()
            raise

    def _count(self, statement: str, *values: object) -> int:
        """Execute a statement and return how many rows it changed."""
        with self.original.connection.cursor() as cursor:
            return cursor.execute(statement, values)


def require_same_keys(original: Table, new: Table) -> None:
    """Compare the keys of both tables. In a snapshot, each change is in both, because a trigger made it.

    Raises:
        MigrationError: they differ.
    """
    connection, key = original.connection, original.key
    position: int | None = None
    while True:
        end = _range_end(original, position if position is not None else -(2**63), _COMPARED_ROWS)
        conditions = [
            f"{key} > {position:d}" if position is not None else "",
            f"{key} <= {end:d}" if end is not None else "",
        ]
        where = " AND ".join(filter(None, conditions)) or "TRUE"
        execute(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        sums = [
            execute(
                connection,
                f"SELECT COUNT(*), COALESCE(BIT_XOR(CRC32({key})), 0) FROM {table.quoted} WHERE {where}",  # noqa: S608
            )
            for table in (original, new)
        ]
        connection.commit()
        if sums[0] != sums[1]:
            msg = (
                f"the copy of {original.name} has other rows than the table, where {where}: {sums[1][0][0]:,} instead "
                f"of {sums[0][0][0]:,}. The table is unchanged. Run `payments migrate` again"
            )
            raise MigrationError(msg)
        if end is None:
            return
        position = end


def _range_end(table: Table, position: int, rows: int) -> int | None:
    """Return the key of the last of the next ``rows`` rows after ``position``, or None if there are not so many."""
    found = execute(
        table.connection,
        f"SELECT {table.key} FROM {table.quoted} WHERE {table.key} > %s ORDER BY {table.key} LIMIT 1 OFFSET %s",  # noqa: S608
        *(position, rows - 1),
    )
    return int(found[0][0]) if found else None


def _has_copied_row(error: pymysql.err.MySQLError) -> bool:
    """Whether a chunk has a row that a trigger has already copied."""
    is_duplicate = driver_errors.code(error) == driver_errors.DUPLICATE_KEY
    return is_duplicate and _DUPLICATE_ID.search(str(error.args[-1])) is not None
