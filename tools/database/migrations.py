"""Bring the database schema up to date: apply the pending files of ``migrations/`` in order.

Migrations only go forward. Any number of processes can start at the same time: a lock (``maintenance_locks``) lets one
of them work while the others wait.

Interrupted runs are safe. The database commits each DDL statement by itself, so the record of a migration cannot share
its transaction. But on MySQL 8 and MariaDB 10.6 or later, a single DDL statement on one table is atomic. Each migration
is therefore one statement:

1. Before it runs, a row with a fingerprint of the schema is written to ``schema_migrations``.
2. After it succeeds, ``applied_at`` is set in that row. If the database refuses the statement, the row is deleted.
3. A run that finds a row without ``applied_at`` compares fingerprints. If the schema is unchanged, it runs the
   migration. If the schema has changed, the migration was applied, and the run only records that.

A statement that changes rows instead of the schema runs in the same transaction as the UPDATE that sets ``applied_at``.
If it runs in ranges of IDs (``row_ranges``), that is the transaction of the last range.

**Large tables are altered while they are written to.** The database itself can add columns and indexes so
(``LOCK = NONE``). If it refuses, the table is copied (``online_copy``). On TiDB, each ALTER is online. On a Galera
cluster, a statement blocks all nodes until its end, so the table is copied unless the change needs no time.

The lock of a process that crashed ends by itself, and its statement may still be running then. The next process starts
the same statement. It waits for the first one, because each of them locks the table (on Galera and TiDB, DDL is
executed in one order). Then it fails, because the change is there already. The schema has changed, so the migration
was applied. A process that was only suspended starts no statement later, because the database has closed its session.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import pymysql

from server.config.settings import Settings
from server.domain.money import MINOR_DIGITS
from server.storage.database import driver_errors
from server.storage.database.access import address, explain
from server.storage.database.server_version import ServerVersion, UnsupportedServer
from tools.database.connection import (
    DatabaseConnection,
    connect,
    execute,
    execute_if_exists,
    is_conflict,
    is_lock_timeout,
    is_unreachable,
    print_line,
    quote_identifier,
    read_server_version,
)
from tools.database.lock_waits import LOCK_PAUSE_SECONDS, Attempts, is_locked, short_lock_waits
from tools.database.maintenance_locks import LEASE_SECONDS, MIGRATION, MaintenanceLock, create_table, maintenance_lock
from tools.database.migration_files import MIGRATIONS, Migration, MigrationError, load_migrations
from tools.database.migration_progress import report_progress
from tools.database.migration_records import Record, applied_version, check_records, read_records
from tools.database.online_copy.constraints import CONSTRAINTS_TABLE
from tools.database.online_copy.table_copy import Leftover, OnlineCopy
from tools.database.online_copy.tables import NEW_PREFIX, OLD_PREFIX
from tools.database.row_ranges import add_range, range_statements

DEFAULT_LOCK_TIMEOUT_SECONDS = 600.0

_METADATA_LOCK_TIMEOUT_SECONDS = 60
"""How long a statement may wait for a table that another session holds, instead of the server's default of a day
(MariaDB) or a year (MySQL). While an ALTER waits, every new statement on the table waits behind it. Therefore it waits
only for ``LOCK_WAIT_SECONDS``, and is repeated after a pause, for up to this time.
"""

_IDLE_TIMEOUT_SECONDS = LEASE_SECONDS // 3
"""The database closes the session of a process that is suspended between two statements, before its lock ends."""

_CREATE_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version INT NOT NULL PRIMARY KEY,
        name VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        schema_before CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        started_at DATETIME(6) NOT NULL,
        applied_at DATETIME(6) NULL
    ) ENGINE = InnoDB
"""
"""checksum: SHA-256 of the file; schema_before: fingerprint of the schema before the migration. Times are in UTC."""

