"""Report the expected failures of commands in a line or two on standard error, and with an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import typer

from server.config.settings import Settings, SettingsError
from server.storage.database.access import explain
from server.storage.schema_check import SchemaOutdated
from tools.database.connection import DatabaseBusy, DatabaseConnection
from tools.database.migration_records import open_migrated
from tools.database.settings import load_tool_settings
from tools.errors import ToolError

_EXIT_INTERRUPTED = 130
"""The exit code that shells report for SIGINT."""


# The accounts that deploy/sql creates.
MIGRATOR = "payments_migrator"
SERVICE = "payments_service"
BACKUP = "payments_backup"
ARCHIVER = "payments_archiver"


@contextmanager
def report_failures(consequence: str = "", *, account: str | None = None) -> Iterator[None]:
    """Exit with 1 and print the reason if the work fails, and exit with 130 if it is interrupted.

    ``consequence`` describes the state that is left behind. It is printed after a database error, a closed standard
    output or an interrupt. ``account`` is the account that the command needs, which the message names if the database
    denies a privilege.
    """
    end = f"; {consequence}" if consequence else ""
    try:
        yield
    except (ToolError, SettingsError, SchemaOutdated) as error:
        sys.exit(str(error))
    except BrokenPipeError:
        sys.exit(f"standard output was closed before the end{end}")
    except OSError as error:
        sys.exit(f"{error.filename or 'standard output'}: {error.strerror}")
    except (pymysql.err.MySQLError, DatabaseBusy) as error:
        sys.exit(f"database error: {explain(error, account)}{end}")
    except KeyboardInterrupt:
        print(f"interrupted{end}", file=sys.stderr)
        raise typer.Exit(_EXIT_INTERRUPTED) from None


@contextmanager
def open_database(account: str | None = None) -> Iterator[tuple[DatabaseConnection, Settings]]:
    """Connect to the database in the settings, which must be migrated; report failures until the context ends.

    ``account`` is the account that the command needs.
    """
    with report_failures(account=account):
        settings = load_tool_settings()
        with open_migrated(settings) as connection:
            yield connection, settings
