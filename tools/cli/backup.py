"""``payments backup FILE`` copies the database to a file, and ``payments restore FILE`` restores it."""

from pathlib import Path
from typing import Annotated

import typer

from server.config.settings import Settings
from server.storage.schema_check import SchemaOutdated
from tools.cli.failures import BACKUP, report_failures
from tools.database.migration_records import open_migrated
from tools.database.settings import load_tool_settings
from tools.errors import ToolError
from tools.operations.backup.backup import back_up
from tools.operations.backup.backup_file import read_backup
from tools.operations.backup.restore import restore

_NO_BACKUP = "no backup was made"


def backup_command(
    file: Annotated[Path, typer.Argument(help="File to create, such as payments.sql.gz (SQL compressed with gzip).")],
    *,
    binlog_position: Annotated[
        bool,
        typer.Option(help="Record the position in the binary log, for point-in-time recovery. Needs more privileges."),
    ] = False,
) -> None:
    """Copy a consistent snapshot of the database to a file while services run, and verify the file."""
    with report_failures(_NO_BACKUP, account=BACKUP):
        try:
            backup = back_up(load_tool_settings(), file, with_position=binlog_position)
        except ToolError as error:
            raise ToolError(f"{error}\n{_NO_BACKUP}") from None
    print(f"{file}: {backup.summary()}")


def restore_command(
    file: Annotated[Path, typer.Argument(help="File written by `payments backup`.")],
    *,
    check: Annotated[
        bool, typer.Option(help="Only check that the file is a complete backup; restore nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option(help="First drop the tables in the database, with all their rows.")
    ] = False,
) -> None:
    """Restore a backup into an empty database, and verify the number of rows in each table."""
    if check:
        with report_failures():
            print(f"{file} is complete: {read_backup(file).summary()}")
        return
    with report_failures("the restore is not complete"):
        settings = load_tool_settings()
        backup = restore(settings, file, overwrite=overwrite)
        print(f"restored {file} to {settings.mysql_db}: {backup.summary()}\n{_next_step(settings)}")


def _next_step(settings: Settings) -> str:
    """Return the next step before a service may use the restored database."""
    try:
        with open_migrated(settings):
            return "run `payments doctor` before a service uses this database"
    except SchemaOutdated as error:
        return str(error)
