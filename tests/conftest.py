"""Shared fixtures: a real database, and real servers that use it.

By default, a private MariaDB is started for the test run; ``DATABASE`` selects another server. With ``TEST_MYSQL_URL``
(``mysql://user:password@host:port``), the tests use that server instead, create scratch databases there and drop them.
"""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import hypothesis
import pymysql
import pytest

from tests.support import tidb
from tests.support.databases import (
    Accounts,
    DatabaseServer,
    LockPaymentRows,
    Tables,
    prefer_selected_programs,
    settings_of,
)
from tests.support.drivers.calls import Driver, GrpcDriver
from tests.support.drivers.rest import LegacyDriver, RestDriver
from tests.support.parallel import (
    SharedDatabase,
    keep_files_in_memory,
    long_tests_first,
    shared_socket,
)
from tests.support.running_service import RunningService
from tests.support.secrecy import register_secret
from tools.database.migrations import migrate
from tools.dev.database_accounts import MIGRATOR
from tools.dev.devdb import PrivateDatabase

PROBABILITIES = {"SUCCESS_PROBABILITY": "1", "SUCCESS_PROBABILITY_CARD": "0"}
"""The method determines the outcome of a charge: CARD is always declined, UPI and COD always succeed."""

_PATIENT = {"MYSQL_LOCK_TIMEOUT_SECONDS": "60", "MYSQL_STATEMENT_TIMEOUT_SECONDS": "60"}
"""With the defaults, a call that waits for a test's lock would time out on a slow machine."""

