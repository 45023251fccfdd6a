"""The service and every command report immediately, in one line, that the database rejects the account."""

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import pymysql.err
import pytest
from structlog.testing import capture_logs

from server.storage.database import access, driver_errors
from server.storage.database.outage_log import OutageLog
from tests.conftest import PROBABILITIES
from tests.support import programs, tidb
from tests.support.databases import Accounts, DatabaseServer, settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.dev.database_accounts import SERVICE

COMMANDS = (
    ["migrate"],
    ["migrate", "status"],
    ["sample"],
    ["keys", "list"],
    ["keys", "create", "shop", "--role", "payments.charge"],
    ["history", "1"],
    ["export", "{folder}/payments.csv"],
    ["backup", "{folder}/payments.sql.gz"],
    ["archive", "--before", "400d"],
    ["unarchive", "1"],
    ["import", str(ROOT / "data" / "sample.csv"), "--rejects", "{folder}/rejects.csv"],
)


@dataclass(frozen=True)
class RejectedLogin:
    """Settings that the database rejects, and the expected message: the server's error and the advice."""

    environment: dict[str, str]
    server_error: str
    advice: str

    @property
    def prefix(self) -> str:
        """The expected prefix of the line: the database, its address and the user."""
        settings = settings_of(self.environment)
        return f"the database {settings.mysql_db} at {access.address(settings)} rejects user {settings.mysql_user}: "


@dataclass(frozen=True)
class Account:
    """An account with the password "right": options of its CREATE USER, and its privileges in the test's database."""

    options: str = ""
    privileges: str | None = "ALL PRIVILEGES"


WRONG_CREDENTIALS = ("Access denied for user", "Set MYSQL_USER and MYSQL_PASSWORD")
NO_DATABASE = {"MYSQL_DB": "payments_none"}
REJECTED_LOGINS = {
    "wrong password": (Account(), {"MYSQL_PASSWORD": "hunter2"}, *WRONG_CREDENTIALS),
    "no password": (Account(), {"MYSQL_PASSWORD": ""}, *WRONG_CREDENTIALS),
    "unknown account": (Account(), {"MYSQL_USER": "payments_nobody"}, *WRONG_CREDENTIALS),
    "no privileges": (Account(privileges=None), {}, "to database", "Set MYSQL_DB"),
    "no such database": (Account(), NO_DATABASE, "to database 'payments_none'", "deploy/sql/grants.sql"),
    "locked": (Account("ACCOUNT LOCK"), {}, "locked", "deploy/sql/passwords.sh"),
    "expired": (Account("PASSWORD EXPIRE"), {}, "", "deploy/sql/passwords.sh"),
}


@pytest.fixture
def make_account(database_server: DatabaseServer) -> Iterator[Callable[..., str]]:
    """A function that creates an account with the password "right" and privileges in a database. It returns a name."""
    names = []

    def make(database: dict[str, str], options: str = "", *, privileges: str | None = "ALL PRIVILEGES") -> str:
        name = f"payments_{secrets.token_hex(5)}"
        database_server.execute(f"CREATE USER {name} IDENTIFIED BY 'right' {options}")
        names.append(name)
        if privileges is not None:
            database_server.execute(f"GRANT {privileges} ON {database['MYSQL_DB']}.* TO {name}")
        return name

    yield make
    for name in names:
        database_server.execute(f"DROP USER {name}")


@pytest.fixture(params=REJECTED_LOGINS)
def rejected_login(
    request: pytest.FixtureRequest, empty_database: dict[str, str], make_account: Callable[..., str]
) -> RejectedLogin:
    account, settings, server_error, advice = REJECTED_LOGINS[request.param]
    credentials = {
        "MYSQL_USER": make_account(empty_database, account.options, privileges=account.privileges),
        "MYSQL_PASSWORD": "right",
    }
    return RejectedLogin({**empty_database, **credentials, **settings}, server_error, advice)


def test_the_service_reports_a_rejected_account_in_one_line_and_exits(rejected_login: RejectedLogin) -> None:
    service = RunningService({**rejected_login.environment, **PROBABILITIES})

    service.spawn()

    assert service.wait() == 1
    (line,) = service.output
    assert line.startswith(rejected_login.prefix)
    assert rejected_login.server_error in line
    assert rejected_login.advice in line
    assert "docs/operations/database-accounts.md" in line
    assert "hunter2" not in line


def test_a_missing_database_is_reported_to_the_administrator(database_server: DatabaseServer) -> None:
    service = RunningService(database_server.environment("payments_none"))

    service.spawn()

    assert service.wait() == 1
    (line,) = service.output
    assert "Unknown database 'payments_none'. Set MYSQL_DB" in line
    assert "`payments migrate` creates it" in line


