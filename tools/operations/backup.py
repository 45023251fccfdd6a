"""Copy the database out while it is used: ``payments backup FILE``.

The copy is of one moment: the database's own program reads every table in one snapshot, and nobody waits for it. What
was acknowledged before it began is in it. ``docs/backup.md`` has the whole of it; ``restore`` is the way back.
"""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import pymysql
import typer

from server.config.settings import Settings, SettingsError
from server.storage.database.access import explain
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect, is_mariadb
from tools.database.locks import BACKUP_LOCK, lock_if_free, lock_name
from tools.database.migrations import applied_version
from tools.database.tool_settings import load_tool_settings
from tools.operations.backup_file import Backup, BackupFileError, Origin, new_backup_file, read_backup, write_backup
from tools.operations.client_programs import (
    ClientProgram,
    ClientProgramError,
    dump_program,
    login_options,
    reading_from,
)

_DUMP_OPTIONS = (
    "--single-transaction",
    "--skip-lock-tables",
    "--quick",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--no-tablespaces",
    "--skip-triggers",
    # A copy that is loaded by hand into a database with tables fails, rather than to drop them.
    "--skip-add-drop-table",
    # These need rights that the account of a restore need not have.
    "--skip-add-locks",
    "--skip-disable-keys",
    "--no-autocommit",
)
_MYSQL_DUMP_OPTIONS = (
    "--column-statistics=0",  # MariaDB has no such table
    "--set-gtid-purged=OFF",  # or all tables are locked for a moment, and only an administrator can load the copy
)

_NEEDED_TABLES = frozenset({"payments", "refunds", "schema_migrations"})


class BackupError(Exception):
    """The database cannot be backed up; the message says why and what to do."""


def back_up(settings: Settings, path: Path, *, with_position: bool = False) -> Backup:
    """Write the database to a new file, read the file again, and return what is in it.

    ``with_position`` notes in it where the binary log was at its moment; the account needs more rights for that.

    Raises:
        BackupError: the database is none of this service, or this account may not read it; there is no new file.
        BackupFileError: what was written is not whole; likewise.
        ClientProgramError: the program is not there, or failed; likewise.
        DatabaseConnectionError: no connection.
        OSError: the file cannot be written; likewise.
    """
    with closing(connect(settings)) as connection:
        origin = _origin(connection, settings.mysql_db)
        program = dump_program(for_mariadb=is_mariadb(origin.server))
        # `payments archive` waits for it; a second backup does no harm, and goes without.
        with lock_if_free(connection, lock_name(BACKUP_LOCK, settings.mysql_db)), new_backup_file(path) as (file, part):
            with login_options(settings, program) as login:
                options = _options(program, with_position=with_position)
                with reading_from([str(program.path), login, *options, settings.mysql_db]) as lines:
                    written = write_backup(file, lines, origin)
            file.flush()
            if read_backup(part) != written:
                raise BackupFileError(f"{path} cannot be read as it was written: look at the disk")
    return written


def _origin(connection: DatabaseConnection, database: str) -> Origin:
    tables = {str(table) for (table,) in _rows(connection, "SHOW TABLES")}
    missing = ", ".join(sorted(_NEEDED_TABLES - tables))
    if missing:
        raise BackupError(f"{database} has no {missing} that this account may read: nothing to back up")
    ((version, begun_at),) = _rows(connection, "SELECT VERSION(), CAST(UTC_TIMESTAMP(6) AS CHAR)")
    return Origin(database, version, applied_version(connection), begun_at)


def _options(program: ClientProgram, *, with_position: bool) -> list[str]:
    options = [*_DUMP_OPTIONS, *(() if program.is_mariadb else _MYSQL_DUMP_OPTIONS)]
    if with_position:
        options.append("--master-data=2" if program.is_mariadb else "--source-data=2")
    return options


def _rows(connection: DatabaseConnection, text: str, *values: object) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(text, values or None)
        return tuple(cursor.fetchall())


def command(
    file: Annotated[Path, typer.Argument(help="A new file, such as payments.sql.gz; it is SQL, in gzip.")],
    *,
    binlog_position: Annotated[
        bool, typer.Option(help="Note where the binary log was, to go on from there; needs more rights.")
    ] = False,
) -> None:
    """Copy the database to a file while it is used, all of one moment, and check the file."""
    try:
        backup = back_up(load_tool_settings(), file, with_position=binlog_position)
    except (SettingsError, DatabaseConnectionError, BackupError, BackupFileError, ClientProgramError) as error:
        sys.exit(f"{error}\nno backup was made")
    except OSError as error:
        sys.exit(f"{error.filename or file}: {error.strerror}\nno backup was made")
    except pymysql.err.MySQLError as error:
        sys.exit(f"the database failed: {explain(error)}\nno backup was made")
    except KeyboardInterrupt:
        print("stopped; no backup was made", file=sys.stderr)
        raise typer.Exit(130) from None
    print(f"{file}: {backup.summary()}")


if __name__ == "__main__":
    typer.run(command)
