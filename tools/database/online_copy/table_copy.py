"""Alter a large table while it is written to, for changes that the database cannot make without blocking writes.

1. Create an empty table like the original one (``migration_new_…``), and alter that.
2. Create triggers on the original table, which repeat each change in the new one (``triggers``).
3. Copy the rows in chunks (``row_copy``).
4. Compare the keys of both tables in one snapshot, in which they must be the same.
5. Exchange the tables in one statement, and drop the original one (``migration_old_…``) with its triggers.

**Nothing is lost silently.** Neither a chunk nor a trigger ignores an error. If the new definition rejects an existing
row, the copy fails, and the original table stays. If it rejects a row that is being written, the write fails, as it
would after the migration.

**Short waits.** Each DDL statement gives up after a second and is repeated after a pause (``lock_waits``).

**Constraints.** Foreign keys, and MySQL's CHECK constraints, are dropped and added again (``constraints``). The new
table has the CHECK constraints from its beginning.

**Crashes.** ``recover`` finds what an interrupted copy has left. If the original table has its new name, the exchange
is done, and ``recover`` completes the rest. Otherwise it removes the copy.
"""

import re
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import pymysql

from server.config.database import DatabaseSettings
from server.storage.database.server_version import ServerVersion, is_mariadb
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect
from tools.database.lock_waits import LOCK_WAIT_SECONDS, DdlExecutor, short_lock_waits
from tools.database.maintenance_locks import LockLost, MaintenanceLock
from tools.database.online_copy.columns import columns_to_copy
from tools.database.online_copy.constraints import DroppedConstraints
from tools.database.online_copy.preconditions import require_copyable, require_privileges
from tools.database.online_copy.row_copy import RowCopier, require_same_keys
from tools.database.online_copy.tables import NEW_PREFIX, OLD_PREFIX, Table
from tools.database.online_copy.triggers import create_triggers, drop_triggers

_ALTERED_TABLE = re.compile(r"((?:\s|--[^\n]*\n)*ALTER TABLE )(\w+)", re.IGNORECASE)


class Leftover(Enum):
    """What ``recover`` found of an interrupted copy."""

    NONE = "none"
    REMOVED = "removed"
    """The table was not altered yet."""
    COMPLETED = "completed"
    """The table is altered."""


@dataclass(frozen=True)
class OnlineCopy:
    """The copy of one table, by a process that holds the migration lock."""

    connection: DatabaseConnection
    settings: DatabaseSettings
    version: ServerVersion
    lock: MaintenanceLock
    table: str
    lock_timeout_seconds: float
    """How long to try to get a metadata lock."""
    report: Callable[[str], None]

    def alter(self, statement: str) -> None:
        """Apply an ALTER TABLE statement to the table while it is written to.

        ``recover`` must have been called before.

        Raises:
            CopyImpossible: the table cannot be copied, or the database does not allow it.
            MigrationError: the copy differs from the table, which is therefore unchanged.
            LockLost: another process has taken over.
        """
        require_copyable(self._original, statement)
        with short_lock_waits(self.connection):
            try:
                require_privileges(self._original, self._ddl)
                self._create_copy(statement)
                self._fill_copy()
                self._exchange()
            except LockLost:
                raise
            except BaseException:
                self._remove_after_failure()
                raise
            self._complete()

    def recover(self, *, add_checks: bool) -> Leftover:
        """Complete or remove what an interrupted copy has left.

        ``add_checks`` also adds the CHECK constraints that MySQL's original table has lost, which blocks writes.
        Otherwise the next copy gets them.
        """
        if self._old.exists():
            with short_lock_waits(self.connection):
                self._complete()
            return Leftover.COMPLETED
        has_lost_constraints = bool(self._constraints.saved_definitions())
        if not (has_lost_constraints or self._new.exists() or self._original.copy_triggers()):
            return Leftover.NONE
        with short_lock_waits(self.connection):
            self._remove()
            if add_checks and has_lost_constraints:
                self._constraints.add_checks()
                self._constraints.forget_all()
        return Leftover.REMOVED

    @cached_property
    def _original(self) -> Table:
        return Table(self.connection, self.table)

    @cached_property
    def _new(self) -> Table:
        """The altered table, until the exchange."""
        return Table(self.connection, NEW_PREFIX + self.table)

    @cached_property
    def _old(self) -> Table:
        """The original table, after the exchange."""
        return Table(self.connection, OLD_PREFIX + self.table)

    @cached_property
    def _ddl(self) -> DdlExecutor:
        return DdlExecutor(self.connection, self.lock, self.lock_timeout_seconds)

    @cached_property
    def _constraints(self) -> DroppedConstraints:
        return DroppedConstraints(self._original, self._ddl)

    def _create_copy(self, statement: str) -> None:
        next_id = self._original.next_generated_id()
        if not is_mariadb(self.version.text):
            self._constraints.drop_checks()
        self._ddl.execute(f"CREATE TABLE {self._new.quoted} LIKE {self._original.quoted}")
        for definition in self._constraints.saved_definitions():  # CHECK constraints: foreign keys are dropped later
            self._ddl.execute(f"ALTER TABLE {self._new.quoted} ADD {definition}")
        self._ddl.execute(_ALTERED_TABLE.sub(rf"\g<1>{self._new.name}", statement, count=1))
        if next_id is not None:
            self._ddl.execute(f"ALTER TABLE {self._new.quoted} AUTO_INCREMENT = {next_id:d}")

    def _fill_copy(self) -> None:
        columns = columns_to_copy(self._original, self._new)
        create_triggers(self._original, self._new, columns, self._ddl, self.version)
        copier = RowCopier(
            self._original, self._new, columns, self.version, self.lock, self.lock_timeout_seconds, self.report
        )
        copier.copy_rows()
        require_same_keys(self._original, self._new)

    def _exchange(self) -> None:
        self._ddl.execute(f"ANALYZE TABLE {self._new.quoted}")
        self._constraints.drop_foreign_keys()
        original = self._original.quoted
        self._ddl.execute(f"RENAME TABLE {original} TO {self._old.quoted}, {self._new.quoted} TO {original}")

    def _complete(self) -> None:
        """Add the foreign keys again, and then drop the old table, whose existence means that this is not done yet."""
        if not self._original.exists():  # the database crashed while it was renaming
            self._ddl.execute(f"RENAME TABLE {self._new.quoted} TO {self._original.quoted}")
        self._constraints.add_foreign_keys()
        self._constraints.forget_all()
        self._ddl.execute(f"DROP TABLE {self._old.quoted}")

    def _remove(self) -> None:
        """Restore the state before the copy, except for CHECK constraints, which the next copy gets."""
        drop_triggers(self._original, self._ddl)
        self._constraints.add_foreign_keys()
        if not self._constraints.saved_definitions():
            self._constraints.forget_all()
        self._ddl.execute(f"DROP TABLE IF EXISTS {self._new.quoted}")

    def _remove_after_failure(self) -> None:
        """Remove the copy on another connection, because this one may be in an unknown state. A later run can, too."""
        once = self.settings.model_copy(update={"mysql_startup_timeout_seconds": 0})
        with (
            suppress(DatabaseConnectionError, pymysql.err.MySQLError, LockLost),
            closing(connect(once, report=lambda _: None)) as connection,
        ):
            another = OnlineCopy(
                connection, self.settings, self.version, self.lock, self.table, LOCK_WAIT_SECONDS * 10.0, self.report
            )
            if not another._old.exists():
                with short_lock_waits(connection):
                    another._remove()
