"""``payments backup`` and ``payments restore``, also while charges and refunds are in flight."""

import gzip
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import grpc
import pytest
from payments_client import PaymentMethod, PaymentsClient
from payments_client.v1 import payments_pb2 as pb

from tests.cli.conftest import Payments, Table
from tests.conftest import PROBABILITIES
from tests.support import programs
from tests.support.databases import Accounts, DatabaseServer, runs_mariadb, settings_of
from tests.support.drivers.calls import GrpcDriver, call_failed
from tests.support.drivers.requests import charge as charge_request
from tests.support.drivers.requests import new_order_id, new_request_id
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb
from tools.database.migrations import migrate
from tools.dev.database_accounts import BACKUP, SERVICE
from tools.dev.devdb import PrivateDatabase
from tools.operations.backup.backup_file import Origin, new_backup_file, read_backup, write_backup
from tools.operations.backup.client_programs import CLIENT, DUMP, ClientProgramError, find_program, login_options
from tools.operations.doctor.check_result import Level
from tools.operations.doctor.checks import run_checks

pytestmark = [except_on_tidb("it has backup tools of its own"), pytest.mark.usefixtures("client_programs")]

THREADS = 4
AMOUNT = Decimal(10)
SAMPLE_ROWS = 20_000
"""Enough that charges and refunds are made while the backup is written."""

ODD_TEXTS = (
    "a'b",
    "x'),(1",
    ");\nINSERT INTO `payments` VALUES (1",
    'back\\slash"',
    "-- Dump completed",
    "ಯುಪಿಐ 💸",
    "\\'(",
)


@dataclass
class AcknowledgedCalls:
    """The payments and refunds that a service acknowledged, by request_id."""

    payments: dict[str, int] = field(default_factory=dict)
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def copy(self) -> "AcknowledgedCalls":
        """Return a snapshot."""
        return AcknowledgedCalls(dict(self.payments), dict(self.refunds))


