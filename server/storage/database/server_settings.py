"""Settings of the database server with which one locked row delays more calls than those that need it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.domain.deadline import Deadline
from server.storage.database.pool import Database
from server.storage.database.session import Session

SELECT_SERVER_SETTINGS = """
    SHOW GLOBAL VARIABLES
    WHERE variable_name IN ('innodb_autoinc_lock_mode', 'innodb_deadlock_detect', 'log_bin', 'binlog_format')
"""
"""Reads what the server keeps in memory."""

_INTERLEAVED = "2"


@dataclass(frozen=True, slots=True)
class RiskySetting:
    """A setting of the server, what it leads to, and what to do about it."""

    name: str
    value: str
    effect: str
    advice: str


def risky_settings(rows: Iterable[tuple[str, str]]) -> Iterator[RiskySetting]:
    """Yield the settings to change, of those that SELECT_SERVER_SETTINGS returned."""
    values = {name.lower(): str(value) for name, value in rows}
    mode = values.get("innodb_autoinc_lock_mode", _INTERLEAVED)
    if mode != _INTERLEAVED:
        yield RiskySetting(
            "innodb_autoinc_lock_mode",
            mode,
            "a charge that waits for a locked row makes the charges of all replicas wait",
            "Set innodb_autoinc_lock_mode = 2 and restart the database.",
        )
    if values.get("innodb_deadlock_detect", "ON").upper() in {"OFF", "0"}:
        yield RiskySetting(
            "innodb_deadlock_detect",
            "OFF",
            "calls in a deadlock wait until their lock wait times out",
            "Set innodb_deadlock_detect = ON.",
        )
    has_log = values.get("log_bin", "OFF").upper() in {"ON", "1"}
    if has_log and values.get("binlog_format", "ROW").upper() == "STATEMENT":
        yield RiskySetting(
            "binlog_format",
            "STATEMENT",
            "the database refuses every write, because READ COMMITTED cannot be logged as statements",
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
