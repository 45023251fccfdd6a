"""Checks of the database server: its version, clock, settings, sessions and disk. Each takes a few small queries."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import DictCursor

from server.storage.database.server_settings import SELECT_SERVER_SETTINGS, risky_settings
from server.storage.database.server_version import UNTESTED_ADVICE, UnsupportedServer
from tools.database.connection import DatabaseConnection, execute, read_server_version
from tools.operations.doctor.check_result import CheckResult, Level

_MAX_CLOCK_DIFFERENCE_SECONDS = 2.0
"""The service's clock sets the times of payments, and the database's those of migrations and of legacy payments."""

_LONG_TRANSACTION_SECONDS = 60.0
_MIN_FREE_SHARE = 0.1
_SHOWN_TABLES = 4
_MEBIBYTE = 1 << 20

_DENIED = frozenset({ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR})

_DURABILITY_SETTINGS = """
    SHOW GLOBAL VARIABLES WHERE variable_name IN ('innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin')
"""
"""TiDB has no log_bin, and always writes a commit to disk."""

_TRANSACTIONS = """
    SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.innodb_trx
    WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) ORDER BY trx_started
"""
_TIDB_TRANSACTIONS = """
    SELECT session_id, TIMESTAMPDIFF(SECOND, start_time, NOW()) FROM information_schema.tidb_trx
    WHERE session_id NOT IN (0, CONNECTION_ID()) ORDER BY start_time
"""
"""The transactions of the TiDB server that this session uses; without the PROCESS privilege, those of this account."""

_SIZES = """
    SELECT table_name, data_length + index_length, table_rows FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 2 DESC
"""


def version(connection: DatabaseConnection) -> CheckResult:
    """Check that the server's product and version are supported and tested."""
    server = read_server_version(connection)
    subject = "database"
    values: dict[str, float | str] = {
        "product": server.product,
        "version": server.text,
        "tested": int(server.is_tested),
    }
    try:
        server.require_supported()
    except UnsupportedServer as error:
        return CheckResult(Level.PROBLEM, subject, str(error), values=values)
    if not server.is_tested:
        return CheckResult(Level.WARNING, subject, f"{server} is untested", UNTESTED_ADVICE, values)
    return CheckResult(Level.OK, subject, f"{server}, a tested version", values=values)


def clock(connection: DatabaseConnection) -> CheckResult:
    """Compare the server's clock with this machine's."""
    before = datetime.now(UTC)
    ((database_time,),) = execute(connection, "SELECT UTC_TIMESTAMP(6)")
    database_time = database_time.replace(tzinfo=UTC)
    after = datetime.now(UTC)
    # The server read its clock at some moment between `before` and `after`.
    difference_seconds = max((database_time - after).total_seconds(), (before - database_time).total_seconds(), 0.0)
    values = {"difference_seconds": round(difference_seconds, 6)}
    if difference_seconds > _MAX_CLOCK_DIFFERENCE_SECONDS:
        text = f"the clocks of the database and of this machine differ by {difference_seconds:.1f} s"
        return CheckResult(Level.WARNING, "clock", text, "Synchronize both with the same time servers (NTP).", values)
    return CheckResult(Level.OK, "clock", "the clocks of the database and of this machine agree", values=values)


def pool(connection: DatabaseConnection, pool_max: int, workers: int = 1) -> CheckResult:
    """Check that the server accepts as many connections as a replica may open."""
    ((connections, user_connections),) = execute(connection, "SELECT @@max_connections, @@max_user_connections")
    limits = [int(limit) for limit in (connections, user_connections) if int(limit)]
    if not limits:
        return CheckResult(Level.OK, "pool", "the database does not limit the number of connections")
    connection_limit = min(limits)
    if pool_max >= connection_limit:
        text = f"MYSQL_POOL_MAX is {pool_max}, but the database allows {connection_limit} connections"
        advice = "Lower MYSQL_POOL_MAX, or raise max_connections (or max_user_connections) in the database."
        return CheckResult(Level.PROBLEM, "pool", text, advice)
    # A replica needs one more connection than its pool has, for the health checks of each worker. One is left for tools
    # and people.
    per_replica = pool_max + workers
    text = f"a replica needs up to {per_replica} connections, and the database allows {connection_limit}"
    return CheckResult(Level.OK, "pool", f"{text}: enough for {(connection_limit - 1) // per_replica} replicas")


def durability(connection: DatabaseConnection) -> CheckResult:
    """Check that a commit is on disk before it is acknowledged."""
    settings = dict(execute(connection, _DURABILITY_SETTINGS))
    flush = settings["innodb_flush_log_at_trx_commit"]
    unsafe = [] if flush == "1" else [f"innodb_flush_log_at_trx_commit is {flush}"]
    if settings.get("log_bin") == "ON" and settings["sync_binlog"] != "1":
        unsafe.append(f"sync_binlog is {settings['sync_binlog']}")
    if unsafe:
        text = f"{' and '.join(unsafe)}: a crash of the database's machine can lose acknowledged payments"
        advice = "Set both to 1, unless the storage guarantees durability."
        return CheckResult(Level.WARNING, "durability", text, advice)
    return CheckResult(Level.OK, "durability", "commits are on disk before they are acknowledged")


