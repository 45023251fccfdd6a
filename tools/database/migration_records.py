"""The table ``schema_migrations``, which records the applied migrations, and its comparison with the files."""

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
    """A row of ``schema_migrations``. If ``applied_at`` is None, the migration was started, with an unknown outcome."""

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
    report: Callable[[str], None] = print_line,
    limit_idle_transactions: bool = True,
) -> Iterator[DatabaseConnection]:
    """Connect to a database that must be migrated, and close the connection when the context ends.

    Raises:
        SchemaOutdated: the database lacks migrations.
        DatabaseConnectionError: the database cannot be used.
    """
    connection = connect(settings, report=report, limit_idle_transactions=limit_idle_transactions)
    with closing(connection):
        schema_check.require_version(applied_version(connection))
        yield connection


def applied_version(connection: DatabaseConnection) -> int:
    """Return the highest applied version, or 0 if no migration was ever applied."""
    rows = execute_if_exists(connection, schema_check.SELECT_VERSION)
    version: int | None = rows[0][0] if rows else None
    return version or 0


def read_records(connection: DatabaseConnection) -> dict[int, Record]:
    """Return the rows of ``schema_migrations`` by version, or an empty dict if the table does not exist."""
    records = (Record(*row) for row in execute_if_exists(connection, _SELECT_RECORDS))
    return {record.version: record for record in records}


def status_lines(migrations: Sequence[Migration], records: dict[int, Record]) -> list[str]:
    """Return the lines of a table with the version, the name and the state of each migration."""
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
        return f"pending (a run started at {record.started_at:%Y-%m-%d %H:%M:%S} was interrupted)"
    applied_at = f"{record.applied_at:%Y-%m-%d %H:%M:%S}"
    if file is None:
        return f"{applied_at} (unknown to this version: the database is newer)"
    if file.checksum != record.checksum:
        return f"{applied_at} (THE FILE HAS CHANGED SINCE)"
    return applied_at


def check_records(migrations: Sequence[Migration], records: dict[int, Record]) -> None:
    """Check that the applied migrations match the files, without gaps.

    Raises:
        MigrationError: they do not match.
    """
    applied = {version: record for version, record in records.items() if record.applied_at is not None}
    for migration in migrations:
        record = applied.get(migration.version)
        if record is None:
            later = [version for version in applied if version > migration.version]
            if later:
                msg = f"{migration} is not applied, but {min(later):04d} is: was a row of schema_migrations deleted?"
                raise MigrationError(msg)
        elif migration.checksum != record.checksum:
            msg = (
                f"{migration} was changed after it had been applied at {record.applied_at:%Y-%m-%d %H:%M:%S} UTC.\n"
                f"  file: {migration.path}\n"
                "Databases on which the old file was applied would not get the change. Restore the old file, and make "
                "the change in a new migration."
            )
            raise MigrationError(msg)
