"""Bring a backup back.

The file is read and checked from its beginning to its end before anything is changed, and what is in the database
afterwards is compared with it.
"""

from contextlib import closing
from pathlib import Path

from server.config.database import DatabaseSettings
from tools.database.connection import DatabaseConnection, connect, execute, is_mariadb, quoted
from tools.operations.backup.backup_file import Backup, BackupError, read_backup, text_of
from tools.operations.backup.client_programs import CLIENT, ClientProgramError, find_program, login_options, writing_to

_QUOTED_TABLES = 5


def restore(settings: DatabaseSettings, path: Path, *, overwrite: bool = False) -> Backup:
    """Check a file, load it into the database, and compare what is in that; make the database if there is none.

    The database must have no tables; with ``overwrite``, those that it has are dropped, unless somebody uses it.

    Raises:
        BackupError: the file is not a whole backup, or the database has tables, is in use, or is another product;
            nothing was changed. Or the restore stopped halfway, which the message then says.
        ClientProgramError: the database's client program is not there.
    """
    backup = read_backup(path)
    with closing(connect(settings, create_database=True)) as connection:
        ((version,),) = execute(connection, "SELECT VERSION()")
        is_maria = is_mariadb(version)
        if is_maria != is_mariadb(backup.origin.server):
            raise BackupError(
                f"{path} is of {backup.origin.server}; MySQL and MariaDB do not make each other's tables. Restore it "
                "into the same one, and move on with `payments export` and `payments import`"
            )
        program = find_program(CLIENT, for_mariadb=is_maria)
        _make_room(connection, settings.mysql_db, overwrite=overwrite)
    half = f"{settings.mysql_db} is half restored, and no service starts on it: drop it, or give --overwrite"
    with login_options(settings, program) as login:
        options = ["--binary-mode", "--default-character-set=utf8mb4"]
        try:
            writing_to([str(program.path), login, *options, settings.mysql_db], text_of(path))
        except ClientProgramError as error:
            raise BackupError(f"{error}\n{half}") from None
    with closing(connect(settings)) as connection:
        found = {
            table: execute(connection, f"SELECT COUNT(*) FROM {quoted(table)}")[0][0]  # noqa: S608 - quoted
            for table in backup.contents.rows
        }
    if found != backup.contents.rows:
        raise BackupError(f"the file has the rows {backup.contents.rows}, the database {found}.\n{half}")
    return backup


def _make_room(connection: DatabaseConnection, database: str, *, overwrite: bool) -> None:
    tables = [str(table) for (table,) in execute(connection, "SHOW TABLES")]
    if not tables:
        return
    if not overwrite:
        names = ", ".join([*tables[:_QUOTED_TABLES], *(["..."] if len(tables) > _QUOTED_TABLES else [])])
        raise BackupError(
            f"{database} has tables ({names}): name an empty database in MYSQL_DB, or drop them with --overwrite"
        )
    ((others,),) = execute(
        connection,
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    )
    if others:
        raise BackupError(f"{others} other sessions use {database}: stop every service on it first")
    execute(connection, "SET SESSION foreign_key_checks = 0")
    execute(connection, f"DROP TABLE {', '.join(map(quoted, tables))}")