def run(environment: dict[str, str], arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return programs.run(
        "tools.cli.main",
        *(argument.format(folder=folder) for argument in arguments),
        environment={"PATH": os.environ["PATH"], **environment},
        folder=folder,
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_reports_a_rejected_account_in_one_line_and_exits(
    arguments: list[str], empty_database: dict[str, str], make_account: Callable[..., str], tmp_path: Path
) -> None:
    environment = {**empty_database, "MYSQL_USER": make_account(empty_database), "MYSQL_PASSWORD": "hunter2"}
    rejected_login = RejectedLogin(environment, "Access denied for user", "Set MYSQL_USER and MYSQL_PASSWORD")

    result = run(environment, arguments, tmp_path)

    line, *other_lines = result.stderr.splitlines()
    assert result.returncode == 1
    assert line.startswith(rejected_login.prefix)
    assert rejected_login.server_error in line
    assert rejected_login.advice in line
    assert other_lines in ([], ["no backup was made"])
    assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_reports_missing_privileges_with_advice(
    arguments: list[str], migrated_database: dict[str, str], make_account: Callable[..., str], tmp_path: Path
) -> None:
    if arguments[0] == "backup" and tidb.IS_SELECTED:
        pytest.skip("a backup of TiDB is refused before it reads a table")
    name = make_account(migrated_database, privileges="CREATE TEMPORARY TABLES")

    result = run({**migrated_database, "MYSQL_USER": name, "MYSQL_PASSWORD": "right"}, arguments, tmp_path)

    assert result.returncode == 1
    line, *other_lines = result.stderr.splitlines()
    if arguments[0] == "backup":
        assert "this account may not read them" in line
    else:
        assert f"denied to user '{name}'" in line
        assert "Set MYSQL_USER to payments_" in line
        assert "deploy/sql/grants.sql" in line
    assert other_lines in ([], ["no backup was made"])


def test_the_doctor_reports_a_rejected_account(empty_database: dict[str, str], tmp_path: Path) -> None:
    result = run({**empty_database, "MYSQL_PASSWORD": "hunter2"}, ["doctor"], tmp_path)

    assert result.returncode == 1
    assert "problem  database: the database" in result.stdout
    assert "Set MYSQL_USER and MYSQL_PASSWORD" in result.stdout
    assert not result.stderr


def test_an_account_locked_at_runtime_makes_calls_unavailable_without_flooding_the_log(
    start_service: Callable[..., RunningService],
    migrated_database: dict[str, str],
    database_server: DatabaseServer,
    accounts: Accounts,
) -> None:
    service = start_service(ANONYMOUS_ROLES="payments.charge", API_KEY_REFRESH_INTERVAL_SECONDS="0.1")
    name = SERVICE + accounts.suffix
    with grpc.insecure_channel(service.target) as channel:
        api = GrpcDriver(channel)
        api.charge(charge())
        database_server.execute(f"ALTER USER {name} ACCOUNT LOCK")
        try:
            database_server.kill_connections(migrated_database["MYSQL_DB"])
            locked = [_reason_of_failure(api) for _ in range(60)]
        finally:
            database_server.execute(f"ALTER USER {name} ACCOUNT UNLOCK")
        assert set(locked) == {"STORE_UNAVAILABLE"}
        service.wait_for("health", status="NOT_SERVING")
        logged = [event for event in service.events if event["event"] == "database_unavailable"]
        assert any("locked" in event["detail"] for event in logged)
        assert len(logged) < len(locked) / 2
        api.charge(charge())
    assert service.stop() == 0


def _reason_of_failure(api: GrpcDriver) -> str:
    with pytest.raises(CallFailed) as failed:
        api.charge(charge())
    return failed.value.reason


def test_an_outage_is_logged_immediately_and_then_at_intervals_for_each_kind() -> None:
    now_seconds = 0.0
    log = OutageLog(lambda: now_seconds)
    lost, locked = pymysql.err.OperationalError(2013, "lost"), pymysql.err.OperationalError(4151, "locked")
    with capture_logs() as events:
        log.add(lost)
        log.open()
        for now_seconds in (0, 1, 9, 10, 11, 19, 60):
            log.add(lost)
            if now_seconds == 9:
                log.add(locked)
    logged = [(event["code"], event["repeated"]) for event in events]
    assert logged == [(2013, 0), (4151, 0), (2013, 2), (2013, 2)]


def test_every_error_that_rejects_an_account_has_advice() -> None:
    codes = [code for code in range(1000, 5000) if _kind(code) == "access_denied"]
    assert 1045 in codes
    for code in codes:
        assert access.rejection(pymysql.err.OperationalError(code, "no"), settings_of({"MYSQL_HOST": "db"})), code
    assert access.rejection(pymysql.err.OperationalError(2003, "no"), settings_of({"MYSQL_HOST": "db"})) is None


def _kind(code: int) -> str:
    return driver_errors.kind(pymysql.err.OperationalError(code, "no"))


@pytest.fixture
def other_server() -> Iterator[int]:
    """The port of a server that does not speak the MySQL protocol."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    with closing(listener.accept()[0]) as connection:
                        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                        connection.recv(1)

        threading.Thread(target=greet, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_not_a_database_is_reported_without_a_stack_trace(other_server: int) -> None:
    settings = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(other_server), "MYSQL_STARTUP_TIMEOUT_SECONDS": "1"}
    service = RunningService(settings)

    service.spawn()

    assert service.wait() == 1
    assert f"127.0.0.1:{other_server}" in service.output[-1]
    assert not any("Traceback" in line for line in service.output)
