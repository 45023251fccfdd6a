"""Look the deployment over: ``payments doctor``. It changes nothing, and says what to do about what it finds."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import pymysql
import typer
from pymysql.constants import ER

from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError
from server.storage.database.access import address, explain
from server.storage.database.server_settings import SELECT_SERVER_SETTINGS, risky_settings
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect
from tools.database.migration_files import MigrationError, load_migrations
from tools.database.migrations import check_migrated, check_records, read_records
from tools.database.tool_settings import load_tool_settings
from tools.operations import database_state, service_state
from tools.operations.adopted_rows import count_adopted
from tools.operations.findings import Finding, Level

_LONGEST_WAIT_SECONDS = 5.0
"""One who asks wants to know now that the database is not there."""

_LONGEST_LOCK_WAIT_SECONDS = 2
"""Likewise, of a table that somebody has locked."""

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
    "payments_archive": {"payments_archive_by_request": ("caller", "request_id")},
    "refunds_archive": {"refunds_archive_by_request": ("caller", "request_id")},
}
"""The queries name them."""

_UNIQUE_INDEXES = (
    ("payments", ("payment_id",)),
    ("payments", ("reference",)),
    ("payments", ("caller", "request_id")),
    ("refunds", ("caller", "request_id")),
    ("payments_archive", ("payment_id",)),
    ("payments_archive", ("caller", "request_id")),
    ("refunds_archive", ("caller", "request_id")),
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
        _rows(connection, f"SET SESSION lock_wait_timeout = {_LONGEST_LOCK_WAIT_SECONDS}")
        yield _version(connection)
        migrated = _migrations(connection)
        yield migrated
        checks = list(_CHECKS)
        if migrated.level is not Level.PROBLEM:
            checks += [*_CHECKS_OF_TABLES, *(_CHECKS_OF_ROWS if with_rows else ())]
        for check in checks:
            yield from _patient(check, connection, settings)


def _patient(check: "_Check", connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:
    """Do a check; a table that somebody has locked is what it finds, and the others are done."""
    try:
        yield from check(connection, settings)
    except pymysql.err.OperationalError as error:
        if error.args[0] != ER.LOCK_WAIT_TIMEOUT:
            raise
        text = f"waited for more than {_LONGEST_LOCK_WAIT_SECONDS} s for a lock on a table that it reads"
        advice = "SHOW FULL PROCESSLIST says who alters or locks it, or holds it up with a transaction."
        yield Finding(Level.PROBLEM, check.__name__.lstrip("_"), text, advice)


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
    values = {"difference_seconds": round(ahead_seconds, 6)}
    if ahead_seconds > _MAX_CLOCK_DIFFERENCE_SECONDS:
        text = f"the database's differs from this machine's by {ahead_seconds:.1f} s"
        yield Finding(Level.WARNING, "clock", text, "Have both follow the same time servers (NTP).", values)
    else:
        yield Finding(Level.OK, "clock", "the database's and this machine's agree", values=values)


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
    risky = list(risky_settings(_rows(connection, SELECT_SERVER_SETTINGS)))
    for setting in risky:
        text = f"{setting.name} is {setting.value}: {setting.effect}"
        yield Finding(Level.WARNING, "locks", text, setting.advice)
    if not risky:
        yield Finding(Level.OK, "locks", "a locked row holds up only those who need it")


def _indexes(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    rows = _rows(
        connection,
        "SELECT table_name, index_name, non_unique, column_name FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() "
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


def _refunds(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
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


def _adopted(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    found = [(rule, count) for rule, count in count_adopted(connection) if count]
    for rule, count in found:
        yield Finding(Level.NOTE, "payments", f"{count:,} with {rule.name}. {rule.served}", rule.advice)
    if not found:
        yield Finding(Level.OK, "payments", "none that this service would not have written")


_Check = Callable[[DatabaseConnection, Settings], Iterator[Finding]]

_CHECKS: tuple[_Check, ...] = (
    _clock,
    _pool,
    _durability,
    _locks,
    database_state.replication,
    database_state.transactions,
    database_state.sizes,
)
_CHECKS_OF_TABLES: tuple[_Check, ...] = (_indexes, database_state.stream, database_state.pending)
_CHECKS_OF_ROWS: tuple[_Check, ...] = (_refunds, _adopted)
"""Those that read whole tables."""


def _row(connection: DatabaseConnection, text: str) -> Any:  # noqa: ANN401 - whatever the columns hold
    return _rows(connection, text)[0]


def _rows(connection: DatabaseConnection, text: str) -> Any:  # noqa: ANN401 - whatever the columns hold
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def command(
    *,
    rows: Annotated[bool, typer.Option(help="Look at the rows too, which reads whole tables.")] = True,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the monitoring of a service is, or its REST where that has the metrics, to ask it too; else "
            "one on this machine, if there is one."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with what was measured.")] = False,
) -> None:
    """Look over settings, database, migrations, indexes, clock, stream, pool, service and rows; say what to do.

    Exit codes: 0 the service can work, 1 there is a problem.
    """
    has_problem = False

    def tell(finding: Finding) -> None:
        nonlocal has_problem
        has_problem |= finding.level is Level.PROBLEM
        print(finding.as_json() if as_json else finding, flush=True)

    try:
        settings = load_tool_settings()
        for finding in examine(settings, with_rows=rows):
            tell(finding)
        for finding in service_state.service(url or service_state.local_url(settings), is_asked_for=url is not None):
            tell(finding)
    except SettingsError as error:
        tell(Finding(Level.PROBLEM, "settings", str(error)))
    except pymysql.err.MySQLError as error:
        tell(Finding(Level.PROBLEM, "database", f"it failed: {explain(error)}"))
    sys.exit(1 if has_problem else 0)


if __name__ == "__main__":
    typer.run(command)