@contextmanager
def constant_load(service: RunningService) -> Iterator[AcknowledgedCalls]:
    """Charge and refund without a pause, in several threads, until the context ends."""
    acknowledged = AcknowledgedCalls()
    stopping = threading.Event()
    failed: list[Exception] = []

    def keep_calling() -> None:
        try:
            with PaymentsClient(service.target, timeout_seconds=60) as client:
                while not stopping.is_set():
                    request_id = new_request_id()
                    payment = client.charge(
                        order_id=new_order_id(), amount=AMOUNT, method=PaymentMethod.UPI, request_id=request_id
                    )
                    acknowledged.payments[request_id] = payment.payment_id
                    request_id = new_request_id()
                    result = client.refund(payment_id=payment.payment_id, amount=Decimal(3), request_id=request_id)
                    assert result.refund is not None
                    acknowledged.refunds[request_id] = (payment.payment_id, result.refund.refund_id)
        except Exception as error:  # noqa: BLE001 - any error fails the test
            failed.append(error)

    threads = [threading.Thread(target=keep_calling) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        while len(acknowledged.refunds) < 50 and not failed:
            stopping.wait(0.02)
        yield acknowledged
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_a_backup_under_load_is_consistent_and_has_everything_acknowledged_before(
    payments: Payments,
    start_service: Callable[..., RunningService],
    accounts: Accounts,
    migrated_database: dict[str, str],
    make_database: Callable[[], dict[str, str]],
    database_server: DatabaseServer,
) -> None:
    assert payments("sample", "--count", str(SAMPLE_ROWS)).returncode == 0
    name = migrated_database["MYSQL_DB"]
    with constant_load(start_service()) as acknowledged:
        before = acknowledged.copy()
        run = payments("backup", "copy.sql.gz", **accounts.environment(name, BACKUP))
        made_meanwhile = len(acknowledged.payments) - len(before.payments)
    assert run.returncode == 0, run.stderr
    assert made_meanwhile > 0

    restored = make_database()
    run = payments("restore", "copy.sql.gz", **restored)

    assert run.returncode == 0, run.stderr
    assert "run `payments doctor` before" in run.stdout

    def select(text: str) -> list[tuple[int, ...]]:
        return database_server.execute(text, database=restored["MYSQL_DB"])

    payment_ids = {payment_id for (payment_id,) in select("SELECT payment_id FROM payments")}
    refund_ids = {refund_id for (refund_id,) in select("SELECT refund_id FROM refunds")}
    assert set(before.payments.values()) <= payment_ids
    assert {refund_id for _, refund_id in before.refunds.values()} <= refund_ids
    assert select(
        "SELECT COUNT(*) FROM payments p LEFT JOIN (SELECT payment_id, SUM(amount) AS refunded FROM refunds "
        "GROUP BY payment_id) r ON r.payment_id = p.payment_id WHERE p.refunded_amount <> COALESCE(r.refunded, 0)"
    ) == [(0,)]
    assert select("SELECT COUNT(*) FROM refunds WHERE payment_id NOT IN (SELECT payment_id FROM payments)") == [(0,)]
    assert not [finding for finding in run_checks(settings_of(restored)) if finding.level is Level.PROBLEM]
    repeat_all(RunningService({**restored, **PROBABILITIES}), before)


def repeat_all(service: RunningService, before: AcknowledgedCalls) -> None:
    """Repeat acknowledged calls on the restored database, and check that they return the same payments and refunds."""
    service.start()
    with PaymentsClient(service.target, timeout_seconds=60) as client:
        for request_id, payment_id in list(before.payments.items())[:50]:
            order_id = client.get_payment(payment_id=payment_id).payment.order_id
            again = client.charge(order_id=order_id, amount=AMOUNT, method=PaymentMethod.UPI, request_id=request_id)
            assert again.payment_id == payment_id
        for request_id, (payment_id, refund_id) in list(before.refunds.items())[:50]:
            result = client.refund(payment_id=payment_id, amount=Decimal(3), request_id=request_id)
            assert result.refund is not None
            assert result.refund.refund_id == refund_id
        new = client.charge(order_id=1, amount=AMOUNT, method=PaymentMethod.UPI)
        assert new.payment_id > max(before.payments.values())
    assert service.stop() == 0


def test_texts_that_look_like_sql_are_counted_and_restored_unchanged(
    payments: Payments, table: Table, make_database: Callable[[], dict[str, str]], database_server: DatabaseServer
) -> None:
    for text in ODD_TEXTS:
        table("INSERT INTO payments (order_id, amount, method, status, reference) VALUES (1, 1, %s, 1, %s)", text, text)
    rows = table("SELECT * FROM payments ORDER BY payment_id")

    run = payments("backup", "copy.sql.gz")

    assert f" {len(ODD_TEXTS)} payments" in run.stdout, run.stderr
    other = make_database()
    assert payments("restore", "copy.sql.gz", **other).returncode == 0
    text = "SELECT * FROM payments ORDER BY payment_id"
    assert database_server.execute(text, database=other["MYSQL_DB"]) == rows


def test_sources_approvals_disputes_and_what_is_due_at_the_processor_are_restored(
    payments: Payments, table: Table, make_database: Callable[[], dict[str, str]], database_server: DatabaseServer
) -> None:
    url = '{"type":"REDIRECT","redirect_url":"https://pay.example/(1)?a=\'b\'&c=\\\\d"}'
    table(
        "INSERT INTO payments (order_id, amount, method, status, source_mark, next_action, dispute_status, dispute) "
        "VALUES (1, 1, 'CARD', NULL, %s, %s, NULL, NULL), (2, 1, 'CARD', 1, %s, NULL, 'OPEN', %s)",
        *("0a1b2c3d:00", url, "0a1b2c3d:01", '{"reason":"); (fraudulent"}'),
    )
    table("INSERT INTO processor_checks (payment_id, hints, is_disputed, due_at) VALUES (2, 3, 1, UTC_TIMESTAMP(6))")
    table("INSERT INTO late_outcomes (kind, payment_id, found_at) VALUES ('DISPUTE_OPENED', 2, UTC_TIMESTAMP(6))")
    table("UPDATE processor_polls SET last_event_id = 'evt_1', due_at = UTC_TIMESTAMP(6)")
    selections = [
        f"SELECT * FROM {name} ORDER BY 1"
        for name in ("payments", "processor_checks", "late_outcomes", "processor_polls")
    ]
    rows = [table(selection) for selection in selections]

    run = payments("backup", "copy.sql.gz")

    assert run.returncode == 0, run.stderr
    other = make_database()
    assert payments("restore", "copy.sql.gz", **other).returncode == 0
    assert [database_server.execute(selection, database=other["MYSQL_DB"]) for selection in selections] == rows


def test_the_password_is_not_on_a_command_line_or_in_an_environment(
    payments: Payments, accounts: Accounts, migrated_database: dict[str, str], tmp_path: Path
) -> None:
    assert payments("sample", "--count", str(SAMPLE_ROWS)).returncode == 0
    environment = accounts.environment(migrated_database["MYSQL_DB"], BACKUP)
    password = environment["MYSQL_PASSWORD"]
    command = [sys.executable, "-m", "tools.cli.main", "backup", str(tmp_path / "copy.sql.gz")]
    texts: list[bytes] = []
    with subprocess.Popen(command, cwd=ROOT, env={"PATH": os.environ["PATH"], **environment}) as process:
        while process.poll() is None:
            texts += read_dump_processes()
            time.sleep(0.001)
    assert process.returncode == 0
    assert texts
    assert all(password.encode() not in text for text in texts)


def read_dump_processes() -> list[bytes]:
    """Return the command lines and environments of the running dump programs."""
    texts = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if b"dump\0--defaults-file=" in command:
                texts.append(command)
                # The parent's environment has the settings with the password, which the child must not inherit.
                texts.append((folder / "environ").read_bytes())
    return texts


@pytest.mark.parametrize("password", ["plain", " sp ace ", "a\"b'c", "#1", 'a"#b', "a'#b", "\\n\\", "\\'\"", "tab\tx"])
def test_any_password_can_log_in(
    database_server: DatabaseServer, migrated_database: dict[str, str], payments: Payments, password: str
) -> None:
    user = f"odd_{new_order_id()}"
    database_server.execute(f"CREATE USER {user} IDENTIFIED BY %s", (password,))
    try:
        database_server.execute(f"GRANT SELECT ON {migrated_database['MYSQL_DB']}.* TO {user}")
        run = payments("backup", "copy.sql.gz", MYSQL_USER=user, MYSQL_PASSWORD=password)
        assert run.returncode == 0, run.stderr
    finally:
        database_server.execute(f"DROP USER {user}")


def test_a_password_that_an_option_file_cannot_represent_is_reported(migrated_database: dict[str, str]) -> None:
    settings = settings_of({**migrated_database, "MYSQL_PASSWORD": "a\"'#"})
    program = find_program(DUMP, for_mariadb=True)
    with pytest.raises(ClientProgramError, match="both kinds of quotation marks"), login_options(settings, program):
        pass


@pytest.fixture
def backup_file(payments: Payments, tmp_path: Path) -> Path:
    """A backup of some payments."""
    assert payments("sample", "--count", "100").returncode == 0
    assert payments("backup", "copy.sql.gz").returncode == 0
    return tmp_path / "copy.sql.gz"


def test_a_backup_is_private_and_is_never_overwritten(payments: Payments, backup_file: Path) -> None:
    assert backup_file.stat().st_mode & 0o777 == 0o600
    before = backup_file.read_bytes()

    run = payments("backup", backup_file.name)

    assert run.returncode == 1
    assert "file exists" in run.stderr
    assert backup_file.read_bytes() == before
    assert sorted(path.name for path in backup_file.parent.iterdir()) == [backup_file.name]


def damage(backup_file: Path, how: str) -> None:
    text = gzip.decompress(backup_file.read_bytes())
    match how:
        case "truncated":
            backup_file.write_bytes(backup_file.read_bytes()[:-200])
        case "a bit flipped":
            compressed = bytearray(backup_file.read_bytes())
            compressed[len(compressed) // 2] ^= 1
            backup_file.write_bytes(compressed)
        case "a row missing":
            # MariaDB's program writes each row on a line of its own, and MySQL's all rows on one line.
            rest, removed = re.subn(rb"(VALUES\s*)\(.*?\),\s*(?=\()", rb"\1", text, count=1)
            assert removed == 1
            backup_file.write_bytes(gzip.compress(rest))
        case "a method changed":
            backup_file.write_bytes(gzip.compress(text.replace(b"'UPI'", b"'COD'", 1)))
        case "the last line missing":
            backup_file.write_bytes(gzip.compress(b"".join(text.splitlines(keepends=True)[:-1])))
        case "data after the end":
            backup_file.write_bytes(backup_file.read_bytes() + gzip.compress(b"DROP TABLE payments;\n"))
        case "not a backup":
            backup_file.write_bytes(b"payment_id,order_id\n1,2\n")


@pytest.mark.parametrize(
    "how",
    [
        "truncated",
        "a bit flipped",
        "a row missing",
        "a method changed",
        "the last line missing",
        "data after the end",
        "not a backup",
    ],
)
def test_a_damaged_file_is_rejected_before_anything_is_changed(
    payments: Payments, backup_file: Path, empty_database: dict[str, str], database_server: DatabaseServer, how: str
) -> None:
    database_server.execute(f"DROP DATABASE {empty_database['MYSQL_DB']}")
    database_server.execute(f"CREATE DATABASE {empty_database['MYSQL_DB']}")
    assert payments("restore", "--check", backup_file.name).returncode == 0
    damage(backup_file, how)

    for arguments in (["--check"], []):
        run = payments("restore", backup_file.name, *arguments)
        assert run.returncode == 1
        assert backup_file.name in run.stderr
    assert database_server.execute("SHOW TABLES", database=empty_database["MYSQL_DB"]) == []


def test_existing_tables_are_dropped_only_on_request_and_if_no_other_session_uses_the_database(
    payments: Payments,
    backup_file: Path,
    table: Table,
    migrated_database: dict[str, str],
    database_server: DatabaseServer,
) -> None:
    table("UPDATE payments SET order_id = 7")

    run = payments("restore", backup_file.name)
    assert run.returncode == 1
    assert "--overwrite" in run.stderr
    owner = {"MYSQL_PASSWORD": ""} | database_server.environment(migrated_database["MYSQL_DB"])
    with database_server.connection(migrated_database["MYSQL_DB"]):
        run = payments("restore", backup_file.name, "--overwrite", **owner)
    assert run.returncode == 1
    assert "1 other sessions are using" in run.stderr
    assert table("SELECT COUNT(*) FROM payments WHERE order_id <> 7") == [(0,)]

    run = payments("restore", backup_file.name, "--overwrite", **owner)
    assert run.returncode == 0, run.stderr
    assert table("SELECT COUNT(*) FROM payments WHERE order_id <> 7") > [(0,)]


def test_a_restore_that_the_database_refuses_says_what_to_do(
    payments: Payments, backup_file: Path, make_database: Callable[[], dict[str, str]], accounts: Accounts
) -> None:
    other = make_database()["MYSQL_DB"]
    database_server = accounts.server
    database_server.execute(f"GRANT SELECT ON {other}.* TO {SERVICE + accounts.suffix}")

    run = payments("restore", backup_file.name, **accounts.environment(other, SERVICE))

    assert run.returncode == 1
    assert "denied" in run.stderr
    assert "is only partly restored" in run.stderr


def test_a_backup_of_an_older_schema_is_restored_and_must_be_migrated(
    payments: Payments, table: Table, make_database: Callable[[], dict[str, str]]
) -> None:
    table("DELETE FROM schema_migrations WHERE version >= 7")
    assert payments("backup", "older.sql.gz").returncode == 0

    run = payments("restore", "older.sql.gz", **make_database())

    assert run.returncode == 0, run.stderr
    assert "the database is at migration 6" in run.stdout
    assert "run `payments migrate`" in run.stdout


def test_a_backup_from_the_other_product_is_rejected(
    payments: Payments, tmp_path: Path, make_database: Callable[[], dict[str, str]], database_server: DatabaseServer
) -> None:
    ((version,),) = database_server.execute("SELECT VERSION()")
    other = "8.0.36" if "mariadb" in version.lower() else "10.11.19-MariaDB"
    with new_backup_file(tmp_path / "copy.sql.gz") as (file, _):
        write_backup(file, [b"-- Dump completed\n"], Origin("ecommerce", other, 7, "2026-11-25 00:00:00.000000"))

    run = payments("restore", "copy.sql.gz", **make_database())

    assert run.returncode == 1
    assert "payments export" in run.stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'CREATE TABLE `payments` ('; echo 'Table definition has changed' >&2; exit 2", "Table definition has"),
        ("echo 'CREATE TABLE `payments` ('", "did not finish its output"),
        ("echo '-- Dump completed'; kill -9 $$", "failed"),
    ],
)
def test_a_failed_backup_leaves_no_file(payments: Payments, tmp_path: Path, script: str, message: str) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("mariadb-dump", "mysqldump"):
        (programs / name).write_text(f"#!/bin/sh\n[ $1 = --version ] && exit\n{script}\n")
        (programs / name).chmod(0o755)

    run = payments("backup", "copy.sql.gz", PATH=f"{programs}:{os.environ['PATH']}")

    assert run.returncode == 1
    assert message in run.stderr
    assert "no backup was made" in run.stderr
    assert list(tmp_path.iterdir()) == [programs]


