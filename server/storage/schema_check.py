"""The check that the database has the tables that this version of the service needs, and lets it use them."""

import pymysql.err
from pymysql.constants import ER

from server.domain.deadline import Deadline
from server.storage import api_keys
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, queries
from server.storage.settlement import queries as processor_queries

SELECT_VERSION = "SELECT MAX(version) FROM schema_migrations WHERE applied_at IS NOT NULL"
"""The last applied migration, NULL before the first. The table has a few rows."""

NEEDED_VERSION = 15
"""The last migration that this version of the service was written for."""

_NEEDED_RIGHTS = tuple(
    "EXPLAIN " + statement.replace("IN %s", "IN (NULL)").replace("LIMIT %s", "LIMIT 1").replace("%s", "NULL")
    for text in (
        api_keys.SELECT_KEYS_IN_FORCE,
        *queries.STATEMENTS,
        *archive_queries.STATEMENTS,
        *event_queries.STATEMENTS,
        *processor_queries.STATEMENTS,
    )
    for statement in map(str.strip, text.split(";"))
    if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
)
"""The database explains a statement only to an account with the rights to execute it; explaining changes nothing."""


class SchemaOutdated(Exception):
    """The database lacks migrations; the message says what to do."""


def require_version(version: int) -> None:
    """Check that the database, whose last applied migration is ``version``, has all that are needed.

    Having later ones is no fault.

    Raises:
        SchemaOutdated: it has not.
    """
    if version < NEEDED_VERSION:
        msg = f"the database is at migration {version}, {NEEDED_VERSION} is needed: run `payments migrate`"
        raise SchemaOutdated(msg)


async def check_schema(database: Database, deadline: Deadline) -> None:
    """Check that the database has every migration that is needed.

    Raises:
        SchemaOutdated: it has not.
        StoreUnavailable: it cannot be reached, or its user may not read its version.
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


async def check_rights(database: Database, deadline: Deadline) -> None:
    """Check that the database lets its user do everything that the service does; it must have the tables.

    Raises:
        StoreUnavailable: it does not, or it cannot be reached.
    """

    async def work(session: Session) -> None:
        for text in _NEEDED_RIGHTS:
            await session.rows(text, ())

    await database.run(work, deadline)
