"""The use case of consumers: the stream of events, from now on or from a place in it.

One reader of the stream serves all consumers that are up to date. A consumer that is behind reads pages of its own
until it has caught up.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from server.application.ports import EventStore
from server.application.stream_limit import StreamLimit
from server.domain.errors import ResumeTokenExpired, ShuttingDown
from server.domain.events import PaymentEvent
from server.observability import metrics

_PAGE = 200
"""How many events a consumer that is behind holds in memory at most, even when it takes none of them."""

_RECENT = 2000
"""How many events stay in memory for all consumers that are nearly up to date."""

_CHECK_SECONDS = 1.0


class EventFeed:
    """Serves the stream to many consumers."""

    def __init__(
        self, store: EventStore, *, interval_seconds: float, heartbeat_seconds: float, limit: StreamLimit
    ) -> None:
        """Poll the stream at this interval while it has consumers, of which ``limit`` says how many there may be.

        A consumer gets a heartbeat after ``heartbeat_seconds`` without an event.
        """
        self._store = store
        self._interval_seconds = interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._limit = limit
        self._recent: deque[PaymentEvent] = deque(maxlen=_RECENT)
        self._last: int | None = None
        self._news = asyncio.Event()
        self._poke = asyncio.Event()
        self._closed = False
        metrics.track_watches(lambda: limit.open_streams)

    async def poll(self) -> bool:
        """Read new events if anyone consumes them, and return whether there may be more right away.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        return self._limit.open_streams > 0 and await self._read()

    async def pause(self) -> None:
        """Wait for the interval, or until ``poke``; without consumers, until ``poke``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval_seconds if self._limit.open_streams else None):
                await self._poke.wait()
        self._poke.clear()

    def poke(self) -> None:
        """Poll now, because there are new events."""
        self._poke.set()

    def close(self) -> None:
        """End every stream, and begin no more."""
        self._closed = True
        self._wake_consumers()

    async def watch(
        self, after: int | None, caller: str, check: Callable[[], None]
    ) -> AsyncGenerator[tuple[int, PaymentEvent | None], None]:
        """Yield each event after a sequence, or from now on, with its own sequence; None is a heartbeat.

        The first one is a heartbeat, at once. The stream counts as one of ``caller``. ``check`` is called at least once
        a second, except while the consumer takes nothing.

        Raises:
            Exception: whatever ``check`` raises.
            TooManyWatches: as many streams are open as may be, in all or of ``caller``.
            ResumeTokenExpired: the events after that sequence are no longer kept, or the stream has no such sequence.
            StoreUnavailable: the database cannot be reached.
            ShuttingDown: the service stops.
        """
        with self._limit.hold(caller):
            if self._limit.open_streams == 1:
                # Without consumers, nobody read the stream.
                self._last = None
                self._recent.clear()
            self._poke.set()
            place = await self._start(after)
            yield place, None
            sent_seconds = time.monotonic()
            while True:
                self._check_open()
                check()
                news = self._news  # before the events are read, so that none of them goes unnoticed
                recent = self._recent_after(place)
                events = await self._store.events_after(place, _PAGE) if recent is None else recent
                for event in events:
                    if event.sequence != place + 1:
                        # Sequences have no gaps, so the missing events were archived while this consumer was behind.
                        raise _expired()
                    yield event.sequence, event
                    place = event.sequence
                    self._check_open()
                wait_seconds = self._heartbeat_seconds - (time.monotonic() - sent_seconds)
                if events or wait_seconds <= 0:
                    if not events:
                        yield place, None
                    sent_seconds = time.monotonic()
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_seconds, _CHECK_SECONDS)):
                        await news.wait()

    async def _start(self, after: int | None) -> int:
        """Return the sequence to begin after."""
        last = await self._store.last_sequence()
        if after is None:
            return last
        if after > last:
            raise ResumeTokenExpired("the resume_token is not of this stream: it names a place that is yet to come")
        if after + 1 < await self._store.first_sequence():
            raise _expired()
        return after

    def _recent_after(self, place: int) -> list[PaymentEvent] | None:
        """Return the events in memory after a sequence; None when older ones must be read from the store first."""
        if self._last is None or place >= self._last:
            return []
        oldest = self._recent[0].sequence if self._recent else self._last + 1
        if place + 1 < oldest:
            return None
        return [event for event in self._recent if event.sequence > place][:_PAGE]

    async def _read(self) -> bool:
        """Read the new events, and return whether there may be more already."""
        if self._last is None:
            # Consumers that begin further back read pages.
            self._last = await self._store.last_sequence()
            self._wake_consumers()
            return False
        events = await self._store.events_after(self._last, _PAGE)
        if events:
            self._recent.extend(events)
            self._last = events[-1].sequence
            self._wake_consumers()
        return len(events) == _PAGE

    def _wake_consumers(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _check_open(self) -> None:
        if self._closed:
            raise ShuttingDown("the service is shutting down; go on with another replica")


def _expired() -> ResumeTokenExpired:
    return ResumeTokenExpired("what came after this resume_token is no longer kept; list the payments instead")
