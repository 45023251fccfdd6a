"""Bring the database's schema up to date: run the files of ``migrations/`` that have not been run, in their order.

Forward only. Any number of processes may start it at once: a lock in the database lets one work, the others wait.

What happens when it is interrupted. DDL cannot be in a transaction with the record that it happened, but on MySQL 8 and
MariaDB 10.6 or later a single statement on one table happens wholly or not at all, so a migration is one. Before it
runs, a row in ``schema_migrations`` keeps a fingerprint of the schema; after it, the row gets its ``applied_at``. A run
that finds a row without one compares the fingerprints: the schema is the same, so nothing happened and the migration is
run; it differs, so the migration happened and only that is recorded. A statement that changes rows is in one
transaction with its record. When the database refuses a statement the row is taken away, as nothing happened.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.constants import ER

from server.config.settings import Settings
from server.domain.money import MINOR_DIGITS
from server.storage.database import driver_errors
from server.storage.database.access import address, explain
from tools.database.connection import (
    DatabaseConnection,
    connect,
    execute,
    execute_if_exists,
    is_unreachable,
    print_line,
    quoted,
)
from tools.database.locks import lock_name, release
from tools.database.migration_files import MIGRATIONS, Migration, MigrationError, load_migrations
from tools.database.migration_progress import progress_reported
from tools.database.migration_records import Record, applied_version, check_records, read_records

DEFAULT_LOCK_TIMEOUT_SECONDS = 600.0

_LOCK_SLICE_SECONDS = 15
"""How often one that waits says so."""

_METADATA_LOCK_TIMEOUT_SECONDS = 60
"""While an ALTER waits for a table that another session holds, every new call on that table waits behind it: so it
gives up soon, rather than after the server's default of a day or a year."""

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
"""checksum: SHA-256 of the file; schema_before: fingerprint of the schema when it was started. Times are UTC."""

_START = """
    REPLACE INTO schema_migrations (version, name, checksum, schema_before, started_at, applied_at)
    VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6), NULL)
"""
_FINISH = "UPDATE schema_migrations SET applied_at = UTC_TIMESTAMP(6) WHERE version = %s"
_FORGET = "DELETE FROM schema_migrations WHERE version = %s AND applied_at IS NULL"
_SELECT_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> 'schema_migrations'
    ORDER BY table_name
"""
_SELECT_ROW_COUNT = """
    SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s
