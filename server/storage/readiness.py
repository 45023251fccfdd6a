"""Startup: wait until the database can be reached, but fail at once if the database cannot be used."""

import asyncio
import time

import pymysql.err
import structlog

from server.config.database import DatabaseSettings
from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.storage.api_keys import MysqlKeyStore
from server.storage.database.access import address, reason, rejection
from server.storage.database.causal_reads import CausalReadsUnsupported
from server.storage.database.pool import Database
from server.storage.database.server_settings import read_risky_settings
from server.storage.database.server_version import UNTESTED_ADVICE, UnsupportedServer, read_server_version
from server.storage.schema_check import SchemaOutdated, StatementRejected, check_schema, check_statements

_RETRY_SECONDS = 1.0
_REPEAT_SECONDS = 10.0
"""The interval at which the log repeats that the database is still unreachable."""

_log = structlog.get_logger(__name__)


class DatabaseUnusable(Exception):
    """The service cannot use the database. The message says why, and what to do."""


async def wait_for_database(database: Database, keys: MysqlKeyStore, settings: DatabaseSettings) -> None:
    """Wait until the database can be reached, check its version, schema and privileges, and load the API keys.

    If the database cannot be reached, this waits for up to ``mysql_startup_timeout_seconds``. It does not wait if the
    database rejects the account, because repeated logins with a wrong password lock the account (FAILED_LOGIN_ATTEMPTS
    of MySQL, max_password_errors of MariaDB). If the accounts are still being created, the process manager restarts the
    service, at increasing intervals.

    Raises:
        DatabaseUnusable: the database cannot be reached in time, rejects the account, has a version that the service
            cannot use, lacks migrations, or rejects a statement.
    """
    wait = _StartupWait(settings)
    while True:
        try:
            await _check_version(database)
            await check_schema(database, Deadline())
            await check_statements(database, Deadline())
            await keys.load()
            await _warn_about_server_settings(database)
        except StoreUnavailable as error:
            cause = error.__cause__ or error
            if message := rejection(cause, settings):
                raise DatabaseUnusable(message) from error
            wait.check(cause)
            await asyncio.sleep(_RETRY_SECONDS)
        except SchemaOutdated as error:
            raise DatabaseUnusable(str(error)) from error
        except (UnsupportedServer, CausalReadsUnsupported, StatementRejected, pymysql.err.MySQLError) as error:
            msg = f"the database {settings.mysql_db} at {address(settings)} cannot be used: {reason(error)}"
            raise DatabaseUnusable(msg) from error
        else:
            database.log_outages()
            return


class _StartupWait:
    """The wait for the database at startup: its deadline, and the reason that was last logged."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._address = address(settings)
        self._timeout_seconds = settings.mysql_startup_timeout_seconds
        self._deadline_seconds = time.monotonic() + self._timeout_seconds
        self._logged_reason = ""
        self._logged_at_seconds = 0.0

    def check(self, error: BaseException) -> None:
        """Log why the database cannot be reached: the first time, when the reason changes, and every few seconds.

        Raises:
            DatabaseUnusable: the startup timeout has passed.
        """
        why, now_seconds = reason(error), time.monotonic()
        if now_seconds + _RETRY_SECONDS > self._deadline_seconds:
            timeout = f"{self._timeout_seconds:g} s (MYSQL_STARTUP_TIMEOUT_SECONDS)"
            raise DatabaseUnusable(f"no database at {self._address} within {timeout}: {why}") from error
        if why != self._logged_reason or now_seconds - self._logged_at_seconds >= _REPEAT_SECONDS:
            left_seconds = round(self._deadline_seconds - now_seconds)
            _log.info("waiting_for_database", address=self._address, reason=why, seconds_left=left_seconds)
            self._logged_reason, self._logged_at_seconds = why, now_seconds


async def _check_version(database: Database) -> None:
    server = await read_server_version(database)
    server.require_supported()
    if server.is_tested:
        _log.info("database_version", database=server.product, version=server.text, tested=True)
    else:
        _log.warning(
            "database_version", database=server.product, version=server.text, tested=False, advice=UNTESTED_ADVICE
        )


async def _warn_about_server_settings(database: Database) -> None:
    for setting in await read_risky_settings(database):
        _log.warning(
            "database_setting", setting=setting.name, value=setting.value, effect=setting.effect, advice=setting.advice
        )
