"""The event feed: serves the event stream to consumers, from now on or from an earlier position.

One reader of the stream serves all consumers that are up to date. A consumer that is behind reads pages of its own
until it has caught up.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from server.application.ports import EventStore
from server.application.stream_limit import StreamLimit
from server.domain.errors import ResumeTokenExpired, ShuttingDown
from server.domain.events import EVERY_EVENT, EventFilter, EventKind, PaymentEvent
from server.observability import metrics

_PAGE_SIZE = 200
"""Events per page, which bounds the memory of a consumer that lags, however slowly it reads."""

_MAX_RECENT = 2000
"""How many events stay in memory for the consumers that are nearly up to date."""

_CHECK_SECONDS = 1.0


class EventFeed:
    """Serves the event stream to many consumers."""

    def __init__(
        self,
        store: EventStore,
        catch_up: Callable[[], Awaitable[None]],
        *,
        interval_seconds: float,
        heartbeat_seconds: float,
        limit: StreamLimit,
    ) -> None:
        """Poll the stream every ``interval_seconds`` while it has consumers.

        ``limit`` bounds their number. A consumer gets a heartbeat after ``heartbeat_seconds`` without an event.
        ``catch_up`` moves all committed changes into the stream: see ``Relay.catch_up``.
        """
        self._store = store
        self._catch_up = catch_up
        self._interval_seconds = interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._limit = limit
        self._recent: deque[PaymentEvent] = deque(maxlen=_MAX_RECENT)
        self._last_read: int | None = None
        self._new_events = asyncio.Event()
        self._wake = asyncio.Event()
        self._closed = False
        metrics.track_watches(lambda: limit.open_streams)

    async def poll(self) -> bool:
        """Read new events if there are consumers, and return whether there may be more.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        return self._limit.open_streams > 0 and await self._read()

    async def pause(self) -> None:
        """Wait until ``wake`` is called or, if there are consumers, until the interval is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval_seconds if self._limit.open_streams else None):
                await self._wake.wait()
        self._wake.clear()

    def wake(self) -> None:
        """End the pause, because there are new events."""
        self._wake.set()

    def close(self) -> None:
        """End every stream, including those that are opened later."""
        self._closed = True
        self._wake_consumers()

    async def watch(
        self, after: int | None, caller: str, check: Callable[[], None], event_filter: EventFilter = EVERY_EVENT
    ) -> AsyncGenerator[tuple[int, PaymentEvent | None], None]:
        """Yield each event after the sequence ``after``, or from now on, that matches, with its sequence.

        None instead of an event is a heartbeat, with the sequence of the last event that was read.

        The first item is a heartbeat. A stream from now on has no event of a change that was committed before
        ``watch`` was called, and every event of a change that is committed after the first item. The stream counts
        against the limit of ``caller``. ``check`` is called at least once a second, except while the consumer does not
        read.

        Raises:
            Exception: the error that ``check`` raises.
            TooManyWatches: the limit of open streams is reached, in total or for ``caller``.
            ResumeTokenExpired: the events after ``after`` are no longer stored, or it is past the end of the stream.
            StoreUnavailable: the database cannot be reached, or a stream from now on cannot start yet because the relay
                lags behind.
            ShuttingDown: the service is shutting down.
        """
        with self._limit.hold(caller):
            if self._limit.open_streams == 1:
                # Without consumers the stream was not read, so the events in memory are out of date.
                self._last_read = None
                self._recent.clear()
            self._wake.set()
            position = await self._start(after)
            yield position, None
            sent_seconds = time.monotonic()
            while True:
                self._check_open()
                check()
                new_events = self._new_events  # before reading, so that no event goes unnoticed
                recent = self._recent_after(position)
                events = await self._store.events_after(position, _PAGE_SIZE) if recent is None else recent
                has_sent = False
                for event in events:
                    if event.sequence != position + 1:
                        # Sequences have no gaps, so the missing events were archived while this consumer lagged.
                        raise _expired()
                    position = event.sequence
                    if event_filter.matches(event):
                        yield position, event
                        has_sent = True
                        self._check_open()
                wait_seconds = self._heartbeat_seconds - (time.monotonic() - sent_seconds)
                if not has_sent and wait_seconds <= 0:
                    yield position, None
                    has_sent = True
                if has_sent:
                    sent_seconds = time.monotonic()
                if has_sent or events:
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_seconds, _CHECK_SECONDS)):
                        await new_events.wait()

    async def _start(self, after: int | None) -> int:
        """Return the sequence to start after."""
        if after is None:
            await self._catch_up()  # because changes that are still in the outbox would get later sequences
            return await self._store.last_sequence()
        last = await self._store.last_sequence()
        if after > last:
            raise ResumeTokenExpired(
                "the resume_token is not from this stream, because its position is past the end; list the payments "
                "instead"
            )
        if after + 1 < await self._store.first_sequence():
            raise _expired()
        return after

    def _recent_after(self, position: int) -> list[PaymentEvent] | None:
        """Return the events in memory after a sequence; None if older ones must first be read from the store."""
        if self._last_read is None or position >= self._last_read:
            return []
        oldest = self._recent[0].sequence if self._recent else self._last_read + 1
        if position + 1 < oldest:
            return None
        return [event for event in self._recent if event.sequence > position][:_PAGE_SIZE]

    async def _read(self) -> bool:
        """Read the new events, and return whether there may be more."""
        if self._last_read is None:
            # Start at the end of the stream: consumers that start further back read pages.
            self._last_read = await self._store.last_sequence()
            self._wake_consumers()
            return False
        events = await self._store.events_after(self._last_read, _PAGE_SIZE)
        if events:
            self._forget_customers(events)
            self._recent.extend(events)
            self._last_read = events[-1].sequence
            self._wake_consumers()
        return len(events) == _PAGE_SIZE

    def _forget_customers(self, events: Sequence[PaymentEvent]) -> None:
        """Erase the customers that were forgotten from the events in memory, as the database did from its rows."""
        forgotten = {event.payment.payment_id for event in events if event.kind is EventKind.FORGOTTEN}
        if forgotten:
            kept = [
                event.without_customer() if event.payment.payment_id in forgotten else event for event in self._recent
            ]
            self._recent = deque(kept, maxlen=_MAX_RECENT)

    def _wake_consumers(self) -> None:
        new_events, self._new_events = self._new_events, asyncio.Event()
        new_events.set()

    def _check_open(self) -> None:
        if self._closed:
            raise ShuttingDown("the service is shutting down; resume on another replica")


def _expired() -> ResumeTokenExpired:
    return ResumeTokenExpired("the events after this resume_token are no longer stored; list the payments instead")
