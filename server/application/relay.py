"""The relay: moves committed changes from the outbox into the event stream, which gives each event its sequence.

Transactions cannot number their own events, because an event whose transaction commits late would appear behind
consumers that have read past it. So a relay numbers changes once they are committed. Every replica runs a relay, and
one of them at a time holds the lease of the stream. It renews the lease with each move. If it crashes, another relay
takes the lease once it has ended.

The lease only avoids useless work. Correctness rests on its number: a move is committed only if the lease still has the
number that the relay took, and the stream still ends where the relay read it. So a relay that was suspended, and
continues after its lease has ended, changes nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from server.application.ports import Outbox
from server.domain.errors import StoreUnavailable
from server.domain.events import OutboxHead, OutboxRow
from server.observability import metrics

_MAX_ROWS = 200
_MAX_BYTES = 1 << 16
"""The limits of one move: up to two thousand charges, which take some tens of milliseconds. A row that exceeds the
limit by itself, such as one that an import writes, is moved alone.
"""

_CATCH_UP_PAUSE_SECONDS = 0.01

_LEASE_SECONDS = 2.0
"""Much longer than a move takes, and short enough that a crash hardly delays events."""

_RELEASE_TIMEOUT_SECONDS = 1.0
"""How long the release may delay the shutdown."""


class Relay:
    """Moves changes from the outbox into the event stream."""

    def __init__(self, outbox: Outbox, on_new_events: Callable[[], None]) -> None:
        """Call ``on_new_events`` after each move."""
        self._outbox = outbox
        self._on_new_events = on_new_events
        self._lease_number: int | None = None
        self._turn = asyncio.Lock()

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
            oldest = (await self._outbox.head(1)).rows
            if not oldest or oldest[0].outbox_id > newest_id:
                return
            if time.monotonic() > deadline_seconds:
                raise StoreUnavailable("the event stream lags behind; try again later")
            if not await self.round():
                # Either this was the last of the backlog, or another relay is moving it.
                await asyncio.sleep(_CATCH_UP_PAUSE_SECONDS)

    async def release(self) -> None:
        """End the lease, if this relay holds it, so that the relay of another replica continues at once."""
        if self._lease_number is None:
            return
        number, self._lease_number = self._lease_number, None
        # If the database does not answer, the lease ends by itself.
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_RELEASE_TIMEOUT_SECONDS):
                await self._outbox.release_lease(number)

    async def relay(self) -> tuple[int, bool]:
        """Relay once; return the number of rows moved, and whether there are more.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        async with self._turn:
            head = await self._outbox.head(_MAX_ROWS)
            metrics.set_event_lag(head.rows[0].age_seconds if head.rows else 0.0)
            if not head.rows or not await self._holds_lease(head):
                return 0, False
            return await self._move(head.rows)

    async def _holds_lease(self, head: OutboxHead) -> bool:
        """Return whether this relay holds the lease; take it if no relay does."""
        if head.lease_number != self._lease_number:
            if head.is_leased or not await self._outbox.take_lease(head.lease_number, _LEASE_SECONDS):
                return False
            self._lease_number = head.lease_number + 1
        return True

    async def _move(self, backlog: Sequence[OutboxRow]) -> tuple[int, bool]:
        assert self._lease_number is not None, "the caller holds the lease"
        # Rows with lower ids that are committed later are moved later. They do not precede a change that they depend
        # on: see docs/design/events.md.
        outbox_ids = _first_ids(backlog)
        events = await self._outbox.move(outbox_ids, self._lease_number, _LEASE_SECONDS)
        if events is None:
            return 0, False
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
