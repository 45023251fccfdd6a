"""The accounts in ``deploy/sql`` have no more privileges than they need. All other tests show that these are enough."""

import os
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from tests.conftest import PROBABILITIES
from tests.support import programs
from tests.support.databases import Accounts, DatabaseServer
from tests.support.running_service import RunningService
from tools.dev.database_accounts import ACCOUNTS, ARCHIVER, BACKUP, MIGRATOR, SERVICE

PAYMENT = "INSERT INTO payments (order_id, amount, method, status) VALUES (1, 1, 'UPI', 1)"

Attempt = Callable[[str, str], None]


@pytest.fixture
def as_service(accounts: Accounts, migrated_database: dict[str, str]) -> dict[str, str]:
    """The settings of a service that uses the service account."""
    return accounts.as_service(migrated_database)


@pytest.fixture
def attempt(accounts: Accounts, as_service: dict[str, str]) -> Attempt:
    """Execute a statement as one of the accounts."""

    def attempt(account: str, text: str) -> None:
        environment = accounts.environment(as_service["MYSQL_DB"], account)
        where = {key: value for key, value in accounts.server.connect_kwargs.items() if key not in {"user", "password"}}
        connection = pymysql.connect(
            **where,
            user=environment["MYSQL_USER"],
            password=environment["MYSQL_PASSWORD"],
            database=environment["MYSQL_DB"],
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(text)

    return attempt


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM payments",
        "DELETE FROM refunds",
        "TRUNCATE payments",
        "UPDATE payments SET payment_id = 7",
        "UPDATE payments SET amount = 1",
        "UPDATE payments SET request_id = 'x'",
        "UPDATE refunds SET amount = 1",
        "INSERT INTO payments (payment_id, order_id, amount, method) VALUES (7, 1, 1, 'UPI')",
        "INSERT INTO payments (order_id, amount, method, refunded_amount) VALUES (1, 1, 'UPI', 1)",
        "INSERT INTO refunds (refund_id) VALUES (7)",
        "INSERT INTO schema_migrations (version) VALUES (99)",
        "UPDATE schema_migrations SET checksum = ''",
        "DELETE FROM schema_migrations",
        "UPDATE maintenance_locks SET lease_number = 1",
        "ALTER TABLE payments ADD COLUMN note INT",
        "CREATE INDEX payments_by_amount ON payments (amount)",
        "CREATE TABLE mine (value INT)",
        "CREATE VIEW mine AS SELECT * FROM payments",
        "CREATE TRIGGER mine BEFORE INSERT ON payments FOR EACH ROW SET NEW.amount = 1",
        "DROP TABLE refunds",
        "LOCK TABLES payments WRITE",
        "SELECT * FROM mysql.user",
        "SELECT 1 INTO OUTFILE '/tmp/payments-outfile'",
    ],
)
def test_the_service_account_is_denied(attempt: Attempt, text: str) -> None:
    with pytest.raises(pymysql.err.MySQLError, match="denied"):
        attempt(SERVICE, text)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM payments",
        "DELETE FROM refunds",
        "TRUNCATE api_keys",
        "DROP TABLE payment_outbox",
        "DROP DATABASE {database}",
        "CREATE TRIGGER mine BEFORE INSERT ON api_keys FOR EACH ROW SET NEW.caller = 'x'",
        "GRANT SELECT ON payments TO {service}",
        "SELECT * FROM mysql.user",
        "SELECT 1 INTO OUTFILE '/tmp/payments-outfile'",
    ],
)
def test_the_migrator_account_is_denied(
    attempt: Attempt, accounts: Accounts, migrated_database: dict[str, str], text: str
) -> None:
    names = {"database": migrated_database["MYSQL_DB"], "service": SERVICE + accounts.suffix}
    with pytest.raises(pymysql.err.MySQLError, match="denied"):
        attempt(MIGRATOR, text.format(**names))


