"""The settings of the tools: those of the service, with the private database of the project as the default."""

import os

from dotenv import dotenv_values

from server.config import env_file
from server.config.settings import Settings, SettingsError, check_env_file, load_settings
from tools.database.private_database import DEFAULT_DATABASE, PROJECT_FOLDER, PrivateDatabaseLocation


def named_settings() -> dict[str, str]:
    """Return the settings in the environment and ``.env`` by their uppercase names; the environment takes precedence.

    An empty value counts as not set. This duplicates ``server.config.settings``, because settings without a database
    fail to load.

    Raises:
        SettingsError: ``.env`` cannot be read, or has lines that are not settings.
    """
    check_env_file()
    names = {
        name.upper(): value for name, value in dotenv_values(env_file.PATH, encoding=env_file.ENCODING).items() if value
    }
    return names | {name.upper(): value for name, value in os.environ.items() if value}


def names_database() -> bool:
    """Whether the settings name a database server."""
    return not named_settings().keys().isdisjoint({"MYSQL_HOST", "MYSQL_SOCKET"})


def private_database_name() -> str:
    """Return the name of the database in the project's private server: ``MYSQL_DB`` or its default."""
    return named_settings().get("MYSQL_DB", DEFAULT_DATABASE)


def load_tool_settings() -> Settings:
    """Load the settings; if they name no database server, use the private database, which must be running.

    The private database is set in the environment of this process, so that child processes use it too.

    Raises:
        SettingsError: there is no database to use, or as in ``load_settings``.
    """
    if not names_database():
        private = PrivateDatabaseLocation(PROJECT_FOLDER, database=private_database_name())
        if not private.is_running():
            msg = (
                "No database is configured: set MYSQL_HOST (or MYSQL_SOCKET), or start the private database of the "
                "project with `python -m tools.dev.devdb start`"
            )
            raise SettingsError(msg)
        os.environ.update(private.environment())
    return load_settings()
