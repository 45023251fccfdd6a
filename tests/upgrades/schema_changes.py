"""Find the changes of a schema with which the previous release cannot work."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default IS NOT NULL OR extra <> '',
        COALESCE(character_maximum_length, numeric_precision, datetime_precision, 0)
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name <> 'schema_migrations'
"""
_UNIQUE_KEYS = """
    SELECT table_name, index_name FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND non_unique = 0 AND table_name <> 'schema_migrations'
"""
_WIDER_TYPES = {("int", "bigint")}


class Column(NamedTuple):
    """What an INSERT or a SELECT depends on."""

    data_type: str
    is_nullable: bool
    has_default: bool
    size: int


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns and unique keys of all tables, by table and name."""

    columns: dict[tuple[str, str], Column]
    unique_keys: set[tuple[str, str]]

    @property
    def tables(self) -> set[str]:
        """The names of the tables."""
        return {table for table, _ in self.columns}


def read_schema(execute: Callable[[str], list[Any]]) -> Schema:
    """Read the schema of a database with ``execute``."""
    return Schema(
        {
            (table, name): Column(kind, nullable == "YES", bool(default) or nullable == "YES", int(size))
            for table, name, kind, nullable, default, size in execute(_COLUMNS)
        },
        set(execute(_UNIQUE_KEYS)),
    )


def incompatible_changes(before: Schema, after: Schema, previous_source: Path) -> Iterator[str]:
    """Yield the changes that the previous release, with this schema and this source, cannot work with.

    A column or table may be removed once the previous release does not name it anymore.
    """
    words = _words(previous_source / "server")
    for (table, name), old in before.columns.items():
        new = after.columns.get((table, name))
        if new is not None and (change := _narrowing(old, new)):
            yield f"{table}.{name} {change}"
        elif new is None and {table, name} <= words:
            yield f"{table}.{name} was removed, but the previous release uses it"
    for table, name in after.columns.keys() - before.columns.keys():
        if table in before.tables and not after.columns[table, name].has_default:
            yield f"{table}.{name} has no default, and the previous release does not write it"
    for table, name in after.unique_keys - before.unique_keys:
        if table in before.tables:
            yield f"{table} has a new unique key, {name}, which may reject what the previous release writes"


def _narrowing(old: Column, new: Column) -> str | None:
    """Return what changed if the column no longer takes every value that it did."""
    if new.data_type != old.data_type and (old.data_type, new.data_type) not in _WIDER_TYPES:
        return f"changed from {old.data_type} to {new.data_type}"
    if new.size < old.size:
        return "became shorter"
    if old.is_nullable and not new.is_nullable:
        return "no longer takes NULL"
    if old.has_default and not new.has_default:
        return "lost its default"
    return None


def _words(source: Path) -> set[str]:
    """Return all words in the Python files of a folder."""
    return {word for path in source.rglob("*.py") for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