def test_a_database_without_payments_tables_is_not_backed_up(
    payments: Payments, make_database: Callable[[], dict[str, str]]
) -> None:
    run = payments("backup", "copy.sql.gz", **make_database())

    assert run.returncode == 1
    assert "nothing to back up" in run.stderr


def test_without_the_client_programs_the_message_says_how_to_install_them(payments: Payments, tmp_path: Path) -> None:
    run = payments("backup", "copy.sql.gz", PATH=str(tmp_path))

    assert run.returncode == 1
    assert "apt-get install" in run.stderr


def test_a_backup_with_a_position_allows_point_in_time_recovery(tmp_path: Path) -> None:
    """Follow the steps in ``docs/operations/backup.md``."""
    options = ("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=1")
    with PrivateDatabase(tmp_path / "logged", options=options) as private:
        environment = private.environment() | {"MYSQL_USER": "root", "MYSQL_PASSWORD": ""}
        migrate(settings_of(environment), report=lambda _: None)
        commands = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}

        def payments(*arguments: str, **settings: str) -> str:
            run = programs.run("tools.cli.main", *arguments, environment=commands | settings, folder=tmp_path)
            assert run.returncode == 0, run.stderr
            return run.stdout

        service = RunningService({**environment, **PROBABILITIES}).start()
        with constant_load(service):
            payments("backup", "copy.sql.gz", "--binlog-position")
        assert service.stop() == 0
        text = gzip.decompress((tmp_path / "copy.sql.gz").read_bytes()).decode()
        position = re.search(r"_LOG_FILE='([^']+)', \w+_LOG_POS=(\d+)", text)
        assert position is not None
        with private.connect() as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH BINARY LOGS")  # later changes, such as the restore, go to the next log
            for_mariadb = runs_mariadb(connection)
        payments("restore", "copy.sql.gz", MYSQL_DB="restored")
        log = private.folder / "data" / position[1]
        binlog, client = (
            str(find_program(names, for_mariadb=for_mariadb).path)
            for names in (("mariadb-binlog", "mysqlbinlog"), CLIENT)
        )
        replay = [binlog, "--no-defaults", f"--start-position={position[2]}", str(log)]
        replay += ["--rewrite-db=ecommerce->restored"]
        if not for_mariadb:
            replay.append("--skip-gtids")  # this server has already executed these transactions, in the other database
        load = [client, "--no-defaults", f"--socket={private.socket_path}", "--user=root"]
        with subprocess.Popen(replay, stdout=subprocess.PIPE) as read:
            subprocess.run(load, stdin=read.stdout, check=True, timeout=60)
        assert read.returncode == 0
        with private.connect() as connection, connection.cursor() as cursor:
            for table, key in (("payments", "payment_id"), ("refunds", "refund_id")):
                rows = []
                for database in ("ecommerce", "restored"):
                    cursor.execute(f"SELECT * FROM {database}.{table} ORDER BY {key}")
                    rows.append(cursor.fetchall())
                assert len(rows[0]) > read_backup(tmp_path / "copy.sql.gz").contents.rows[table]
                assert rows[0] == rows[1]


