"""Restore a backup.

The whole file is checked before anything is changed, and the rows in the database are counted afterwards.
"""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from server.config.database import DatabaseSettings
from server.storage.database.server_version import is_mariadb
from tools.database.connection import DatabaseConnection, connect, execute, quote_identifier
from tools.operations.backup.backup_file import Backup, BackupError, read_backup, read_sql
from tools.operations.backup.client_programs import (
    CLIENT,
    ClientProgram,
    ClientProgramError,
    find_program,
    login_options,
    run_with_input,
)

_MAX_LISTED_TABLES = 5


def restore(settings: DatabaseSettings, path: Path, *, overwrite: bool = False) -> Backup:
    """Check a file, load it into the database, and compare the row counts. Create the database if it does not exist.

    The database must have no tables. With ``overwrite``, existing tables are dropped, unless other sessions use the
    database.

    Raises:
        BackupError: the file is not a complete backup, or the database has tables, is in use, or is of the other
            product; nothing was changed. If the restore stopped halfway instead, the message says so.
        ClientProgramError: the database's client program is missing, or cannot log in; nothing was changed.
    """
    backup = read_backup(path)
    with closing(connect(settings, create_database=True)) as connection:
        ((version,),) = execute(connection, "SELECT VERSION()")
        is_mariadb_server = is_mariadb(version)
        if is_mariadb_server != is_mariadb(backup.origin.server):
            raise BackupError(
                f"{path} is from {backup.origin.server}, and MySQL and MariaDB cannot restore each other's backups. "
                "Restore it to the same product, then move the data with `payments export` and `payments import`"
            )
        program = find_program(CLIENT, for_mariadb=is_mariadb_server)
        # A program that cannot log in must fail before the tables are dropped. It names no database, because then its
        # session, which may outlive it for a moment, would count as using the database.
        _run(settings, program, [b"DO 0;\n"])
        _drop_tables(connection, settings.mysql_db, overwrite=overwrite)
    incomplete = (
        f"{settings.mysql_db} is only partly restored, and services refuse to start on it: drop it, or restore again "
        "with --overwrite"
    )
    try:
        _run(settings, program, read_sql(path), settings.mysql_db)
    except ClientProgramError as error:
        raise BackupError(f"{error}\n{incomplete}") from None
    with closing(connect(settings)) as connection:
        restored = {
            table: execute(connection, f"SELECT COUNT(*) FROM {quote_identifier(table)}")[0][0]  # noqa: S608 - quoted
            for table in backup.contents.rows
        }
    if restored != backup.contents.rows:
        raise BackupError(
            f"row counts differ: {backup.contents.rows} in the file, {restored} in the database\n{incomplete}"
        )
    return backup


def _run(settings: DatabaseSettings, program: ClientProgram, sql: Iterable[bytes], *database: str) -> None:
    """Have the program execute SQL, in a database if one is named."""
    options = ["--binary-mode", "--default-character-set=utf8mb4"]
    with login_options(settings, program) as login:
        run_with_input(program, [login, *options, *database], sql)


def _drop_tables(connection: DatabaseConnection, database: str, *, overwrite: bool) -> None:
    """Drop all tables, if there are any and ``overwrite`` allows it."""
    tables = [str(table) for (table,) in execute(connection, "SHOW TABLES")]
    if not tables:
        return
    if not overwrite:
        names = ", ".join([*tables[:_MAX_LISTED_TABLES], *(["..."] if len(tables) > _MAX_LISTED_TABLES else [])])
        raise BackupError(
            f"{database} has tables ({names}): set MYSQL_DB to an empty database, or drop them with --overwrite"
        )
    ((others,),) = execute(
        connection,
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    )
    if others:
        raise BackupError(f"{others} other sessions are using {database}: stop all services that use it first")
    execute(connection, "SET SESSION foreign_key_checks = 0")
    execute(connection, f"DROP TABLE {', '.join(map(quote_identifier, tables))}")
