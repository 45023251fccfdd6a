"""Startup: wait for a database that cannot be reached yet, and report at once what is wrong with one that can."""

import asyncio
import time

import pymysql.err
import structlog

from server.config.database import DatabaseSettings
from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.storage.api_keys import MysqlKeyStore
from server.storage.database.access import address, reason, refusal
from server.storage.database.pool import Database
from server.storage.database.server_settings import read_risky_settings
from server.storage.schema_check import SchemaOutdated, check_rights, check_schema

_RETRY_SECONDS = 1.0
_REPEAT_SECONDS = 10.0
"""How often the log repeats that the database is still unreachable."""

_log = structlog.get_logger(__name__)


class DatabaseUnusable(Exception):
    """The service cannot work with the database; the message says why and what to do."""


async def wait_for_database(database: Database, keys: MysqlKeyStore, settings: DatabaseSettings) -> None:
    """Return once the database has the tables and the account its rights, and the API keys are loaded.

    A database that cannot be reached is waited for, for ``mysql_startup_timeout_seconds``. One that refuses the account
    is not: the same login would be refused again, and wrong passwords, one each second, lock accounts
    (FAILED_LOGIN_ATTEMPTS of MySQL, max_password_errors of MariaDB). Where accounts are made at the same time as the
    service starts, whatever runs it starts it again, ever more rarely.

    Raises:
        DatabaseUnusable: it cannot be reached in time, refuses the account, lacks migrations, or is no such database.
    """
    waiting = _Waiting(settings)
    while True:
        try:
            await check_schema(database, Deadline())
            await check_rights(database, Deadline())
            await keys.load()
            await _warn_of_server_settings(database)
        except StoreUnavailable as error:
            cause = error.__cause__ or error
            if refused := refusal(cause, settings):
                raise DatabaseUnusable(refused) from error
            waiting.check(cause)
            await asyncio.sleep(_RETRY_SECONDS)
        except SchemaOutdated as error:
            raise DatabaseUnusable(str(error)) from error
        except pymysql.err.MySQLError as error:
            msg = f"the database {settings.mysql_db} at {address(settings)} cannot be used: {reason(error)}"
            raise DatabaseUnusable(msg) from error
        else:
            database.log_outages()
            return


class _Waiting:
    """The time that the startup has waited for the database, and the reason that it logged last."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._where = address(settings)
        self._timeout_seconds = settings.mysql_startup_timeout_seconds
        self._deadline_seconds = time.monotonic() + self._timeout_seconds
        self._logged = ""
        self._logged_at_seconds = 0.0

    def check(self, error: BaseException) -> None:
        """Log why the database cannot be reached: at first, when the reason changes, and every few seconds.

        Raises:
            DatabaseUnusable: the startup has waited long enough.
        """
        why, now_seconds = reason(error), time.monotonic()
        if now_seconds + _RETRY_SECONDS > self._deadline_seconds:
            timeout = f"{self._timeout_seconds:g} s (MYSQL_STARTUP_TIMEOUT_SECONDS)"
            raise DatabaseUnusable(f"no database at {self._where} within {timeout}: {why}") from error
        if why != self._logged or now_seconds - self._logged_at_seconds >= _REPEAT_SECONDS:
            left_seconds = round(self._deadline_seconds - now_seconds)
            _log.info("waiting_for_database", address=self._where, reason=why, seconds_left=left_seconds)
            self._logged, self._logged_at_seconds = why, now_seconds


async def _warn_of_server_settings(database: Database) -> None:
    for setting in await read_risky_settings(database):
        _log.warning(
            "database_setting", setting=setting.name, value=setting.value, effect=setting.effect, advice=setting.advice
        )
