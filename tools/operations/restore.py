"""Bring a backup back: ``payments restore FILE``.

The file is read and checked from its beginning to its end before anything is changed, and what is in the database
afterwards is compared with it.
"""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import pymysql
import typer

from server.config.settings import Settings, SettingsError
from server.storage.database.access import explain
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect, is_mariadb, quoted
from tools.database.migration_files import MigrationError
from tools.database.migrations import check_migrated
from tools.database.tool_settings import load_tool_settings
from tools.operations.backup_file import Backup, BackupFileError, read_backup, text_of
from tools.operations.client_programs import ClientProgramError, load_program, login_options, writing_to

_QUOTED_TABLES = 5


class RestoreError(Exception):
    """A backup cannot be restored; the message says why and what to do."""


def restore(settings: Settings, path: Path, *, overwrite: bool = False) -> Backup:
    """Check a file, load it into the database, and compare what is in that; make the database if there is none.

    The database must have no tables; with ``overwrite``, those that it has are dropped, unless somebody uses it.

    Raises:
        BackupFileError: the file is no whole backup; nothing was changed.
        RestoreError: the database has tables, is in use, or is another product; nothing was changed. Or it does not
            have what the file has: the message says that it is half restored.
        ClientProgramError: the program is not there. Or the database refused something, which the message says.
        DatabaseConnectionError: no connection.
        OSError: the file cannot be read.
    """
    backup = read_backup(path)
    with closing(connect(settings, create_database=True)) as connection:
        is_maria = is_mariadb(_value(connection, "SELECT VERSION()"))
        if is_maria != is_mariadb(backup.origin.server):
            raise RestoreError(
                f"{path} is of {backup.origin.server}; MySQL and MariaDB do not make each other's tables. Restore it "
                "into the same one, and move on with `payments export` and `payments import`"
            )
        program = load_program(for_mariadb=is_maria)
        _make_room(connection, settings.mysql_db, overwrite=overwrite)
    half = f"{settings.mysql_db} is half restored, and no service starts on it: drop it, or give --overwrite"
    with login_options(settings, program) as login:
        options = ["--binary-mode", "--default-character-set=utf8mb4"]
        try:
            writing_to([str(program.path), login, *options, settings.mysql_db], text_of(path))
        except ClientProgramError as error:
            raise RestoreError(f"{error}\n{half}") from None
    with closing(connect(settings)) as connection:
        found = {table: _count(connection, table) for table in backup.contents.rows}
    if found != backup.contents.rows:
        raise RestoreError(f"the file has the rows {backup.contents.rows}, the database {found}.\n{half}")
    return backup


def _make_room(connection: DatabaseConnection, database: str, *, overwrite: bool) -> None:
    tables = [str(table) for (table,) in _rows(connection, "SHOW TABLES")]
    if not tables:
        return
    if not overwrite:
        names = ", ".join([*tables[:_QUOTED_TABLES], *(["..."] if len(tables) > _QUOTED_TABLES else [])])
        raise RestoreError(
            f"{database} has tables ({names}): name an empty database in MYSQL_DB, or drop them with --overwrite"
        )
    others = _value(
        connection,
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    )
    if others:
        raise RestoreError(f"{others} other sessions use {database}: stop every service on it first")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0")
        cursor.execute(f"DROP TABLE {', '.join(map(quoted, tables))}")


def _count(connection: DatabaseConnection, table: str) -> int:
    return int(_value(connection, f"SELECT COUNT(*) FROM {quoted(table)}"))  # noqa: S608 - quoted


def _value(connection: DatabaseConnection, text: str) -> Any:  # noqa: ANN401 - whatever the column holds
    return _rows(connection, text)[0][0]


def _rows(connection: DatabaseConnection, text: str) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return tuple(cursor.fetchall())


def _advice(settings: Settings) -> str:
    """Return what is to be done with what was restored."""
    try:
        with closing(connect(settings)) as connection:
            check_migrated(connection)
    except MigrationError as error:
        return str(error)
    return "look it over with `payments doctor` before a service uses it"


def command(
    file: Annotated[Path, typer.Argument(help="What `payments backup` wrote.")],
    *,
    check: Annotated[bool, typer.Option(help="Only read the file, and say whether it is whole.")] = False,
    overwrite: Annotated[
        bool, typer.Option(help="Drop the tables that the database has, with all that is in them.")
    ] = False,
) -> None:
    """Bring a backup back into an empty database, and compare what is in it then."""
    try:
        if check:
            print(f"{file} is whole: {read_backup(file).summary()}")
            return
        settings = load_tool_settings()
        backup = restore(settings, file, overwrite=overwrite)
        print(f"{settings.mysql_db} has {file}: {backup.summary()}\n{_advice(settings)}")
    except (SettingsError, DatabaseConnectionError, RestoreError, BackupFileError, ClientProgramError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or file}: {error.strerror}")
    except pymysql.err.MySQLError as error:
        sys.exit(f"the database failed: {explain(error)}")
    except KeyboardInterrupt:
        print("stopped; what was restored so far is not whole", file=sys.stderr)
        raise typer.Exit(130) from None


if __name__ == "__main__":
    typer.run(command)
