"""``payments migrate`` brings the schema up to date; ``payments migrate status`` lists the migrations."""

from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from tools.cli.failures import MIGRATOR, report_failures
from tools.database.connection import connect
from tools.database.migration_files import load_migrations
from tools.database.migration_records import read_records, status_lines
from tools.database.migrations import DEFAULT_LOCK_TIMEOUT_SECONDS, migrate
from tools.database.settings import load_tool_settings


class Action(StrEnum):
    """The actions of ``payments migrate``."""

    MIGRATE = "migrate"
    STATUS = "status"


def command(
    action: Annotated[
        Action, typer.Argument(help="`status` lists the migrations and changes nothing.")
    ] = Action.MIGRATE,
    *,
    lock_timeout_seconds: Annotated[
        float, typer.Option(help="Seconds to wait for another process that is migrating.")
    ] = DEFAULT_LOCK_TIMEOUT_SECONDS,
    allow_blocking: Annotated[
        bool,
        typer.Option(
            "--allow-blocking", help="Alter large tables in place, while writes to them wait, instead of copying them."
        ),
    ] = False,
) -> None:
    """Bring the database schema up to date. Several processes can run this at the same time."""
    with report_failures(account=MIGRATOR):
        settings = load_tool_settings()
        if action is Action.MIGRATE:
            migrate(settings, lock_timeout_seconds=lock_timeout_seconds, allow_blocking=allow_blocking)
            return
        with closing(connect(settings)) as connection:
            records = read_records(connection)
        print("\n".join(status_lines(load_migrations(), records)))
