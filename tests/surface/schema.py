"""The database schema after all migrations, as the database prints it."""

import re
from collections.abc import Iterator

from tests.support.databases import DatabaseServer

_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")
_TABLE_COLLATION = re.compile(r" COLLATE=\w+(?= /\*T!|$)")
"""The server's default, which differs between MariaDB versions. A column whose collation matters names it."""

_KEY = re.compile(r"  (PRIMARY |UNIQUE |FULLTEXT |SPATIAL )?KEY |  CONSTRAINT |  FOREIGN KEY ")


def schema(server: DatabaseServer, database: str) -> str:
    """Return the CREATE TABLE statement of each table: columns in their order, then keys and constraints sorted."""
    tables = [row[0] for row in server.execute("SHOW TABLES", database=database)]
    statements = [_create_table(server, database, table) for table in sorted(tables)]
    return "\n".join([*statements, *_other_objects(server, database), ""])


def _create_table(server: DatabaseServer, database: str, table: str) -> str:
    ((_, statement),) = server.execute(f"SHOW CREATE TABLE `{table}`", database=database)
    first, *parts, last = _AUTO_INCREMENT.sub("", statement).splitlines()
    lines = [part.rstrip(",") for part in parts]
    columns = [line for line in lines if not _KEY.match(line)]
    keys = sorted(line for line in lines if _KEY.match(line))
    return "\n".join([first, ",\n".join([*columns, *keys]), f"{_TABLE_COLLATION.sub('', last)};\n"])


def _other_objects(server: DatabaseServer, database: str) -> Iterator[str]:
    """Yield a comment that lists the triggers, one for routines and one for events."""
    for kind in ("trigger", "routine", "event"):
        names = server.execute(
            f"SELECT {kind}_name FROM information_schema.{kind}s WHERE {kind}_schema = %s ORDER BY 1", (database,)
        )
        yield f"-- {kind}s: {', '.join(row[0] for row in names) or 'none'}"
