"""Drop the constraints that a copy cannot have yet, save their definitions, and add them again.

A foreign key follows its table when that is renamed, and MySQL's constraint names are unique in the database. So
foreign keys from and to the table are dropped just before the exchange, and MySQL's CHECK constraints before the copy
is altered. Their definitions are first saved in ``migration_constraints``.

Foreign keys are added again without a check of the rows, which would block writes. Until then, the service itself keeps
the rows consistent: it refunds only payments that it has locked.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pymysql

from tools.database.connection import execute, execute_if_exists, quote_identifier
from tools.database.lock_waits import DdlExecutor
from tools.database.online_copy.tables import Table

CONSTRAINTS_TABLE = "migration_constraints"

_Kind: TypeAlias = Literal["CHECK", "FOREIGN KEY"]

_CONSTRAINT = re.compile(r"^\s*(CONSTRAINT `((?:[^`]|``)+)` (FOREIGN KEY|CHECK) .*?),?$", re.MULTILINE)

_CREATE_CONSTRAINTS_TABLE = f"""
    CREATE TABLE IF NOT EXISTS {CONSTRAINTS_TABLE} (
        copied_table VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        constraint_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        definition TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        PRIMARY KEY (copied_table, table_name, constraint_name)
    ) ENGINE = InnoDB
"""
"""The dropped constraints of ``table_name``, which are added again when the copy of ``copied_table`` ends."""

_SAVE_CONSTRAINT = f"""
    REPLACE INTO {CONSTRAINTS_TABLE} (copied_table, table_name, constraint_name, kind, definition)
    VALUES (%s, %s, %s, %s, %s)
"""  # noqa: S608 - a constant
_SELECT_CONSTRAINTS = f"SELECT table_name, constraint_name, kind, definition FROM {CONSTRAINTS_TABLE}"  # noqa: S608 - a constant
_FORGET_CONSTRAINTS = f"DELETE FROM {CONSTRAINTS_TABLE} WHERE copied_table = %s AND kind = %s"  # noqa: S608 - a constant
_SELECT_FOREIGN_KEYS = """
    SELECT DISTINCT table_name, constraint_name FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL AND %s IN (table_name, referenced_table_name)
    ORDER BY table_name, constraint_name
"""


@dataclass(frozen=True, slots=True)
class _Constraint:
    """A constraint that was dropped, or will be, and its definition in SHOW CREATE TABLE."""

    table: str
    name: str
    kind: _Kind
    definition: str


@dataclass(frozen=True, slots=True)
class DroppedConstraints:
    """The constraints that are dropped for the copy of one table, until they are added again."""

    copied_table: Table
    ddl: DdlExecutor

    def saved_definitions(self) -> list[str]:
        """Return the definitions of the dropped constraints."""
        return [constraint.definition for constraint in self._saved()]

    def drop_checks(self) -> None:
        """Drop the CHECK constraints of the table."""
        self._drop([part for part in self._constraints(self.copied_table.name) if part.kind == "CHECK"])

    def drop_foreign_keys(self) -> None:
        """Drop the foreign keys from and to the table."""
        names = set(execute(self.copied_table.connection, _SELECT_FOREIGN_KEYS, self.copied_table.name))
        foreign_keys = [
            constraint
            for table in sorted({table for table, _ in names})
            for constraint in self._constraints(table)
            if (table, constraint.name) in names
        ]
        self._drop(foreign_keys)

    def add_checks(self) -> None:
        """Add the saved CHECK constraints to the table, which blocks writes, unless that was done; forget them."""
        self._add("CHECK")

    def add_foreign_keys(self) -> None:
        """Add the saved foreign keys to their tables, unless that was done, and forget them."""
        self._add("FOREIGN KEY")

    def forget_all(self) -> None:
        """Drop the table of saved constraints."""
        self.ddl.execute(f"DROP TABLE IF EXISTS {CONSTRAINTS_TABLE}")

    def _saved(self) -> list[_Constraint]:
        where = f" WHERE copied_table = '{self.copied_table.name}' ORDER BY table_name, constraint_name"
        rows = execute_if_exists(self.copied_table.connection, _SELECT_CONSTRAINTS + where)
        return [_Constraint(*row) for row in rows]

    def _constraints(self, table: str) -> list[_Constraint]:
        """Return the foreign keys and CHECK constraints that a table has now."""
        show = f"SHOW CREATE TABLE {quote_identifier(table)}"
        ((_, definition),) = execute(self.copied_table.connection, show)
        return [
            _Constraint(table, name.replace("``", "`"), kind, text)
            for text, name, kind in _CONSTRAINT.findall(str(definition))
        ]

    def _drop(self, constraints: Sequence[_Constraint]) -> None:
        """Save the definitions of all ``constraints``, and only then drop the first one."""
        connection, copied_table = self.copied_table.connection, self.copied_table.name
        if constraints:
            self.ddl.execute(_CREATE_CONSTRAINTS_TABLE)
        for part in constraints:
            execute(connection, _SAVE_CONSTRAINT, copied_table, part.table, part.name, part.kind, part.definition)
        for part in constraints:
            self.ddl.execute(
                f"ALTER TABLE {quote_identifier(part.table)} DROP {part.kind} {quote_identifier(part.name)}"
            )

    def _add(self, kind: _Kind) -> None:
        saved = [part for part in self._saved() if part.kind == kind]
        if not saved:
            return
        connection = self.copied_table.connection
        execute(connection, "SET SESSION foreign_key_checks = 0")
        try:
            for part in saved:
                if part.name not in {existing.name for existing in self._constraints(part.table)}:
                    self.ddl.execute(f"ALTER TABLE {quote_identifier(part.table)} ADD {part.definition}")
        finally:
            with suppress(pymysql.err.MySQLError):
                execute(connection, "SET SESSION foreign_key_checks = 1")
        execute(connection, _FORGET_CONSTRAINTS, self.copied_table.name, kind)
