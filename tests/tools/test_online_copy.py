"""Large tables are altered while they are written to. No row is lost, also if the process is killed."""

import itertools
import random
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
import pytest
from payments_client import PaymentsClient

from bench.peers.legacy.table import TABLE
from server.config.settings import Settings
from tests.support import galera
from tests.support.databases import Accounts, DatabaseServer, settings_of
from tests.support.legacy_table import LEGACY_INSERT
from tests.support.running_service import RunningService
from tests.support.tidb import IS_SELECTED
from tools.database import lock_waits, migrations
from tools.database.connection import connect, execute
from tools.database.migration_files import MIGRATIONS, MigrationError, latest_version
from tools.database.migration_records import applied_version
from tools.database.migrations import migrate
from tools.database.online_copy import constraints, row_copy, table_copy, tables
from tools.database.online_copy.row_copy import RowCopier
from tools.database.online_copy.table_copy import OnlineCopy
from tools.database.online_copy.tables import Table
from tools.dev.devdb import PrivateDatabase

pytestmark = pytest.mark.skipif(IS_SELECTED, reason="TiDB alters each table online")

THINGS = """
    CREATE TABLE things (
        id INT AUTO_INCREMENT PRIMARY KEY,
        amount DECIMAL(10, 2) NULL,
        text VARCHAR(20) NULL,
        made_at TIMESTAMP NULL,
        parent INT NULL,
        UNIQUE KEY things_text (text),
        KEY things_parent (parent),
        CONSTRAINT things_amount CHECK (amount >= 0)
    ) ENGINE = InnoDB
"""
PARTS = """
    CREATE TABLE parts (
        part_id BIGINT PRIMARY KEY,
        thing_id INT NOT NULL,
        KEY parts_thing (thing_id),
        CONSTRAINT parts_of_things FOREIGN KEY (thing_id) REFERENCES things (id)
    ) ENGINE = InnoDB
"""
WIDEN = """-- Wider amounts.
ALTER TABLE things
    MODIFY amount DECIMAL(19, 4) NULL,
    MODIFY made_at DATETIME(6) NULL,
    ADD COLUMN note VARCHAR(10) NOT NULL DEFAULT 'none';
"""
WIDEN_PARENT = WIDEN.replace("ALTER TABLE things", "ALTER TABLE things MODIFY parent BIGINT NULL,")
LEFT = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND LEFT(table_name, 10) = 'migration_'
    UNION SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()
"""
"""The tables and triggers of a copy."""

Query = Callable[..., list[Any]]


@pytest.fixture
def settings(empty_database: dict[str, str], accounts: Accounts) -> Settings:
    """Return the settings of the administrator, because the migrator may not copy the tables of these tests."""
    return settings_of(accounts.server.environment(empty_database["MYSQL_DB"]))


@pytest.fixture
def query(database_server: DatabaseServer, settings: Settings) -> Query:
    """Execute statements in the test's own database."""
    return lambda text, *values: database_server.execute(text, values, settings.mysql_db)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A migration that the database cannot make while it accepts writes."""
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "0001_widen.sql").write_text(WIDEN)
    return path


@pytest.fixture(autouse=True)
def _trusted_triggers(database_server: DatabaseServer) -> None:
    """Let the migrator create triggers if the server has a binary log, as Galera's nodes have."""
    database_server.execute("SET GLOBAL log_bin_trust_function_creators = 1")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy every table, in chunks of few rows."""
    monkeypatch.setattr("tools.database.migrations._LARGE_TABLE_ROWS", 1)
    monkeypatch.setattr("tools.database.migrations._ONLINE", migrations._INSTANT)
    monkeypatch.setattr(row_copy, "_FIRST_CHUNK_ROWS", 7)
    monkeypatch.setattr(row_copy, "_MIN_CHUNK_ROWS", 7)
    monkeypatch.setattr(row_copy, "_MAX_CHUNK_ROWS", 7)
    monkeypatch.setattr(row_copy, "_COMPARED_ROWS", 11)
    monkeypatch.setattr(lock_waits, "LOCK_PAUSE_SECONDS", 0.05)


def silent(_line: str) -> None:
    """Print nothing."""


def fill(query: Query, count: int = 30) -> None:
    query(THINGS)
    rows = [
        f"({number + 1}, {number}, {number}.25, 'text {number}', '2024-01-01 00:00:{number % 60:02}')"
        for number in range(count)
    ]
    query(f"INSERT INTO things (id, parent, amount, text, made_at) VALUES {', '.join(rows)}")


def definition(query: Query, table: str = "things") -> str:
    return re.sub(r" AUTO_INCREMENT=\d+", "", query(f"SHOW CREATE TABLE {table}")[0][1])


def altered_in_place(query: Query, table: str = "things") -> str:
    """Return the definition that the database's own ALTER leads to."""
    query(WIDEN.replace("things", table))
    return definition(query, table)


