"""The table ``schema_migrations``: which migrations a database has, compared with the files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from server.config.database import DatabaseSettings
from server.storage import schema_check
from tools.database.connection import DatabaseConnection, connect, execute_if_exists, print_line
from tools.database.migration_files import Migration, MigrationError

_SELECT_RECORDS = "SELECT version, name, checksum, schema_before, started_at, applied_at FROM schema_migrations"


@dataclass(frozen=True, slots=True)
class Record:
    """A row of ``schema_migrations``. Without ``applied_at``, the migration was started with an unknown outcome."""

    version: int
    name: str
    checksum: str
    schema_before: str
    started_at: datetime
    applied_at: datetime | None


@contextmanager
def open_migrated(
    settings: DatabaseSettings,
    *,
    say: Callable[[str], None] = print_line,
    limit_idle_transactions: bool = True,
    multi_statements: bool = False,
) -> Iterator[DatabaseConnection]:
    """Connect to a database that must be migrated, and close the connection at the end of the context.

    Raises:
        SchemaOutdated: the database lacks migrations.
        DatabaseConnectionError: no connection.
    """
    connection = connect(
        settings, say=say, limit_idle_transactions=limit_idle_transactions, multi_statements=multi_statements
    )
    with closing(connection):
        schema_check.require_version(applied_version(connection))
        yield connection


def applied_version(connection: DatabaseConnection) -> int:
    """Return the highest version that is applied; 0 when none is, or the database was never migrated."""
    rows = execute_if_exists(connection, schema_check.SELECT_VERSION)
    version: int | None = rows[0][0] if rows else None
    return version or 0


def read_records(connection: DatabaseConnection) -> dict[int, Record]:
    """Return the rows of ``schema_migrations`` by version; empty when there is no such table."""
    records = (Record(*row) for row in execute_if_exists(connection, _SELECT_RECORDS))
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
    """Check that the applied migrations are those of the files, without a gap.

    Raises:
        MigrationError: they are not.
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
