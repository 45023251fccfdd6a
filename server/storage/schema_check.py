"""Checks that the database has the migrations, and its account the privileges, that this service version needs."""

import pymysql.err
from pymysql.constants import ER

from server.domain.deadline import Deadline
from server.storage import api_keys
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, queries
from server.storage.settlement import queries as settlement_queries

SELECT_VERSION = "SELECT MAX(version) FROM schema_migrations WHERE applied_at IS NOT NULL"
"""Returns the last applied migration, or NULL before the first one. The table has few rows."""

NEEDED_VERSION = 15
"""The last migration that this version of the service needs."""

_PRIVILEGE_CHECKS = tuple(
    "EXPLAIN "
    + statement.replace("request_id) IN %s", "request_id) IN ((NULL, NULL))")
    .replace("IN %s", "IN (NULL)")
    .replace("LIMIT %s", "LIMIT 1")
    .replace("%s", "NULL")
    for text in (
        api_keys.SELECT_VALID_KEYS,
        *queries.STATEMENTS,
        *archive_queries.STATEMENTS,
        *event_queries.STATEMENTS,
        *settlement_queries.STATEMENTS,
    )
    for statement in map(str.strip, text.split(";"))
    if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
)
"""EXPLAIN requires the same privileges as the statement itself, and changes nothing."""


class SchemaOutdated(Exception):
    """The database lacks migrations. The message says what to do."""


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


async def check_privileges(database: Database, deadline: Deadline) -> None:
    """Check that the account has all privileges that the service needs. The tables must exist.

    Raises:
        StoreUnavailable: a privilege is missing, or the database cannot be reached.
    """

    async def work(session: Session) -> None:
        for text in _PRIVILEGE_CHECKS:
            await session.rows(text, ())

    await database.run(work, deadline)
