"""The relay: gives what the outbox has its place in the stream.

A number that each transaction took for itself would not do: one that commits late would appear behind readers who have
gone past it. So the number is given afterwards, to what is committed, by one at a time: every replica has a relay, and
the lock of one row, held by the very transaction that numbers, lets one of them work. Nobody is elected, and none that
dies leaves anything behind.
"""

from collections.abc import Callable, Sequence

from server.domain.deadline import Deadline
from server.observability import metrics
from server.storage.database.pool import Database
from server.storage.database.session import Row, Session
from server.storage.events import queries as event_queries

_ROWS_AT_ONCE = 200
_BYTES_AT_ONCE = 1 << 18
"""What one transaction takes of the outbox at most: as much as some thousands of charges, which are done within a few
hundredths of a second. A row that is longer by itself, as an import writes them, goes alone.
"""

_MICROSECONDS = 1_000_000


class Relay:
    """Moves changes from the outbox into the stream."""

    def __init__(self, database: Database, relayed: Callable[[], None]) -> None:
        """Call ``relayed`` whenever there are new events."""
        self._database = database
        self._relayed = relayed

    async def round(self) -> bool:
        """Relay once, announce new events, and return whether the outbox has more.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        taken, has_more = await self.relay()
        if taken:
            self._relayed()
        return has_more

    async def relay(self) -> tuple[int, bool]:
        """Relay once; return of how many rows of the outbox, and whether there are more.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        return await self._database.run(_relay, Deadline())


async def _relay(session: Session) -> tuple[int, bool]:
    # Whoever sees a change here sees all that it builds on, and the others in their order: so it does not matter that
    # another relay may take some of them first.
    waiting = await session.rows(event_queries.SELECT_OUTBOX, (_ROWS_AT_ONCE,))
    metrics.event_lag(waiting[0][2] / _MICROSECONDS if waiting else 0.0)
    if not waiting:
        return 0, False
    outbox_ids = _first_of(waiting)
    async with session.transaction():
        *_, made = await session.script(event_queries.RELAY, (outbox_ids, outbox_ids))
    if not made.rows:
        return 0, False  # another relay is at it
    for kind, count in made.rows:
        metrics.events_relayed(kind, count)
    return len(outbox_ids), len(outbox_ids) < len(waiting) or len(waiting) == _ROWS_AT_ONCE


def _first_of(waiting: Sequence[Row]) -> tuple[int, ...]:
    """Return the ids of as many of the first rows as one transaction takes: one at least."""
    taken: list[int] = []
    length = 0
    for outbox_id, row_length, _ in waiting:
        length += row_length
        if taken and length > _BYTES_AT_ONCE:
            break
        taken.append(outbox_id)
    return tuple(taken)
