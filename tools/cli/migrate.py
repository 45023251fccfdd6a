"""``payments migrate`` brings the schema up to date; ``payments migrate status`` shows what is applied."""

from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from tools.cli.failures import failures_reported
from tools.database.connection import connect
from tools.database.migration_files import load_migrations
from tools.database.migration_records import read_records, status_lines
from tools.database.migrations import DEFAULT_LOCK_TIMEOUT_SECONDS, migrate
from tools.database.settings import load_tool_settings


class Action(StrEnum):
    """What the command does."""

    MIGRATE = "migrate"
    STATUS = "status"


def command(
    action: Annotated[
        Action, typer.Argument(help="status shows what is applied, and changes nothing")
    ] = Action.MIGRATE,
    *,
    lock_timeout_seconds: Annotated[
        float, typer.Option(help="how long to wait for another process that is migrating")
    ] = DEFAULT_LOCK_TIMEOUT_SECONDS,
) -> None:
    """Bring the database's tables up to date; any number of processes may do so at once."""
    with failures_reported():
        settings = load_tool_settings()
        if action is Action.MIGRATE:
            migrate(settings, lock_timeout_seconds=lock_timeout_seconds)
            return
        with closing(connect(settings)) as connection:
            records = read_records(connection)
        print("\n".join(status_lines(load_migrations(), records)))
