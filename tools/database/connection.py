"""Connections of the tools to the database that the settings name."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pymysql
from pymysql.constants import CLIENT

from server.config.database import DatabaseSettings
from server.storage.database.access import address, reason, refusal

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

DatabaseConnection: TypeAlias = "Connection[Cursor]"
"""A PyMySQL connection whose rows are tuples."""

_UNREACHABLE_CODES = frozenset({2002, 2003, 2006, 2013, 2055})
"""Errors of the client: nobody there, or gone in the middle."""

_BUSY_CODES = frozenset({1040, 1053})
"""Errors of a server that is full, or shutting down: another try may succeed."""

_UNKNOWN_DATABASE = 1049

_SESSION = (
    "SET SESSION time_zone = '+00:00', "
    "sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
)
"""UTC, and no value is bent to fit. Zero dates are let through, as an adopted table may hold some."""

_LIMIT_IDLE_TRANSACTIONS = " /*M!100600 , idle_transaction_timeout = 30 */"
"""Has MariaDB roll back a transaction whose tool was stopped, so that its locks do not outlive it. MySQL has no such
limit, and reads this as a comment.
"""

_RETRY_SECONDS = 0.5


class DatabaseConnectionError(Exception):
    """No connection to the database; the message says why."""


def print_line(line: str) -> None:
    """Print a line at once, into a pipe too: what a long wait is about should be known while it lasts."""
    print(line, flush=True)


def quoted(identifier: str) -> str:
    """Return a database's or table's name as SQL text has it."""
    return "`" + identifier.replace("`", "``") + "`"


def is_mariadb(version: str) -> bool:
    """Whether a server with this VERSION() is MariaDB; else it is MySQL."""
    return "mariadb" in version.lower()


def is_unreachable(error: pymysql.err.MySQLError) -> bool:
    """Whether there was no server to answer, or the connection broke: so it is unknown what became of the statement.

    PyMySQL uses an ``InterfaceError`` for a connection that it has given up.
    """
    code = error.args[0] if error.args else None
    return isinstance(error, pymysql.err.InterfaceError) or code in _UNREACHABLE_CODES


def connect(
    settings: DatabaseSettings,
    *,
    say: Callable[[str], None] = print_line,
    create_database: bool = False,
    limit_idle_transactions: bool = True,
) -> DatabaseConnection:
    """Connect with autocommit, in UTC and strict mode; wait, with a line said, for a database that is not there yet.

    Waits for ``settings.mysql_startup_timeout_seconds`` at most. ``create_database`` makes the database itself when the
    server has none of that name.
    ``limit_idle_transactions`` False is for a transaction that only reads, and may wait for whoever takes its output.

    Raises:
        DatabaseConnectionError: no server answered in time, or it refuses the user or the database.
    """
    deadline = time.monotonic() + settings.mysql_startup_timeout_seconds
    waiting = False
    while True:
        try:
            return _connect_once(
                settings,
                create_database=create_database,
                limit_idle_transactions=limit_idle_transactions,
            )
        except pymysql.err.MySQLError as error:
            where, why = address(settings), reason(error)
            if not (is_unreachable(error) or error.args[0] in _BUSY_CODES):
                unusable = f"the database at {where} cannot be used: {why}"
                raise DatabaseConnectionError(refusal(error, settings) or unusable) from error
            if time.monotonic() > deadline:
                timeout = f"{settings.mysql_startup_timeout_seconds:g} s (MYSQL_STARTUP_TIMEOUT_SECONDS)"
                msg = f"the database at {where} did not accept connections within {timeout}: {why}"
                raise DatabaseConnectionError(msg) from error
            if not waiting:
                timeout = f"{settings.mysql_startup_timeout_seconds:g} s"
                say(f"waiting up to {timeout} for the database at {where}: {why}")
                waiting = True
        time.sleep(_RETRY_SECONDS)


def _connect_once(
    settings: DatabaseSettings, *, create_database: bool, limit_idle_transactions: bool
) -> DatabaseConnection:
    session = _SESSION + (_LIMIT_IDLE_TRANSACTIONS if limit_idle_transactions else "")
    try:
        return _open(settings, settings.mysql_db, session)
    except pymysql.err.OperationalError as error:
        if not create_database or error.args[0] != _UNKNOWN_DATABASE:
            raise
    connection = _open(settings, None, session)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(settings.mysql_db)} CHARACTER SET utf8mb4")
    connection.select_db(settings.mysql_db)
    return connection


def _open(settings: DatabaseSettings, database: str | None, session: str) -> DatabaseConnection:
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
        # Several statements in one message: so no lock between them waits for this process.
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