def test_after_a_restore_with_raised_counters_no_old_token_skips_an_event(
    payments: Payments,
    start_service: Callable[..., RunningService],
    make_database: Callable[[], dict[str, str]],
    database_server: DatabaseServer,
) -> None:
    """Follow the steps in ``docs/operations/backup.md``."""

    def charge(api: GrpcDriver) -> int:
        return api.charge(charge_request()).payment.payment_id

    def first_of(api: GrpcDriver, token: str) -> pb.WatchPaymentsResponse:
        return next(api.stub.WatchPayments(pb.WatchPaymentsRequest(resume_token=token), timeout=60))

    service = start_service(EVENT_RELAY_INTERVAL_SECONDS="0.05")
    with grpc.insecure_channel(service.target) as channel:
        api = GrpcDriver(channel)
        charge(api)
        assert payments("backup", "copy.sql.gz").returncode == 0
        lost = [charge(api) for _ in range(3)]
        stream = api.stub.WatchPayments(
            pb.WatchPaymentsRequest(resume_token=first_of(api, "").resume_token), timeout=60
        )
        lost.append(charge(api))
        token = next(response.resume_token for response in stream if response.event.payment.payment_id == lost[-1])
        stream.cancel()
    restored = make_database()
    assert payments("restore", "copy.sql.gz", **restored).returncode == 0
    name = restored["MYSQL_DB"]
    database_server.execute("UPDATE payment_stream SET last_sequence = last_sequence + 1000000", database=name)
    database_server.execute("ALTER TABLE payments AUTO_INCREMENT = 1000", database=name)

    other = RunningService({**restored, **PROBABILITIES, "EVENT_RELAY_INTERVAL_SECONDS": "0.05"}).start()
    with grpc.insecure_channel(other.target) as channel:
        api = GrpcDriver(channel)
        stream = api.stub.WatchPayments(pb.WatchPaymentsRequest(), timeout=60)
        next(stream)
        new = [charge(api) for _ in range(10)]
        assert [next(stream).event.payment.payment_id for _ in new] == new
        stream.cancel()
        with pytest.raises(grpc.RpcError) as failed:
            for _ in api.stub.WatchPayments(pb.WatchPaymentsRequest(resume_token=token), timeout=60):
                pass
        assert call_failed(failed.value).reason == "RESUME_TOKEN_EXPIRED"  # type: ignore[arg-type]
    assert not set(new) & set(lost)
    assert other.stop() == 0
