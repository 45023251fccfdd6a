"""The rules of CONTRIBUTING for changes of the schema, and what else of a release the next one must understand."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.databases import DatabaseServer, settings_of
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tests.upgrades.previous_release import PreviousRelease
from tests.upgrades.schema_changes import Schema, incompatible_changes, read_schema
from tools.database.migration_files import load_migrations
from tools.database.migrations import migrate

Execute = Callable[[str], list[Any]]

_UNNAMED_COLUMNS = re.compile(r"SELECT\s+(\w+\.)?\*|INSERT\s+(IGNORE\s+)?INTO\s+\w+\s+(SELECT|VALUES|SET)\b")
_PAYMENTS = """
    SELECT payment_id, order_id, amount, method, status, reference, CAST(created_at AS CHAR), refunded, currency,
        refunded_amount, requested_method, caller, request_id
    FROM payments ORDER BY payment_id
"""
_REFUNDS = """
    SELECT refund_id, payment_id, amount, requested_amount, status, reason, caller, request_id,
        CAST(created_at AS CHAR)
    FROM refunds ORDER BY refund_id
"""


@pytest.fixture
def execute_in(database_server: DatabaseServer) -> Callable[[str], Execute]:
    """Return a function that returns a function that executes statements in the given database."""
    return lambda database: lambda text: database_server.execute(text, (), database)


@pytest.fixture
def previous_database(previous: PreviousRelease, empty_database: dict[str, str]) -> dict[str, str]:
    """Return the settings of a database that the previous release has migrated."""
    run_previous(previous, empty_database, "migrate")
    return empty_database


def run_previous(previous: PreviousRelease, environment: dict[str, str], *arguments: str) -> str:
    """Run ``payments`` of the previous release, and return its output."""
    command = [str(previous.program), *arguments]
    done = subprocess.run(command, env=environment, cwd=previous.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def previous_schema(previous_database: dict[str, str], execute_in: Callable[[str], Execute]) -> Schema:
    return read_schema(execute_in(previous_database["MYSQL_DB"]))


def test_the_previous_release_can_work_with_the_migrations_of_this_one(
    previous: PreviousRelease,
    previous_database: dict[str, str],
    previous_schema: Schema,
    execute_in: Callable[[str], Execute],
) -> None:
    migrate(settings_of(previous_database), report=lambda _: None)
    schema = read_schema(execute_in(previous_database["MYSQL_DB"]))

    assert list(incompatible_changes(previous_schema, schema, previous.folder)) == []


@pytest.mark.parametrize(
    ("statement", "change"),
    [
        ("ALTER TABLE payments ADD COLUMN risk_score INT NOT NULL DEFAULT 0", None),
        ("ALTER TABLE payments MODIFY reference VARCHAR(120) NULL", None),
        ("ALTER TABLE refunds ADD KEY refunds_by_time (created_at)", None),
        ("DROP TABLE IF EXISTS unused", None),
        ("DROP TABLE processor_payments", "processor_payments.payment_id was removed, but the previous release uses"),
        ("ALTER TABLE refunds DROP COLUMN reason", "refunds.reason was removed, but the previous release uses it"),
        ("ALTER TABLE refunds CHANGE reason why VARCHAR(255) NOT NULL DEFAULT ''", "refunds.reason was removed, but"),
        ("ALTER TABLE refunds ADD COLUMN channel INT NOT NULL", "refunds.channel has no default, and the previous"),
        ("ALTER TABLE refunds MODIFY reason VARCHAR(9) NOT NULL", "refunds.reason became shorter"),
        ("ALTER TABLE refunds MODIFY reason JSON NOT NULL", "refunds.reason changed from varchar to"),
        ("ALTER TABLE payments MODIFY caller VARBINARY(255) NOT NULL", "payments.caller no longer takes NULL"),
        ("ALTER TABLE payments ALTER COLUMN refunded_amount DROP DEFAULT", "payments.refunded_amount lost its default"),
        ("ALTER TABLE payments ADD UNIQUE KEY one_an_order (order_id)", "payments has a new unique key, one_an_order"),
    ],
)
def test_a_change_that_the_previous_release_cannot_work_with_is_found(
    previous: PreviousRelease,
    migrated_database: dict[str, str],
    execute_in: Callable[[str], Execute],
    statement: str,
    change: str | None,
) -> None:
    execute = execute_in(migrated_database["MYSQL_DB"])
    before = read_schema(execute)

    execute(statement)

    changes = list(incompatible_changes(before, read_schema(execute), previous.folder))
    assert bool(changes) == (change is not None)
    assert change is None or any(found.startswith(change) for found in changes)


def test_every_statement_names_its_columns() -> None:
    """Otherwise a column that a later release adds would change the result, or make an INSERT fail."""
    paths = [path for folder in ("server", "tools") for path in (ROOT / folder).rglob("*.py")]
    assert _UNNAMED_COLUMNS.search("SELECT * FROM payments")
    assert _UNNAMED_COLUMNS.search("INSERT INTO refunds\n  VALUES (1, 2)")

    found = {str(path): match.group() for path in paths if (match := _UNNAMED_COLUMNS.search(path.read_text()))}

    assert found == {}


def test_the_migrations_of_the_previous_release_are_unchanged(previous: PreviousRelease) -> None:
    before = load_migrations(previous.folder / "migrations")

    changed = [new for new, old in zip(load_migrations(), before, strict=False) if new.checksum != old.checksum]
    assert changed == []


def test_files_of_the_previous_release_can_be_imported(
    previous: PreviousRelease,
    previous_database: dict[str, str],
    migrated_database: dict[str, str],
    execute_in: Callable[[str], Execute],
    tmp_path: Path,
) -> None:
    run_previous(previous, previous_database, "sample")
    files = [str(tmp_path / name) for name in ("payments.csv", "refunds.csv")]
    run_previous(previous, previous_database, "export", files[0], "--refunds", files[1])

    run = programs.run("tools.cli.main", "import", *files, environment=migrated_database)

    assert run.returncode == 0, run.stderr
    before, after = execute_in(previous_database["MYSQL_DB"]), execute_in(migrated_database["MYSQL_DB"])
    assert len(after(_REFUNDS)) > 10
    assert after(_PAYMENTS) == before(_PAYMENTS)
    assert after(_REFUNDS) == before(_REFUNDS)


def test_a_client_of_the_previous_release_can_call_this_one(previous: PreviousRelease, service: RunningService) -> None:
    def call(*arguments: str) -> str:
        return run_previous(previous, {"PAYMENTS_TARGET": service.target}, *arguments)

    charged = call("charge", "342", "561.00", "--method", "upi")
    payment_id = re.search(r"\d+", charged)
    assert payment_id is not None
    call("refund", payment_id[0], "--amount", "200.00")

    assert "200.00" in call("get", payment_id[0])
