"""Copy the database to a file while it is in use.

The copy is consistent: the database's own dump program reads all tables in one snapshot, without blocking other
sessions. It contains everything that was acknowledged before the backup started. See ``docs/operations/backup.md``.
"""

from contextlib import closing
from pathlib import Path

from server.config.database import DatabaseSettings
from server.storage.database.server_version import is_mariadb
from tools.database.connection import DatabaseConnection, connect, execute, read_server_version
from tools.database.migration_records import applied_version
from tools.operations.backup.backup_file import (
    Backup,
    BackupError,
    Origin,
    new_backup_file,
    read_backup,
    write_backup,
)
from tools.operations.backup.client_programs import DUMP, ClientProgram, find_program, login_options, program_output

_DUMP_OPTIONS = (
    "--single-transaction",
    "--skip-lock-tables",
    "--quick",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--no-tablespaces",
    "--skip-triggers",
    # Loading the copy by hand into a database with tables must fail, not drop them.
    "--skip-add-drop-table",
    # Without these two options, a restore would need more privileges.
    "--skip-add-locks",
    "--skip-disable-keys",
    "--no-autocommit",  # one transaction for each table, so that a restore is faster
)
_MYSQL_DUMP_OPTIONS = (
    "--column-statistics=0",  # MariaDB does not have this table
    "--set-gtid-purged=OFF",  # otherwise all tables are briefly locked, and only an administrator can load the copy
)

_NEEDED_TABLES = frozenset({"payments", "refunds", "schema_migrations"})


def back_up(settings: DatabaseSettings, path: Path, *, with_position: bool = False) -> Backup:
    """Write the database to a new file, read the file back, and return a description of the backup.

    ``with_position`` records the position in the binary log at the time of the snapshot. The account needs more
    privileges for that. If this raises, no file is created.

    Raises:
        BackupError: this is TiDB, or not the service's database, the account may not read it, or the copy is
            incomplete.
        ClientProgramError: the database's dump program is missing or failed.
    """
    with closing(connect(settings)) as connection:
        if read_server_version(connection).is_tidb:
            raise BackupError(
                "the dump programs of MySQL and MariaDB cannot dump TiDB. Use TiDB's own BR or Dumpling "
                "(docs/operations/backup.md)"
            )
        origin = _origin(connection, settings.mysql_db)
        program = find_program(DUMP, for_mariadb=is_mariadb(origin.server))
        with new_backup_file(path) as (file, part):
            with login_options(settings, program) as login:
                options = _options(program, with_position=with_position)
                with program_output(program, [login, *options, settings.mysql_db]) as lines:
                    written = write_backup(file, lines, origin)
            file.flush()
            if read_backup(part) != written:
                raise BackupError(f"{path} does not read back as it was written: check the disk")
    return written


def _origin(connection: DatabaseConnection, database: str) -> Origin:
    tables = {str(table) for (table,) in execute(connection, "SHOW TABLES")}
    missing = ", ".join(sorted(_NEEDED_TABLES - tables))
    if missing:
        raise BackupError(
            f"{database} has no tables named {missing}, or this account may not read them: nothing to back up. Check "
            "MYSQL_DB and the privileges of the account"
        )
    ((version, begun_at),) = execute(connection, "SELECT VERSION(), CAST(UTC_TIMESTAMP(6) AS CHAR)")
    return Origin(database, version, applied_version(connection), begun_at)


def _options(program: ClientProgram, *, with_position: bool) -> list[str]:
    options = [*_DUMP_OPTIONS, *(() if program.is_mariadb else _MYSQL_DUMP_OPTIONS)]
    if with_position:
        options.append("--master-data=2" if program.is_mariadb else "--source-data=2")
    return options
