"""Look the deployment over: ``payments doctor``. It changes nothing, and says what to do about what it finds."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import pymysql
import typer

from server.config import Settings, SettingsError, check_exposure
from tools.adoption import count_adopted
from tools.database_connection import DatabaseConnection, DatabaseConnectionError, address, connect
from tools.migrate import check_migrated, check_records, read_records
from tools.migration_files import MigrationError, load_migrations
from tools.private_settings import load_tool_settings

_LONGEST_WAIT_SECONDS = 5.0
"""One who asks wants to know now that the database is not there."""

_MIN_VERSIONS = {"MariaDB": (10, 6), "MySQL": (8, 0)}

_MAX_CLOCK_DIFFERENCE_SECONDS = 2.0
"""Times of payments are the service's, those of the replaced one and of migrations the database's."""

_NEEDED_INDEXES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "payments": {
        "payments_by_request": ("caller", "request_id"),
        "payments_by_time": ("created_at", "payment_id"),
        "payments_by_order": ("order_id", "created_at", "payment_id"),
        "payments_by_method": ("method", "created_at", "payment_id", "status"),
        "payments_by_status": ("status", "created_at", "payment_id", "method"),
    },
    "refunds": {
        "refunds_by_request": ("caller", "request_id"),
        "refunds_by_payment": ("payment_id", "refund_id"),
    },
}
"""The queries name them."""

_UNIQUE_INDEXES = (
    ("payments", ("payment_id",)),
    ("payments", ("reference",)),
    ("payments", ("caller", "request_id")),
    ("refunds", ("caller", "request_id")),
)
"""They settle what is a duplicate, under whatever names."""

_OVER_REFUNDED = """
    SELECT COUNT(*), MIN(p.payment_id) FROM payments p
    JOIN (SELECT payment_id, SUM(amount) AS given_back FROM refunds
        WHERE status IS NULL OR status <> 0 GROUP BY payment_id) r ON r.payment_id = p.payment_id
    WHERE r.given_back > IF(p.refunded <> 0, COALESCE(p.amount, 0), p.refunded_amount)
"""
_UNRECORDED_REFUNDS = """
    SELECT COUNT(*), MIN(p.payment_id) FROM payments p
    LEFT JOIN (SELECT payment_id, SUM(amount) AS given_back FROM refunds
        WHERE status IS NULL OR status <> 0 GROUP BY payment_id) r ON r.payment_id = p.payment_id
    WHERE p.refunded_amount > COALESCE(r.given_back, 0)
"""


class Level(StrEnum):
    """How bad a finding is: PROBLEM keeps the service from working rightly, WARNING may, NOTE is to be known."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at. ``advice`` says what to do; empty where nothing need be."""

    level: Level
    subject: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """Return it for people, on one line or two."""
        line = f"{self.level:8} {self.subject}: {self.text}"
        return f"{line}\n{'':8} -> {self.advice}" if self.advice else line


def examine(settings: Settings, *, with_rows: bool = True) -> Iterator[Finding]:
    """Look at the database that the settings name, and how they fit; without ``with_rows``, not at its rows."""
    yield Finding(Level.OK, "settings", f"{settings.mysql_user} at {address(settings)}, database {settings.mysql_db}")
    yield _exposure(settings)
    wait_seconds = min(_LONGEST_WAIT_SECONDS, settings.mysql_startup_timeout_seconds)
    impatient = settings.model_copy(update={"mysql_startup_timeout_seconds": wait_seconds})
    try:
        connection = connect(impatient, say=lambda _: None)
    except DatabaseConnectionError as error:
        advice = "Start the database, or set MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD and MYSQL_DB to it."
        yield Finding(Level.PROBLEM, "database", str(error), advice)
        return
    with closing(connection):
        yield _version(connection)
        migrated = _migrations(connection)
        yield migrated
        for check in _CHECKS:
            yield from check(connection, settings)
        if migrated.level is Level.PROBLEM:
            return
        yield from _indexes(connection)
        if with_rows:
            yield from _refunds(connection)
            yield from _adopted(connection)


