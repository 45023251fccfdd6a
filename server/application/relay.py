"""The relay: moves committed changes from the outbox into the event stream, which gives each event its sequence.

Transactions cannot number their own events, because an event whose transaction commits late would appear behind
consumers that have read past it. So the relay numbers changes once they are committed. Every replica runs a relay. The
transaction that assigns the numbers locks one row, so that only one relay works at a time. There is no election, and a
relay that crashes leaves nothing to clean up.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from server.application.ports import Outbox
from server.domain.errors import StoreUnavailable
from server.domain.events import OutboxRow
from server.observability import metrics

_MAX_ROWS = 200
_MAX_BYTES = 1 << 18
"""The limits of one transaction: a few thousand charges, which take some tens of milliseconds. A row that exceeds the
limit by itself, such as one that an import writes, is moved alone.
"""

_CATCH_UP_PAUSE_SECONDS = 0.01


class Relay:
    """Moves changes from the outbox into the event stream."""

    def __init__(self, outbox: Outbox, on_new_events: Callable[[], None]) -> None:
        """Call ``on_new_events`` after each move."""
        self._outbox = outbox
        self._on_new_events = on_new_events

    async def round(self) -> bool:
        """Relay once, announce new events, and return whether the outbox has more rows.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        moved, has_more = await self.relay()
        if moved:
            self._on_new_events()
        return has_more

    async def catch_up(self, timeout_seconds: float = 10.0) -> None:
        """Move every change that was committed before this call into the stream.

        Raises:
            StoreUnavailable: the database cannot be reached, or moving the backlog exceeded ``timeout_seconds``.
        """
        newest_id = await self._outbox.newest_id()
        deadline_seconds = time.monotonic() + timeout_seconds
        while newest_id:
            oldest = await self._outbox.head(1)
            if not oldest or oldest[0].outbox_id > newest_id:
                return
            if time.monotonic() > deadline_seconds:
                raise StoreUnavailable("the event stream lags behind; try again later")
            if not await self.round():
                # Either this was the last of the backlog, or another relay is moving it.
                await asyncio.sleep(_CATCH_UP_PAUSE_SECONDS)

    async def relay(self) -> tuple[int, bool]:
        """Relay once; return the number of rows moved, and whether there are more.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        # The rows are committed and in order, and so are the changes that they depend on, so it does no harm if another
        # relay moves some of them before this one does.
        backlog = await self._outbox.head(_MAX_ROWS)
        metrics.set_event_lag(backlog[0].age_seconds if backlog else 0.0)
        if not backlog:
            return 0, False
        outbox_ids = _first_ids(backlog)
        events = await self._outbox.move(outbox_ids)
        if not events:
            return 0, False  # another relay is at work
        for kind, count in events.items():
            metrics.count_relayed_events(kind, count)
        return len(outbox_ids), len(outbox_ids) < len(backlog) or len(backlog) == _MAX_ROWS


def _first_ids(backlog: Sequence[OutboxRow]) -> tuple[int, ...]:
    """Return the ids of the first rows: as many as fit in one transaction, but at least one."""
    outbox_ids: list[int] = []
    size_bytes = 0
    for row in backlog:
        size_bytes += row.size_bytes
        if outbox_ids and size_bytes > _MAX_BYTES:
            break
        outbox_ids.append(row.outbox_id)
    return tuple(outbox_ids)
