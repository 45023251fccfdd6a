"""Change the rows of a large table in ranges of IDs, each in a transaction of its own.

A transaction that changes all rows of a table would lock them until its end, and writes to them would wait.
The statement contains ``BETWEEN ${first_id} AND ${last_id}``, and must do no harm when it is repeated: after a crash,
it runs again for all ranges.
"""

import re
from collections.abc import Iterator

from tools.database.connection import DatabaseConnection, execute, quote_identifier
from tools.database.migration_files import FIRST_ID, LAST_ID, Migration

RANGE_ROWS = 5_000

_LAST_ID = 2**63 - 1
"""The end of the last range, so that it includes rows that are inserted meanwhile."""

_UPDATED_TABLE = re.compile(r"(?:\s|--[^\n]*\n)*UPDATE (\w+)", re.IGNORECASE)
_SELECT_KEY = """
    SELECT column_name FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = %s AND index_name = 'PRIMARY'
"""

_RELEASED_CORRECTION = "correct_payments"
_CORRECTION_CONDITION = re.compile(r"\bWHERE (.*);\s*\Z", re.DOTALL)


def add_range(migration: Migration, statement: str) -> str | None:
    """Return the statement with placeholders for a range of IDs, or None if it does not run in ranges.

    ``correct_payments`` was released before there were such placeholders, and can also be repeated.
    """
    if FIRST_ID in statement and LAST_ID in statement:
        return statement
    if migration.name == _RELEASED_CORRECTION:
        return _CORRECTION_CONDITION.sub(rf"WHERE payment_id BETWEEN {FIRST_ID} AND {LAST_ID} AND (\1)", statement)
    return None


def range_statements(connection: DatabaseConnection, statement: str) -> Iterator[tuple[str, bool]]:
    """Return the statement for each range of rows in its table, at least one, and whether it is the last."""
    updated = _UPDATED_TABLE.match(statement)
    assert updated is not None, statement
    table = updated[1]
    ((key,),) = execute(connection, _SELECT_KEY, table)
    name, key = quote_identifier(table), quote_identifier(key)
    ((first_id,),) = execute(connection, f"SELECT COALESCE(MIN({key}), 0) FROM {name}")  # noqa: S608
    while True:
        next_first = f"SELECT {key} FROM {name} WHERE {key} >= %s ORDER BY {key} LIMIT 1 OFFSET %s"  # noqa: S608
        found = execute(connection, next_first, first_id, RANGE_ROWS)
        last_id = found[0][0] - 1 if found else _LAST_ID
        yield statement.replace(FIRST_ID, str(first_id)).replace(LAST_ID, str(last_id)), not found
        if not found:
            return
        first_id = found[0][0]
