"""Migrations: each is applied once, a legacy table is adopted unchanged, and failures say what to do."""

import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
import pytest

from bench.peers.legacy.table import TABLE
from server.config.settings import Settings
from tests.support import programs
from tests.support.databases import DatabaseServer, settings_of
from tests.support.legacy_table import LEGACY_INSERT
from tests.support.tidb import IS_SELECTED, except_on_tidb
from tools.database.connection import DatabaseConnectionError, connect, execute
from tools.database.maintenance_locks import MIGRATION, LockHeld, LockLost, create_table, maintenance_lock
from tools.database.migration_files import MigrationError, latest_version, load_migrations
from tools.database.migration_records import applied_version, read_records, status_lines
from tools.database.migrations import _schema_fingerprint, migrate


def utc(text: str) -> datetime:
    """Return a time as the driver does: naive, and in UTC."""
    return datetime.fromisoformat(text)


LEGACY_ROWS = [
    (1, 355, Decimal("1757.91"), "UPI", 0, "ECI20250910-ID9VVN", utc("2025-02-07 05:28:54"), 0),
    (2, 342, Decimal("561.00"), "CARD", 1, "ECI20250910-1A2B3C4D", utc("2025-09-10 23:59:59"), 1),
    (3, -1, None, "", None, None, None, 0),
    (4, 0, Decimal("-5.00"), "net banking ", 1, "eci20250910-id9vvx", utc("1970-01-01 00:00:01"), 0),
    (5, 2147483647, Decimal("99999999.99"), "Überweisung ₹ 💳", 1, " R-5", utc("2038-01-19 03:14:07"), 1),
    (2147483000, 7, Decimal("0.00"), "upi", None, "ECI-'\"\\`%s;--", utc("2024-02-29 00:00:00"), 0),
]
LEGACY_SELECT = """
    SELECT payment_id, order_id, amount, method, status, reference, created_at, refunded FROM payments
    ORDER BY payment_id
"""
EXPIRE_LOCK = "UPDATE maintenance_locks SET leased_until = UTC_TIMESTAMP(6)"
"""What the passing of time does to the lock of a process that crashed."""

TAKE_LOCK = "UPDATE maintenance_locks SET lease_number = lease_number + 1, holder = 'process 1 on another-host'"
"""What another process does once the lock has expired."""

Query = Callable[..., list[Any]]


@pytest.fixture
def settings(empty_database: dict[str, str]) -> Settings:
    return settings_of(empty_database)


