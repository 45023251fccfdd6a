"""What a command prints when it fails: a line or two on standard error and an exit code, never a traceback."""

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

_INTERRUPTED = 130
"""As a shell reports SIGINT."""


@contextmanager
def failures_reported(consequence: str = "") -> Iterator[None]:
    """Exit with 1 and print the reason when the work fails, and with 130 when it is interrupted.

    ``consequence`` says what that leaves behind. It follows a failure of the database or an interrupt.
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
        sys.exit(f"the database failed: {explain(error)}{end}")
    except KeyboardInterrupt:
        print(f"stopped{end}", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None


@contextmanager
def database_of_settings() -> Iterator[tuple[DatabaseConnection, Settings]]:
    """Connect to the database that the settings name, which must be migrated, and report failures."""
    with failures_reported():
        settings = load_tool_settings()
        with open_migrated(settings) as connection:
            yield connection, settings
