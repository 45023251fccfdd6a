"""``payments doctor``: what it finds, and what it says to do."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import pytest
from payments import PaymentMethod, PaymentsClient

from server.config.settings import Settings
from tests.cli.conftest import Payments, Table
from tests.support.databases import Accounts, DatabaseServer, settings_of
from tests.support.running_service import RunningService
from tools.database.connection import DatabaseConnection, connect, execute
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase
from tools.operations.doctor.adoption_rules import ADOPTION_RULES, count_adopted
from tools.operations.doctor.check_result import CheckResult, Level
from tools.operations.doctor.examination import examine

ODD_ROWS = {
    "no status": "(1, 10, 'UPI', NULL, 'A', '2025-02-07', 0, 0)",
    "no time": "(1, 10, 'UPI', 1, 'B', NULL, 0, 0)",
    "a time to come": "(1, 10, 'UPI', 1, 'C', '2999-01-01', 0, 0)",
    "another method": "(1, 10, 'cheque', 1, 'D', '2025-02-07', 0, 0)",
    "no reference": "(1, 10, 'UPI', 1, NULL, '2025-02-07', 0, 0)",
    "no amount": "(1, NULL, 'UPI', 1, 'E', '2025-02-07', 0, 0)",
    "an amount of zero or less": "(1, 0, 'UPI', 1, 'F', '2025-02-07', 0, 0)",
    "a payment_id below 1": "(1, 10, 'UPI', 1, 'K', '2025-02-07', 0, 0)",
    "an order_id below 1": "(0, 10, 'UPI', 1, 'G', '2025-02-07', 0, 0)",
    "refunded by the replaced service": "(1, 10, 'UPI', 1, 'H', '2025-02-07', 1, 0)",
    "refunded in part here, then by the replaced service": "(1, 10, 'UPI', 1, 'I', '2025-02-07', 1, 4)",
    "refunded without having succeeded": "(1, 10, 'UPI', 0, 'J', '2025-02-07', 1, 10)",
}
INSERT = (
    "INSERT INTO payments (order_id, amount, method, status, reference, created_at, refunded, refunded_amount) VALUES "
)


BELOW_ONE = "UPDATE payments SET payment_id = -1 WHERE reference = 'K'"


def found(settings: Settings, subject: str) -> list[CheckResult]:
    return [finding for finding in examine(settings) if finding.subject == subject]


@pytest.fixture
def settings(migrated_database: dict[str, str]) -> Settings:
    return settings_of(migrated_database)


def test_a_good_deployment_has_no_problem(payments: Payments) -> None:
    payments("sample", "--count", "100")

    run = payments("doctor")

    assert run.returncode == 0, run.stdout
    subjects = re.findall(r"^ok +(\w+):", run.stdout, re.MULTILINE)
    for subject in ("settings", "database", "migrations", "clock", "pool", "indexes", "refunds", "payments"):
        assert subject in subjects, run.stdout


@pytest.mark.parametrize("name", ODD_ROWS)
def test_each_kind_of_odd_row_is_counted_by_its_rule_and_by_no_other(
    settings: Settings, table: Table, name: str
) -> None:
    table(INSERT + ODD_ROWS[name])
    table(BELOW_ONE)
    expected = {name}
    if name == "refunded without having succeeded":
        assert not [finding for finding in found(settings, "payments") if "replaced service" in finding.text]

    with connect(settings) as connection:
        counts = {rule.name: count for rule, count in count_adopted(connection)}

    assert {rule for rule, count in counts.items() if count} == expected
    notes = found(settings, "payments")
    assert [finding.level for finding in notes] == [Level.NOTE]
    assert notes[0].text.startswith(f"1 with {name}. ")


def test_every_rule_has_a_row_here() -> None:
    assert set(ODD_ROWS) == {rule.name for rule in ADOPTION_RULES}


def test_all_kinds_of_odd_rows_are_served_without_an_error(
    start_service: Callable[..., RunningService], table: Table
) -> None:
    for row in ODD_ROWS.values():
        table(INSERT + row)
    table(BELOW_ONE)
    service = start_service()

    with PaymentsClient(service.target) as client:
        listed = list(client.list_payments())
        assert client.get_payment(reference="K").payment.payment_id == -1
        assert [payment.order_id for payment in client.list_payments(order_id=0)] == [0]
        for payment in (payment for payment in listed if payment.payment_id > 0):
            assert client.get_payment(payment_id=payment.payment_id).payment == payment

    assert len(listed) == len(ODD_ROWS)


def test_a_database_that_is_not_there_is_told_at_once(payments: Payments, tmp_path: Path) -> None:
    run = payments("doctor", MYSQL_SOCKET=str(tmp_path / "none.sock"))

    assert run.returncode == 1
    assert "problem  database:" in run.stdout
    assert "-> Start the database, or set MYSQL_HOST" in run.stdout


def test_wrong_settings_are_told(payments: Payments) -> None:
    run = payments("doctor", MYSQL_POOL_MAX="none")

    assert run.returncode == 1
    assert "problem  settings:" in run.stdout
    assert "MYSQL_POOL_MAX" in run.stdout


def test_an_unmigrated_database_is_told_what_to_do(empty_database: dict[str, str]) -> None:
    (finding,) = found(settings_of(empty_database), "migrations")

    assert finding.level is Level.PROBLEM
    assert "run `payments migrate`" in finding.text


def test_a_changed_migration_and_an_unfinished_one_are_told(settings: Settings, table: Table) -> None:
    table("UPDATE schema_migrations SET applied_at = NULL WHERE version = 5")
    assert [finding.level for finding in found(settings, "migrations")] == [Level.PROBLEM]

    table("UPDATE schema_migrations SET applied_at = UTC_TIMESTAMP(), checksum = 'x' WHERE version = 5")
    (finding,) = found(settings, "migrations")
    assert finding.level is Level.PROBLEM
    assert "changed after it had been applied" in finding.text


@pytest.mark.parametrize(
    ("table_name", "index"),
    [
        ("payments", "payments_by_request"),
        ("payments", "payments_by_time"),
        ("payments", "payments_by_order"),
        ("payments", "payments_by_method"),
        ("payments", "payments_by_status"),
        ("payments", "reference"),
        ("refunds", "refunds_by_request"),
        ("payments_archive", "payments_archive_by_request"),
        ("refunds_archive", "refunds_archive_by_request"),
    ],
)
def test_a_missing_index_is_a_problem(settings: Settings, table: Table, table_name: str, index: str) -> None:
    table(f"ALTER TABLE {table_name} DROP INDEX {index}")

    (finding,) = found(settings, "indexes")

    assert finding.level is Level.PROBLEM
    assert f"ON {table_name} (" in finding.text


def test_a_pool_that_the_database_does_not_let_in_is_a_problem(migrated_database: dict[str, str]) -> None:
    settings = settings_of(migrated_database | {"MYSQL_POOL_MAX": "1000"})

    (finding,) = found(settings, "pool")

    assert finding.level is Level.PROBLEM
    assert "MYSQL_POOL_MAX is 1000" in finding.text


def test_a_database_that_may_forget_a_commit_is_a_warning(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "forgetful", options=("--innodb-flush-log-at-trx-commit=2",)) as private:
        (finding,) = found(settings_of(private.environment()), "durability")

    assert finding.level is Level.WARNING
    assert "innodb_flush_log_at_trx_commit is 2" in finding.text


def test_a_clock_that_is_off_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_clock(connection: DatabaseConnection, text: str) -> object:
        return execute(connection, text.replace("UTC_TIMESTAMP(6)", "UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE"))

    monkeypatch.setattr("tools.operations.doctor.server_checks.execute", slow_clock)

    (finding,) = found(settings, "clock")

    assert finding.level is Level.WARNING
    assert re.search(r"by (59|60)\.\d s", finding.text)


def test_refunds_that_do_not_add_up_are_told(settings: Settings, table: Table) -> None:
    table(INSERT + "(1, 10, 'UPI', 1, 'A', '2025-02-07', 0, 4), (1, 10, 'UPI', 1, 'B', '2025-02-07', 0, 4)")
    table(
        "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
        "SELECT payment_id, 5, 1, '', 'a', 'k', '2025-03-01' FROM payments WHERE reference = 'A'"
    )

    findings = found(settings, "refunds")

    assert [finding.level for finding in findings] == [Level.PROBLEM, Level.WARNING]
    assert "more than counts as refunded" in findings[0].text


def test_rows_need_not_be_looked_at(payments: Payments, table: Table) -> None:
    table(INSERT + ODD_ROWS["no status"])

    assert "no status" in payments("doctor").stdout
    assert "no status" not in payments("doctor", "--no-rows").stdout


def test_programs_get_one_object_a_line_with_what_was_measured(payments: Payments) -> None:
    run = payments("doctor", "--json")

    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert {frozenset(finding) for finding in found} == {frozenset(("level", "subject", "text", "advice", "values"))}
    values = {finding["subject"]: finding["values"] for finding in found}
    assert values["replication"] == {"read_only": 0, "is_replica": 0}
    assert values["sizes"]["payments_bytes"] > 0
    assert abs(values["clock"]["difference_seconds"]) < 60


def test_payments_without_an_outcome_are_told_with_their_age(settings: Settings, table: Table) -> None:
    (finding,) = found(settings, "pending")
    assert (finding.level, finding.values) == (Level.OK, {"requests": 0})
    table(
        "INSERT INTO payments (order_id, amount, method, status, created_at) "
        "VALUES (1, 1, 'UPI', NULL, UTC_TIMESTAMP(6) - INTERVAL 3 DAY), (1, 1, 'UPI', NULL, NULL)"
    )

    finding, _ = found(settings, "pending")

    assert finding.level is Level.NOTE
    assert finding.text == "2 payments that nobody asks about, the oldest for 3 days"
    assert finding.values["oldest_seconds"] == pytest.approx(3 * 86_400, rel=0.01)


def test_changes_that_nobody_relays_are_a_warning(settings: Settings, table: Table) -> None:
    (finding,) = found(settings, "stream")
    assert (finding.level, finding.values) == (Level.OK, {"outbox_rows": 0, "lag_seconds": 0})
    table("INSERT INTO payment_outbox (changes, created_at) VALUES ('[]', UTC_TIMESTAMP(6) - INTERVAL 90 SECOND)")
    table("INSERT INTO payment_outbox (changes) VALUES ('[]')")

    (finding,) = found(settings, "stream")

    assert finding.level is Level.WARNING
    assert finding.values["outbox_rows"] == 2
    assert 89 < float(finding.values["lag_seconds"]) < 600


def test_what_is_at_the_processor_is_told_by_kind_with_its_age(settings: Settings, table: Table) -> None:
    assert [finding.level for finding in found(settings, "pending")] == [Level.OK]
    table(
        "INSERT INTO processor_requests (kind, payment_id, attempts, created_at, due_at) VALUES "
        "('charge', 1, 7, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, NOW()), ('charge', 2, 0, UTC_TIMESTAMP(6), NOW()), "
        "('refund', 3, 1, UTC_TIMESTAMP(6), NOW())"
    )

    findings = {finding.values["kind"]: finding for finding in found(settings, "pending")}

    assert {kind: finding.level for kind, finding in findings.items()} == {"charge": Level.WARNING, "refund": Level.OK}
    assert "2 charges at the processor, the oldest for 60 minutes, tried 7 times" in findings["charge"].text


def test_a_transaction_that_is_open_for_long_is_a_warning_and_says_whose_it_is(
    migrated_database: dict[str, str], database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.operations.doctor.server_checks._LONG_TRANSACTION_SECONDS", -1.0)
    owner = settings_of({"MYSQL_PASSWORD": "", **database_server.environment(migrated_database["MYSQL_DB"])})
    with database_server.connection(migrated_database["MYSQL_DB"]) as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT CONNECTION_ID()")
        ((session,),) = cursor.fetchall()
        findings = found(owner, "transactions")

    assert [finding.level for finding in findings] == [Level.WARNING]
    assert re.search(rf"\b{session} \(\d+ s\)", findings[0].text)


def test_an_account_that_may_not_see_transactions_is_told_so(
    accounts: Accounts, migrated_database: dict[str, str]
) -> None:
    (finding,) = found(settings_of(accounts.as_service(migrated_database)), "transactions")

    assert finding.level is Level.NOTE
    assert "PROCESS" in finding.text


def test_a_read_only_database_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "read-only", options=("--read-only",)) as private:
        owner = settings_of({**private.environment(), "MYSQL_USER": "root", "MYSQL_PASSWORD": ""})
        migrate(owner, say=lambda _: None)
        (finding,) = found(owner, "replication")

    assert finding.level is Level.PROBLEM
    assert [finding.level for finding in found(settings, "replication")] == [Level.OK]


def test_a_replica_that_is_written_to_is_a_warning(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "replica", options=("--server-id=2",)) as private:
        owner = settings_of({**private.environment(), "MYSQL_USER": "root", "MYSQL_PASSWORD": ""})
        migrate(owner, say=lambda _: None)
        with private.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='nobody'")
        (finding,) = found(owner, "replication")

    assert finding.level is Level.WARNING
    assert "stopped" in finding.text
    assert finding.values == {"read_only": 0, "is_replica": 1, "behind_seconds": -1}


def test_a_disk_that_is_nearly_full_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database_server: DatabaseServer
) -> None:
    if "unix_socket" not in database_server.connect_kwargs:
        pytest.skip("the disk of a database elsewhere is not seen")
    assert [finding.level for finding in found(settings, "sizes")] == [Level.OK]
    monkeypatch.setattr("tools.operations.doctor.server_checks._MIN_FREE_SHARE", 1.1)

    (finding,) = found(settings, "sizes")

    assert finding.level is Level.WARNING
    assert 0 < float(finding.values["disk_free_bytes"]) < float(finding.values["disk_bytes"])


def test_a_service_tells_its_connections_and_what_waits(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(MYSQL_POOL_MAX="7")
    with PaymentsClient(service.target) as client:
        client.list_payments()

    run = payments("doctor", "--json", "--no-rows", "--url", service.rest_url)

    assert run.returncode == 0, run.stdout
    told = {finding["subject"]: finding for finding in map(json.loads, run.stdout.splitlines())}
    assert told["service"]["level"] == "ok"
    assert told["pool of the service"]["values"]["max"] == 7
    assert told["calls of the service"]["values"]["limit"] > 0
    # The one that listens where the settings say is found without being named.
    run = payments("doctor", "--no-rows", REST_PORT=str(service.rest_port))
    assert f"ok       service: the one at http://127.0.0.1:{service.rest_port} is serving" in run.stdout


def test_a_service_is_asked_where_its_monitoring_is(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(MONITORING_PORT="0")

    for run in (
        payments("doctor", "--no-rows", "--url", service.monitoring_url),
        payments("doctor", "--no-rows", MONITORING_PORT=str(service.monitoring_port)),
    ):
        assert f"ok       service: the one at {service.monitoring_url} is serving" in run.stdout


def test_a_pool_that_is_wholly_in_use_is_a_warning(
    payments: Payments,
    start_service: Callable[..., RunningService],
    hold_rows: Callable[[], AbstractContextManager[None]],
) -> None:
    service = start_service(MYSQL_POOL_MIN="1", MYSQL_POOL_MAX="1", MYSQL_STATEMENT_TIMEOUT_SECONDS="60")
    with PaymentsClient(service.target, timeout_seconds=60) as client, ThreadPoolExecutor(1) as threads:
        payment = client.charge(order_id=1, amount=Decimal(5), method=PaymentMethod.UPI)
        with hold_rows():
            refunding = threads.submit(client.refund, payment_id=payment.payment_id)
            for _ in range(100):
                run = payments("doctor", "--json", "--no-rows", "--url", service.rest_url)
                told = {finding["subject"]: finding for finding in map(json.loads, run.stdout.splitlines())}
                if told["pool of the service"]["values"]["in_use"] == 1:
                    break
        refunding.result()

    assert told["pool of the service"]["level"] == "warning"
    assert "1 of 1 connections in use" in told["pool of the service"]["text"]


def test_a_table_that_somebody_has_locked_is_told_and_does_not_hold_up_the_rest(
    payments: Payments, hold_inserts: Callable[[], AbstractContextManager[None]]
) -> None:
    with hold_inserts():
        run = payments("doctor", "--no-rows")

    assert run.returncode == 1
    assert "problem  pending: waited for more than 2 s for a lock" in run.stdout
    assert "service: " in run.stdout


def test_a_service_that_is_named_and_not_there_is_a_problem(payments: Payments) -> None:
    run = payments("doctor", "--url", "http://127.0.0.1:1")

    assert run.returncode == 1
    assert "problem  service: none tells its metrics at http://127.0.0.1:1" in run.stdout
    assert payments("doctor", "--url", "file:///etc/passwd").returncode == 1


def test_a_service_that_does_not_serve_is_a_problem(payments: Payments, tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "gone") as private:
        migrate(settings_of(private.environment()), say=lambda _: None)
        settings = {"HEALTH_CHECK_INTERVAL_SECONDS": "0.1", "MYSQL_CONNECT_TIMEOUT_SECONDS": "1"}
        service = RunningService({**private.service_environment(), **settings}).start()
        private.kill()
        service.wait_for("health", status="NOT_SERVING")
        run = payments("doctor", "--url", service.rest_url)
        service.stop()

    assert run.returncode == 1
    assert f"problem  service: the one at {service.rest_url} is not serving" in run.stdout
