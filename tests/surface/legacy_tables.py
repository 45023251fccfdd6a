"""Tables of the legacy service in ``legacy/``, and their rows after all migrations."""

import re
from pathlib import Path

from pymysql.cursors import DictCursor

from tests.support import tidb
from tests.support.databases import DatabaseServer
from tests.support.programs import ROOT

_FOLDER = Path(__file__).parent / "legacy"

_CREATE_TABLE = re.compile(r"CREATE TABLE.*?;\n", re.DOTALL)
_FIRST_MIGRATION = ROOT / "migrations" / "0001_create_payments.sql"

LEGACY_TABLES = tuple(sorted(path.stem for path in _FOLDER.glob("*.sql")))


def restore(server: DatabaseServer, database: str, name: str) -> None:
    """Execute the statements of a file in ``legacy/`` in an empty database."""
    text = (_FOLDER / f"{name}.sql").read_text("utf-8")
    if tidb.IS_SELECTED:
        # As docs/databases.md says, because TiDB cannot change the collation and the AUTO_ID_CACHE of a table.
        text = _CREATE_TABLE.sub(_FIRST_MIGRATION.read_text("utf-8"), text)
    with server.connection(database) as connection, connection.cursor() as cursor:
        for statement in text.strip().removesuffix(";").split(";\n"):
            cursor.execute(statement)


def rows(server: DatabaseServer, database: str) -> dict[str, list[dict[str, str | None]]]:
    """Return the rows of each table that is not empty, except the records of the migrations and their lock."""
    with server.connection(database) as connection, connection.cursor(DictCursor) as cursor:
        tables = sorted(row[0] for row in server.execute("SHOW TABLES", database=database))
        found = {}
        for table in tables:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            values = [{name: _text(value) for name, value in row.items()} for row in cursor.fetchall()]
            if values and table not in {"schema_migrations", "maintenance_locks"}:
                found[table] = values
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)
