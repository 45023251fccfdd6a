"""The database server of the tests, its accounts, and the tables of a migrated database."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pymysql
import pytest
from pymysql.cursors import DictCursor

from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.storage.database.pool import Database
from server.storage.database.server_version import is_mariadb
from server.storage.database.session import Session
from tests.support import tidb
from tests.support.plans import EXPLAIN, PlanStep, plan_steps
from tests.support.waiting import wait_until
from tools.database.connection import DatabaseConnection, execute
from tools.dev.database_accounts import ACCOUNTS, MIGRATOR, SERVICE, create_accounts, grant_privileges
from tools.dev.selected_database import selected_programs
from tools.dev.system_package import ProgramFailed

_LOCK_WAITS = (
    "SELECT COUNT(*) FROM information_schema.tidb_trx WHERE state = 'LockWaiting' AND db = %s"
    if tidb.IS_SELECTED
    else """
        SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist
            ON id = trx_mysql_thread_id WHERE trx_state = 'LOCK WAIT' AND db = %s
    """
)
"""Counts the transactions in a database that wait for a lock."""

LOCK_WAITS_REFRESHED_SECONDS = 0.3
"""InnoDB refreshes what it shows of lock waits only if that was not read for 0.1 s."""


LockPaymentRows = Callable[[], AbstractContextManager[Callable[[Future[Any]], None]]]
"""Locks all payments of a database. The context manager yields a function that waits until a refund is blocked."""


@asynccontextmanager
async def open_database(
    environment: Mapping[str, str], make_session: type[Session] = Session, /, **settings: str
) -> AsyncIterator[Database]:
    """Open the service's pool for a database, with further settings."""
    database = Database(settings_of({**environment, **settings}), make_session)
    try:
        yield database
    finally:
        await database.close(Deadline.after(10))


def prefer_selected_programs() -> None:
    """Put the programs of the database that ``DATABASE`` selects first on the PATH, where backups find the clients.

    Raises:
        pytest.UsageError: there is no such database, or it cannot be unpacked or built.
    """
    try:
        folder = selected_programs()
    except ProgramFailed as error:
        raise pytest.UsageError(str(error)) from None
    if folder is not None:
        os.environ["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])


@dataclass(frozen=True)
class DatabaseServer:
    """A database server, and the arguments for connections as an account that may create databases."""

    connect_kwargs: dict[str, Any]

    def environment(self, database: str) -> dict[str, str]:
        """Return the settings with which the service uses ``database``."""
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
        """Execute a statement in UTC, commit it, and return its rows."""
        connection = pymysql.connect(**self.connect_kwargs, database=database, autocommit=True, charset="utf8mb4")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(text, values or None)
            return list(cursor.fetchall())

    def explain(self, text: str, values: tuple[object, ...], database: str) -> list[PlanStep]:
        """Return the database's plan for a statement."""
        with self.connection(database) as connection, connection.cursor(DictCursor) as cursor:
            cursor.execute(f"{EXPLAIN} {text}", values)
            return plan_steps(cursor.fetchall())

    def kill_connections(self, database: str) -> None:
        """Kill all connections to ``database``."""
        for (number,) in self.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (database,)):
            with suppress(pymysql.err.MySQLError):  # it is already closed
                self.execute(f"KILL {number}")

    def blocked_refunds(self, database: str) -> list[int]:
        """Return the ids of the connections to ``database`` that lock, or wait for, the payment of a refund."""
        text = "SELECT id FROM information_schema.processlist WHERE db = %s AND info LIKE '%%FOR UPDATE'"
        return [number for (number,) in self.execute(text, (database,))]

    def has_lock_wait(self, database: str) -> bool:
        """Whether a session in ``database`` waits for a lock."""
        return self.execute(_LOCK_WAITS, (database,)) != [(0,)]

    def wait_for_lock_wait(self, database: str, waiter: Future[Any]) -> None:
        """Wait until a session in ``database`` waits for a lock, or until ``waiter`` is done; raise its exception."""
        wait_until(lambda: waiter.done() or self.has_lock_wait(database), poll_seconds=LOCK_WAITS_REFRESHED_SECONDS)
        if waiter.done():
            waiter.result()


@dataclass(frozen=True)
class Accounts:
    """The accounts of ``deploy/sql`` on the database server of the tests, with names that are unique to this run."""

    server: DatabaseServer
    suffix: str = field(default_factory=lambda: f"_{secrets.token_hex(5)}")
    passwords: dict[str, str] = field(
        default_factory=lambda: {name: f"{name}-{secrets.token_urlsafe(16)}" for name in ACCOUNTS}
    )

    def create(self, database: str) -> None:
        """Create the accounts, and grant the migrator its privileges on ``database``."""
        with self.server.connection(database) as connection:
            create_accounts(connection, self.passwords, self.suffix)

    def environment(self, database: str, account: str) -> dict[str, str]:
        """Return the settings with which ``account`` uses ``database``."""
        return self.server.environment(database) | {
            "MYSQL_USER": account + self.suffix,
            "MYSQL_PASSWORD": self.passwords[account],
        }

    def as_service(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Replace the migrator's account with the service account in the settings, once the database has been migrated.

        The service account has the privileges of ``grants.sql`` and no others. Other settings are returned unchanged.
        """
        if environment.get("MYSQL_USER") != MIGRATOR + self.suffix:
            return dict(environment)
        database = environment["MYSQL_DB"]
        with self.server.connection(database) as connection:
            if not has_tables(connection):
                return dict(environment)
            grant_privileges(connection, self.suffix)
        return dict(environment) | self.environment(database, SERVICE)

    def drop(self) -> None:
        """Drop the accounts."""
        for account in ACCOUNTS:
            self.server.execute("DROP USER IF EXISTS %s", (account + self.suffix,))


def runs_mariadb(connection: DatabaseConnection) -> bool:
    """Whether the server is MariaDB rather than MySQL."""
    ((version,),) = execute(connection, "SELECT VERSION()")
    return is_mariadb(version)


def make_replica(connection: DatabaseConnection) -> None:
    """Make the server a replica of a source that does not exist, and do not start the replication."""
    if runs_mariadb(connection):
        statement = "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='nobody'"
    else:
        statement = "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='nobody'"
    execute(connection, statement)


def has_tables(connection: DatabaseConnection) -> bool:
    with connection.cursor() as cursor:
        return cursor.execute("SHOW TABLES LIKE 'schema_migrations'") > 0


def settings_of(environment: dict[str, str]) -> Settings:
    """Return the settings of a server with this environment, independent of the environment of this process."""
    return Settings.model_validate({name.lower(): value for name, value in environment.items()})


@dataclass(frozen=True)
class Tables:
    """The tables of a migrated database. Copying them to another database takes a tenth of the time of migrating it."""

    server: DatabaseServer
    database: str

    def copy_to(self, database: str) -> None:
        """Create the tables with their rows in an empty database."""
        with self.server.connection(self.database) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            statements = []
            for (table,) in cursor.fetchall():
                cursor.execute(f"SHOW CREATE TABLE {table}")
                statements += [cursor.fetchall()[0][1], f"INSERT INTO {table} SELECT * FROM {self.database}.{table}"]
        with self.server.connection(database) as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            for statement in statements:
                cursor.execute(statement)
