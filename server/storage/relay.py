"""The relay: gives what the outbox has its place in the stream.

A number that each transaction took for itself would not do: one that commits late would appear behind readers who have
gone past it. So the number is given afterwards, to what is committed, by one at a time: every replica has a relay, and
the lock of one row, held by the very transaction that numbers, lets one of them work. Nobody is elected, and none that
dies leaves anything behind.
"""

import asyncio
from collections.abc import Callable

import structlog

from server import metrics
from server.domain.deadline import Deadline
from server.domain.errors import PaymentsError
from server.storage import event_queries
from server.storage.mysql import Database, Session

_ROWS_AT_ONCE = 200
"""Rows of the outbox in one transaction: as much as some thousands of charges, which take it a few hundredths of a
second.
"""

_INSERTED = 3
"""Which statement of ``event_queries.RELAY`` inserts the events."""

_RETRY_SECONDS = 1.0
_MICROSECONDS = 1_000_000

_log = structlog.get_logger(__name__)


class Relay:
    """Moves what the outbox has into the stream, for as long as it runs."""

    def __init__(self, database: Database, interval_seconds: float, relayed: Callable[[], None]) -> None:
        """Look at the outbox at this interval, and call ``relayed`` whenever there are new events."""
        self._database = database
        self._interval_seconds = interval_seconds
        self._relayed = relayed

    async def run(self) -> None:
        """Do so until cancelled; what goes wrong with the database is tried again."""
        while True:
            try:
                rows = await self.relay()
            except PaymentsError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except Exception:  # noqa: BLE001 - if this ended, the stream would stand still, and nobody would know
                _log.exception("relay_failed")
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if rows:
                self._relayed()
            if rows < _ROWS_AT_ONCE:
                await asyncio.sleep(self._interval_seconds)

    async def relay(self) -> int:
        """Relay once, and return how many rows of the outbox there were to relay.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        return await self._database.run(_relay, Deadline())


async def _relay(session: Session) -> int:
    # Whoever sees a change here sees all that it builds on, and the others in their order: so it does not matter that
    # another relay may take some of them first.
    waiting = await session.rows(event_queries.SELECT_OUTBOX, (_ROWS_AT_ONCE,))
    metrics.event_lag(waiting[0][1] / _MICROSECONDS if waiting else 0.0)
    if waiting:
        outbox_ids = tuple(row[0] for row in waiting)
        async with session.transaction():
            executed = await session.script(event_queries.RELAY, (outbox_ids, outbox_ids))
        metrics.events_relayed(executed[_INSERTED].row_count)
    return len(waiting)
