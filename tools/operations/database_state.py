"""What goes on in a database at this moment: what waits, what holds others up, what it lets in, how large it is.

All of it is read, in a few small queries. What an account may not see is said to be so.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import DictCursor

from server.config.settings import Settings
from tools.database.connection import DatabaseConnection
from tools.operations.findings import Finding, Level

_DENIED = frozenset({ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR})

_LONG_LAG_SECONDS = 10.0
"""The relay is done with a change within a second, when it works at all."""

_LONG_PENDING_SECONDS = 900.0
_LONG_TRANSACTION_SECONDS = 60.0
_LEAST_FREE = 0.1
_SHOWN_TABLES = 4
_MEBIBYTE = 1 << 20

_OLDEST_IN_OUTBOX = """
    SELECT TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) / 1000000 FROM payment_outbox
    ORDER BY outbox_id LIMIT 1
"""
_PENDING_REQUESTS = """
    SELECT kind, COUNT(*), TIMESTAMPDIFF(MICROSECOND, MIN(created_at), UTC_TIMESTAMP(6)) / 1000000, MAX(attempts)
    FROM processor_requests GROUP BY kind
"""
_PENDING_PAYMENTS = """
    SELECT COUNT(*), TIMESTAMPDIFF(MICROSECOND, MIN(p.created_at), UTC_TIMESTAMP(6)) / 1000000 FROM payments p
    WHERE p.status IS NULL AND NOT EXISTS (SELECT 1 FROM processor_requests q WHERE q.payment_id = p.payment_id)
"""
"""Those that nobody is asking about."""

_LONG_TRANSACTIONS = """
    SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.innodb_trx
    WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) ORDER BY trx_started
"""
_SIZES = """
    SELECT table_name, data_length + index_length, table_rows FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 2 DESC
