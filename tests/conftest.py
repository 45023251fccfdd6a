"""What tests share: a real database, and real servers on it.

The database is a private MariaDB, started for the run; or, with ``TEST_MYSQL_URL`` (``mysql://user:password@host:port``),
that server, where every test makes a scratch database of its own and drops it.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import pymysql
import pytest

from server.config import Settings
from tests.api.drivers import Driver, GrpcDriver
from tests.api.rest_drivers import LegacyDriver, RestDriver
from tests.running_service import RunningService
from tests.secrecy import keep_secret
from tools.database_accounts import ACCOUNTS, MIGRATOR, SERVICE, grant, make_accounts
from tools.database_connection import DatabaseConnection
from tools.devdb import PrivateDatabase
from tools.migrate import migrate

PROBABILITIES = {"SUCCESS_PROBABILITY": "1", "SUCCESS_PROBABILITY_CARD": "0"}
"""The outcome of a charge is its method's: CARD is always declined, UPI and COD succeed."""


@dataclass(frozen=True)
class DatabaseServer:
    """A database server, and how to connect to it as one who may make databases."""

    connect_kwargs: dict[str, Any]

    def environment(self, database: str) -> dict[str, str]:
        """Return the settings that make the service use ``database`` on it."""
        names = {"host": "MYSQL_HOST", "port": "MYSQL_PORT", "unix_socket": "MYSQL_SOCKET"}
        names |= {"user": "MYSQL_USER", "password": "MYSQL_PASSWORD"}
        return {names[key]: str(value) for key, value in self.connect_kwargs.items()} | {"MYSQL_DB": database}

    @contextmanager
    def connection(self, database: str) -> Iterator[DatabaseConnection]:
        """Connect to ``database``, with autocommit."""
        connection = pymysql.connect(**self.connect_kwargs, database=database, autocommit=True, charset="utf8mb4")
        with connection:
            yield connection

    def execute(self, text: str, values: tuple[object, ...] = (), database: str | None = None) -> list[Any]:
        """Execute a statement, committed, in UTC, and return its rows."""
        connection = pymysql.connect(**self.connect_kwargs, database=database, autocommit=True, charset="utf8mb4")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(text, values or None)
            return list(cursor.fetchall())


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    url = os.environ.get("TEST_MYSQL_URL")
    if url:
        parts = urlsplit(url)
        yield DatabaseServer(
            {
                "host": parts.hostname or "127.0.0.1",
                "port": parts.port or 3306,
                "user": unquote(parts.username or "root"),
                "password": unquote(parts.password or ""),
            }
        )
        return
    with PrivateDatabase(tmp_path_factory.mktemp("mariadb")) as private:
        yield DatabaseServer({"unix_socket": str(private.socket_path), "user": "root"})


