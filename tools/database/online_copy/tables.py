"""The names of the tables and triggers of a copy, and the definitions that the database has of them."""

from dataclasses import dataclass
from functools import cached_property

from tools.database.connection import DatabaseConnection, execute, quote_identifier

NEW_PREFIX, OLD_PREFIX = "migration_new_", "migration_old_"
"""The prefixes of the table that replaces another one, and of the table that was replaced."""

_TRIGGER_EVENTS = ("insert", "update", "delete")

_SELECT_TABLE = """
    SELECT engine, auto_increment FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = %s AND table_type = 'BASE TABLE'
"""
_SELECT_COLUMNS = """
    SELECT column_name, data_type, COALESCE(generation_expression, '') <> '' FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position
"""
_SELECT_PRIMARY_KEY = """
    SELECT column_name FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = %s AND index_name = 'PRIMARY'
"""
_SELECT_TRIGGERS = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE event_object_schema = DATABASE() AND event_object_table = %s ORDER BY trigger_name
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``type`` is its data type in lowercase, without a length."""

    name: str
    type: str
    is_generated: bool


@dataclass(frozen=True)
class Table:
    """A table, and queries of its definition. Only ``exists`` can be called if the database does not have it."""

    connection: DatabaseConnection
    name: str

    @property
    def quoted(self) -> str:
        """The name, quoted for a statement."""
        return quote_identifier(self.name)

    @cached_property
    def key(self) -> str:
        """The name of the first column of the primary key, quoted for a statement."""
        return quote_identifier(self.primary_key()[0])

    def exists(self) -> bool:
        """Whether the database has the table."""
        return bool(execute(self.connection, _SELECT_TABLE, self.name))

    def engine(self) -> str:
        """Return the name of the storage engine."""
        return str(execute(self.connection, _SELECT_TABLE, self.name)[0][0])

    def next_generated_id(self) -> int | None:
        """Return the value that AUTO_INCREMENT assigns next, or None if the table has no such column."""
        auto_increment = execute(self.connection, _SELECT_TABLE, self.name)[0][1]
        return int(auto_increment) if auto_increment is not None else None

    def primary_key(self) -> list[str]:
        """Return the names of the primary key's columns."""
        return [name for (name,) in execute(self.connection, _SELECT_PRIMARY_KEY, self.name)]

    def columns(self) -> list[Column]:
        """Return the columns in their order."""
        return [
            Column(name, data_type.lower(), bool(is_generated))
            for name, data_type, is_generated in execute(self.connection, _SELECT_COLUMNS, self.name)
        ]

    def triggers(self) -> list[str]:
        """Return the names of all triggers on the table."""
        return [name for (name,) in execute(self.connection, _SELECT_TRIGGERS, self.name)]

    def copy_triggers(self) -> list[str]:
        """Return the names of the triggers that a copy has created on the table."""
        names = {trigger_name(self.name, event) for event in _TRIGGER_EVENTS}
        return [name for name in self.triggers() if name in names]


def trigger_name(table: str, event: str) -> str:
    """Return the name of the trigger that repeats the changes of one kind of event in the copy of ``table``."""
    return f"migration_{event}_{table}"
