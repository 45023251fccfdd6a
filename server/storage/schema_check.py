"""Checks that the database has the migrations that this service version needs, and accepts all its statements."""

import pymysql.err
from pymysql.constants import ER

from server.domain.deadline import Deadline
from server.storage.database.access import reason
from server.storage.database.driver_errors import is_refusal
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.statements import STATEMENTS, explanations

SELECT_VERSION = "SELECT MAX(version) FROM schema_migrations WHERE applied_at IS NOT NULL"
"""Returns the last applied migration, or NULL before the first one. The table has few rows."""

NEEDED_VERSION = 37
"""The last migration that this version of the service needs."""

_EXPLANATIONS = {explanation: name for name, script in STATEMENTS.items() for _, explanation in explanations(script)}
"""The names of scripts, by the EXPLAIN of each of their statements."""


class SchemaOutdated(Exception):
    """The database lacks migrations. The message says what to do."""


class StatementRejected(Exception):
    """The database rejects a statement. The message names the statement and says why."""


def require_version(version: int) -> None:
    """Check that ``version``, the last applied migration of the database, is recent enough. A later one is fine.

    Raises:
        SchemaOutdated: the database lacks migrations.
    """
    if version < NEEDED_VERSION:
        msg = f"the database is at migration {version}, but {NEEDED_VERSION} is needed: run `payments migrate`"
        raise SchemaOutdated(msg)


async def check_schema(database: Database, deadline: Deadline) -> None:
    """Check that the database has all migrations that this version of the service needs.

    Raises:
        SchemaOutdated: the database lacks migrations.
        StoreUnavailable: the database cannot be reached, or the account may not read the table of migrations.
    """

    async def work(session: Session) -> int:
        try:
            row = await session.row(SELECT_VERSION, ())
        except pymysql.err.MySQLError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
            return 0
        assert row is not None
        version = row[0]
        assert isinstance(version, int | None)
        return version or 0

    require_version(await database.run(work, deadline))


async def check_statements(database: Database, deadline: Deadline) -> None:
    """Check that the database accepts all statements, and the account has the privileges. The tables must exist.

    Raises:
        StatementRejected: the database rejects a statement.
        StoreUnavailable: a privilege is missing, or the database cannot be reached.
    """

    async def work(session: Session) -> None:
        for text, name in _EXPLANATIONS.items():
            try:
                # Not `rows`, for which the driver prints the notes that MySQL adds to an EXPLAIN.
                await session.raw_rows(text, ())
            except pymysql.err.MySQLError as error:
                if is_refusal(error):
                    raise StatementRejected(f"it rejects {name}: {reason(error)}") from error
                raise

    await database.run(work, deadline)
