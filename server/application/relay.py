"""The relay: moves committed changes from the outbox into the stream of events, and so gives each event its sequence.

A sequence that each transaction took for itself would not do, because an event whose transaction commits late would
appear behind consumers that have read past it. So the relay numbers changes once they are committed. Every replica runs
one. The transaction that numbers locks one row, so only one of them works at a time; none is elected, and a relay that
crashes leaves nothing behind.
"""

from collections.abc import Callable, Sequence

from server.application.ports import Outbox
from server.domain.events import OutboxRow
from server.observability import metrics

_MAX_ROWS = 200
_MAX_BYTES = 1 << 18
"""What one transaction moves at most: as much as some thousands of charges, which takes a few hundredths of a second. A
row that is longer by itself, as an import writes them, goes alone.
"""


class Relay:
    """Moves changes from the outbox into the stream."""

    def __init__(self, outbox: Outbox, relayed: Callable[[], None]) -> None:
        """Call ``relayed`` whenever there are new events."""
        self._outbox = outbox
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
        """Relay once; return the number of rows that were moved, and whether there are more.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        # Every row here is committed, with all that it builds on, and in order. So it does not matter when another
        # relay takes some of the rows first.
        waiting = await self._outbox.head(_MAX_ROWS)
        metrics.set_event_lag(waiting[0].age_seconds if waiting else 0.0)
        if not waiting:
            return 0, False
        outbox_ids = _first_ids(waiting)
        events = await self._outbox.move(outbox_ids)
        if not events:
            return 0, False  # another relay is at work
        for kind, count in events.items():
            metrics.count_relayed_events(kind, count)
        return len(outbox_ids), len(outbox_ids) < len(waiting) or len(waiting) == _MAX_ROWS


def _first_ids(waiting: Sequence[OutboxRow]) -> tuple[int, ...]:
    """Return the ids of the first rows, as many as one transaction moves, and at least one."""
    taken: list[int] = []
    size_bytes = 0
    for row in waiting:
        size_bytes += row.size_bytes
        if taken and size_bytes > _MAX_BYTES:
            break
        taken.append(row.outbox_id)
    return tuple(taken)