@pytest.fixture
def query(database_server: DatabaseServer, settings: Settings) -> Query:
    """Execute statements in the test's own database."""

    def execute(text: str, *values: object) -> list[Any]:
        return database_server.execute(text, values, settings.mysql_db)

    return execute


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write migration files with the given names; return their folder."""

    def write_files(**texts: str) -> Path:
        folder = tmp_path / "migrations"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name.removeprefix('m')}.sql").write_text(text)
        return folder

    return write_files


def silent(_line: str) -> None:
    """Print nothing."""


def program_environment(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MYSQL_")} | environment


def test_ten_concurrent_processes_apply_each_migration_once(empty_database: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tools.cli.main", "migrate"]
    environment = program_environment(empty_database)
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    output = "".join(process.communicate()[0] for process in running)

    assert {process.returncode for process in running} == {0}
    for migration in load_migrations():
        assert output.count(f"{migration}: applied in") == 1
    assert output.count(f"is at version {latest_version()}, the latest") == 10


def test_migrating_again_changes_nothing(settings: Settings) -> None:
    lines: list[str] = []

    assert migrate(settings, report=silent) == latest_version()
    assert migrate(settings, report=lines.append) == 0
    assert lines == [f"{settings.mysql_db} is at version {latest_version()}, the latest"]


def test_a_legacy_table_is_adopted_with_its_rows_unchanged(settings: Settings, query: Query) -> None:
    query(TABLE)
    for row in LEGACY_ROWS:
        query(LEGACY_INSERT, *row)

    migrate(settings, report=silent)

    assert query(LEGACY_SELECT) == LEGACY_ROWS
    assert set(query("SELECT currency, refunded_amount, requested_method, caller, request_id FROM payments")) == {
        ("INR", Decimal("0.00"), None, None, None)
    }


def test_an_empty_reference_becomes_null(settings: Settings, query: Query) -> None:
    query(TABLE)
    query(LEGACY_INSERT, *LEGACY_ROWS[0][:5], "", *LEGACY_ROWS[0][6:])
    query(LEGACY_INSERT, *LEGACY_ROWS[1])

    migrate(settings, report=silent)

    assert query("SELECT reference FROM payments ORDER BY payment_id") == [(None,), (LEGACY_ROWS[1][5],)]


@except_on_tidb("it alters the table itself")
def test_migrating_a_large_table_reports_progress(
    settings: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(TABLE)
    query(LEGACY_INSERT, *LEGACY_ROWS[0])
    columns = "order_id, amount, method, status, created_at"
    for _ in range(18):
        query(f"INSERT INTO payments ({columns}) SELECT {columns} FROM payments")
    query("ANALYZE TABLE payments")
    monkeypatch.setattr("tools.database.online_copy.row_copy._PROGRESS_SECONDS", 0.05)
    monkeypatch.setattr("tools.database.migrations._ONLINE", "ALGORITHM = INSTANT")
    query("SET GLOBAL log_bin_trust_function_creators = 1")  # Galera's nodes have a binary log
    lines: list[str] = []

    migrate(settings, report=lines.append)

    assert any(re.search(r"altering payments, about \d{3},\d{3} rows; writes to it continue", line) for line in lines)
    assert any(re.search(r"payments: \d+,\d{3} of \d{3},\d{3} rows copied", line) for line in lines), lines


def test_ids_continue_after_the_adopted_ones_and_beyond_32_bits(settings: Settings, query: Query) -> None:
    query(TABLE)
    query(LEGACY_INSERT, 2147483647, *LEGACY_ROWS[0][1:])

    migrate(settings, report=silent)

    query("INSERT INTO payments (order_id, amount, method) VALUES (1, 1, 'UPI')")
    assert query("SELECT MAX(payment_id) FROM payments") == [(2147483648,)]


def test_a_time_after_2038_is_stored_to_the_microsecond(settings: Settings, query: Query) -> None:
    migrate(settings, report=silent)

    moment = utc("2100-01-01 12:30:15.123456")
    query("INSERT INTO payments (order_id, amount, method, created_at) VALUES (1, 1, 'UPI', %s)", moment)
    assert query("SELECT created_at FROM payments") == [(moment,)]


def test_the_statements_of_the_legacy_service_still_work(settings: Settings, query: Query) -> None:
    query(TABLE)
    query(LEGACY_INSERT, *LEGACY_ROWS[0])
    migrate(settings, report=silent)

    query(
        "INSERT INTO payments (order_id, amount, method, status, reference, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        *(342, "561.00", "COD", 1, "ECI20250910-AAAAAAAA", "2025-09-10 10:00:00"),
    )
    query("UPDATE payments SET refunded = 1 WHERE payment_id = %s", 2)
    query(
        f"{LEGACY_INSERT} ON DUPLICATE KEY UPDATE order_id = VALUES(order_id), amount = VALUES(amount),"
        " method = VALUES(method), status = VALUES(status), reference = VALUES(reference),"
        " created_at = VALUES(created_at), refunded = 0",
        *(1, 356, "10.50", "UPI", 1, "ECI20250910-ID9VVN", "2025-02-07 05:28:54", 0),
    )

    list_query = (
        "SELECT payment_id, order_id, amount, status, created_at, refunded FROM payments WHERE status = %s"
        " AND amount >= %s AND created_at >= %s ORDER BY created_at DESC, payment_id DESC LIMIT %s OFFSET %s"
    )
    assert query(list_query, 1, 10, "2025-01-01", 10, 0) == [
        (2, 342, Decimal("561.00"), 1, utc("2025-09-10 10:00:00"), 1),
        (1, 356, Decimal("10.50"), 1, utc("2025-02-07 05:28:54"), 0),
    ]
    with pytest.raises(pymysql.err.IntegrityError, match="Duplicate entry"):
        query(LEGACY_INSERT, 9, *LEGACY_ROWS[0][1:])


def test_a_row_that_the_legacy_service_inserts_without_a_time_gets_the_current_one(
    settings: Settings, query: Query
) -> None:
    query(TABLE)
    migrate(settings, report=silent)

    query("INSERT INTO payments (order_id, amount, method) VALUES (1, 1, 'UPI')")

    assert query("SELECT ABS(TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP())) < 60 FROM payments") == [(1,)]


def test_the_currency_of_adopted_rows_is_the_deployments_default(empty_database: dict[str, str], query: Query) -> None:
    query(TABLE)
    query(LEGACY_INSERT, *LEGACY_ROWS[0])

    migrate(settings_of({**empty_database, "DEFAULT_CURRENCY": "EUR"}), report=silent)

    assert query("SELECT currency FROM payments") == [("EUR",)]


def test_a_missing_database_is_created(database_server: DatabaseServer) -> None:
    settings = settings_of(database_server.environment(f"payments_test_{secrets.token_hex(6)}"))
    try:
        assert migrate(settings, report=silent) == latest_version()
    finally:
        database_server.execute(f"DROP DATABASE IF EXISTS {settings.mysql_db}")


def test_a_failed_migration_says_what_failed_and_what_to_do_and_is_retried(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(m0001_things="CREATE TABLE things (value INT)")
    migrate(settings, folder=folder, report=silent)
    write(
        m0002_distinct="-- Values are distinct.\nALTER TABLE things ADD UNIQUE KEY things_value (value);",
        m0003_more="CREATE TABLE more (value INT)",
    )
    query("INSERT INTO things VALUES (7), (7)")

    with pytest.raises(MigrationError) as failure:
        migrate(settings, folder=folder, report=silent)

    message = str(failure.value)
    assert "migration 0002_distinct failed: Duplicate entry '7'" in message
    assert str(folder / "0002_distinct.sql") in message
    assert "statement: ALTER TABLE things ADD UNIQUE KEY things_value (value)" in message
    assert "the migrations before it stay applied" in message
    assert "run `payments migrate` again" in message

    query("DELETE FROM things LIMIT 1")
    assert migrate(settings, folder=folder, report=silent) == 2


@except_on_tidb("its ALTER TABLE has no such failure")
def test_an_alter_that_fails_because_of_a_rejected_insert_is_repeated(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    """While a table is rebuilt, the database records concurrent changes, and cannot apply one that was undone."""
    folder = write(m0001_things="CREATE TABLE things (id INT AUTO_INCREMENT PRIMARY KEY, value INT UNIQUE)")
    migrate(settings, folder=folder, report=silent)
    query("INSERT INTO things (value) VALUES (1)")
    for _ in range(17):
        query("INSERT INTO things (value) SELECT value + (SELECT MAX(value) FROM things) FROM things")
    write(m0002_more="ALTER TABLE things ADD COLUMN more INT NULL, FORCE, ALGORITHM = INPLACE")
    is_failed = threading.Event()
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if "repeated" in line:
            is_failed.set()
            inserting.join()

    def insert_duplicates() -> None:
        with closing(connect(settings)) as connection:
            while not is_failed.is_set():
                with suppress(pymysql.err.IntegrityError):
                    execute(connection, "INSERT INTO things (value) VALUES (1)")

    inserting = threading.Thread(target=insert_duplicates)
    inserting.start()
    try:
        assert migrate(settings, folder=folder, allow_blocking=True, report=report) == 1
    finally:
        is_failed.set()
        inserting.join()

    assert query("SELECT COUNT(more) FROM things") == [(0,)]
    if "mariadb" not in query("SELECT VERSION()")[0][0].lower():  # MariaDB does not log an INSERT that is undone
        assert any("an INSERT that was rejected meanwhile made it fail; it is repeated" in line for line in lines)


def test_a_failed_migration_of_rows_changes_no_row(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(
        m0001_things="CREATE TABLE things (value INT PRIMARY KEY) ENGINE = InnoDB",
        m0002_fill="INSERT INTO things VALUES (1), (2), (1)",
    )
    with pytest.raises(MigrationError, match="0002_fill failed"):
        migrate(settings, folder=folder, report=silent)
    assert query("SELECT * FROM things") == []

    (folder / "0002_fill.sql").write_text("INSERT INTO things VALUES (1), (2)")
    assert migrate(settings, folder=folder, report=silent) == 1
    assert query("SELECT * FROM things") == [(1,), (2,)]


def test_a_migration_changed_after_it_was_applied_is_an_error(settings: Settings, write: Callable[..., Path]) -> None:
    folder = write(m0001_things="CREATE TABLE things (value INT)")
    migrate(settings, folder=folder, report=silent)
    write(m0001_things="CREATE TABLE things (value BIGINT)")

    with pytest.raises(MigrationError, match=r"(?s)0001_things was changed after it had been applied.*new migration"):
        migrate(settings, folder=folder, report=silent)


def test_a_migration_applied_but_not_recorded_is_only_recorded(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(m0001_things="CREATE TABLE things (value INT)", m0002_wide="ALTER TABLE things ADD COLUMN more INT")
    migrate(settings, folder=folder, report=silent)
    query("UPDATE schema_migrations SET applied_at = NULL WHERE version = 2")
    lines: list[str] = []

    migrate(settings, folder=folder, report=lines.append)

    assert lines[0] == "0002_wide: an interrupted run had applied it; recorded"
    with closing(connect(settings)) as connection:
        assert applied_version(connection) == 2


def test_a_migration_recorded_as_started_but_never_run_is_run(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(m0001_things="CREATE TABLE things (value INT)")
    migrate(settings, folder=folder, report=silent)
    with closing(connect(settings)) as connection:
        fingerprint = _schema_fingerprint(connection)
    query("INSERT INTO schema_migrations VALUES (2, 'more', 'x', %s, NOW(), NULL)", fingerprint)
    write(m0002_more="CREATE TABLE more (value INT)")

    assert migrate(settings, folder=folder, report=silent) == 1
    assert query("SELECT * FROM more") == []


def test_rows_inserted_in_the_meantime_do_not_make_a_migration_look_applied(settings: Settings, query: Query) -> None:
    query(TABLE)
    with closing(connect(settings)) as connection:
        before = _schema_fingerprint(connection)
        query(LEGACY_INSERT, *LEGACY_ROWS[1])
        assert _schema_fingerprint(connection) == before


@pytest.fixture
def start_migrating(empty_database: dict[str, str]) -> Callable[[Path], "subprocess.Popen[bytes]"]:
    """Migrate in another process, which a test can kill."""

    def start(folder: Path) -> "subprocess.Popen[bytes]":
        script = (
            "from pathlib import Path; from server.config.settings import load_settings;"
            "from tools.database.migrations import migrate;"
            f"migrate(load_settings(), folder=Path({str(folder)!r}))"
        )
        return subprocess.Popen([sys.executable, "-c", script], env=program_environment(empty_database))

    return start


@pytest.fixture
def wait_for_statement(query: Query) -> Callable[[str], None]:
    """Wait until a session executes a statement that starts with a text."""

    def wait_for_statement(text: str) -> None:
        find = "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE %s"
        while not query(find, f"{text}%"):
            time.sleep(0.05)

    return wait_for_statement


@except_on_tidb("it has no CREATE TABLE ... SELECT")
def test_a_run_killed_during_its_statement_is_completed_by_the_next(
    settings: Settings,
    query: Query,
    write: Callable[..., Path],
    start_migrating: Callable[[Path], "subprocess.Popen[bytes]"],
    wait_for_statement: Callable[[str], None],
) -> None:
    folder = write(
        m0001_slow="CREATE TABLE slow (value INT PRIMARY KEY) SELECT 1 AS value, SLEEP(2) AS slept",
        m0002_after="CREATE TABLE after_slow (value INT)",
    )
    with start_migrating(folder) as killed:
        wait_for_statement("CREATE TABLE slow")
        killed.kill()
    query(EXPIRE_LOCK)

    migrate(settings, folder=folder, report=silent)

    assert query("SELECT COUNT(*) FROM slow") == [(1,)]
    with closing(connect(settings)) as connection:
        assert applied_version(connection) == 2


@except_on_tidb("it adds a column at once")
def test_a_run_that_starts_the_statement_of_a_killed_run_while_it_is_executed_succeeds(
    settings: Settings,
    query: Query,
    write: Callable[..., Path],
    start_migrating: Callable[[Path], "subprocess.Popen[bytes]"],
    wait_for_statement: Callable[[str], None],
) -> None:
    query("CREATE TABLE things (id INT AUTO_INCREMENT PRIMARY KEY, text CHAR(100) DEFAULT 'text')")
    query("INSERT INTO things VALUES ()")
    for _ in range(18):
        query("INSERT INTO things (text) SELECT text FROM things")
    folder = write(
        m0001_more="ALTER TABLE things ADD COLUMN more INT NULL, ALGORITHM = COPY, LOCK = SHARED",
        m0002_after="CREATE TABLE later (value INT)",
    )
    lines: list[str] = []
    with start_migrating(folder) as killed:
        wait_for_statement("ALTER TABLE things")
        killed.kill()
    query(EXPIRE_LOCK)

    migrate(settings, folder=folder, report=lines.append)

    assert "0001_more: an interrupted run had applied it; recorded" in lines
    assert [column for column, *_ in query("SHOW COLUMNS FROM things")] == ["id", "text", "more"]
    assert query("SELECT * FROM later") == []


@except_on_tidb("a statement waits without limit for transactions that have read its table")
def test_the_statement_of_an_interrupted_run_is_waited_for(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(m0001_things="CREATE TABLE things (value INT)")
    migrate(settings, folder=folder, report=silent)
    with closing(connect(settings)) as connection:
        fingerprint = _schema_fingerprint(connection)
    query("INSERT INTO schema_migrations VALUES (2, 'more', 'x', %s, NOW(), NULL)", fingerprint)
    write(m0002_more="ALTER TABLE things ADD COLUMN more INT NULL")
    lines: list[str] = []
    with closing(connect(settings)) as running:
        running.begin()
        execute(running, "SELECT * FROM things")

        def report(line: str) -> None:
            lines.append(line)
            if line == "0002_more: waiting for the statement of the run that was interrupted":
                running.rollback()

        with pytest.raises(MigrationError, match="Another session holds the table"):
            migrate(settings, folder=folder, lock_timeout_seconds=0, report=report)
        assert query("SELECT schema_before FROM schema_migrations WHERE version = 2") == [(fingerprint,)]
        assert migrate(settings, folder=folder, report=report) == 1

    assert len(lines) == 3


def test_waiting_for_another_process_is_reported_and_bounded(settings: Settings) -> None:
    lines: list[str] = []
    with closing(connect(settings)) as other:
        create_table(other)
        with (
            maintenance_lock(other, settings, MIGRATION),
            pytest.raises(
                LockHeld, match=f"another process is migrating {settings.mysql_db}: process {os.getpid()} on"
            ),
        ):
            migrate(settings, lock_timeout_seconds=0.5, report=lines.append)

    assert re.fullmatch(
        rf"another process is migrating {settings.mysql_db}: process \d+ on \S+, since [-0-9]+ [:0-9]+ UTC; "
        "waiting up to 0 s more",
        lines[0],
    )
    assert migrate(settings, report=silent) == latest_version()


def test_a_process_that_lost_the_lock_runs_no_further_migration(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(m0001_one="CREATE TABLE one (value INT)", m0002_two="CREATE TABLE two (value INT)")

    def report(line: str) -> None:
        if "0001_one: applied" in line:
            query(TAKE_LOCK)

    with pytest.raises(LockLost, match=r"another one has taken its place \(process 1 on another-host"):
        migrate(settings, folder=folder, report=report)

    assert query("SELECT version FROM schema_migrations") == [(1,)]
    assert ("two",) not in query("SHOW TABLES")


def test_a_process_that_loses_the_lock_during_a_statement_changes_no_row(
    settings: Settings, query: Query, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.database.migration_progress.INTERVAL_SECONDS", 0.05)
    folder = write(
        m0001_things="CREATE TABLE things (value INT)", m0002_fill="INSERT INTO things (value) SELECT SLEEP(2)"
    )

    def report(line: str) -> None:
        if "0002_fill: running" in line:
            query(TAKE_LOCK)

    with pytest.raises(LockLost):
        migrate(settings, folder=folder, report=report)

    assert query("SELECT COUNT(*) FROM things") == [(0,)]
    assert query("SELECT applied_at FROM schema_migrations WHERE version = 2") == [(None,)]


def test_the_lock_can_be_renewed_while_a_migration_changes_rows(
    settings: Settings, query: Query, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.database.maintenance_locks._RENEWAL_INTERVAL_SECONDS", 0.05)
    folder = write(
        m0001_things="CREATE TABLE things (value INT)", m0002_fill="INSERT INTO things (value) SELECT SLEEP(1)"
    )

    assert migrate(settings, folder=folder, report=silent) == 2
    assert query("SELECT COUNT(*) FROM things") == [(1,)]


def test_the_database_closes_the_session_of_a_process_that_is_suspended_between_statements(
    settings: Settings, query: Query, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.database.migrations._IDLE_TIMEOUT_SECONDS", 1)
    folder = write(m0001_one="CREATE TABLE one (value INT)", m0002_two="CREATE TABLE two (value INT)")

    def report(line: str) -> None:
        if "0001_one: applied" in line:
            while query(
                "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            ):
                time.sleep(0.1)

    with pytest.raises(MigrationError, match="0002_two failed"):
        migrate(settings, folder=folder, report=report)

    assert ("two",) not in query("SHOW TABLES")
    assert migrate(settings, folder=folder, report=silent) == 1


def test_a_database_with_a_very_long_name_can_be_migrated(database_server: DatabaseServer) -> None:
    settings = settings_of(database_server.environment("payments_test_".ljust(64, "x")))
    try:
        assert migrate(settings, report=silent) == latest_version()
    finally:
        database_server.execute(f"DROP DATABASE IF EXISTS {settings.mysql_db}")


def test_an_unreachable_database_ends_the_program_with_one_line(tmp_path: Path) -> None:
    nowhere = {"MYSQL_SOCKET": str(tmp_path / "none.sock"), "MYSQL_STARTUP_TIMEOUT_SECONDS": "0.2"}
    done = programs.run("tools.cli.main", "migrate", environment=program_environment(nowhere))

    assert done.returncode == 1
    assert done.stdout.startswith("waiting up to 0.2 s for the database at")
    assert "did not accept connections within 0.2 s (MYSQL_STARTUP_TIMEOUT_SECONDS)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_account_that_the_database_refuses_is_not_retried(empty_database: dict[str, str]) -> None:
    settings = settings_of({**empty_database, "MYSQL_USER": "nobody", "MYSQL_PASSWORD": "wrong"})

    with pytest.raises(DatabaseConnectionError, match="rejects user nobody: Access denied for user 'nobody'"):
        migrate(settings, report=silent)


def test_status_shows_applied_and_pending_migrations(settings: Settings, empty_database: dict[str, str]) -> None:
    def status() -> list[list[str]]:
        done = programs.run("tools.cli.main", "migrate", "status", environment=program_environment(empty_database))
        assert done.returncode == 0, done.stderr
        return [re.split(" {2,}", line) for line in done.stdout.splitlines()]

    assert status()[:2] == [["version", "name", "applied at (UTC)"], ["0001", "create_payments", "pending"]]
    assert len(status()) == 1 + latest_version()

    migrate(settings, report=silent)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", applied_at) for _, _, applied_at in status()[1:])


def test_status_shows_problems(settings: Settings, query: Query, write: Callable[..., Path]) -> None:
    folder = write(m0001_things="CREATE TABLE things (value INT)", m0002_more="CREATE TABLE more (value INT)")
    migrate(settings, folder=folder, report=silent)
    write(m0001_things="CREATE TABLE things (value BIGINT)")
    query("UPDATE schema_migrations SET applied_at = NULL WHERE version = 2")
    query("INSERT INTO schema_migrations VALUES (3, 'future', 'x', 'x', NOW(), '2030-01-02 03:04:05')")

    with closing(connect(settings)) as connection:
        lines = status_lines(load_migrations(folder), read_records(connection))

    assert lines[1].endswith("(THE FILE HAS CHANGED SINCE)")
    assert "was interrupted" in lines[2]
    assert lines[3] == "0003     future  2030-01-02 03:04:05 (unknown to this version: the database is newer)"


def test_a_database_newer_than_the_code_is_unchanged(settings: Settings, query: Query) -> None:
    migrate(settings, report=silent)
    query("INSERT INTO schema_migrations VALUES (99, 'future', 'x', 'x', NOW(), NOW())")
    lines: list[str] = []

    assert migrate(settings, report=lines.append) == 0
    latest = f"newer than the latest known version, {latest_version()}"
    assert lines == [f"{settings.mysql_db} is at version 99, {latest}; nothing changed"]


def test_a_gap_in_the_applied_migrations_is_an_error(settings: Settings, query: Query) -> None:
    migrate(settings, report=silent)
    query("DELETE FROM schema_migrations WHERE version = 2")

    with pytest.raises(MigrationError, match="0002_widen_payments is not applied, but 0003 is"):
        migrate(settings, report=silent)


def test_the_database_refuses_a_file_with_two_statements(
    settings: Settings, query: Query, write: Callable[..., Path]
) -> None:
    folder = write(m0001_one="CREATE TABLE a (value INT)", m0002_two="CREATE TABLE b (value INT); DROP TABLE a;")

    reason = "multi-statement capability disabled" if IS_SELECTED else "SQL syntax"
    with pytest.raises(MigrationError, match=f"0002_two failed: .*{reason}"):
        migrate(settings, folder=folder, report=silent)
    assert query("SHOW TABLES") == [("a",), ("maintenance_locks",), ("schema_migrations",)]


def test_an_unknown_placeholder_is_rejected(settings: Settings, write: Callable[..., Path]) -> None:
    folder = write(m0001_one="CREATE TABLE a (value INT DEFAULT ${other})")

    with pytest.raises(MigrationError, match="unknown placeholder"):
        migrate(settings, folder=folder, report=silent)
