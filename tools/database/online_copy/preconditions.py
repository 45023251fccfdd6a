"""Find out whether a table can be copied while it is written to, before anything is changed."""

import re

import pymysql

from server.storage.database import driver_errors
from server.storage.database.access import reason
from tools.database.connection import quote_identifier
from tools.database.lock_waits import DdlExecutor
from tools.database.migration_files import MigrationError
from tools.database.online_copy.tables import Table, trigger_name

_COMMENTS = re.compile(r"^\s*--[^\n]*$", re.MULTILINE)
_UNSUPPORTED_CHANGE = re.compile(r"\b(CHANGE|RENAME|FOREIGN\s+KEY)\b", re.IGNORECASE)
_INTEGER_TYPES = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})

_NOT_ALLOWED = frozenset({1142, 1227, 1419})
"""A privilege is missing, or the server has a binary log and does not trust accounts that create triggers."""

_NOT_ALLOWED_ADVICE = (
    "Run deploy/sql/accounts.sql of this release as the administrator: it grants the privileges TRIGGER and DROP on "
    "the table. If the server writes a binary log, it must also have log_bin_trust_function_creators = 1 until the "
    "migration is done. "
)
_TABLE_EXISTS = 1050


class CopyImpossible(MigrationError):
    """The table cannot be copied online. The message says why, and what to do."""

    def __init__(self, table: Table, why: str, advice: str = "") -> None:
        """Build the message; ``advice`` is what would make a copy possible."""
        super().__init__(
            f"{table.name} is large, and cannot be copied while it is written to: {why}.\n"
            f"{advice}To alter the table in place, while writes to it wait, run `payments migrate --allow-blocking`."
        )


def require_copyable(table: Table, statement: str) -> None:
    """Check the definition of the table and the ALTER TABLE statement.

    Raises:
        CopyImpossible: a copy would lack something, or could not be kept equal to the table.
    """
    engine, key = table.engine(), table.primary_key()
    types = {column.name: column.type for column in table.columns()}
    triggers = table.triggers()
    if engine.lower() != "innodb":
        raise CopyImpossible(table, f"its engine is {engine}, which has no transactions")
    if len(key) != 1 or types[key[0]] not in _INTEGER_TYPES:
        raise CopyImpossible(table, "its primary key is not a single integer")
    if unsupported := _UNSUPPORTED_CHANGE.search(_COMMENTS.sub("", statement)):
        raise CopyImpossible(table, f"the statement contains {unsupported[1].upper()}")
    if triggers:
        raise CopyImpossible(table, f"it has triggers ({', '.join(triggers)}), which the copy would not have")


def require_privileges(table: Table, ddl: DdlExecutor) -> None:
    """Find out whether the account may create triggers and rename the table.

    Raises:
        CopyImpossible: the database does not allow it.
    """
    trigger = quote_identifier(trigger_name(table.name, "delete"))
    try:
        ddl.execute(f"CREATE TRIGGER {trigger} AFTER DELETE ON {table.quoted} FOR EACH ROW DO 0")
        ddl.execute(f"DROP TRIGGER {trigger}")
        _rename_to_itself(table, ddl)
    except pymysql.err.MySQLError as error:
        if driver_errors.code(error) not in _NOT_ALLOWED:
            raise
        raise CopyImpossible(table, f"the database does not allow it: {reason(error)}", _NOT_ALLOWED_ADVICE) from error


def _rename_to_itself(table: Table, ddl: DdlExecutor) -> None:
    """Rename the table to its own name. If the database says that this name exists, it has checked the privileges."""
    try:
        ddl.execute(f"RENAME TABLE {table.quoted} TO {table.quoted}")
    except pymysql.err.MySQLError as error:
        if driver_errors.code(error) != _TABLE_EXISTS:
            raise
