"""Sessions, through which work executes statements on its connection."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import aiomysql
import pymysql.err

from server.domain.errors import PaymentsError
from server.storage.database import driver_errors
from server.storage.database.fast_read import RawRow, read_rows, read_values
from server.storage.database.transactions import ROLL_BACK

Row = tuple[Any, ...]
"""A row as the driver returns it: one value for each column of the query, in its order."""


class DuplicateKey(Exception):
    """Another row has the same value in a unique key, so the statement wrote nothing."""


class StatementResult(NamedTuple):
    """The result of one statement: its rows, the id of the row that it inserted, or 0, and how many rows it changed."""

    rows: Sequence[Row]
    inserted_id: int
    changed_rows: int


class Session:
    """The connection of one piece of work."""

    def __init__(self, connection: aiomysql.Connection) -> None:
        """Use the connection, which the caller opened and will close."""
        self._connection = connection

    @property
    def is_tidb(self) -> bool:
        """Whether the database is TiDB, according to the version that it reported when the connection was opened."""
        return "-TiDB-" in self._connection.get_server_info()

    async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
        """Execute one or more statements, separated by semicolons, and return the result of each.

        They are sent in one message, so that they take one round trip.

        Raises:
            DuplicateKey: a statement violates a unique key; the statements after it are not executed.
        """
        async with self._connection.cursor() as cursor:
            try:
                await cursor.execute(text, values)
                results = []
                while True:
                    rows = await cursor.fetchall() if cursor.description else ()
                    changed_rows = 0 if cursor.description else cursor.rowcount
                    results.append(
                        StatementResult(cast("Sequence[Row]", rows), int(cursor.lastrowid or 0), changed_rows)
                    )
                    if not await cursor.nextset():
                        return results
            except pymysql.err.IntegrityError as error:
                if error.args[0] == driver_errors.DUPLICATE_KEY:
                    raise DuplicateKey from error
                raise
            except RuntimeError as error:  # uvloop's error for a connection that was reset while it was idle
                raise driver_errors.connection_lost() from error

    async def rows(self, text: str, values: Sequence[object]) -> Sequence[Row]:
        """Execute a query, and return all its rows."""
        (result,) = await self.script(text, values)
        return result.rows

    async def row(self, text: str, values: Sequence[object]) -> Row | None:
        """Execute a query that returns at most one row; return the row, or None."""
        rows = await self.rows(text, values)
        return rows[0] if rows else None

    async def values(self, text: str, values: Sequence[object]) -> list[bytes]:
        """Execute a query with one column that is never NULL, and return its values, in UTF-8: see ``fast_read``."""
        return await read_values(self._connection, await self._bound(text, values))

    async def raw_rows(self, text: str, values: Sequence[object]) -> list[RawRow]:
        """Execute a query, and return its rows without converting their values: see ``fast_read``."""
        return await read_rows(self._connection, await self._bound(text, values))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Roll back the transaction that begins in this context, unless it is committed."""
        try:
            yield
        except (PaymentsError, DuplicateKey):
            await self._roll_back()
            raise
        except pymysql.err.MySQLError as error:
            if driver_errors.keeps_connection(error):
                await self._roll_back()
            raise
        if self._connection.get_transaction_status():
            await self._roll_back()

    async def _bound(self, text: str, values: Sequence[object]) -> str:
        """Return a query with its values bound."""
        async with self._connection.cursor() as cursor:
            return str(cursor.mogrify(text, values))

    async def _roll_back(self) -> None:
        await self.script(ROLL_BACK, ())
