"""``payments doctor``: the problems it finds, and its advice."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from payments_client import PaymentMethod, PaymentsClient

from server.config.settings import Settings
from tests.cli.conftest import Payments, Table
from tests.support.databases import Accounts, DatabaseServer, LockPaymentRows, make_replica, settings_of
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb
from tests.support.waiting import wait_until
from tools.database.connection import DatabaseConnection, connect, execute
from tools.database.migration_files import latest_version
from tools.database.migrations import migrate
from tools.database.private_database import SELECTED_DATABASE
from tools.dev.devdb import PrivateDatabase
from tools.operations.doctor.adoption_rules import ADOPTION_RULES, count_adopted
from tools.operations.doctor.check_result import CheckResult, Level
from tools.operations.doctor.checks import run_checks

UNUSUAL_ROWS = {
    "no status": "(1, 10, 'UPI', NULL, 'A', '2025-02-07', 0, 0)",
    "no time": "(1, 10, 'UPI', 1, 'B', NULL, 0, 0)",
    "a time in the future": "(1, 10, 'UPI', 1, 'C', '2999-01-01', 0, 0)",
    "another method": "(1, 10, 'cheque', 1, 'D', '2025-02-07', 0, 0)",
    "no reference": "(1, 10, 'UPI', 1, NULL, '2025-02-07', 0, 0)",
    "no amount": "(1, NULL, 'UPI', 1, 'E', '2025-02-07', 0, 0)",
    "an amount with too many decimals": "(1, 10.005, 'UPI', 1, 'L', '2025-02-07', 0, 0)",
    "an amount of zero or less": "(1, 0, 'UPI', 1, 'F', '2025-02-07', 0, 0)",
    "a payment_id below 1": "(1, 10, 'UPI', 1, 'K', '2025-02-07', 0, 0)",
    "an order_id below 1": "(0, 10, 'UPI', 1, 'G', '2025-02-07', 0, 0)",
    "refunded by the legacy service": "(1, 10, 'UPI', 1, 'H', '2025-02-07', 1, 0)",
    "refunded in part here, then by the legacy service": "(1, 10, 'UPI', 1, 'I', '2025-02-07', 1, 4)",
    "refunded without having succeeded": "(1, 10, 'UPI', 0, 'J', '2025-02-07', 1, 10)",
}
INSERT = (
    "INSERT INTO payments (order_id, amount, method, status, reference, created_at, refunded, refunded_amount) VALUES "
)


WEBHOOK_KEY = "whsec_for_tests_of_payments_doctor"
BELOW_ONE = "UPDATE payments SET payment_id = -1 WHERE reference = 'K'"


def results_of(settings: Settings, subject: str) -> list[CheckResult]:
    return [result for result in run_checks(settings) if result.subject == subject]


@pytest.fixture
def settings(migrated_database: dict[str, str]) -> Settings:
    return settings_of(migrated_database)


def test_a_healthy_deployment_has_no_problem(payments: Payments) -> None:
    payments("sample", "--count", "100")

    run = payments("doctor")

    assert run.returncode == 0, run.stdout
    subjects = re.findall(r"^ok +(\w+):", run.stdout, re.MULTILINE)
    for subject in ("settings", "database", "migrations", "clock", "pool", "indexes", "refunds", "payments"):
        assert subject in subjects, run.stdout


@pytest.mark.parametrize("name", UNUSUAL_ROWS)
def test_each_kind_of_unusual_row_is_counted_by_its_rule_only(settings: Settings, table: Table, name: str) -> None:
    table(INSERT + UNUSUAL_ROWS[name])
    table(BELOW_ONE)
    expected = {name}
    if name == "refunded without having succeeded":
        assert not [result for result in results_of(settings, "payments") if "legacy service" in result.text]

    with connect(settings) as connection:
        counts = {rule.name: count for rule, count in count_adopted(connection)}

    assert {rule for rule, count in counts.items() if count} == expected
    notes = results_of(settings, "payments")
    assert [result.level for result in notes] == [Level.NOTE]
    assert notes[0].text.startswith(f"1 with {name}. ")


def test_every_rule_is_tested() -> None:
    assert set(UNUSUAL_ROWS) == {rule.name for rule in ADOPTION_RULES}


def test_all_kinds_of_unusual_rows_are_served_without_errors(
    start_service: Callable[..., RunningService], table: Table
) -> None:
    for row in UNUSUAL_ROWS.values():
        table(INSERT + row)
    table(BELOW_ONE)
    service = start_service()

    with PaymentsClient(service.target) as client:
        all_payments = list(client.list_payments())
        assert client.get_payment(reference="K").payment.payment_id == -1
        assert [payment.order_id for payment in client.list_payments(order_id=0)] == [0]
        for payment in (payment for payment in all_payments if payment.payment_id > 0):
            assert client.get_payment(payment_id=payment.payment_id).payment == payment

    assert len(all_payments) == len(UNUSUAL_ROWS)


@except_on_tidb("it estimates sizes in the background")
def test_the_sizes_are_current(settings: Settings, payments: Payments) -> None:
    def payments_bytes() -> float:
        (result,) = results_of(settings, "sizes")
        return float(result.values["payments_bytes"])

    before = payments_bytes()
    assert payments("sample", "--count", "3000").returncode == 0

    # InnoDB measures a table that has grown within some ten seconds.
    wait_until(lambda: payments_bytes() > before, poll_seconds=1)


def test_an_unreachable_database_is_a_problem(payments: Payments, tmp_path: Path) -> None:
    run = payments("doctor", MYSQL_SOCKET=str(tmp_path / "none.sock"))

    assert run.returncode == 1
    assert "problem  database:" in run.stdout
    assert "-> Start the database, or correct MYSQL_HOST" in run.stdout


def test_invalid_settings_are_a_problem(payments: Payments) -> None:
    run = payments("doctor", MYSQL_POOL_MAX="none")

    assert run.returncode == 1
    assert "problem  settings:" in run.stdout
    assert "MYSQL_POOL_MAX" in run.stdout


def test_the_advice_for_an_unmigrated_database_is_to_migrate(empty_database: dict[str, str]) -> None:
    (result,) = results_of(settings_of(empty_database), "migrations")

    assert result.level is Level.PROBLEM
    assert "run `payments migrate`" in result.text


def test_a_changed_or_interrupted_migration_is_a_problem(settings: Settings, table: Table) -> None:
    table("UPDATE schema_migrations SET applied_at = NULL WHERE version = 5")
    assert [result.level for result in results_of(settings, "migrations")] == [Level.PROBLEM]

    table("UPDATE schema_migrations SET applied_at = UTC_TIMESTAMP(), checksum = 'x' WHERE version = 5")
    (result,) = results_of(settings, "migrations")
    assert result.level is Level.PROBLEM
    assert "changed after it had been applied" in result.text


def test_migrations_of_a_later_release_are_shown_and_are_no_problem(settings: Settings, table: Table) -> None:
    table("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 'x', NOW(), NOW())")

    (result,) = results_of(settings, "migrations")

    assert result.level is Level.OK
    assert result.text == f"all {latest_version()} are applied, and 1 of a later release"


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

    (result,) = results_of(settings, "indexes")

    assert result.level is Level.PROBLEM
    assert f"ON {table_name} (" in result.text


def test_a_statement_that_the_database_rejects_is_a_problem_and_stops_serve(
    settings: Settings, table: Table, accounts: Accounts, migrated_database: dict[str, str]
) -> None:
    service = RunningService(accounts.as_service(migrated_database))
    table("ALTER TABLE payment_stream DROP COLUMN last_sequence")

    problems = [result for result in results_of(settings, "statements") if result.level is Level.PROBLEM]
    service.spawn()
    assert service.wait() == 1

    assert {result.values["statement"] for result in problems} == {
        *("LAST_SEQUENCE", "FIRST_SEQUENCE", "SELECT_CHANGES", "MOVE")
    }
    (problem,) = [result for result in problems if result.values["statement"] == "LAST_SEQUENCE"]
    reason = "Unknown column 'last_sequence' in "
    assert problem.text.startswith(f"the database rejects LAST_SEQUENCE (SELECT payment_stream): {reason}")
    assert problem.advice
    assert f"cannot be used: it rejects SELECT_CHANGES: {reason}" in service.output[-1]


def test_the_service_account_may_execute_all_statements_and_another_gets_a_warning(
    accounts: Accounts, migrated_database: dict[str, str]
) -> None:
    (result,) = results_of(settings_of(accounts.as_service(migrated_database)), "statements")
    assert result.level is Level.OK

    (result,) = results_of(settings_of(migrated_database), "statements")
    assert result.level is Level.WARNING
    assert result.text.endswith(
        " may not execute INSERT_PAYMENT_OF_ORDER, MOVE, SETTLE_CHARGE, SETTLE_REFUND, FINISH_CHECK"
    )
    assert "DELETE command denied" in result.advice
    assert "Set MYSQL_USER to payments_service, and run deploy/sql/grants.sql" in result.advice


@except_on_tidb("it does not limit the connections by default")
def test_a_pool_larger_than_the_connection_limit_is_a_problem(migrated_database: dict[str, str]) -> None:
    settings = settings_of(migrated_database | {"MYSQL_POOL_MAX": "1000"})

    (result,) = results_of(settings, "pool")

    assert result.level is Level.PROBLEM
    assert "MYSQL_POOL_MAX is 1000" in result.text


@except_on_tidb("it has no such setting")
def test_a_database_that_can_lose_a_commit_is_a_warning(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "forgetful", options=("--innodb-flush-log-at-trx-commit=2",)) as private:
        (result,) = results_of(settings_of(private.environment()), "durability")

    assert result.level is Level.WARNING
    assert "innodb_flush_log_at_trx_commit is 2" in result.text


def test_a_wrong_clock_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_clock(connection: DatabaseConnection, text: str) -> object:
        return execute(connection, text.replace("UTC_TIMESTAMP(6)", "UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE"))

    monkeypatch.setattr("tools.operations.doctor.server_checks.execute", slow_clock)

    (result,) = results_of(settings, "clock")

    assert result.level is Level.WARNING
    assert re.search(r"by (59|60)\.\d s", result.text)


def test_refunds_that_do_not_add_up_are_reported(settings: Settings, table: Table) -> None:
    table(INSERT + "(1, 10, 'UPI', 1, 'A', '2025-02-07', 0, 4), (1, 10, 'UPI', 1, 'B', '2025-02-07', 0, 4)")
    table(
        "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
        "SELECT payment_id, 5, 1, '', 'a', 'k', '2025-03-01' FROM payments WHERE reference = 'A'"
    )

    results = results_of(settings, "refunds")

    assert [result.level for result in results] == [Level.PROBLEM, Level.WARNING]
    assert "more than the refunded amount" in results[0].text


def test_no_rows_skips_the_checks_of_rows(payments: Payments, table: Table) -> None:
    table(INSERT + UNUSUAL_ROWS["no status"])

    assert "no status" in payments("doctor").stdout
    assert "no status" not in payments("doctor", "--no-rows").stdout


@except_on_tidb("it estimates sizes in the background")
def test_json_has_one_object_per_line_with_the_measured_values(payments: Payments) -> None:
    run = payments("doctor", "--json")

    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert {frozenset(result) for result in results} == {frozenset(("level", "subject", "text", "advice", "values"))}
    values = {result["subject"]: result["values"] for result in results}
    assert values["replication"] == {"read_only": 0, "is_replica": 0}
    assert values["sizes"]["payments_bytes"] > 0
    assert abs(values["clock"]["difference_seconds"]) < 60


def test_pending_payments_without_a_request_are_reported_with_their_age(settings: Settings, table: Table) -> None:
    (result,) = results_of(settings, "pending")
    assert (result.level, result.values) == (Level.OK, {"requests": 0})
    table(
        "INSERT INTO payments (order_id, amount, method, status, created_at) "
        "VALUES (1, 1, 'UPI', NULL, UTC_TIMESTAMP(6) - INTERVAL 3 DAY), (1, 1, 'UPI', NULL, NULL)"
    )

    result, _ = results_of(settings, "pending")

    assert result.level is Level.NOTE
    assert result.text == "2 pending payments without a request to the processor, the oldest for 3 days"
    assert result.values["oldest_seconds"] == pytest.approx(3 * 86_400, rel=0.01)


def test_changes_that_stay_in_the_outbox_are_a_warning(settings: Settings, table: Table) -> None:
    (result,) = results_of(settings, "stream")
    assert (result.level, result.values) == (Level.OK, {"outbox_rows": 0, "lag_seconds": 0})
    table("INSERT INTO payment_outbox (changes, created_at) VALUES ('[]', UTC_TIMESTAMP(6) - INTERVAL 90 SECOND)")
    table("INSERT INTO payment_outbox (changes) VALUES ('[]')")

    (result,) = results_of(settings, "stream")

    assert result.level is Level.WARNING
    assert result.values["outbox_rows"] == 2
    assert 89 < float(result.values["lag_seconds"]) < 600


def test_requests_to_the_processor_are_reported_by_kind_with_their_age(settings: Settings, table: Table) -> None:
    assert [result.level for result in results_of(settings, "pending")] == [Level.OK]
    table(
        "INSERT INTO processor_requests (kind, payment_id, attempts, created_at, due_at) VALUES "
        "('charge', 1, 7, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, NOW()), ('charge', 2, 0, UTC_TIMESTAMP(6), NOW()), "
        "('refund', 3, 1, UTC_TIMESTAMP(6), NOW())"
    )

    results = {result.values["kind"]: result for result in results_of(settings, "pending")}

    assert {kind: result.level for kind, result in results.items()} == {"charge": Level.WARNING, "refund": Level.OK}
    assert results["charge"].text == "2 charges pending at the processor, the oldest for 60 minutes, up to 7 attempts"


def test_payments_that_wait_for_their_payers_are_counted(settings: Settings, table: Table) -> None:
    (result,) = results_of(settings, "approvals")
    assert (result.level, result.values) == (Level.OK, {"payments": 0, "oldest_seconds": 0})
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, next_action) VALUES "
        "(1, 1, 1, 'CARD', NULL, '{}'), (2, 1, 1, 'CARD', NULL, '{}'), (3, 1, 1, 'CARD', NULL, NULL)"
    )
    table(
        "INSERT INTO processor_requests (kind, payment_id, created_at, due_at) VALUES "
        "('charge', 1, UTC_TIMESTAMP(6) - INTERVAL 5 MINUTE, NOW()), ('charge', 2, UTC_TIMESTAMP(6), NOW()), "
        "('charge', 3, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, NOW())"
    )

    (result,) = results_of(settings, "approvals")

    assert (result.level, result.values["payments"]) == (Level.OK, 2)
    assert result.text == "2 payments wait for their payers' approval, the oldest for 5 minutes"


def test_open_disputes_and_payments_to_check_are_counted_separately(settings: Settings, table: Table) -> None:
    assert [result.level for result in results_of(settings, "disputes")] == [Level.OK]
    assert [result.level for result in results_of(settings, "checks")] == [Level.OK]
    table(
        "INSERT INTO processor_checks (payment_id, is_disputed, created_at, waits_since, due_at) VALUES "
        "(1, 1, UTC_TIMESTAMP(6) - INTERVAL 3 DAY, NULL, NOW()), (2, 1, UTC_TIMESTAMP(6), NULL, NOW()), "
        "(3, 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) - INTERVAL 5 MINUTE, NOW())"
    )

    (disputes,), (checks,) = results_of(settings, "disputes"), results_of(settings, "checks")

    assert (disputes.level, disputes.values["open"]) == (Level.NOTE, 2)
    assert disputes.text == "2 payments with an open dispute, the oldest for 3 days"
    assert (checks.level, checks.values["waiting"]) == (Level.OK, 1)
    assert checks.text == "1 payments to read again at the processor, the oldest for 5 minutes"


@pytest.mark.parametrize("is_disputed", [False, True])
def test_a_payment_that_cannot_be_read_at_the_processor_is_a_warning(
    settings: Settings, table: Table, *, is_disputed: bool
) -> None:
    table(
        "INSERT INTO processor_checks (payment_id, is_disputed, attempts, waits_since, due_at) VALUES "
        "(1, %s, 9, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, NOW())",
        is_disputed,
    )

    (checks,) = results_of(settings, "checks")

    assert checks.level is Level.WARNING
    assert checks.text == "1 payments to read again at the processor, the oldest for 60 minutes, up to 9 attempts"


def test_late_outcomes_of_the_last_30_days_are_counted_by_kind(settings: Settings, table: Table) -> None:
    (result,) = results_of(settings, "late outcomes")
    assert (result.level, result.text, result.values) == (Level.OK, "none in the last 30 days", {})
    table(
        "INSERT INTO late_outcomes (kind, payment_id, found_at) VALUES "
        "('DISPUTE_OPENED', 1, UTC_TIMESTAMP(6)), ('DISPUTE_OPENED', 2, UTC_TIMESTAMP(6)), "
        "('REFUND_FAILED', 3, UTC_TIMESTAMP(6) - INTERVAL 31 DAY)"
    )
    (result,) = results_of(settings, "late outcomes")
    assert (result.level, result.text) == (Level.OK, "2 DISPUTE_OPENED in the last 30 days")
    table("INSERT INTO late_outcomes (kind, payment_id, found_at) VALUES ('REFUND_FAILED', 4, UTC_TIMESTAMP(6))")

    (result,) = results_of(settings, "late outcomes")

    assert (result.level, result.values) == (Level.NOTE, {"DISPUTE_OPENED": 2, "REFUND_FAILED": 1})


def test_a_long_transaction_is_a_warning_that_names_its_session(
    migrated_database: dict[str, str], database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.operations.doctor.server_checks._LONG_TRANSACTION_SECONDS", -1.0)
    owner = settings_of({"MYSQL_PASSWORD": "", **database_server.environment(migrated_database["MYSQL_DB"])})
    with database_server.connection(migrated_database["MYSQL_DB"]) as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT CONNECTION_ID()")
        ((session,),) = cursor.fetchall()
        results = results_of(owner, "transactions")

    assert [result.level for result in results] == [Level.WARNING]
    assert re.search(rf"\b{session} \(\d+ s\)", results[0].text)


@except_on_tidb("such an account sees its own transactions")
def test_an_account_without_the_process_privilege_gets_a_note(
    accounts: Accounts, migrated_database: dict[str, str]
) -> None:
    (result,) = results_of(settings_of(accounts.as_service(migrated_database)), "transactions")

    assert result.level is Level.NOTE
    assert "PROCESS" in result.text


@except_on_tidb("it has no such option")
def test_a_read_only_database_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "read-only", options=("--read-only",)) as private:
        owner = settings_of({**private.environment(), "MYSQL_USER": "root", "MYSQL_PASSWORD": ""})
        migrate(owner, report=lambda _: None)
        (result,) = results_of(owner, "replication")

    assert result.level is Level.PROBLEM
    assert [result.level for result in results_of(settings, "replication")] == [Level.OK]


@except_on_tidb("it has no replicas of this kind")
def test_a_replica_that_accepts_writes_is_a_warning(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "replica", options=("--server-id=2",)) as private:
        owner = settings_of({**private.environment(), "MYSQL_USER": "root", "MYSQL_PASSWORD": ""})
        migrate(owner, report=lambda _: None)
        with private.connect() as connection:
            make_replica(connection)
        (result,) = results_of(owner, "replication")

    assert result.level is Level.WARNING
    assert "stopped" in result.text
    assert result.values == {"read_only": 0, "is_replica": 1, "behind_seconds": -1}


def test_a_nearly_full_disk_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database_server: DatabaseServer
) -> None:
    if "unix_socket" not in database_server.connect_kwargs:
        pytest.skip("the disk of a database elsewhere cannot be measured")
    assert [result.level for result in results_of(settings, "sizes")] == [Level.OK]
    monkeypatch.setattr("tools.operations.doctor.server_checks._MIN_FREE_SHARE", 1.1)

    (result,) = results_of(settings, "sizes")

    assert result.level is Level.WARNING
    assert 0 < float(result.values["disk_free_bytes"]) < float(result.values["disk_bytes"])


def test_the_connections_and_calls_of_a_service_are_checked(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(MYSQL_POOL_MAX="7")
    with PaymentsClient(service.target) as client:
        client.list_payments()

    run = payments("doctor", "--json", "--no-rows", "--url", service.rest_url)

    assert run.returncode == 0, run.stdout
    results = {result["subject"]: result for result in map(json.loads, run.stdout.splitlines())}
    assert results["service"]["level"] == "ok"
    assert results["pool of the service"]["values"]["max"] == 7
    assert results["calls of the service"]["values"]["limit"] > 0
    # A service at the address in the settings is found without --url.
    run = payments("doctor", "--no-rows", REST_PORT=str(service.rest_port))
    assert f"ok       service: the service at http://127.0.0.1:{service.rest_port} is serving" in run.stdout


def test_the_webhooks_of_a_service_are_counted_by_result(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(
        PROCESSOR="stripe",
        PROCESSOR_URL="http://127.0.0.1:9",
        PROCESSOR_API_KEY="sk_test",
        PROCESSOR_METHODS="CARD=pm_card_visa",
        PROCESSOR_WEBHOOK_SECRETS=WEBHOOK_KEY,
    )
    body = json.dumps({"object": "event", "data": {"object": {"object": "payment_intent", "id": "pi_none"}}})
    signed_at = int(time.time())
    digest = hmac.new(WEBHOOK_KEY.encode(), f"{signed_at}.{body}".encode(), hashlib.sha256).hexdigest()
    for signature, status in ((f"t={signed_at},v1={digest}", 200), (f"t={signed_at},v1={'0' * 64}", 400)):
        response = httpx.post(
            f"{service.rest_url}/webhooks/stripe", content=body, headers={"Stripe-Signature": signature}
        )
        assert response.status_code == status, response.text

    run = payments("doctor", "--json", "--no-rows", "--url", service.rest_url)

    results = {result["subject"]: result for result in map(json.loads, run.stdout.splitlines())}
    webhooks = results["webhooks of the service"]
    assert (webhooks["level"], webhooks["values"]) == (
        "note",
        {"accepted": 0, "ignored": 1, "refused": 1, "failed": 0},
    )


@except_on_tidb("it does not limit the connections by default")
def test_the_workers_of_a_service_are_checked_together(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(WORKERS="2", MYSQL_POOL_MAX="7", MAX_CONCURRENT_CALLS="99")
    service.wait_for("listening", transport="rest", worker=2)

    run = payments("doctor", "--json", "--no-rows", "--url", service.rest_url, WORKERS="2", MYSQL_POOL_MAX="7")

    results = {result["subject"]: result for result in map(json.loads, run.stdout.splitlines())}
    assert results["service"]["level"] == "ok"
    assert results["pool of the service"]["values"]["max"] == 7
    assert results["calls of the service"]["values"]["limit"] == 99
    assert "a replica needs up to 9 connections" in results["pool"]["text"]


def test_a_service_is_checked_at_its_monitoring_port(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(MONITORING_PORT="0")

    for run in (
        payments("doctor", "--no-rows", "--url", service.monitoring_url),
        payments("doctor", "--no-rows", MONITORING_PORT=str(service.monitoring_port)),
    ):
        assert f"ok       service: the service at {service.monitoring_url} is serving" in run.stdout


def test_an_exhausted_pool_is_a_warning(
    payments: Payments,
    start_service: Callable[..., RunningService],
    lock_payment_rows: LockPaymentRows,
) -> None:
    service = start_service(MYSQL_POOL_MIN="1", MYSQL_POOL_MAX="1")
    with PaymentsClient(service.target, timeout_seconds=60) as client, ThreadPoolExecutor(1) as threads:
        payment = client.charge(order_id=1, amount=Decimal(5), method=PaymentMethod.UPI)
        with lock_payment_rows() as wait_until_blocked:
            refunding = threads.submit(client.refund, payment_id=payment.payment_id)
            wait_until_blocked(refunding)
            run = payments("doctor", "--json", "--no-rows", "--url", service.rest_url)
        refunding.result()

    results = {result["subject"]: result for result in map(json.loads, run.stdout.splitlines())}
    assert results["pool of the service"]["level"] == "warning"
    assert "1 of 1 connections in use" in results["pool of the service"]["text"]


@except_on_tidb("it cannot lock a table")
def test_a_locked_table_is_a_problem_and_does_not_block_the_other_checks(
    payments: Payments, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    with lock_payments_table():
        run = payments("doctor", "--no-rows")

    assert run.returncode == 1
    assert "problem  pending: a table stayed locked for more than 2 s" in run.stdout
    assert "service: " in run.stdout


def test_an_unreachable_service_is_a_problem_if_its_url_is_given(payments: Payments) -> None:
    run = payments("doctor", "--url", "http://127.0.0.1:1")

    assert run.returncode == 1
    assert "problem  service: no service reports metrics at http://127.0.0.1:1" in run.stdout
    assert payments("doctor", "--url", "file:///etc/passwd").returncode == 1


def test_a_service_that_is_not_serving_is_a_problem(payments: Payments, tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "gone") as private:
        migrate(settings_of(private.environment()), report=lambda _: None)
        settings = {"HEALTH_CHECK_INTERVAL_SECONDS": "0.1", "MYSQL_CONNECT_TIMEOUT_SECONDS": "1"}
        service = RunningService({**private.service_environment(), **settings}).start()
        private.kill()
        service.wait_for("health", status="NOT_SERVING")
        run = payments("doctor", "--url", service.rest_url)
        service.stop()

    assert run.returncode == 1
    assert f"problem  service: the service at {service.rest_url} is not serving" in run.stdout


@pytest.mark.skipif(SELECTED_DATABASE != "galera", reason="for DATABASE=galera")
def test_on_galera_the_cluster_is_checked_and_reads_that_are_not_causal_are_noted(settings: Settings) -> None:
    is_causal = {"mysql_causal_reads": True}
    assert [result.level for result in results_of(settings, "galera")] == [Level.OK, Level.NOTE]
    assert [result.level for result in results_of(settings.model_copy(update=is_causal), "galera")] == [Level.OK]