"""
"""An estimate."""

_MANY_ROWS = 100_000
_ALTERED_TABLE = re.compile(r"\s*(?:--[^\n]*\n\s*)*ALTER TABLE (\w+)", re.IGNORECASE)
_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")


def migrate(
    settings: Settings,
    *,
    folder: Path = MIGRATIONS,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    say: Callable[[str], None] = print_line,
) -> int:
    """Apply every migration in ``folder`` that is not applied; return how many this call applied.

    Makes the database when the server has none of that name and the user may. Waits for the server as the settings
    allow, and up to ``lock_timeout_seconds`` for another process that is migrating. ``say`` gets a line for each
    migration and for each wait.

    Raises:
        MigrationError: a file is wrong, an applied one was changed, or the database refused one.
        DatabaseConnectionError: no connection.
    """
    migrations = load_migrations(folder)
    statements = [migration.statement(settings.default_currency) for migration in migrations]
    with closing(connect(settings, say=say, create_database=True)) as connection:
        with _sole_migrator(connection, settings.mysql_db, lock_timeout_seconds, say):
            execute(connection, f"SET SESSION lock_wait_timeout = {_METADATA_LOCK_TIMEOUT_SECONDS}")
            execute(connection, _CREATE_TABLE)
            records = read_records(connection)
            check_records(migrations, records)
            if not records:
                _check_currency(connection, settings.default_currency)
            migrator = _Migrator(connection, settings, say)
            count = 0
            for migration, statement in zip(migrations, statements, strict=True):
                record = records.get(migration.version)
                if record is None or record.applied_at is None:
                    migrator.apply(migration, statement, record)
                    count += 1
        say(_summary(settings, migrations, applied_version(connection)))
    return count


def _check_currency(connection: DatabaseConnection, default_currency: str) -> None:
    """Refuse to adopt payments whose amounts have more decimals than the currency.

    Raises:
        MigrationError: there are such payments.
    """
    digits = MINOR_DIGITS[default_currency]
    finer = f"SELECT 1 FROM payments WHERE amount <> ROUND(amount, {digits:d}) LIMIT 1"  # noqa: S608 - a number
    if execute_if_exists(connection, finer):
        msg = (
            f"DEFAULT_CURRENCY={default_currency} has {digits} decimals, but the payments that are there have amounts "
            "with more: set the currency that they are in"
        )
        raise MigrationError(msg)


@dataclass(frozen=True, slots=True)
class _Migrator:
    """Applies one migration after the other, under the lock."""

    connection: DatabaseConnection
    settings: Settings
    say: Callable[[str], None]

    def apply(self, migration: Migration, statement: str, record: Record | None) -> None:
        """Apply ``migration``; ``record`` is what an interrupted run left of it."""
        try:
            fingerprint = _schema_fingerprint(self.connection)
            if record is None or record.schema_before == fingerprint:
                self._run(migration, statement, fingerprint)
            else:
                self._record_applied(migration, record)
        except pymysql.err.MySQLError as error:
            raise MigrationError(self._failure(migration, statement, error)) from error

    def _run(self, migration: Migration, statement: str, fingerprint: str) -> None:
        start = time.monotonic()
        self._announce(migration, statement)
        execute(self.connection, _START, migration.version, migration.name, migration.checksum, fingerprint)
        try:
            with progress_reported(self.connection, self.settings, str(migration), self.say):
                self.connection.begin()
                execute(self.connection, statement)
                execute(self.connection, _FINISH, migration.version)
                self.connection.commit()
        except pymysql.err.MySQLError as error:
            if not is_unreachable(error):
                self.connection.rollback()
                execute(self.connection, _FORGET, migration.version)
            raise
        self.say(f"{migration}: applied in {time.monotonic() - start:.2f} s")

    def _announce(self, migration: Migration, statement: str) -> None:
        """Warn that altering a large table takes a while, during which writes to it may wait."""
        table = _ALTERED_TABLE.match(statement)
        rows = execute(self.connection, _SELECT_ROW_COUNT, table[1]) if table else ()
        if rows and rows[0][0] >= _MANY_ROWS:
            self.say(f"{migration}: altering {table[1]}, of about {rows[0][0]:,} rows; writes to it may wait meanwhile")  # type: ignore[index]

    def _record_applied(self, migration: Migration, record: Record) -> None:
        """Record a migration that an interrupted run had applied."""
        if record.checksum != migration.checksum:
            msg = f"{migration} was changed after an interrupted run had applied it: restore {migration.path}"
            raise MigrationError(msg)
        execute(self.connection, _FINISH, migration.version)
        self.say(f"{migration}: an interrupted run had applied it; recorded")

    def _failure(self, migration: Migration, statement: str, error: pymysql.err.MySQLError) -> str:
        """Return the message of a failure: what failed and where, what stays applied, and what to do."""
        code = driver_errors.code(error)
        what_failed = (
            f"migration {migration} failed: {explain(error)} (error {code})\n"
            f"  file:      {migration.path}\n"
            f"  statement: {_first_words(statement)}\n"
            f"  database:  {self.settings.mysql_db} at {address(self.settings)}\n"
        )
        if is_unreachable(error):
            return what_failed + (
                "The connection broke, so it is not known whether it was applied; the next run finds that out.\n"
                "Run `payments migrate` again, and change nothing in the schema before that."
            )
        if code == ER.LOCK_WAIT_TIMEOUT:
            remedy = "Another session holds the table: SHOW PROCESSLIST names it. End it, or wait until it is done."
        else:
            remedy = "Put right what the error names: in the data or, as it is applied nowhere yet, in the file."
        return what_failed + (
            f"It changed nothing; those before it stay applied.\n{remedy}\n"
            "Then run `payments migrate` again: it goes on with this one."
        )


def _first_words(statement: str) -> str:
    """Return the statement's first line that is no comment."""
    lines = (line.strip() for line in statement.splitlines())
    return next((line for line in lines if line and not line.startswith("--")), statement)


def _schema_fingerprint(connection: DatabaseConnection) -> str:
    """Return a digest of how every table is defined, without the counters that grow with the rows."""
    digest = hashlib.sha256()
    for (table,) in execute(connection, _SELECT_TABLES):
        ((_, definition),) = execute(connection, f"SHOW CREATE TABLE {quoted(str(table))}")
        digest.update(_AUTO_INCREMENT.sub("", str(definition)).encode())
    return digest.hexdigest()


@contextmanager
def _sole_migrator(
    connection: DatabaseConnection, database: str, timeout_seconds: float, say: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock under which one process at a time migrates a database.

    It belongs to the connection: when this process dies while its statement still runs on the server, the lock stays
    held until that ends.
    """
    name = lock_name("migrate", database)
    deadline = time.monotonic() + timeout_seconds
    slice_seconds = 0
    while execute(connection, "SELECT GET_LOCK(%s, %s)", name, slice_seconds) != ((1,),):
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            msg = (
                f"another process has been migrating {database} for more than {timeout_seconds:g} s. If it is alive, "
                "run this again later, or with a longer --lock-timeout-seconds; SHOW PROCESSLIST names its session"
            )
            raise MigrationError(msg)
        say(f"another process is migrating {database}; waiting up to {remaining_seconds:.0f} s more")
        slice_seconds = max(1, min(_LOCK_SLICE_SECONDS, round(remaining_seconds)))
    try:
        yield
    finally:
        release(connection, name)


def _summary(settings: Settings, migrations: Sequence[Migration], version: int) -> str:
    if version > len(migrations):
        return f"{settings.mysql_db} is at version {version}, newer than this code's {len(migrations)}: left as it is"
    return f"{settings.mysql_db} is at version {version}, the latest"
