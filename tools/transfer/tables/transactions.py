"""Transactions that are retried after a deadlock, a lock timeout or a lost connection."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from server.config.database import DatabaseSettings
from server.storage.database import driver_errors
from tools.database.connection import DatabaseBusy, DatabaseConnection, connect, is_lock_timeout, is_unreachable
from tools.database.empty_tables import require_empty_tables

Result = TypeVar("Result")

_CHECK_CODES = frozenset({3819, 4025})
"""A CHECK constraint is violated, in MySQL and in MariaDB; the driver does not classify these codes."""

_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8)


class RowsRejected(Exception):
    """Rows cannot be inserted: another row, live or archived, has one of their keys, or they violate a constraint."""


class RetryingTransactions:
    """Runs transactions on its own connection, for one thread at a time.

    If the connection is lost, it reconnects and runs the work again, even though the commit may have happened. The work
    must therefore be idempotent.
    """

    def __init__(
        self, settings: DatabaseSettings, report: Callable[[str], None], *, only_if_empty: bool = False
    ) -> None:
        """Connect. With ``only_if_empty``, the first transaction fails if the database has payments.

        Raises:
            DatabaseConnectionError: the database cannot be used.
        """
        self._settings = settings
        self._report = report
        self._must_be_empty = only_if_empty
        self._connection = self._connect()

    def run(self, work: Callable[[Cursor], Result]) -> Result:
        """Run ``work`` in a READ COMMITTED transaction and return its result.

        Raises:
            RowsRejected, TablesNotEmpty: after a rollback.
            DatabaseBusy: another session blocked the transaction for too long, or the connection was lost repeatedly.
        """
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self._transaction(work)
            except DatabaseBusy as error:
                self._report(f"{error}; retrying the batch")
                time.sleep(pause_seconds)
        return self._transaction(work)

    def close(self) -> None:
        """Close the connection, even if it is lost."""
        with suppress(pymysql.err.MySQLError):
            self._connection.close()

    def _connect(self) -> DatabaseConnection:
        connection = connect(self._settings, report=self._report)
        with connection.cursor() as cursor:
            # READ COMMITTED does not lock gaps between rows, so that charges are not blocked.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return connection

    def _transaction(self, work: Callable[[Cursor], Result]) -> Result:
        try:
            self._connection.begin()
            with self._connection.cursor() as cursor:
                if self._must_be_empty:
                    require_empty_tables(cursor)
                result = work(cursor)
            self._connection.commit()
            self._must_be_empty = False
        except BaseException as error:
            if isinstance(error, pymysql.err.MySQLError) and is_unreachable(error):
                self._connection = self._connect()
                raise DatabaseBusy("the connection to the database was lost") from error
            with suppress(pymysql.err.MySQLError):
                self._connection.rollback()
            if isinstance(error, pymysql.err.MySQLError):
                raise _classify(error) from error
            raise
        return result


def _classify(error: pymysql.err.MySQLError) -> Exception:
    code = error.args[0]
    if code == ER.DUP_ENTRY:
        return RowsRejected("another row has one of its keys")
    if isinstance(error, pymysql.err.DataError | pymysql.err.IntegrityError) or code in _CHECK_CODES:
        # The database's own message may contain values, or names from the schema.
        return RowsRejected(f"the database rejected the row (error {code})")
    if is_lock_timeout(error) or driver_errors.is_retryable(error):
        # On Galera, a commit on another node may abort a transaction, even at its own commit.
        return DatabaseBusy("another session holds a lock")
    return error