def _exposure(settings: Settings) -> Finding:
    subject = "callers"
    try:
        check_exposure(settings)
    except SettingsError as error:
        return Finding(Level.PROBLEM, subject, str(error), "`payments serve` does not start before.")
    roles = ", ".join(sorted(settings.anonymous_roles)) or "nothing"
    return Finding(Level.OK, subject, f"those who do not say who they are may do: {roles}")


def _version(connection: DatabaseConnection) -> Finding:
    text = str(_row(connection, "SELECT VERSION()")[0])
    product = "MariaDB" if "mariadb" in text.lower() else "MySQL"
    found = re.search(r"(\d+)\.(\d+)", text)
    assert found is not None
    needed = _MIN_VERSIONS[product]
    if (int(found[1]), int(found[2])) < needed:
        advice = "Upgrade it to MariaDB 10.6 or MySQL 8.0, or later."
        return Finding(Level.PROBLEM, "database", f"{product} {text} is too old", advice)
    return Finding(Level.OK, "database", f"{product} {text}")


def _migrations(connection: DatabaseConnection) -> Finding:
    subject = "migrations"
    try:
        files, records = load_migrations(), read_records(connection)
        check_records(files, records)
        check_migrated(connection)
    except MigrationError as error:
        return Finding(Level.PROBLEM, subject, str(error))
    waiting = [(record.version, record.name) for record in records.values() if record.applied_at is None]
    waiting += [(migration.version, migration.name) for migration in files if migration.version not in records]
    if waiting:
        names = ", ".join(sorted({f"{version:04d}_{name}" for version, name in waiting}))
        return Finding(Level.WARNING, subject, f"not applied, or not known to be: {names}", "Run `payments migrate`.")
    return Finding(Level.OK, subject, f"all {len(files)} are applied")