_INSERT_RECORD = """
    REPLACE INTO schema_migrations (version, name, checksum, schema_before, started_at, applied_at)
    VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6), NULL)
"""
_SET_APPLIED = "UPDATE schema_migrations SET applied_at = UTC_TIMESTAMP(6) WHERE version = %s"
_DELETE_RECORD = "DELETE FROM schema_migrations WHERE version = %s AND applied_at IS NULL"
_SELECT_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'
        AND table_name NOT IN ('schema_migrations', 'maintenance_locks', %s)
        AND LEFT(table_name, CHAR_LENGTH(%s)) <> %s AND LEFT(table_name, CHAR_LENGTH(%s)) <> %s
    ORDER BY table_name
"""
"""Leaves out the tables of an online copy."""

_SELECT_ROW_COUNT = """
    SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s
"""
"""Returns an estimate."""

_SELECT_KEY = """
    SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = %s AND index_name = %s LIMIT 1
"""

_ATTEMPTS = 3
"""How often a migration is started if concurrent INSERTs, or transactions on other nodes of a cluster, make it fail."""

_LARGE_TABLE_ROWS = 10_000
"""A smaller table is altered in place, within a second."""

_LONG_ROWS = 100_000
_ONLINE, _INSTANT = "LOCK = NONE", "ALGORITHM = INSTANT"
_HAS_LOCK_CLAUSE = re.compile(r"\bLOCK\s*=", re.IGNORECASE)
_NOT_ONLINE = frozenset({1799, 1845, 1846})
"""The database cannot make the change while it accepts writes, or cannot log so many of them."""

_ALTERED_TABLE = re.compile(r"\s*(?:--[^\n]*\n\s*)*ALTER TABLE (\w+)", re.IGNORECASE)
_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")
_DUPLICATE_KEY = re.compile(r"for key '(?:\w+\.)?(\w+)'$")


def migrate(
    settings: Settings,
    *,
    folder: Path = MIGRATIONS,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    allow_blocking: bool = False,
    report: Callable[[str], None] = print_line,
) -> int:
    """Apply every pending migration in ``folder``; return how many this call applied.

    Creates the database if it does not exist and the account may create it. Waits for the server as long
    as the settings allow, and up to ``lock_timeout_seconds`` for another process that is migrating. ``report`` receives
    a line for each migration and for each wait. ``allow_blocking`` alters large tables in place, while writes to them
    wait, instead of copying them.

    Raises:
        MigrationError: the service cannot use this server, a file is invalid, an applied migration was changed, the
            default currency does not fit adopted payments, or the database refused a migration.
        LockHeld: another process did not finish in time.
        LockLost: this process was suspended, and another one has continued its work.
        DatabaseConnectionError: the database cannot be used.
    """
    migrations = load_migrations(folder)
    statements = [migration.statement(settings.default_currency) for migration in migrations]
    with closing(connect(settings, report=report, create_database=True)) as connection:
        version = _check_version(connection)
        create_table(connection)
        with maintenance_lock(
            connection, settings, MIGRATION, timeout_seconds=lock_timeout_seconds, report=report
        ) as lock:
            _prepare_session(connection)
            execute(connection, _CREATE_TABLE)
            records = read_records(connection)
            check_records(migrations, records)
            if not records:
                _check_currency(connection, settings.default_currency)
            migrator = _Migrator(
                connection, settings, version, lock, lock_timeout_seconds, allow_blocking=allow_blocking, report=report
            )
            count = 0
            for migration, statement in zip(migrations, statements, strict=True):
                record = records.get(migration.version)
                if record is None or record.applied_at is None:
                    migrator.apply(migration, statement, record)
                    count += 1
        report(_summary(settings, migrations, applied_version(connection)))
    return count


def _check_version(connection: DatabaseConnection) -> ServerVersion:
    """Return the server's version. Refuse to migrate on one that the service cannot use: its DDL may not be atomic.

    Raises:
        MigrationError: the service cannot use this server.
    """
    version = read_server_version(connection)
    try:
        version.require_supported()
    except UnsupportedServer as error:
        raise MigrationError(str(error)) from None
    return version


def _prepare_session(connection: DatabaseConnection) -> None:
    execute(
        connection,
        f"SET SESSION lock_wait_timeout = {_METADATA_LOCK_TIMEOUT_SECONDS}, wait_timeout = {_IDLE_TIMEOUT_SECONDS}",
    )
    # In a REPEATABLE READ transaction, MariaDB 11.8 cannot change the row of the lock if it was renewed meanwhile.
    execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def _check_currency(connection: DatabaseConnection, default_currency: str) -> None:
    """Refuse to adopt payments whose amounts have more decimals than the currency.

    Raises:
        MigrationError: the table has such payments.
    """
    digits = MINOR_DIGITS[default_currency]
    select_too_precise = f"SELECT 1 FROM payments WHERE amount <> ROUND(amount, {digits:d}) LIMIT 1"  # noqa: S608 - a number
    if execute_if_exists(connection, select_too_precise):
        msg = (
            f"DEFAULT_CURRENCY={default_currency} has {digits} decimals, but existing payments have amounts with more: "
            "set DEFAULT_CURRENCY to the currency of these payments"
        )
        raise MigrationError(msg)


@dataclass(frozen=True, slots=True)
class _Migrator:
    """Applies migrations one at a time, under the lock."""

    connection: DatabaseConnection
    settings: Settings
    version: ServerVersion
    lock: MaintenanceLock
    lock_timeout_seconds: float
    _: KW_ONLY
    allow_blocking: bool
    report: Callable[[str], None]

    def apply(self, migration: Migration, statement: str, record: Record | None) -> None:
        """Apply ``migration``; ``record`` is the row left by an interrupted run, if any."""
        attempts_left = _ATTEMPTS
        while True:
            attempts_left -= 1
            try:
                self._run_or_record(migration, statement, record)
            except pymysql.err.MySQLError as error:
                if not is_conflict(error) or not attempts_left:
                    raise MigrationError(self._failure(migration, statement, error)) from error
                record = read_records(self.connection).get(migration.version)
            else:
                return

    def _run_or_record(self, migration: Migration, statement: str, record: Record | None) -> None:
        leftover = self._recover_copy(statement)
        fingerprint = _schema_fingerprint(self.connection)
        is_unchanged = record is None or record.schema_before == fingerprint
        if record is None or leftover is Leftover.REMOVED or (is_unchanged and leftover is Leftover.NONE):
            self._run(migration, statement, record, fingerprint)
        else:
            self._record_applied(migration, record)

    def _run(self, migration: Migration, statement: str, record: Record | None, fingerprint: str) -> None:
        start = time.monotonic()
        self._announce(migration, statement)
        with self._transaction():
            execute(self.connection, _INSERT_RECORD, migration.version, migration.name, migration.checksum, fingerprint)
        try:
            with report_progress(self.connection, self.settings, str(migration), self.report):
                self._change(migration, statement, record)
        except pymysql.err.MySQLError as error:
            if is_unreachable(error) or is_conflict(error):
                raise
            if record is not None and _schema_fingerprint(self.connection) != fingerprint:
                self._record_applied(migration, record)
                return
            if record is None or not is_lock_timeout(error):
                self._delete_record(migration)
            raise
        except MigrationError:
            self._delete_record(migration)
            raise
        self.report(f"{migration}: applied in {time.monotonic() - start:.2f} s")

    def _delete_record(self, migration: Migration) -> None:
        with self._transaction():
            execute(self.connection, _DELETE_RECORD, migration.version)

    def _change(self, migration: Migration, statement: str, record: Record | None) -> None:
        """Execute the statement and record the migration as applied."""
        if (ranged := add_range(migration, statement)) is not None:
            self._change_ranges(migration, ranged)
            return
        is_online = self._is_altered_online(statement)
        try:
            with self._transaction():
                self._execute(migration, self._online(statement) if is_online else statement, record)
                execute(self.connection, _SET_APPLIED, migration.version)
        except pymysql.err.MySQLError as error:
            if not is_online or driver_errors.code(error) not in _NOT_ONLINE:
                raise
        else:
            return
        self.report(f"{migration}: the table is copied, and writes to it continue")
        self._copy(statement).alter(statement)
        with self._transaction():
            execute(self.connection, _SET_APPLIED, migration.version)

    def _change_ranges(self, migration: Migration, statement: str) -> None:
        """Execute a statement for each range of IDs, each in its own transaction. The last records the migration."""
        for range_statement, is_last in range_statements(self.connection, statement):
            attempts = Attempts(_METADATA_LOCK_TIMEOUT_SECONDS)
            while True:
                try:
                    with short_lock_waits(self.connection), self._transaction():
                        execute(self.connection, range_statement)
                        if is_last:
                            execute(self.connection, _SET_APPLIED, migration.version)
                    break
                except pymysql.err.MySQLError as error:
                    if not is_locked(error) or attempts.are_exhausted():
                        raise

    def _is_altered_online(self, statement: str) -> bool:
        """Whether the statement alters a table that is so large that writes to it must continue meanwhile."""
        table = _ALTERED_TABLE.match(statement)
        if table is None or self.allow_blocking or self.version.is_tidb or _HAS_LOCK_CLAUSE.search(statement):
            return False
        count = f"SELECT COUNT(*) FROM (SELECT 1 FROM {table[1]} LIMIT {_LARGE_TABLE_ROWS}) counted"  # noqa: S608
        rows = execute_if_exists(self.connection, count)
        return bool(rows) and rows[0][0] >= _LARGE_TABLE_ROWS

    def _online(self, statement: str) -> str:
        """Return the ALTER with a clause that makes the database refuse it if writes would have to wait."""
        clause = _INSTANT if self.version.is_cluster else _ONLINE
        return f"{statement.rstrip().removesuffix(';')}\n    , {clause}"

    def _copy(self, statement: str) -> OnlineCopy:
        table = _ALTERED_TABLE.match(statement)
        assert table is not None, statement
        return OnlineCopy(
            self.connection, self.settings, self.version, self.lock, table[1], self.lock_timeout_seconds, self.report
        )

    def _recover_copy(self, statement: str) -> Leftover:
        """Complete or remove the copy of an interrupted run."""
        if _ALTERED_TABLE.match(statement) is None or self.version.is_tidb:
            return Leftover.NONE
        return self._copy(statement).recover(add_checks=not self._is_altered_online(statement))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit when the context ends, if this process still holds the lock.

        DDL commits what came before it, so the statements after it are a transaction of their own.
        """
        execute(self.connection, "SET autocommit = 0")
        try:
            yield
            self.lock.confirm(self.connection)
            self.connection.commit()
        finally:
            # Does nothing if the transaction was committed or the connection was lost.
            with suppress(pymysql.err.MySQLError):
                self.connection.rollback()
                execute(self.connection, "SET autocommit = 1")

    def _execute(self, migration: Migration, statement: str, record: Record | None) -> None:
        """Execute a statement. Repeat it if others held the table, or if a concurrent INSERT made it fail."""
        seconds = self.lock_timeout_seconds if record is not None else _METADATA_LOCK_TIMEOUT_SECONDS
        lock_attempts = Attempts(min(seconds, self.lock_timeout_seconds), at_least=1)
        attempts_left = _ATTEMPTS
        is_waiting = False
        while True:
            try:
                with short_lock_waits(self.connection):
                    execute(self.connection, statement)
            except pymysql.err.MySQLError as error:
                if is_lock_timeout(error) and not lock_attempts.are_exhausted():
                    if not is_waiting:
                        others = "the statement of the run that was interrupted" if record else "other sessions"
                        self.report(f"{migration}: waiting for {others}")
                        is_waiting = True
                    time.sleep(LOCK_PAUSE_SECONDS)
                    continue
                attempts_left -= 1
                if not attempts_left or not self._is_due_to_rejected_insert(statement, error):
                    raise
                self.report(f"{migration}: an INSERT that was rejected meanwhile made it fail; it is repeated")
            else:
                return

    def _is_due_to_rejected_insert(self, statement: str, error: pymysql.err.MySQLError) -> bool:
        """Return whether an ALTER TABLE found a duplicate in a key that the table already has.

        While MySQL rebuilds a table, it logs concurrent changes and applies them at the end. An INSERT that is rejected
        as a duplicate, such as that of a repeated charge, is logged before it is undone, and cannot be applied.
        """
        table, key = _ALTERED_TABLE.match(statement), _DUPLICATE_KEY.search(str(error.args[-1]))
        if driver_errors.code(error) != driver_errors.DUPLICATE_KEY or table is None or key is None:
            return False
        return bool(execute(self.connection, _SELECT_KEY, table[1], key[1]))

    def _announce(self, migration: Migration, statement: str) -> None:
        """Say that altering a large table takes time, and whether writes to the table may have to wait."""
        table = _ALTERED_TABLE.match(statement)
        rows = execute(self.connection, _SELECT_ROW_COUNT, table[1]) if table else ()
        if table and rows and rows[0][0] >= _LONG_ROWS:
            writes = "may have to wait" if self.allow_blocking else "continue"
            self.report(f"{migration}: altering {table[1]}, about {rows[0][0]:,} rows; writes to it {writes}")

    def _record_applied(self, migration: Migration, record: Record) -> None:
        """Record a migration that an interrupted run had applied."""
        if migration.checksum != record.checksum:
            msg = f"{migration} was changed after an interrupted run had applied it: restore the old {migration.path}"
            raise MigrationError(msg)
        with self._transaction():
            execute(self.connection, _SET_APPLIED, migration.version)
        self.report(f"{migration}: an interrupted run had applied it; recorded")

    def _failure(self, migration: Migration, statement: str, error: pymysql.err.MySQLError) -> str:
        """Return a message that says what failed and where, which migrations stay applied, and what to do."""
        code = driver_errors.code(error)
        what_failed = (
            f"migration {migration} failed: {explain(error)} (error {code})\n"
            f"  file:      {migration.path}\n"
            f"  statement: {_first_line(statement)}\n"
            f"  database:  {self.settings.mysql_db} at {address(self.settings)}\n"
        )
        if is_unreachable(error) or is_conflict(error):
            return what_failed + (
                "The connection was lost or the transaction aborted, so it is unknown whether it was applied.\n"
                "Do not change the schema. Run `payments migrate` again: it detects what happened."
            )
        if is_lock_timeout(error):
            remedy = "Another session holds the table. Find it with SHOW PROCESSLIST, and end it or wait for it."
        elif self._is_due_to_rejected_insert(statement, error):
            remedy = "INSERTs that were rejected as duplicates made it fail. Wait until fewer calls are repeated."
        else:
            remedy = "Fix the cause in the data or, if the migration has not been applied anywhere yet, in the file."
        return what_failed + (
            f"It changed nothing; the migrations before it stay applied.\n{remedy}\n"
            "Then run `payments migrate` again: it continues with this migration."
        )


def _first_line(statement: str) -> str:
    """Return the first line of the statement that is not a comment."""
    lines = (line.strip() for line in statement.splitlines())
    return next((line for line in lines if line and not line.startswith("--")), statement)


def _schema_fingerprint(connection: DatabaseConnection) -> str:
    """Return a digest of all table definitions, without the AUTO_INCREMENT counters, which grow with the rows."""
    digest = hashlib.sha256()
    for (table,) in execute(connection, _SELECT_TABLES, CONSTRAINTS_TABLE, *[NEW_PREFIX] * 2, *[OLD_PREFIX] * 2):
        ((_, definition),) = execute(connection, f"SHOW CREATE TABLE {quote_identifier(str(table))}")
        digest.update(_AUTO_INCREMENT.sub("", str(definition)).encode())
    return digest.hexdigest()


def _summary(settings: Settings, migrations: Sequence[Migration], version: int) -> str:
    if version > len(migrations):
        latest = f"newer than the latest known version, {len(migrations)}"
        return f"{settings.mysql_db} is at version {version}, {latest}; nothing changed"
    return f"{settings.mysql_db} is at version {version}, the latest"
