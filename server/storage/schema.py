"""Whether the database has the tables that this version of the service needs."""

import pymysql.err

from server.domain.deadline import Deadline
from server.storage import queries
from server.storage.mysql import Database, Session

NEEDED_VERSION = 7
"""The last migration that this version of the service was written for."""

_ER_NO_SUCH_TABLE = 1146


class SchemaOutdated(Exception):
    """The database lacks migrations; the message says what to do."""


async def check_schema(database: Database, deadline: Deadline) -> None:
    """Return when the database has every migration that is needed; having later ones is no fault.

    Raises:
        SchemaOutdated: it has not.
        StoreUnavailable: it cannot be reached.
    """

    async def work(session: Session) -> int:
        try:
            row = await session.row(queries.SCHEMA_VERSION, ())
        except pymysql.err.ProgrammingError as error:
            if error.args[0] != _ER_NO_SUCH_TABLE:
                raise
            return 0
        assert row is not None
        version = row[0]
        assert isinstance(version, int | None)
        return version or 0

    version = await database.run(work, deadline)
    if version < NEEDED_VERSION:
        msg = f"the database is at migration {version}, {NEEDED_VERSION} is needed: run `payments migrate`"
        raise SchemaOutdated(msg)