def test_a_copied_table_is_as_if_it_was_altered_in_place(settings: Settings, query: Query, folder: Path) -> None:
    fill(query)
    query("DELETE FROM things WHERE id IN (5, 29, 30)")
    rows = query("SELECT * FROM things ORDER BY id")
    lines: list[str] = []

    migrate(settings, folder=folder, report=lines.append)

    assert "0001_widen: the table is copied, and writes to it continue" in lines
    assert query("SELECT * FROM things ORDER BY id") == [(*row, "none") for row in rows]
    assert query(LEFT) == []
    copied = definition(query)
    query("INSERT INTO things (amount) VALUES (1)")
    ((last_id,),) = query("SELECT MAX(id) FROM things")
    assert last_id == 31 or (galera.IS_SELECTED and last_id > 31)
    with pytest.raises(pymysql.err.MySQLError, match="things_amount"):
        query("INSERT INTO things (amount) VALUES (-1)")
    query("DROP TABLE things")
    fill(query)
    assert copied == altered_in_place(query)


def test_no_changes_are_lost_while_a_table_is_copied(
    settings: Settings, query: Query, folder: Path, database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers make the same changes in a table that is not altered."""
    fill(query, 400)
    query("CREATE TABLE expected LIKE things")
    query("INSERT INTO expected SELECT * FROM things")
    stopped = threading.Event()
    errors: list[BaseException] = []
    written = itertools.count()

    def write(number: int) -> None:
        numbers = random.Random(number)
        with database_server.connection(settings.mysql_db) as connection:
            execute(connection, "SET time_zone = '+00:00'")
            while not stopped.is_set():
                change(connection, number, numbers)
                next(written)

    def change(connection: Any, number: int, numbers: random.Random) -> None:  # noqa: ANN401
        id_ = numbers.randrange(1, 400) // 2 * 2 + number  # a writer does not change the rows of the other
        statements: dict[str, tuple[object, ...]] = {
            "UPDATE {} SET amount = amount + 1, made_at = NULL WHERE id = %s": (id_,),
            "DELETE FROM {} WHERE id = %s": (id_,),
            "INSERT IGNORE INTO {} (id, amount, made_at) VALUES (%s, 5, '2025-07-01 12:00:00')": (id_,),
            "REPLACE INTO {} (id, amount, text) VALUES (%s, 6, NULL)": (id_,),
            "INSERT INTO {} (id, amount) VALUES (%s, 7) ON DUPLICATE KEY UPDATE amount = 8, text = NULL": (id_,),
            "UPDATE {} SET id = id + 1000 WHERE id = %s": (id_,),
        }
        statement, values = numbers.choice(list(statements.items()))
        try:
            for table in ("expected", "things"):
                if "id + 1000" in statement:
                    execute(connection, f"DELETE FROM {table} WHERE id = %s", id_ + 1000)
                execute(connection, statement.format(table), *values)
        except pymysql.err.MySQLError as error:
            errors.append(error)
            raise

    monkeypatch.setattr(row_copy, "_PAUSE_FRACTION", 1)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        migrate(settings, folder=folder, report=silent)
    finally:
        stopped.set()
        for writer in writers:
            writer.join()

    assert errors == []
    assert next(written) > 20
    columns = "id, amount, text, made_at, parent"
    assert query(f"SELECT {columns} FROM things ORDER BY id") == query(f"SELECT {columns} FROM expected ORDER BY id")


def test_a_row_is_copied_only_after_an_uncommitted_change_of_it(
    settings: Settings, query: Query, folder: Path, database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trigger of the change found no copied row, and the old value is what a chunk without locks would copy."""
    fill(query)
    changing = database_server.connection(settings.mysql_db)

    def change_and_copy(copier: RowCopier) -> None:
        with changing as connection:
            connection.begin()
            execute(connection, "UPDATE things SET amount = 99 WHERE id = 20")
            execute(connection, "DELETE FROM things WHERE id = 25")
            committing = threading.Timer(0.5, connection.commit)
            committing.start()
            copy_rows(copier)
            committing.join()

    copy_rows = RowCopier.copy_rows
    monkeypatch.setattr(RowCopier, "copy_rows", change_and_copy)

    migrate(settings, folder=folder, report=silent)

    assert query("SELECT id, amount FROM things WHERE id IN (20, 25)") == [(20, 99)]


def test_a_row_that_is_inserted_while_a_chunk_is_copied_again_is_not_copied_twice(
    settings: Settings, query: Query, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows are inserted among those of a chunk: one before it, and one when the first is found in the copy."""
    fill(query)
    query("DELETE FROM things WHERE id IN (4, 5)")

    def insert_and_copy(copier: RowCopier) -> None:
        query("INSERT INTO things (id, amount) VALUES (4, 44)")
        copy_rows(copier)

    def execute_and_insert(copier: RowCopier, statement: str, *values: object) -> int:
        number = count(copier, statement, *values)
        if statement.startswith("DELETE"):
            query("INSERT IGNORE INTO things (id, amount) VALUES (5, 55)")
        return number

    copy_rows, count = RowCopier.copy_rows, RowCopier._count
    monkeypatch.setattr(RowCopier, "copy_rows", insert_and_copy)
    monkeypatch.setattr(RowCopier, "_count", execute_and_insert)

    migrate(settings, folder=folder, report=silent)

    assert query("SELECT id, amount FROM things WHERE id BETWEEN 3 AND 6") == [(3, 2.25), (4, 44), (5, 55), (6, 5.25)]


@pytest.mark.parametrize("change", ["insert", "update"])
def test_times_arrive_in_utc_from_a_session_in_any_time_zone(
    settings: Settings,
    query: Query,
    folder: Path,
    database_server: DatabaseServer,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    fill(query)

    def write_and_copy(copier: RowCopier) -> None:
        copy_rows(copier)
        with database_server.connection(settings.mysql_db) as connection:
            execute(connection, "SET time_zone = '+05:30', sql_mode = ''")
            if change == "insert":
                execute(connection, "INSERT INTO things (id, made_at) VALUES (91, '2024-07-01 05:30:00'), (93, NULL)")
                execute(connection, "INSERT INTO things (id, made_at) VALUES (92, '0000-00-00 00:00:00')")
            else:
                execute(connection, "UPDATE things SET id = 91, made_at = '2024-07-01 05:30:00' WHERE id = 1")
                execute(connection, "UPDATE things SET made_at = '0000-00-00 00:00:00' WHERE id = 2")
                execute(connection, "UPDATE things SET id = 92 WHERE id = 2")
                execute(connection, "UPDATE things SET id = 93, made_at = NULL WHERE id = 3")

    copy_rows = RowCopier.copy_rows
    monkeypatch.setattr(RowCopier, "copy_rows", write_and_copy)

    migrate(settings, folder=folder, report=silent)

    made_at = query("SELECT CAST(made_at AS CHAR) FROM things WHERE id > 90 ORDER BY id")
    assert made_at == [("2024-07-01 00:00:00.000000",), ("0000-00-00 00:00:00.000000",), (None,)]


def test_generated_ids_are_those_of_the_table_while_it_is_copied(
    settings: Settings, query: Query, folder: Path, database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(query)
    ids: list[object] = []

    def write_and_copy(copier: RowCopier) -> None:
        with database_server.connection(settings.mysql_db) as connection, connection.cursor() as cursor:
            ids.append(cursor.execute("INSERT INTO things (amount) VALUES (1), (2), (3)"))
            ids.append(cursor.lastrowid)
            ids.append(cursor.execute("UPDATE things SET amount = 4 WHERE id > 30"))
            ids.append(cursor.execute("DELETE FROM things WHERE id > 32"))
        copy_rows(copier)

    copy_rows = RowCopier.copy_rows
    monkeypatch.setattr(RowCopier, "copy_rows", write_and_copy)

    migrate(settings, folder=folder, report=silent)

    if galera.IS_SELECTED:  # each node assigns every third ID
        return
    assert ids == [3, 31, 3, 1]
    assert query("SELECT id, amount FROM things WHERE id > 30 ORDER BY id") == [(31, 4), (32, 4)]
    query("INSERT INTO things (amount) VALUES (1)")
    assert query("SELECT MAX(id) FROM things") == [(34,)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("MODIFY text VARCHAR(6) NULL", "Data too long|Data truncated"),
        ("ADD UNIQUE KEY things_parent_once (parent)", "Duplicate entry"),
        ("ADD CONSTRAINT things_few CHECK (parent < 20)", "things_few"),
        ("MODIFY made_at DATETIME NOT NULL", "made_at"),
    ],
)
def test_a_row_that_the_new_definition_rejects_stops_the_migration_and_the_table_stays(
    settings: Settings, query: Query, folder: Path, change: str, message: str
) -> None:
    fill(query)
    query("UPDATE things SET parent = 7, made_at = NULL WHERE id = 25")
    rows = query("SELECT * FROM things ORDER BY id")
    (folder / "0001_widen.sql").write_text(f"ALTER TABLE things {change}, MODIFY amount DECIMAL(19, 4) NULL")

    for _ in range(2):
        with pytest.raises(MigrationError, match=message):
            migrate(settings, folder=folder, report=silent)

    assert query("SELECT * FROM things ORDER BY id") == rows
    assert "decimal(10,2)" in definition(query)
    assert set(query(LEFT)) <= {("migration_constraints",)}
    assert query("SELECT * FROM schema_migrations") == []

    (folder / "0001_widen.sql").write_text(WIDEN)
    assert migrate(settings, folder=folder, report=silent) == 1
    query("CREATE TABLE altered LIKE things")
    assert "decimal(19,4)" in definition(query)
    assert query(LEFT) == []
    with pytest.raises(pymysql.err.MySQLError, match="things_amount"):
        query("INSERT INTO things (amount) VALUES (-1)")


def test_a_copy_with_other_rows_than_the_table_does_not_replace_it(
    settings: Settings, query: Query, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(query)

    def copy_and_lose(copier: RowCopier) -> None:
        copy_rows(copier)
        query("DELETE FROM migration_new_things WHERE id = 17")

    copy_rows = RowCopier.copy_rows
    monkeypatch.setattr(RowCopier, "copy_rows", copy_and_lose)

    with pytest.raises(MigrationError, match=r"has other rows than the table, where .*: 10 instead of 11"):
        migrate(settings, folder=folder, report=silent)

    assert "decimal(10,2)" in definition(query)
    assert query("SELECT COUNT(*) FROM things") == [(30,)]


class Killed(BaseException):
    """The end of a process that cannot do anything more."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Return a function that lets the next run end before the n-th statement of a copy that changes anything."""
    count = 0
    limit: int | None = None
    remove = OnlineCopy._remove_after_failure

    def execute_unless_killed(connection: Any, sql: str, *values: object) -> Any:  # noqa: ANN401
        nonlocal count
        count += not sql.lstrip().startswith(("SELECT", "SHOW", "SET"))
        if limit is not None and count >= limit:
            raise Killed
        return execute(connection, sql, *values)

    def set_limit(number: int | None) -> None:
        nonlocal limit, count
        limit, count = number, 0

    for module in (lock_waits, constraints, row_copy, tables):
        monkeypatch.setattr(module, "execute", execute_unless_killed)
    monkeypatch.setattr(OnlineCopy, "_remove_after_failure", lambda copy: None if limit is not None else remove(copy))
    return set_limit


@pytest.mark.parametrize("table", ["things", "parts"])
def test_a_run_killed_before_any_statement_is_completed_by_the_next(
    settings: Settings, query: Query, folder: Path, kill_at: Callable[[int | None], None], table: str
) -> None:
    """The table is one that a foreign key refers to, or one that has a foreign key."""
    if table == "parts":
        (folder / "0001_widen.sql").write_text("ALTER TABLE parts MODIFY part_id INT NOT NULL")
    definitions = set()
    is_killed = True
    number = 0
    while is_killed:
        number += 1
        query("DROP TABLE IF EXISTS parts, things, schema_migrations")
        fill(query, 9)
        query(PARTS)
        query("INSERT INTO parts VALUES (1, 1), (2, 9)")
        kill_at(number)
        try:
            migrate(settings, folder=folder, report=silent)
            is_killed = False
        except Killed:
            query("INSERT INTO things (id, amount) VALUES (10, 10)")
            kill_at(None)
            migrate(settings, folder=folder, report=silent)

        assert query(LEFT) == [], number
        assert query("SELECT COUNT(*), MIN(id), MAX(id) FROM things") == [(9 + is_killed, 1, 9 + is_killed)], number
        assert query("SELECT * FROM parts ORDER BY part_id") == [(1, 1), (2, 9)]
        definitions.add((definition(query), definition(query, "parts")))
        with pytest.raises(pymysql.err.IntegrityError, match="foreign key"):
            query("INSERT INTO parts VALUES (3, 99)")
        with closing(connect(settings)) as connection:
            assert applied_version(connection) == 1

    assert number > 12
    assert len(definitions) == 1


def test_an_interrupted_copy_is_removed_at_once(
    settings: Settings, query: Query, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C removes the triggers, so that they do not make writes slower until the next run."""
    fill(query)

    def interrupt(_original: Table, _new: Table) -> None:
        assert len(query(LEFT)) >= 4
        raise KeyboardInterrupt

    monkeypatch.setattr(table_copy, "require_same_keys", interrupt)

    with pytest.raises(KeyboardInterrupt):
        migrate(settings, folder=folder, report=silent)

    assert set(query(LEFT)) <= {("migration_constraints",)}


@pytest.mark.skipif(galera.IS_SELECTED, reason="a DDL statement aborts the session")
def test_a_statement_does_not_make_writes_wait_for_a_session_that_holds_the_table(
    settings: Settings, query: Query, folder: Path, database_server: DatabaseServer
) -> None:
    """The migration is repeated until the session is done."""
    fill(query)
    migration = threading.Thread(target=lambda: migrate(settings, folder=folder, report=silent))
    with (
        database_server.connection(settings.mysql_db) as holder,
        database_server.connection(settings.mysql_db) as writer,
    ):
        holder.begin()
        execute(holder, "SELECT * FROM things")
        migration.start()
        execute(writer, "SET lock_wait_timeout = 5")
        for number in range(5):
            execute(writer, "UPDATE things SET amount = %s WHERE id = 1", number)
            threading.Event().wait(0.03)
        assert migration.is_alive()
        holder.rollback()
        migration.join()

    assert "decimal(19,4)" in definition(query)


@pytest.mark.parametrize(
    ("preparation", "statement", "why"),
    [
        ("ALTER TABLE things ENGINE = MyISAM", WIDEN, "its engine is MyISAM, which has no transactions"),
        ("ALTER TABLE things MODIFY id VARCHAR(9) NOT NULL", WIDEN, "its primary key is not a single integer"),
        ("SELECT 1", "ALTER TABLE things CHANGE parent above BIGINT NULL", "the statement contains CHANGE"),
        ("CREATE TRIGGER own BEFORE INSERT ON things FOR EACH ROW DO 0", WIDEN, r"it has triggers \(own\)"),
        (
            "SELECT 1",
            "ALTER TABLE things DROP PRIMARY KEY, ADD PRIMARY KEY (id, amount)",
            "its primary key would change",
        ),
        ("SELECT 1", "ALTER TABLE things MODIFY made_at BIGINT NULL", "made_at would change from timestamp to bigint"),
    ],
)
def test_a_table_that_cannot_be_copied_is_altered_in_place_only_if_that_is_allowed(
    settings: Settings, query: Query, folder: Path, preparation: str, statement: str, why: str
) -> None:
    fill(query)
    query(preparation)
    (folder / "0001_widen.sql").write_text(statement)

    with pytest.raises(MigrationError, match=rf"(?s){why}.*payments migrate --allow-blocking"):
        migrate(settings, folder=folder, report=silent)

    assert set(query(LEFT)) <= {("own",), ("migration_constraints",)}
    assert "decimal(10,2)" in definition(query)
    assert migrate(settings, folder=folder, allow_blocking=True, report=silent) == 1
    with pytest.raises(pymysql.err.MySQLError, match="things_amount"):
        query(
            "INSERT INTO things VALUES (99, -1, NULL, NULL, NULL, 'none')"
            if statement == WIDEN
            else "INSERT INTO things VALUES (99, -1, NULL, NULL, NULL)"
        )


@pytest.mark.parametrize("privilege", ["TRIGGER", "DROP"])
def test_a_missing_privilege_is_reported_before_anything_is_changed(
    empty_database: dict[str, str], query: Query, privilege: str
) -> None:
    query(TABLE)
    query(LEGACY_INSERT, 1, 1, 1, "UPI", 1, None, None, 0)
    user = empty_database["MYSQL_USER"]
    query(f"REVOKE {privilege} ON payments FROM {user}")

    with pytest.raises(MigrationError, match=r"(?s)does not allow it: .*deploy/sql/accounts.sql.*--allow-blocking"):
        migrate(settings_of(empty_database), report=silent)

    assert query(LEFT) == []
    assert migrate(settings_of(empty_database), allow_blocking=True, report=silent) > 0


def test_a_server_with_a_binary_log_that_does_not_trust_triggers_is_reported(
    settings: Settings, query: Query, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(query)

    def refuse(connection: Any, sql: str, *values: object) -> Any:  # noqa: ANN401
        if sql.startswith("CREATE TRIGGER"):
            raise pymysql.err.OperationalError(
                1419, "You do not have the SUPER privilege and binary logging is enabled"
            )
        return execute(connection, sql, *values)

    monkeypatch.setattr(lock_waits, "execute", refuse)

    with pytest.raises(MigrationError, match=r"(?s)binary logging is enabled.*log_bin_trust_function_creators = 1"):
        migrate(settings, folder=folder, report=silent)

    assert query(LEFT) == []


def test_the_legacy_service_charges_and_refunds_while_its_table_is_adopted(
    empty_database: dict[str, str], query: Query, database_server: DatabaseServer
) -> None:
    """The migrator has exactly the privileges of accounts.sql."""
    query(TABLE)
    for number in range(1, 300):
        query(LEGACY_INSERT, number, number, 5, "UPI", 1, f"R-{number}", f"2024-01-01 00:00:{number % 60}", 0)
    stopped = threading.Event()
    inserted: list[int] = []
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with database_server.connection(empty_database["MYSQL_DB"]) as connection, connection.cursor() as cursor:
                cursor.execute("SET time_zone = '+00:00'")
                while not stopped.is_set():
                    cursor.execute(
                        "INSERT INTO payments (order_id, amount, method, status, reference, created_at) "
                        "VALUES (1, 7, 'UPI', 2, UUID(), '2025-07-01 12:00:00')"
                    )
                    inserted.append(cursor.lastrowid)
                    cursor.execute("UPDATE payments SET refunded = 1 WHERE payment_id = %s", (inserted[-1],))
                    cursor.execute("UPDATE payments SET refunded = 1 WHERE payment_id = %s", (len(inserted) % 300,))
        except pymysql.err.MySQLError as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        migrate(settings_of(empty_database), report=silent)
    finally:
        stopped.set()
        writer.join()

    assert errors == []
    assert len(inserted) > 10
    rows = query("SELECT payment_id, refunded, CAST(created_at AS CHAR) FROM payments WHERE payment_id >= 300")
    assert rows == [(id_, 1, "2025-07-01 12:00:00.000000") for id_ in inserted]
    assert query("SELECT COUNT(*), SUM(refunded) FROM payments WHERE payment_id < 300") == [
        (299, min(299, len(inserted)))
    ]


@pytest.fixture
def widened_amounts(tmp_path: Path, migrated_database: dict[str, str], database_server: DatabaseServer) -> Path:
    """Return a folder with the migrations of this release, followed by some that widen all amounts."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    amounts = """
        SELECT table_name, GROUP_CONCAT(CONCAT(
            ' MODIFY ', column_name, ' DECIMAL(', numeric_precision + 5, ', ', numeric_scale, ')',
            IF(is_nullable = 'YES', ' NULL', ' NOT NULL'),
            IF(column_default IS NULL OR is_nullable = 'YES', '', ' DEFAULT 0')
        ))
        FROM information_schema.columns
        WHERE table_schema = DATABASE() AND data_type = 'decimal'
            AND table_name IN ('payments', 'refunds', 'payment_events')
        GROUP BY table_name
    """
    changes = database_server.execute(amounts, (), migrated_database["MYSQL_DB"])
    for version, (table, change) in enumerate(changes, start=latest_version() + 1):
        (folder / f"{version:04d}_widen_{table}.sql").write_text(f"ALTER TABLE {table}{change};\n")
    return folder


def test_the_service_charges_and_refunds_while_its_tables_are_copied(
    migrated_database: dict[str, str],
    start_service: Callable[..., RunningService],
    database_server: DatabaseServer,
    widened_amounts: Path,
) -> None:
    service = start_service(SUCCESS_PROBABILITY_CARD="1")
    name = migrated_database["MYSQL_DB"]
    before = database_server.execute("SHOW CREATE TABLE refunds", (), name)[0][1]
    with PaymentsClient(service.target) as client:
        old = [client.charge(order_id=1, amount=Decimal(5)).payment_id for _ in range(100)]
        stopped = threading.Event()
        errors: list[BaseException] = []
        charged: list[int] = []

        def charge_and_refund() -> Iterator[None]:
            for payment_id in itertools.cycle(old):
                charged.append(client.charge(order_id=2, amount=Decimal(5)).payment_id)
                client.refund(payment_id=charged[-1], amount=Decimal(2))
                if len(charged) <= len(old):
                    client.refund(payment_id=payment_id, amount=Decimal(1))
                yield

        def call() -> None:
            try:
                for _ in charge_and_refund():
                    if stopped.is_set():
                        return
            except Exception as error:  # noqa: BLE001 - it is asserted below
                errors.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        try:
            assert migrate(settings_of(migrated_database), folder=widened_amounts, report=silent) == 3
        finally:
            stopped.set()
            caller.join()

        assert errors == []
        assert len(charged) > 5
        assert client.get_payment(payment_id=charged[-1]).payment.refunded_amount == 2
    counts = "SELECT COUNT(*), SUM(refunded_amount) FROM payments"
    refunds = "SELECT SUM(amount) FROM refunds"
    ((count, refunded),) = database_server.execute(counts, (), name)
    assert count == len(old) + len(charged)
    assert database_server.execute(refunds, (), name) == [(refunded,)]
    after = database_server.execute("SHOW CREATE TABLE refunds", (), name)[0][1]
    constraint = re.compile("CONSTRAINT .*")
    assert constraint.findall(after) == constraint.findall(before)
    assert after != before


def test_rows_are_changed_in_ranges_and_again_after_a_crash(
    settings: Settings, query: Query, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.database.row_ranges.RANGE_ROWS", 10)
    fill(query, 35)
    query("UPDATE things SET id = id * 10 WHERE id > 20 ORDER BY id DESC")
    (folder / "0001_widen.sql").write_text(
        "-- Fill.\nUPDATE things SET parent = -1 WHERE id BETWEEN ${first_id} AND ${last_id}"
    )
    (folder / "0002_empty.sql").write_text("CREATE TABLE none (id INT PRIMARY KEY)")
    (folder / "0003_none.sql").write_text("UPDATE none SET id = 1 WHERE id BETWEEN ${first_id} AND ${last_id}")

    assert migrate(settings, folder=folder, report=silent) == 3

    assert query("SELECT COUNT(*) FROM things WHERE parent = -1") == [(35,)]
    assert query("SELECT COUNT(*) FROM schema_migrations WHERE applied_at IS NOT NULL") == [(3,)]


@pytest.mark.skipif(not galera.IS_SELECTED, reason="for DATABASE=galera")
@pytest.mark.timeout(300)
def test_changes_through_other_nodes_are_not_lost(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk's locks are those of one node. The other nodes' changes conflict with it when they are certified."""
    monkeypatch.setattr(row_copy, "_PAUSE_FRACTION", 3)
    stopped = threading.Event()
    written: list[int] = []

    def write(cluster: PrivateDatabase, node: int) -> None:
        numbers = random.Random(node)
        with closing(galera.connect_to(cluster, node)) as connection:
            while not stopped.is_set():
                id_ = numbers.randrange(1, 500) * 2 + node % 2  # a node does not change the rows of the other
                with suppress(pymysql.err.OperationalError, pymysql.err.ProgrammingError):  # it is aborted
                    connection.begin()
                    for table in ("expected", "things"):
                        execute(connection, f"UPDATE {table} SET amount = amount + 1 WHERE id = %s", id_)
                    connection.commit()
                    written.append(id_)

    with PrivateDatabase(tmp_path / "devdb") as cluster:

        def query(text: str) -> list[Any]:
            return galera.execute_at(cluster, 1, text)

        query("SET GLOBAL log_bin_trust_function_creators = 1")
        fill(query, 1000)
        query("CREATE TABLE expected LIKE things")
        query("INSERT INTO expected SELECT * FROM things")
        writers = [threading.Thread(target=write, args=(cluster, node)) for node in (2, 3)]
        for writer in writers:
            writer.start()
        try:
            migrate(settings_of(cluster.environment()), folder=folder, report=silent)
        finally:
            stopped.set()
            for writer in writers:
                writer.join()

        assert len(written) > 50
        amounts = "SELECT id, amount FROM {} ORDER BY id"
        for node in galera.NODES:
            assert galera.execute_at(cluster, node, amounts.format("things")) == galera.execute_at(
                cluster, node, amounts.format("expected")
            )