@pytest.mark.parametrize(
    "text",
    [
        PAYMENT,
        "UPDATE payments SET amount = 1",
        "DELETE FROM payments",
        "TRUNCATE payments",
        "CREATE TABLE mine (value INT)",
        "DROP TABLE refunds",
        "LOCK TABLES payments WRITE",
        "SELECT * FROM mysql.user",
        "SELECT 1 INTO OUTFILE '/tmp/payments-outfile'",
    ],
)
def test_the_backup_account_is_denied(attempt: Attempt, text: str) -> None:
    with pytest.raises(pymysql.err.MySQLError, match="denied"):
        attempt(BACKUP, text)


@pytest.mark.usefixtures("as_service")
@pytest.mark.parametrize(
    "text",
    [
        "UPDATE payments SET amount = 1",
        "UPDATE refunds SET amount = 1",
        "UPDATE payment_events SET kind = 'CHARGED'",
        "INSERT INTO payment_events (sequence, payment_id, kind, refunded_amount) VALUES (1, 1, 'CHARGED', 0)",
        "UPDATE payments_archive SET amount = 1",
        "DELETE FROM payment_events_archive",
        "DELETE FROM payment_outbox",
        "DELETE FROM maintenance_locks",
        "LOCK TABLES payments_archive WRITE",
        "SELECT * FROM api_keys",
        "TRUNCATE payments",
        "DROP TABLE refunds",
        "CREATE TABLE mine (value INT)",
        "SELECT * FROM mysql.user",
    ],
)
def test_the_archiver_account_is_denied(attempt: Attempt, text: str) -> None:
    with pytest.raises(pymysql.err.MySQLError, match="denied"):
        attempt(ARCHIVER, text)


@pytest.mark.parametrize(
    "privilege",
    [
        "SELECT ON schema_migrations",
        "SELECT ON payments",
        "INSERT (request_id) ON payments",
        "UPDATE (refunded_amount) ON payments",
        "SELECT ON refunds",
        "SELECT ON payments_archive",
        "SELECT ON refunds_archive",
        "INSERT (reason) ON refunds",
    ],
)
def test_without_one_of_its_privileges_the_service_refuses_to_start_and_says_what_to_do(
    accounts: Accounts, as_service: dict[str, str], database_server: DatabaseServer, privilege: str
) -> None:
    database_server.execute(f"REVOKE {privilege} FROM {SERVICE + accounts.suffix}", database=as_service["MYSQL_DB"])
    service = RunningService({**as_service, **PROBABILITIES})

    service.spawn()

    assert service.wait() == 1
    assert any("denied" in line and "deploy/sql/grants.sql" in line for line in service.output), service.output


def test_an_account_cannot_log_in_until_the_administrator_sets_its_password(database_server: DatabaseServer) -> None:
    accounts = Accounts(database_server, passwords={})
    name = "payments_test_locked"
    database_server.execute(f"CREATE DATABASE {name}")
    try:
        accounts.create(name)
        for account in ACCOUNTS:
            where = database_server.connect_kwargs | {"user": account + accounts.suffix, "password": ""}
            with pytest.raises(pymysql.err.MySQLError, match=r"(?i)locked|denied"):
                pymysql.connect(**where)
    finally:
        database_server.execute(f"DROP DATABASE {name}")
        for account in ACCOUNTS:
            database_server.execute(f"DROP USER {account + accounts.suffix}")


def test_the_service_account_can_run_export_and_doctor(
    attempt: Attempt, as_service: dict[str, str], tmp_path: Path
) -> None:
    attempt(MIGRATOR, PAYMENT)
    exported = tmp_path / "payments.csv"
    for arguments in (["export", str(exported), "--refunds", str(tmp_path / "refunds.csv")], ["doctor"]):
        run = programs.run("tools.cli.main", *arguments, environment=dict(os.environ) | as_service)
        assert run.returncode == 0, run.stdout + run.stderr
    assert len(exported.read_text().splitlines()) == 2
