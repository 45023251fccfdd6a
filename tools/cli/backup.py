"""``payments backup FILE`` copies the database to a file, and ``payments restore FILE`` brings it back."""

from pathlib import Path
from typing import Annotated

import typer

from server.config.settings import Settings
from server.storage.schema_check import SchemaOutdated
from tools.cli.failures import failures_reported
from tools.database.migration_records import open_migrated
from tools.database.settings import load_tool_settings
from tools.errors import ToolError
from tools.operations.backup.backup import back_up
from tools.operations.backup.backup_file import read_backup
from tools.operations.backup.restore import restore

_NO_BACKUP = "no backup was made"


def backup_command(
    file: Annotated[Path, typer.Argument(help="A new file, such as payments.sql.gz; it is SQL, in gzip.")],
    *,
    binlog_position: Annotated[
        bool, typer.Option(help="Note where the binary log was, to go on from there; needs more rights.")
    ] = False,
) -> None:
    """Copy the database to a file while it is used, all of one moment, and check the file."""
    with failures_reported(_NO_BACKUP):
        try:
            backup = back_up(load_tool_settings(), file, with_position=binlog_position)
        except ToolError as error:
            raise ToolError(f"{error}\n{_NO_BACKUP}") from None
    print(f"{file}: {backup.summary()}")


def restore_command(
    file: Annotated[Path, typer.Argument(help="What `payments backup` wrote.")],
    *,
    check: Annotated[bool, typer.Option(help="Only read the file, and say whether it is whole.")] = False,
    overwrite: Annotated[
        bool, typer.Option(help="Drop the tables that the database has, with all that is in them.")
    ] = False,
) -> None:
    """Bring a backup back into an empty database, and compare what is in it then."""
    if check:
        with failures_reported():
            print(f"{file} is whole: {read_backup(file).summary()}")
        return
    with failures_reported("what was restored so far is not whole"):
        settings = load_tool_settings()
        backup = restore(settings, file, overwrite=overwrite)
        print(f"{settings.mysql_db} has {file}: {backup.summary()}\n{_advice(settings)}")


def _advice(settings: Settings) -> str:
    """Return what to do before a service uses the restored database."""
    try:
        with open_migrated(settings):
            return "look it over with `payments doctor` before a service uses it"
    except SchemaOutdated as error:
        return str(error)
