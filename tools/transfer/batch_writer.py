"""Work on the database in transactions, each begun again where that helps."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from server.config.settings import Settings
from tools.database.connection import DatabaseConnection, connect, is_unreachable
from tools.database.stored_payments import refuse_payments

Result = TypeVar("Result")

_CHECK_CODES = frozenset({3819, 4025})
"""A check of the table does not hold, in MySQL and in MariaDB; the driver does not class it."""

_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8)


class DatabaseBusy(Exception):
    """What may succeed when it is begun again; the cause is the driver's."""


class DuplicateKey(Exception):
    """A row has a unique key that another row has."""


class RefusedByDatabase(Exception):
    """The database takes none of these rows as they are. ``code`` is its error number."""

    def __init__(self, code: int) -> None:
        """Keep the number; the database's words may hold values, or names of its own."""
        super().__init__(f"the database does not take it (error {code})")
        self.code = code


class BatchWriter:
    """A connection of its own, for one thread at a time.

    A lost connection is made again. Work whose commit may or may not have happened is done again, so it must be such
    that doing it twice is as good as once.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None], *, only_if_empty: bool = False) -> None:
        """Connect. With ``only_if_empty``, the first transaction fails if there are payments.

        Raises:
            DatabaseConnectionError: no connection.
        """
        self._settings = settings
        self._say = say
        self._must_be_empty = only_if_empty
        self._connection = self._connect()

    def run(self, work: Callable[[Cursor], Result]) -> Result:
        """Return what ``work`` returns, in one transaction that sees what others commit meanwhile.

        Raises:
            DuplicateKey: after a rollback.
            RefusedByDatabase: after a rollback.
            TableNotEmpty: after a rollback.
            DatabaseConnectionError: no connection can be had again.
            DatabaseBusy: another session is in the way for too long, or connections break again and again.
            pymysql.err.MySQLError: the database fails in another way.
        """
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self._transaction(work)
            except DatabaseBusy as error:
                self._say(f"{error}; the batch is begun again")
                time.sleep(pause_seconds)
        return self._transaction(work)

    def close(self) -> None:
        """Close the connection, whatever its state."""
        with suppress(pymysql.err.MySQLError):
            self._connection.close()

    def _connect(self) -> DatabaseConnection:
        connection = connect(self._settings, say=self._say)
        with connection.cursor() as cursor:
            # No gaps between rows are locked, so that charges go on beside it.
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return connection

    def _transaction(self, work: Callable[[Cursor], Result]) -> Result:
        try:
            self._connection.begin()
            with self._connection.cursor() as cursor:
                if self._must_be_empty:
                    refuse_payments(cursor)
                result = work(cursor)
            self._connection.commit()
            self._must_be_empty = False
        except BaseException as error:
            if isinstance(error, pymysql.err.MySQLError) and is_unreachable(error):
                self._connection = self._connect()
                raise DatabaseBusy("the connection to the database broke") from error
            with suppress(pymysql.err.MySQLError):
                self._connection.rollback()
            if isinstance(error, pymysql.err.MySQLError):
                raise _classified(error) from error
            raise
        return result


def _classified(error: pymysql.err.MySQLError) -> Exception:
    code = error.args[0]
    if code == ER.DUP_ENTRY:
        return DuplicateKey()
    if isinstance(error, pymysql.err.DataError | pymysql.err.IntegrityError) or code in _CHECK_CODES:
        return RefusedByDatabase(code)
    if code in {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT}:
        return DatabaseBusy("another session was in the way")
    return error
