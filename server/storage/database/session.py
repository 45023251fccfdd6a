"""A session: the statements that one piece of work executes on its connection."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import aiomysql
import pymysql.err

from server.domain.errors import PaymentsError
from server.storage.database import driver_errors
from server.storage.database.fast_read import read_values
from server.storage.database.transactions import AUTOCOMMIT_ON

Row = tuple[Any, ...]
"""A row as the driver returns it: its columns, in the order and of the types that the query says."""


class DuplicateKey(Exception):
    """Another row has the same value of a unique key; nothing was written."""


class Executed(NamedTuple):
    """The result of one statement: its rows, and the id of the row that it inserted, or 0."""

    rows: Sequence[Row]
    inserted_id: int


class Session:
    """A connection, for one piece of work."""

    def __init__(self, connection: aiomysql.Connection) -> None:
        """Keep the connection."""
        self._connection = connection

    async def script(self, text: str, values: Sequence[object]) -> list[Executed]:
        """Execute one or more statements, separated by semicolons, in one message, and return the result of each.

        A message for each would take as many round trips.

        Raises:
            DuplicateKey: a statement would break a unique key; those after it are not executed.
        """
        async with self._connection.cursor() as cursor:
            try:
                await cursor.execute(text, values)
                executed = []
                while True:
                    rows = await cursor.fetchall() if cursor.description else ()
                    executed.append(Executed(cast("Sequence[Row]", rows), int(cursor.lastrowid or 0)))
                    if not await cursor.nextset():
                        return executed
            except pymysql.err.IntegrityError as error:
                if error.args[0] == driver_errors.DUPLICATE_KEY:
                    raise DuplicateKey from error
                raise

    async def rows(self, text: str, values: Sequence[object]) -> Sequence[Row]:
        """Execute a query, and return all its rows."""
        (executed,) = await self.script(text, values)
        return executed.rows

    async def row(self, text: str, values: Sequence[object]) -> Row | None:
        """Execute a query of at most one row, and return it, or None."""
        rows = await self.rows(text, values)
        return rows[0] if rows else None

    async def values(self, text: str, values: Sequence[object]) -> list[bytes]:
        """Execute a query of one column that is never NULL, and return its values, in UTF-8: see ``fast_read``."""
        async with self._connection.cursor() as cursor:
            query = cursor.mogrify(text, values)
        return await read_values(self._connection, query)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Roll back a transaction that is begun in this context, unless it is committed there."""
        try:
            yield
        except (PaymentsError, DuplicateKey):
            await self._roll_back()
            raise
        except pymysql.err.MySQLError as error:
            if driver_errors.is_refusal(error) or driver_errors.code(error) == driver_errors.LOCK_WAIT_TIMEOUT:
                await self._roll_back()
            raise
        if self._connection.get_transaction_status():
            await self._roll_back()

    async def _roll_back(self) -> None:
        # In this order, because switching autocommit on commits.
        await self.script(f"ROLLBACK; {AUTOCOMMIT_ON}", ())
