"""Bring the database's schema up to date: run the files of ``migrations/`` that have not been run, in their order.

``payments migrate`` migrates, ``payments migrate status`` shows what is applied and changes nothing.
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
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pymysql
import typer
from pymysql.constants import ER

from server.config.settings import Settings, SettingsError
from server.domain.money import MINOR_DIGITS
from server.storage.database import driver_errors
from server.storage.database.access import address, explain
from server.storage.schema_check import NEEDED_VERSION
from tools.database.connection import (
    DatabaseConnection,
    DatabaseConnectionError,
    connect,
    is_unreachable,
    print_line,
)
from tools.database.locks import lock_name, release
from tools.database.migration_files import MIGRATIONS, Migration, MigrationError, load_migrations
from tools.database.migration_progress import saying_progress
from tools.database.tool_settings import load_tool_settings

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

_SELECT_RECORDS = "SELECT version, name, checksum, schema_before, started_at, applied_at FROM schema_migrations"
_SELECT_VERSION = "SELECT MAX(version) FROM schema_migrations WHERE applied_at IS NOT NULL"
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


@dataclass(frozen=True, slots=True)
class Record:
    """A row of ``schema_migrations``. ``applied_at`` None: started, and it is not known whether it happened."""

    version: int
    name: str
    checksum: str
    schema_before: str
    started_at: datetime
    applied_at: datetime | None


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
            _execute(connection, f"SET SESSION lock_wait_timeout = {_METADATA_LOCK_TIMEOUT_SECONDS}")
            _execute(connection, _CREATE_TABLE)
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
    """Refuse to adopt payments as amounts of a currency that is not as fine as they are.

    Raises:
        MigrationError: there are such payments.
    """
    digits = MINOR_DIGITS[default_currency]
    try:
        rows = _execute(connection, f"SELECT 1 FROM payments WHERE amount <> ROUND(amount, {digits:d}) LIMIT 1")  # noqa: S608 - a number
    except pymysql.err.ProgrammingError as error:
        if error.args[0] != ER.NO_SUCH_TABLE:
            raise
        return
    if rows:
        msg = (
            f"DEFAULT_CURRENCY={default_currency} has {digits} decimals, but the payments that are there have amounts "
            "with more: set the currency that they are in"
        )
        raise MigrationError(msg)


def applied_version(connection: DatabaseConnection) -> int:
    """Return the highest version that is applied; 0 when none is, or the database was never migrated."""
    try:
        rows = _execute(connection, _SELECT_VERSION)
    except pymysql.err.ProgrammingError as error:
        if error.args[0] != ER.NO_SUCH_TABLE:
            raise
        return 0
    version: int | None = rows[0][0]
    return version or 0


def check_migrated(connection: DatabaseConnection) -> None:
    """Return when the database has every migration that this version of the service needs.

    Raises:
        MigrationError: it has not.
    """
    version = applied_version(connection)
    if version < NEEDED_VERSION:
        raise MigrationError(
            f"the database is at migration {version}, {NEEDED_VERSION} is needed: run `payments migrate`"
        )


def read_records(connection: DatabaseConnection) -> dict[int, Record]:
    """Return the rows of ``schema_migrations`` by version; empty when there is no such table."""
    try:
        rows = _execute(connection, _SELECT_RECORDS)
    except pymysql.err.ProgrammingError as error:
        if error.args[0] != ER.NO_SUCH_TABLE:
            raise
        return {}
    records = (Record(*row) for row in rows)
    return {record.version: record for record in records}


def status_lines(migrations: Sequence[Migration], records: dict[int, Record]) -> list[str]:
    """Return a table for people: each migration's version, name and when it was applied (UTC), or what is wrong."""
    files = {migration.version: migration for migration in migrations}
    rows = [("version", "name", "applied at (UTC)")]
    for version in sorted(files.keys() | records.keys()):
        file, record = files.get(version), records.get(version)
        name = file.name if file is not None else records[version].name
        rows.append((f"{version:04d}", name, _state(file, record)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [f"{version:<{widths[0]}}  {name:<{widths[1]}}  {state}" for version, name, state in rows]


def _state(file: Migration | None, record: Record | None) -> str:
    if record is None:
        return "pending"
    if record.applied_at is None:
        return f"pending (a run that began at {record.started_at:%Y-%m-%d %H:%M:%S} was interrupted)"
    applied_at = f"{record.applied_at:%Y-%m-%d %H:%M:%S}"
    if file is None:
        return f"{applied_at} (this code does not know it: the database is newer)"
    if file.checksum != record.checksum:
        return f"{applied_at} (THE FILE WAS CHANGED SINCE)"
    return applied_at


def check_records(migrations: Sequence[Migration], records: dict[int, Record]) -> None:
    """Refuse to go on where the files and the records tell different stories.

    Raises:
        MigrationError: they do.
    """
    applied = {version: record for version, record in records.items() if record.applied_at is not None}
    for migration in migrations:
        record = applied.get(migration.version)
        if record is None:
            later = [version for version in applied if version > migration.version]
            if later:
                msg = f"{migration} is not applied, but {min(later):04d} is: was a row of schema_migrations deleted?"
                raise MigrationError(msg)
        elif record.checksum != migration.checksum:
            msg = (
                f"{migration} was changed after it had been applied at {record.applied_at:%Y-%m-%d %H:%M:%S} UTC.\n"
                f"  file: {migration.path}\n"
                "Databases that have the old text would not get the change. Restore the file as it was, and put the "
                "change in a new migration."
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
                self._recognise(migration, record)
        except pymysql.err.MySQLError as error:
            raise MigrationError(self._failure(migration, statement, error)) from error

    def _run(self, migration: Migration, statement: str, fingerprint: str) -> None:
        start = time.monotonic()
        self._announce(migration, statement)
        _execute(self.connection, _START, migration.version, migration.name, migration.checksum, fingerprint)
        try:
            with saying_progress(self.connection, self.settings, str(migration), self.say):
                self.connection.begin()
                _execute(self.connection, statement)
                _execute(self.connection, _FINISH, migration.version)
                self.connection.commit()
        except pymysql.err.MySQLError as error:
            if not is_unreachable(error):
                self.connection.rollback()
                _execute(self.connection, _FORGET, migration.version)
            raise
        self.say(f"{migration}: applied in {time.monotonic() - start:.2f} s")

    def _announce(self, migration: Migration, statement: str) -> None:
        """Say beforehand that a statement will take a while, and what waits for it."""
        table = _ALTERED_TABLE.match(statement)
        rows = _execute(self.connection, _SELECT_ROW_COUNT, table[1]) if table else ()
        if rows and rows[0][0] >= _MANY_ROWS:
            self.say(f"{migration}: altering {table[1]}, of about {rows[0][0]:,} rows; writes to it may wait meanwhile")  # type: ignore[index]

    def _recognise(self, migration: Migration, record: Record) -> None:
        """Record a migration that an interrupted run had applied."""
        if record.checksum != migration.checksum:
            msg = f"{migration} was changed after an interrupted run had applied it: restore {migration.path}"
            raise MigrationError(msg)
        _execute(self.connection, _FINISH, migration.version)
        self.say(f"{migration}: an interrupted run had applied it; recorded")

    def _failure(self, migration: Migration, statement: str, error: pymysql.err.MySQLError) -> str:
        """Return what to tell people: what failed, where, what stays, and what to do."""
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
    for (table,) in _execute(connection, _SELECT_TABLES):
        name = str(table).replace("`", "``")
        ((_, definition),) = _execute(connection, f"SHOW CREATE TABLE `{name}`")
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
    while _execute(connection, "SELECT GET_LOCK(%s, %s)", name, slice_seconds) != ((1,),):
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


def _execute(connection: DatabaseConnection, sql: str, *parameters: object) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return tuple(cursor.fetchall())


def _summary(settings: Settings, migrations: Sequence[Migration], version: int) -> str:
    if version > len(migrations):
        return f"{settings.mysql_db} is at version {version}, newer than this code's {len(migrations)}: left as it is"
    return f"{settings.mysql_db} is at version {version}, the latest"


class Action(StrEnum):
    """What the program does."""

    MIGRATE = "migrate"
    STATUS = "status"


def command(
    action: Annotated[
        Action, typer.Argument(help="status shows what is applied, and changes nothing")
    ] = Action.MIGRATE,
    *,
    lock_timeout_seconds: Annotated[
        float, typer.Option(help="how long to wait for another process that is migrating")
    ] = DEFAULT_LOCK_TIMEOUT_SECONDS,
) -> None:
    """Bring the database's tables up to date; any number of processes may do so at once."""
    try:
        settings = load_tool_settings()
        if action is Action.MIGRATE:
            migrate(settings, lock_timeout_seconds=lock_timeout_seconds)
            return
        with closing(connect(settings)) as connection:
            records = read_records(connection)
        print("\n".join(status_lines(load_migrations(), records)))
    except (MigrationError, DatabaseConnectionError, SettingsError) as error:
        sys.exit(str(error))
    except pymysql.err.MySQLError as error:
        sys.exit(f"the database failed: {explain(error)}")


if __name__ == "__main__":
    typer.run(command)