def locks(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Check for settings that make a locked row block sessions that do not need the row."""
    risky = list(risky_settings(execute(connection, SELECT_SERVER_SETTINGS)))
    for setting in risky:
        text = f"{setting.name} is {setting.value}: {setting.effect}"
        yield CheckResult(Level.WARNING, "locks", text, setting.advice)
    if not risky:
        yield CheckResult(Level.OK, "locks", "a locked row blocks only the sessions that need it")


def replication(connection: DatabaseConnection) -> CheckResult:
    """Check that the server accepts writes and is not a replica."""
    ((read_only,),) = execute(connection, "SELECT @@read_only")
    is_read_only = str(read_only).upper() not in {"0", "OFF"}
    status = _replica_status(connection)
    values: dict[str, float | str] = {"read_only": int(is_read_only), "is_replica": int(status is not None)}
    if is_read_only:
        text = "the database is read-only, so charges and refunds fail"
        advice = "Set MYSQL_HOST to the primary, or promote this server with SET GLOBAL read_only = 0."
        return CheckResult(Level.PROBLEM, "replication", text, advice, values)
    if status is not None:
        behind = status.get("Seconds_Behind_Master", status.get("Seconds_Behind_Source"))
        values["behind_seconds"] = -1 if behind is None else int(behind)
        text = f"the database is a replica, {'stopped' if behind is None else f'{behind} s behind'}, and accepts writes"
        advice = "Write only to the primary, otherwise the two diverge."
        return CheckResult(Level.WARNING, "replication", text, advice, values)
    return CheckResult(Level.OK, "replication", "the database accepts writes and is not a replica", values=values)


def _replica_status(connection: DatabaseConnection) -> dict[str, Any] | None:
    try:
        with connection.cursor(DictCursor) as cursor:
            cursor.execute("SHOW REPLICA STATUS")
            return cursor.fetchone()
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _DENIED | {ER.PARSE_ERROR, ER.NOT_SUPPORTED_YET}:
            raise
        return None


def transactions(connection: DatabaseConnection) -> CheckResult:
    """Look for transactions that have been open for a long time, because others wait for the rows that they lock."""
    try:
        query = _TIDB_TRANSACTIONS if read_server_version(connection).is_tidb else _TRANSACTIONS
        ages = dict(execute(connection, query))
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _DENIED:
            raise
        text = "this account cannot see the transactions of others, because it lacks the PROCESS privilege"
        return CheckResult(Level.NOTE, "transactions", text)
    values = {"transactions": len(ages), "oldest_seconds": int(max(ages.values(), default=0))}
    long = [f"{session} ({age} s)" for session, age in ages.items() if age > _LONG_TRANSACTION_SECONDS]
    if long:
        text = f"sessions with a transaction open for more than {_LONG_TRANSACTION_SECONDS:.0f} s: {', '.join(long)}"
        advice = (
            "Find their owners with SHOW FULL PROCESSLIST, and end a session with KILL and its number. The transaction "
            "of a backup is harmless."
        )
        return CheckResult(Level.WARNING, "transactions", text, advice, values)
    return CheckResult(Level.OK, "transactions", f"{len(ages)} open, none for a long time", values=values)


def sizes(connection: DatabaseConnection, *, is_local: bool) -> CheckResult:
    """Measure the tables and, for a server on this machine, the free space on its disk."""
    rows = [(str(name), int(size or 0)) for name, size, _ in execute(connection, _SIZES)]
    largest = ", ".join(f"{name} {size / _MEBIBYTE:,.0f} MiB" for name, size in rows[:_SHOWN_TABLES])
    values: dict[str, float | str] = {f"{name}_bytes": size for name, size in rows}
    text = f"{sum(size for _, size in rows) / _MEBIBYTE:,.0f} MiB in total: {largest}"
    ((data_folder,),) = execute(connection, "SELECT @@datadir")
    if is_local and Path(data_folder).is_dir():
        disk = shutil.disk_usage(data_folder)
        values |= {"disk_free_bytes": disk.free, "disk_bytes": disk.total}
        text += f"; {disk.free / _MEBIBYTE:,.0f} MiB free on its disk"
        if disk.free < _MIN_FREE_SHARE * disk.total:
            advice = (
                "A full disk stops all writes: free some space (docs/operations/retention.md), or enlarge the disk."
            )
            return CheckResult(Level.WARNING, "sizes", text, advice, values)
    return CheckResult(Level.OK, "sizes", text, values=values)
