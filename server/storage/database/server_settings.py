"""Settings of the database server that make calls wait for unrelated locks, or make every write fail."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.domain.deadline import Deadline
from server.storage.database.pool import Database
from server.storage.database.session import Session

SELECT_SERVER_SETTINGS = """
    SHOW GLOBAL VARIABLES
    WHERE variable_name IN (
        'innodb_autoinc_lock_mode', 'innodb_deadlock_detect', 'log_bin', 'binlog_format', 'tidb_txn_mode'
    )
"""
"""Reads no table; the server has these values in memory. Only TiDB has tidb_txn_mode."""

_INTERLEAVED = "2"


@dataclass(frozen=True, slots=True)
class RiskySetting:
    """A setting of the server that should be changed, its effect, and what to do."""

    name: str
    value: str
    effect: str
    advice: str


def risky_settings(rows: Iterable[tuple[str, str]]) -> Iterator[RiskySetting]:
    """Yield the settings that should be changed, from the rows of SELECT_SERVER_SETTINGS."""
    values = {name.lower(): str(value) for name, value in rows}
    if "tidb_txn_mode" in values:
        return  # TiDB has the other variables for compatibility with MySQL, and does not use them
    mode = values.get("innodb_autoinc_lock_mode", _INTERLEAVED)
    if mode != _INTERLEAVED:
        yield RiskySetting(
            "innodb_autoinc_lock_mode",
            mode,
            "one refund that waits for another with its request_id makes the refunds of all replicas wait",
            "Set innodb_autoinc_lock_mode = 2 and restart the database.",
        )
    if values.get("innodb_deadlock_detect", "ON").upper() in {"OFF", "0"}:
        yield RiskySetting(
            "innodb_deadlock_detect",
            "OFF",
            "deadlocked calls wait until their lock wait times out",
            "Set innodb_deadlock_detect = ON.",
        )
    has_binary_log = values.get("log_bin", "OFF").upper() in {"ON", "1"}
    if has_binary_log and values.get("binlog_format", "ROW").upper() == "STATEMENT":
        yield RiskySetting(
            "binlog_format",
            "STATEMENT",
            "the database rejects every write, because READ COMMITTED cannot be logged as statements",
            "Set binlog_format = ROW.",
        )


async def read_risky_settings(database: Database) -> list[RiskySetting]:
    """Return the settings of the server that should be changed.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """

    async def work(session: Session) -> list[RiskySetting]:
        rows = await session.rows(SELECT_SERVER_SETTINGS, ())
        return list(risky_settings((str(name), str(value)) for name, value in rows))

    return await database.run(work, Deadline())
