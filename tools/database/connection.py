"""Connect tools to the database in the settings."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pymysql
from pymysql.constants import CLIENT, ER

from server.config.database import DatabaseSettings
from server.storage.database import driver_errors
from server.storage.database.access import address, reason, rejection
from server.storage.database.server_version import SELECT_SERVER_VERSION, ServerVersion, server_version
from tools.errors import ToolError

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

DatabaseConnection: TypeAlias = "Connection[Cursor]"
"""A PyMySQL connection whose rows are tuples."""

_UNREACHABLE_CODES = frozenset({1927, 2002, 2003, 2006, 2013, 2055, 3169, 4031})
"""No server answered, or the connection was lost, killed, or closed because it was idle."""

_BUSY_CODES = frozenset({1040, 1053})
"""Errors of a server that has too many connections or is shutting down: a retry may succeed."""

_UNKNOWN_DATABASE = 1049

_SESSION = (
    "SET SESSION time_zone = '+00:00', "
    "sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
)
"""UTC, and strict: invalid values are errors. Zero dates are allowed, because an adopted table may contain some."""

_LIMIT_IDLE_TRANSACTIONS = " /*M!100600 , idle_transaction_timeout = 30 */"
"""Makes MariaDB roll back the transaction of a suspended tool, so that its locks do not block others forever. MySQL has
no such limit, and reads this as a comment.
"""

_LOCK_AT_ONCE = " /*T! , tidb_txn_mode = 'pessimistic' */"
"""Makes TiDB lock rows when a statement says so, even if the server's default is to detect conflicts at the commit."""

_CURRENT_STATISTICS = " /*!80000 , information_schema_stats_expiry = 0 */"
"""Makes MySQL return the current sizes and row counts of tables. By default, information_schema may return those of the
day before. MariaDB has no such cache, and reads this as a comment.
"""

_RETRY_SECONDS = 0.5


class DatabaseConnectionError(ToolError):
    """The database cannot be reached or refuses the account."""


class DatabaseBusy(Exception):
    """A transaction was aborted, and may succeed if it is retried."""


def print_line(line: str) -> None:
    """Print a line and flush, so that the reader of a pipe immediately sees the reason for a wait."""
    print(line, flush=True)


def quote_identifier(identifier: str) -> str:
    """Quote the name of a database or a table."""
    return "`" + identifier.replace("`", "``") + "`"


def execute(connection: DatabaseConnection, sql: str, *values: object) -> tuple[tuple[Any, ...], ...]:
    """Execute a statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return tuple(cursor.fetchall())


def read_server_version(connection: DatabaseConnection) -> ServerVersion:
    """Return the product and version of the server."""
    return server_version(execute(connection, SELECT_SERVER_VERSION))


def execute_if_exists(connection: DatabaseConnection, sql: str) -> tuple[tuple[Any, ...], ...]:
    """Execute a query and return its rows, or no rows if its table does not exist."""
    try:
        return execute(connection, sql)
    except pymysql.err.ProgrammingError as error:
        if error.args[0] != ER.NO_SUCH_TABLE:
            raise
        return ()


@contextmanager
def transaction(connection: DatabaseConnection) -> Iterator[None]:
    """Commit when the context ends, or roll back when it raises."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def is_unreachable(error: pymysql.err.MySQLError) -> bool:
    """Whether no server answered or the connection was lost, so that the outcome of the statement is unknown.

    PyMySQL raises ``InterfaceError`` for a connection that it has closed.
    """
    code = error.args[0] if error.args else None
    return isinstance(error, pymysql.err.InterfaceError) or code in _UNREACHABLE_CODES


def is_conflict(error: pymysql.err.MySQLError) -> bool:
    """Whether another transaction made this one fail, on Galera even at its commit. A retry may succeed."""
    return driver_errors.is_retryable(error) and not is_unreachable(error)


def is_lock_timeout(error: pymysql.err.MySQLError) -> bool:
    """Whether another session held a lock for longer than this one waits."""
    return driver_errors.code(error) == driver_errors.LOCK_WAIT_TIMEOUT


def connect(
    settings: DatabaseSettings,
    *,
    report: Callable[[str], None] = print_line,
    create_database: bool = False,
    limit_idle_transactions: bool = True,
    multi_statements: bool = False,
) -> DatabaseConnection:
    """Connect with autocommit, in UTC and strict mode.

    Waits up to ``settings.mysql_startup_timeout_seconds`` for a server that is not available yet, and reports the wait
    to ``report``. ``create_database`` creates the database if the server has none of that name. Turn
    ``limit_idle_transactions`` off for a read-only transaction that may wait for the consumer of its output.
    ``multi_statements`` allows several statements in one message.

    Raises:
        DatabaseConnectionError: no server answered in time, or it refuses the account or the database.
    """
    session = (
        _SESSION + _CURRENT_STATISTICS + _LOCK_AT_ONCE + (_LIMIT_IDLE_TRANSACTIONS if limit_idle_transactions else "")
    )
    flags = CLIENT.MULTI_STATEMENTS if multi_statements else 0
    deadline = time.monotonic() + settings.mysql_startup_timeout_seconds
    is_waiting = False
    while True:
        try:
            return _connect_once(settings, session, flags, create_database=create_database)
        except pymysql.err.MySQLError as error:
            where, why = address(settings), reason(error)
            if not (is_unreachable(error) or error.args[0] in _BUSY_CODES):
                msg = rejection(error, settings) or f"cannot use the database at {where}: {why}"
                raise DatabaseConnectionError(msg) from error
            if time.monotonic() > deadline:
                timeout = f"{settings.mysql_startup_timeout_seconds:g} s (MYSQL_STARTUP_TIMEOUT_SECONDS)"
                msg = f"the database at {where} did not accept connections within {timeout}: {why}"
                raise DatabaseConnectionError(msg) from error
            if not is_waiting:
                timeout = f"{settings.mysql_startup_timeout_seconds:g} s"
                report(f"waiting up to {timeout} for the database at {where}: {why}")
                is_waiting = True
        time.sleep(_RETRY_SECONDS)


def _connect_once(settings: DatabaseSettings, session: str, flags: int, *, create_database: bool) -> DatabaseConnection:
    try:
        return _open(settings, settings.mysql_db, session, flags)
    except pymysql.err.OperationalError as error:
        if not create_database or error.args[0] != _UNKNOWN_DATABASE:
            raise
    connection = _open(settings, None, session, flags)
    execute(connection, f"CREATE DATABASE IF NOT EXISTS {quote_identifier(settings.mysql_db)} CHARACTER SET utf8mb4")
    connection.select_db(settings.mysql_db)
    return connection


def _open(settings: DatabaseSettings, database: str | None, session: str, flags: int) -> DatabaseConnection:
    return pymysql.connect(
        host=settings.mysql_host,
        port=settings.mysql_port,
        unix_socket=os.fspath(settings.mysql_socket) if settings.mysql_socket is not None else None,
        user=settings.mysql_user,
        password=settings.mysql_password.get_secret_value(),
        database=database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=settings.mysql_connect_timeout_seconds,
        init_command=session,
        client_flag=flags,
    )