# A slow machine is not a failure.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
# Every run uses the same examples, so that the same mutants survive. Failing examples are not shrunk.
hypothesis.settings.register_profile(
    "mutants",
    hypothesis.settings.get_profile("tests"),
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    # A terminated run stops its servers, as it does after Ctrl-C. SIGINT is set as well, because a shell starts
    # background jobs with SIGINT ignored, and they pass that on to the programs that they start.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    keep_files_in_memory()
    prefer_selected_programs()
    config.pluginmanager.register(SharedDatabase())


def pytest_xdist_auto_num_workers() -> int:
    """Return two workers for each core, because each worker waits for a server or a database half the time."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = long_tests_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    if url := os.environ.get("TEST_MYSQL_URL"):
        parts = urlsplit(url)
        yield DatabaseServer(
            {
                "host": parts.hostname or "127.0.0.1",
                "port": parts.port or 3306,
                "user": unquote(parts.username or "root"),
                "password": unquote(parts.password or ""),
            }
        )
    elif socket := shared_socket(pytestconfig):
        yield DatabaseServer({"unix_socket": socket, "user": "root"})
    else:
        with PrivateDatabase(tmp_path_factory.mktemp("database")) as private:
            yield DatabaseServer({"unix_socket": str(private.socket_path), "user": "root"})


@pytest.fixture(scope="session")
def accounts(database_server: DatabaseServer) -> Iterator[Accounts]:
    """Create the accounts, and run every service of the tests with exactly the privileges of ``grants.sql``."""
    accounts = Accounts(database_server)
    for password in filter(None, (*accounts.passwords.values(), database_server.connect_kwargs.get("password"))):
        register_secret(password)
    RunningService.as_service = accounts.as_service
    yield accounts
    accounts.drop()


@pytest.fixture(scope="session")
def make_database(database_server: DatabaseServer, accounts: Accounts) -> Iterator[Callable[[], dict[str, str]]]:
    """Return a function that creates an empty database and returns the migrator's settings for it.

    The databases are dropped at the end.
    """
    names: list[str] = []

    def make() -> dict[str, str]:
        name = f"payments_test_{secrets.token_hex(6)}"
        database_server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 {tidb.COLLATION}")
        names.append(name)
        accounts.create(name)
        return accounts.environment(name, MIGRATOR)

    yield make
    for name in names:
        database_server.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def empty_database(make_database: Callable[[], dict[str, str]]) -> dict[str, str]:
    return make_database()


@pytest.fixture(scope="session")
def tables(database_server: DatabaseServer, make_database: Callable[[], dict[str, str]]) -> Tables:
    """Return the tables that the migrations create, to copy them to other databases."""
    database = make_database()
    migrate(settings_of(database), report=lambda _: None)
    return Tables(database_server, database["MYSQL_DB"])


@pytest.fixture(scope="session")
def make_migrated_database(make_database: Callable[[], dict[str, str]], tables: Tables) -> Callable[[], dict[str, str]]:
    """Return a function that creates a migrated database and returns the migrator's settings for it."""

    def make() -> dict[str, str]:
        environment = make_database()
        tables.copy_to(environment["MYSQL_DB"])
        return environment

    return make


@pytest.fixture
def migrated_database(make_migrated_database: Callable[[], dict[str, str]]) -> dict[str, str]:
    return make_migrated_database()


@pytest.fixture(scope="session")
def service(make_migrated_database: Callable[[], dict[str, str]]) -> Iterator[RunningService]:
    """Run a server that tests share; each test looks only at its own payments."""
    database = make_migrated_database()
    running = RunningService({**database, **PROBABILITIES}).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def start_service(migrated_database: dict[str, str]) -> Iterator[Callable[..., RunningService]]:
    """Return a function that starts a server with the given settings; all of them use the database of the test.

    The servers wait longer for locks than those of a deployment, unless the settings say otherwise.
    """
    started: list[RunningService] = []

    def start(**settings: str) -> RunningService:
        running = RunningService({**migrated_database, **PROBABILITIES, **_PATIENT, **settings})
        started.append(running)
        return running.start()

    yield start
    for running in started:
        if running.is_running:
            running.kill()


@pytest.fixture
def lock_payment_rows(database_server: DatabaseServer, migrated_database: dict[str, str]) -> LockPaymentRows:
    """Return a context manager in which another transaction locks every payment of the test's database.

    Refunds have to wait for it. The context manager yields a function that waits until a refund does.
    """

    @contextmanager
    def hold() -> Iterator[Callable[[Future[Any]], None]]:
        name = migrated_database["MYSQL_DB"]
        connection = pymysql.connect(**database_server.connect_kwargs, database=name, autocommit=False)
        with connection, connection.cursor() as cursor:
            # READ COMMITTED locks rows only; gap locks would make charges wait as well.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("SELECT payment_id FROM payments FOR UPDATE")
            yield partial(database_server.wait_for_lock_wait, name)
            connection.rollback()

    return hold


@pytest.fixture(scope="session")
def approving_service(make_migrated_database: Callable[[], dict[str, str]]) -> Iterator[RunningService]:
    """Run a shared server that approves every charge, for ``/v1``, whose requests cannot name a method."""
    database = make_migrated_database()
    running = RunningService({**database, "SUCCESS_PROBABILITY": "1"}).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def lock_payments_table(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> Callable[[], AbstractContextManager[None]]:
    """Return a context manager in which the payments table of the test's database is locked, so that charges wait."""
    if tidb.IS_SELECTED:
        pytest.skip("TiDB has no LOCK TABLES")

    @contextmanager
    def hold() -> Iterator[None]:
        name = migrated_database["MYSQL_DB"]
        connection = pymysql.connect(**database_server.connect_kwargs, database=name, autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES payments WRITE")
            yield
            cursor.execute("UNLOCK TABLES")

    return hold


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each contract test over every transport; over ``/v1`` only if the test is marked ``legacy``."""
    if "api" in metafunc.fixturenames:
        has_legacy = metafunc.definition.get_closest_marker("legacy") is not None
        metafunc.parametrize("api", ["grpc", "v2", *(["v1"] if has_legacy else [])], indirect=True)


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Driver]:
    match request.param:
        case "grpc":
            with grpc.insecure_channel(request.getfixturevalue("service").target) as channel:
                yield GrpcDriver(channel)
        case "v2":
            rest = RestDriver(request.getfixturevalue("service").rest_url)
            with rest.http:
                yield rest
        case "v1":
            legacy = LegacyDriver(request.getfixturevalue("approving_service").rest_url)
            with legacy.http:
                yield legacy


@pytest.fixture
def grpc_api(service: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(service.target) as channel:
        yield GrpcDriver(channel)