def _clock(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    before = datetime.now(UTC)
    database_time = _row(connection, "SELECT UTC_TIMESTAMP(6)")[0].replace(tzinfo=UTC)
    after = datetime.now(UTC)
    # The database read its clock at some moment between these two.
    ahead_seconds = max((database_time - after).total_seconds(), (before - database_time).total_seconds(), 0.0)
    if ahead_seconds > _MAX_CLOCK_DIFFERENCE_SECONDS:
        text = f"the database's differs from this machine's by {ahead_seconds:.1f} s"
        yield Finding(Level.WARNING, "clock", text, "Have both follow the same time servers (NTP).")
    else:
        yield Finding(Level.OK, "clock", "the database's and this machine's agree")


def _pool(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:
    connections, user_connections = _row(connection, "SELECT @@max_connections, @@max_user_connections")
    most = min(int(connections), int(user_connections) or int(connections))
    if settings.mysql_pool_max >= most:
        text = f"MYSQL_POOL_MAX is {settings.mysql_pool_max}, the database lets in {most}"
        advice = "Lower MYSQL_POOL_MAX, or raise the database's max_connections (or max_user_connections)."
        yield Finding(Level.PROBLEM, "pool", text, advice)
        return
    # One more than the pool has, for health; and one is left for tools and people.
    replica = settings.mysql_pool_max + 1
    text = f"{replica} connections a replica at most; the database lets in {most}"
    yield Finding(Level.OK, "pool", f"{text}: enough for {(most - 1) // replica} replicas")


def _durability(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    flush, sync, log = _row(connection, "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@log_bin")
    loose = [] if flush == 1 else [f"innodb_flush_log_at_trx_commit is {flush}"]
    if log and sync != 1:
        loose.append(f"sync_binlog is {sync}")
    if loose:
        text = f"{' and '.join(loose)}: a crash of its machine can lose payments that were answered"
        yield Finding(Level.WARNING, "durability", text, "Set both to 1, unless the storage makes up for it.")
    else:
        yield Finding(Level.OK, "durability", "a commit is on disk when it is answered")


def _locks(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    (mode,) = _row(connection, "SELECT @@innodb_autoinc_lock_mode")
    if mode != 2:  # noqa: PLR2004 - the database's word for interleaved
        text = f"innodb_autoinc_lock_mode is {mode}: replicas that charge at once wait for one another"
        yield Finding(Level.NOTE, "locks", text, "Set innodb_autoinc_lock_mode = 2 and restart the database.")
    else:
        yield Finding(Level.OK, "locks", "replicas can insert at once")


_CHECKS: tuple[Callable[[DatabaseConnection, Settings], Iterator[Finding]], ...] = (_clock, _pool, _durability, _locks)


def _indexes(connection: DatabaseConnection) -> Iterator[Finding]:
    rows = _rows(
        connection,
        "SELECT table_name, index_name, non_unique, column_name FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() AND table_name IN ('payments', 'refunds') "
        "ORDER BY table_name, index_name, seq_in_index",
    )
    columns: dict[tuple[str, str], tuple[str, ...]] = {}
    unique = set()
    for table, name, non_unique, column in rows:
        columns[table, name] = (*columns.get((table, name), ()), column)
        if not non_unique:
            unique.add((table, name))
    are_unique = {(table, columns[table, name]) for table, name in unique}
    missing = [
        f"{name} ON {table} ({', '.join(needed)})"
        for table, indexes in _NEEDED_INDEXES.items()
        for name, needed in indexes.items()
        if columns.get((table, name), ())[: len(needed)] != needed
    ]
    missing += [
        f"a unique one ON {table} ({', '.join(needed)})"
        for table, needed in _UNIQUE_INDEXES
        if (table, needed) not in are_unique
    ]
    if missing:
        advice = "Create them as the files in migrations/ do; without them calls fail, or are slow, or let doubles in."
        yield Finding(Level.PROBLEM, "indexes", f"missing: {'; '.join(missing)}", advice)
    else:
        yield Finding(Level.OK, "indexes", "all are there")


def _refunds(connection: DatabaseConnection) -> Iterator[Finding]:
    over, first_over = _row(connection, _OVER_REFUNDED)
    unrecorded, first_unrecorded = _row(connection, _UNRECORDED_REFUNDS)
    if over:
        text = f"{over:,} payments, the first {first_over}, have refunds of more than counts as refunded"
        yield Finding(
            Level.PROBLEM, "refunds", text, "Somebody changed the tables by hand; compare with the processor."
        )
    if unrecorded:
        text = f"{unrecorded:,} payments, the first {first_unrecorded}, count as more refunded than their refunds are"
        yield Finding(Level.WARNING, "refunds", text, "Import the refunds that are missing (`payments import`).")
    if not over and not unrecorded:
        yield Finding(Level.OK, "refunds", "they add up")


def _adopted(connection: DatabaseConnection) -> Iterator[Finding]:
    found = [(rule, count) for rule, count in count_adopted(connection) if count]
    for rule, count in found:
        yield Finding(Level.NOTE, "payments", f"{count:,} with {rule.name}. {rule.served}", rule.advice)
    if not found:
        yield Finding(Level.OK, "payments", "none that this service would not have written")


def _row(connection: DatabaseConnection, text: str) -> Any:  # noqa: ANN401 - whatever the columns hold
    return _rows(connection, text)[0]


def _rows(connection: DatabaseConnection, text: str) -> Any:  # noqa: ANN401 - whatever the columns hold
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def command(
    *,
    rows: Annotated[bool, typer.Option(help="Look at the rows too, which reads whole tables.")] = True,
) -> None:
    """Look over settings, database, migrations, indexes, clock, pool and rows; say what to do.

    Exit codes: 0 the service can work, 1 there is a problem.
    """
    has_problem = False
    try:
        for finding in examine(load_tool_settings(), with_rows=rows):
            print(finding, flush=True)
            has_problem |= finding.level is Level.PROBLEM
    except SettingsError as error:
        print(Finding(Level.PROBLEM, "settings", str(error)))
        has_problem = True
    except pymysql.err.MySQLError as error:
        print(Finding(Level.PROBLEM, "database", f"it failed: {error.args[-1]}"))
        has_problem = True
    sys.exit(1 if has_problem else 0)


if __name__ == "__main__":
    typer.run(command)