"""


def stream(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    """Tell how far the stream of events is behind: what is committed and not in it yet."""
    ((waiting,),) = _rows(connection, "SELECT COUNT(*) FROM payment_outbox")
    oldest = _rows(connection, _OLDEST_IN_OUTBOX)
    lag_seconds = max(0.0, float(oldest[0][0])) if oldest else 0.0
    values = {"outbox_rows": int(waiting), "lag_seconds": round(lag_seconds, 3)}
    if lag_seconds > _LONG_LAG_SECONDS:
        text = f"{waiting:,} changes wait to be told, the oldest for {lag_seconds:.0f} s"
        advice = "A running service moves them on: does its log say relay_failed, or database_unavailable?"
        yield Finding(Level.WARNING, "stream", text, advice, values)
    else:
        yield Finding(Level.OK, "stream", f"{waiting:,} changes wait to be told", values=values)


def pending(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    """Tell what has no outcome yet: what the processor is being asked, and payments that nobody asks about."""
    values: dict[str, float | str]
    ((lost, lost_seconds),) = _rows(connection, _PENDING_PAYMENTS)
    if lost:
        text = f"{lost:,} payments that nobody asks about, the oldest for {_duration(lost_seconds)}"
        values = {"payments": int(lost), "oldest_seconds": float(lost_seconds or 0)}
        yield Finding(Level.NOTE, "pending", text, "Find out at the processor what became of them.", values)
    rows = _rows(connection, _PENDING_REQUESTS)
    for kind, count, age_seconds, attempts in rows:
        text = f"{count:,} {kind}s at the processor, the oldest for {_duration(age_seconds)}, tried {attempts} times"
        values = {"kind": str(kind), "requests": int(count), "oldest_seconds": float(age_seconds)}
        if age_seconds > _LONG_PENDING_SECONDS:
            advice = "A service asks again about them: what does its log say of the processor?"
            yield Finding(Level.WARNING, "pending", text, advice, values)
        else:
            yield Finding(Level.OK, "pending", text, values=values)
    if not rows:
        yield Finding(Level.OK, "pending", "nothing is at the processor", values={"requests": 0})


def transactions(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    """Tell of transactions that are open for long: what they have locked, everybody waits for."""
    try:
        found = [(int(thread), int(age)) for thread, age in _rows(connection, _LONG_TRANSACTIONS)]
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _DENIED:
            raise
        yield Finding(Level.NOTE, "transactions", "this account may not see those of others: that takes PROCESS")
        return
    oldest_seconds = max((age for _, age in found), default=0)
    values = {"transactions": len(found), "oldest_seconds": oldest_seconds}
    long = [f"{thread} ({age} s)" for thread, age in found if age > _LONG_TRANSACTION_SECONDS]
    if long:
        text = f"sessions with a transaction open for more than {_LONG_TRANSACTION_SECONDS:.0f} s: {', '.join(long)}"
        advice = (
            "SHOW FULL PROCESSLIST says whose they are; KILL with the number ends one. A backup is one, and harmless."
        )
        yield Finding(Level.WARNING, "transactions", text, advice, values)
    else:
        yield Finding(Level.OK, "transactions", f"{len(found)} are open, none for long", values=values)


def replication(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    """Tell whether the database takes writes, and whether it is a copy of another."""
    ((read_only,),) = _rows(connection, "SELECT @@read_only")
    is_read_only = str(read_only).upper() not in {"0", "OFF"}
    status = _replica_status(connection)
    values: dict[str, float | str] = {"read_only": int(is_read_only), "is_replica": int(status is not None)}
    if is_read_only:
        text = "the database is read-only: charges and refunds are refused"
        advice = "Set MYSQL_HOST to the one that is written to, or SET GLOBAL read_only = 0 where this is to be it."
        yield Finding(Level.PROBLEM, "replication", text, advice, values)
    elif status is not None:
        behind = status.get("Seconds_Behind_Master", status.get("Seconds_Behind_Source"))
        values["behind_seconds"] = -1 if behind is None else int(behind)
        text = f"the database is a replica, {'stopped' if behind is None else f'{behind} s behind'}, and takes writes"
        yield Finding(Level.WARNING, "replication", text, "Two that are written to part ways: write to one.", values)
    else:
        yield Finding(Level.OK, "replication", "the database takes writes, and follows no other", values=values)


def _replica_status(connection: DatabaseConnection) -> dict[str, Any] | None:
    try:
        with connection.cursor(DictCursor) as cursor:
            cursor.execute("SHOW REPLICA STATUS")
            return cursor.fetchone()
    except pymysql.err.MySQLError as error:
        if error.args[0] not in _DENIED | {ER.PARSE_ERROR}:
            raise
        return None


def sizes(connection: DatabaseConnection, settings: Settings) -> Iterator[Finding]:
    """Tell how large the tables are, and, where the database is on this machine, how much room it has left."""
    rows = [(str(name), int(size or 0), int(count or 0)) for name, size, count in _rows(connection, _SIZES)]
    whole = sum(size for _, size, _ in rows)
    largest = ", ".join(f"{name} {size / _MEBIBYTE:,.0f} MiB" for name, size, _ in rows[:_SHOWN_TABLES])
    values: dict[str, float | str] = {f"{name}_bytes": size for name, size, _ in rows}
    text = f"{whole / _MEBIBYTE:,.0f} MiB in all: {largest}"
    folder = Path(str(_rows(connection, "SELECT @@datadir")[0][0]))
    if settings.mysql_socket is not None and folder.is_dir():
        disk = shutil.disk_usage(folder)
        values |= {"disk_free_bytes": disk.free, "disk_bytes": disk.total}
        text += f"; {disk.free / _MEBIBYTE:,.0f} MiB free on its disk"
        if disk.free < _LEAST_FREE * disk.total:
            advice = "A full disk stops every write: make room (docs/retention.md), or a larger disk."
            yield Finding(Level.WARNING, "sizes", text, advice, values)
            return
    yield Finding(Level.OK, "sizes", text, values=values)


def _duration(seconds: Any) -> str:  # noqa: ANN401 - as the database gives it: a Decimal, or None
    """Return a duration for people; None is that of something without a time."""
    if seconds is None:
        return "no known time"
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def _rows(connection: DatabaseConnection, text: str) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()
