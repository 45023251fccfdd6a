"""Run the checks of ``payments doctor`` that need the settings and the database."""

from collections.abc import Iterator
from contextlib import closing

import pymysql

from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError
from server.storage.database.access import address
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect, execute, is_lock_timeout
from tools.operations.doctor import data_checks, galera_checks, late_outcome_checks, server_checks, statement_checks
from tools.operations.doctor.check_result import CheckResult, Level

_CONNECT_TIMEOUT_SECONDS = 5.0
"""Shorter than the service's startup timeout, because a person is waiting."""

_LOCK_TIMEOUT_SECONDS = 2


def run_checks(settings: Settings, *, with_rows: bool = True) -> Iterator[CheckResult]:
    """Check the settings and their database; scan whole tables only ``with_rows``."""
    yield CheckResult(
        Level.OK, "settings", f"{settings.mysql_user} at {address(settings)}, database {settings.mysql_db}"
    )
    yield _callers(settings)
    wait_seconds = min(_CONNECT_TIMEOUT_SECONDS, settings.mysql_startup_timeout_seconds)
    try:
        connection = connect(
            settings.model_copy(update={"mysql_startup_timeout_seconds": wait_seconds}), report=lambda _: None
        )
    except DatabaseConnectionError as error:
        advice = "Start the database, or correct MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD and MYSQL_DB."
        yield CheckResult(Level.PROBLEM, "database", str(error), advice)
        return
    with closing(connection):
        execute(connection, f"SET SESSION lock_wait_timeout = {_LOCK_TIMEOUT_SECONDS}")
        version = server_checks.version(connection)
        yield version
        if version.level is Level.PROBLEM:
            return  # the other checks are for databases that the service can use
        cluster = list(galera_checks.cluster(connection, has_causal_reads=settings.mysql_causal_reads))
        yield from cluster
        if any(result.level is Level.PROBLEM for result in cluster):
            return  # the node rejects every query that reads a table
        migrations = data_checks.migrations(connection)
        yield migrations
        yield from _server_results(connection, settings)
        if migrations.level is not Level.PROBLEM:
            yield from _unless_locked(
                statement_checks.SUBJECT,
                statement_checks.statements(settings, lock_timeout_seconds=_LOCK_TIMEOUT_SECONDS),
            )
            yield from _data_results(connection, with_rows=with_rows)


def _callers(settings: Settings) -> CheckResult:
    subject = "callers"
    try:
        check_exposure(settings)
    except SettingsError as error:
        return CheckResult(Level.PROBLEM, subject, str(error), "`payments serve` refuses to start until this is fixed.")
    roles = ", ".join(sorted(settings.anonymous_roles)) or "none"
    return CheckResult(Level.OK, subject, f"roles of anonymous callers: {roles}")


def _server_results(connection: DatabaseConnection, settings: Settings) -> Iterator[CheckResult]:
    yield server_checks.clock(connection)
    yield server_checks.pool(connection, settings.mysql_pool_max, settings.workers)
    yield server_checks.durability(connection)
    yield from server_checks.locks(connection)
    yield server_checks.replication(connection)
    yield server_checks.transactions(connection)
    yield server_checks.sizes(connection, is_local=settings.mysql_socket is not None)


def _data_results(connection: DatabaseConnection, *, with_rows: bool) -> Iterator[CheckResult]:
    checks = [data_checks.indexes, data_checks.stream, data_checks.pending]
    checks += [late_outcome_checks.approvals, late_outcome_checks.disputes]
    checks += [late_outcome_checks.checks, late_outcome_checks.late_outcomes]
    if with_rows:
        checks += [data_checks.refunds, data_checks.payments]
    for check in checks:
        yield from _unless_locked(check.__name__, check(connection))


def _unless_locked(subject: str, results: Iterator[CheckResult]) -> Iterator[CheckResult]:
    """Yield the results of a check, or a problem if it needs a table that stays locked."""
    try:
        yield from results
    except pymysql.err.OperationalError as error:
        if not is_lock_timeout(error):
            raise
        text = f"a table stayed locked for more than {_LOCK_TIMEOUT_SECONDS} s"
        advice = "Find the session that alters or locks it, or has a transaction open on it: SHOW FULL PROCESSLIST."
        yield CheckResult(Level.PROBLEM, subject, text, advice)
