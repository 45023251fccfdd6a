"""The settings of the tools: the service's, with the project's private database where they name none."""

import os

from dotenv import dotenv_values

from server.config import env_file
from server.config.settings import Settings, SettingsError, check_env_file, load_settings
from tools.database.private_database import DEFAULT_DATABASE, PROJECT_FOLDER, PrivateDatabasePlace


def named_settings() -> dict[str, str]:
    """Return the settings of the environment and ``.env`` by their upper-case names; the environment wins.

    An empty value is not set. This repeats ``server.config.settings``, because settings that name no database fail to
    load.

    Raises:
        SettingsError: ``.env`` cannot be read, or has lines that are no settings.
    """
    check_env_file()
    names = {
        name.upper(): value for name, value in dotenv_values(env_file.PATH, encoding=env_file.ENCODING).items() if value
    }
    return names | {name.upper(): value for name, value in os.environ.items() if value}


def names_database() -> bool:
    """Whether the settings say where the database is."""
    return not named_settings().keys().isdisjoint({"MYSQL_HOST", "MYSQL_SOCKET"})


def private_database_name() -> str:
    """Return the name of the database in the project's private server: ``MYSQL_DB``, where that is set."""
    return named_settings().get("MYSQL_DB", DEFAULT_DATABASE)


def load_tool_settings() -> Settings:
    """Load the settings; when they name no database and the private one runs, use that.

    It is set in the environment of this process, so that its children use it too.

    Raises:
        SettingsError: as ``load_settings``.
    """
    if not names_database():
        private = PrivateDatabasePlace(PROJECT_FOLDER, database=private_database_name())
        if not private.is_running():
            msg = (
                "There is no database to work on: set MYSQL_HOST (or MYSQL_SOCKET), or start the project's private one "
                "with `python -m tools.dev.devdb start`"
            )
            raise SettingsError(msg)
        os.environ.update(private.environment())
    return load_settings()