@dataclass(frozen=True)
class Accounts:
    """The accounts that ``deploy/sql`` makes, on the tests' database server, under names of this run's own."""

    server: DatabaseServer
    suffix: str = field(default_factory=lambda: f"_{secrets.token_hex(5)}")
    passwords: dict[str, str] = field(
        default_factory=lambda: {name: f"{name}-{secrets.token_urlsafe(16)}" for name in ACCOUNTS}
    )

    def make(self, database: str) -> None:
        """Make them, and give the migrator what it needs in ``database``."""
        with self.server.connection(database) as connection:
            make_accounts(connection, self.passwords, self.suffix)

    def environment(self, database: str, account: str) -> dict[str, str]:
        """Return the settings with which an account uses ``database``."""
        return self.server.environment(database) | {
            "MYSQL_USER": account + self.suffix,
            "MYSQL_PASSWORD": self.passwords[account],
        }

    def as_service(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the settings of a service that may only what ``grants.sql`` says, where the migrator made tables."""
        if environment.get("MYSQL_USER") != MIGRATOR + self.suffix:
            return dict(environment)
        database = environment["MYSQL_DB"]
        with self.server.connection(database) as connection:
            if not has_tables(connection):
                return dict(environment)
            grant(connection, self.suffix)
        return dict(environment) | self.environment(database, SERVICE)

    def drop(self) -> None:
        """Take them away."""
        for account in ACCOUNTS:
            self.server.execute("DROP USER IF EXISTS %s", (account + self.suffix,))


def has_tables(connection: DatabaseConnection) -> bool:
    with connection.cursor() as cursor:
        return cursor.execute("SHOW TABLES LIKE 'schema_migrations'") > 0


@pytest.fixture(scope="session")
def accounts(database_server: DatabaseServer) -> Iterator[Accounts]:
    """Have every service of the tests run with the rights of ``grants.sql`` and no other."""
    accounts = Accounts(database_server)
    for password in filter(None, (*accounts.passwords.values(), database_server.connect_kwargs.get("password"))):
        keep_secret(password)
    RunningService.as_service = accounts.as_service
    yield accounts
    accounts.drop()


@pytest.fixture(scope="session")
def make_database(database_server: DatabaseServer, accounts: Accounts) -> Iterator[Callable[[], dict[str, str]]]:
    """Make empty databases, dropped at the end; each is given as the settings that the migrator uses it with."""
    made: list[str] = []

    def make() -> dict[str, str]:
        name = f"payments_test_{secrets.token_hex(6)}"
        database_server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        made.append(name)
        accounts.make(name)
        return accounts.environment(name, MIGRATOR)

    yield make
    for name in made:
        database_server.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def empty_database(make_database: Callable[[], dict[str, str]]) -> dict[str, str]:
    return make_database()


@pytest.fixture
def migrated_database(empty_database: dict[str, str]) -> dict[str, str]:
    migrate(settings_of(empty_database), say=lambda _: None)
    return empty_database


def settings_of(environment: dict[str, str]) -> Settings:
    """Return the settings that a server with this environment has, whatever this process's own environment is."""
    return Settings.model_validate({name.lower(): value for name, value in environment.items()})


@pytest.fixture(scope="session")
def service(make_database: Callable[[], dict[str, str]]) -> Iterator[RunningService]:
    """A server that tests share: each looks only at payments of its own."""
    database = make_database()
    migrate(settings_of(database), say=lambda _: None)
    running = RunningService({**database, **PROBABILITIES}).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def start_service(migrated_database: dict[str, str]) -> Iterator[Callable[..., RunningService]]:
    """Start servers with settings of their own, on one database of the test's own."""
    started: list[RunningService] = []

    def start(**settings: str) -> RunningService:
        running = RunningService({**migrated_database, **PROBABILITIES, **settings})
        started.append(running)
        return running.start()

    yield start
    for running in started:
        if running.is_running:
            running.kill()


@pytest.fixture
def hold_rows(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> Callable[[], AbstractContextManager[None]]:
    """Lock every payment of the test's database for a while, as another transaction would: refunds must wait."""

    @contextmanager
    def hold() -> Iterator[None]:
        name = migrated_database["MYSQL_DB"]
        connection = pymysql.connect(**database_server.connect_kwargs, database=name, autocommit=False)
        with connection, connection.cursor() as cursor:
            # Rows only: locked gaps would make charges wait too.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("SELECT payment_id FROM payments FOR UPDATE")
            yield
            connection.rollback()

    return hold


@pytest.fixture(scope="session")
def approving_service(make_database: Callable[[], dict[str, str]]) -> Iterator[RunningService]:
    """A server that approves every charge, which tests share: for ``/v1``, which cannot name a method."""
    database = make_database()
    migrate(settings_of(database), say=lambda _: None)
    running = RunningService({**database, "SUCCESS_PROBABILITY": "1"}).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def hold_inserts(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> Callable[[], AbstractContextManager[None]]:
    """Lock the table of the test's database for a while: payments must wait to be written."""

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
    """Run each test of the contract over every transport: over ``/v1`` those that are marked to have its features.

    With ``TEST_GRPC_ENGINE``, which names another engine than the default one, over gRPC alone.
    """
    if "api" in metafunc.fixturenames:
        has_legacy = metafunc.definition.get_closest_marker("legacy") is not None
        rest = [] if "TEST_GRPC_ENGINE" in os.environ else ["v2", *(["v1"] if has_legacy else [])]
        metafunc.parametrize("api", ["grpc", *rest], indirect=True)


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
