"""The use case of those who watch: events as they come, from now on or from a place in the stream.

One reader of the stream serves all who are up to date; whoever is behind reads pages of their own until they are not.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from server.application.stream_places import StreamPlaces
from server.domain.errors import PaymentsError, ResumeTokenExpired, ShuttingDown
from server.domain.events import PaymentEvent
from server.observability import metrics

_PAGE = 200
"""How many events one who is behind has in memory, also when they take no more of them."""

_KEPT = 2000
"""How many events stay in memory for all who are nearly up to date."""

_CHECKED_SECONDS = 1.0
_RETRY_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class EventStore(Protocol):
    """Keeps events; each method raises ``StoreUnavailable`` when it cannot reach the database."""

    async def last_sequence(self) -> int:
        """Return the place of the newest event; 0 when there was never one."""

    async def first_sequence(self) -> int:
        """Return the place of the oldest event that is kept; that of the next to come when there is none."""

    async def events_after(self, sequence: int, at_most: int) -> Sequence[PaymentEvent]:
        """Return the events that follow the one with this place, in order, none left out."""


class Watching:
    """Lets many follow the stream."""

    def __init__(
        self, store: EventStore, *, interval_seconds: float, heartbeat_seconds: float, places: StreamPlaces
    ) -> None:
        """Read the stream at this interval while anybody follows it, and let as many follow it as there are places.

        They are told after ``heartbeat_seconds`` without an event that there was none.
        """
        self._store = store
        self._interval_seconds = interval_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._places = places
        self._recent: deque[PaymentEvent] = deque(maxlen=_KEPT)
        self._last: int | None = None
        self._news = asyncio.Event()
        self._poke = asyncio.Event()
        self._closed = False
        metrics.watch_watches(lambda: places.taken)

    async def run(self) -> None:
        """Read the stream until cancelled; what goes wrong with the database is tried again."""
        while True:
            try:
                more = self._places.taken > 0 and await self._read()
            except PaymentsError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except Exception:  # noqa: BLE001 - if this ended, those who watch would hear nothing any more
                _log.exception("stream_not_read")
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not more:
                await self._pause()

    def poke(self) -> None:
        """Have the stream read now: something has come."""
        self._poke.set()

    def close(self) -> None:
        """End all that follow the stream, and let in no more."""
        self._closed = True
        self._tell()

    async def watch(
        self, after: int | None, caller: str, check: Callable[[], None]
    ) -> AsyncGenerator[tuple[int, PaymentEvent | None], None]:
        """Give each event after a place, or from now on, with its own place; and None for that there was none.

        There is a None at once. The stream holds a place of ``caller``. ``check`` is called at least once a second,
        except while what is given is not taken.

        Raises:
            Exception: whatever ``check`` raises.
            TooManyWatches: as many as may follow the stream already, in all or of ``caller``.
            ResumeTokenExpired: events after that place are no longer kept, or the stream has no such place.
            StoreUnavailable: the database cannot be reached.
            ShuttingDown: the service stops.
        """
        with self._places.hold(caller):
            if self._places.taken == 1:
                # Nobody read the stream meanwhile.
                self._last = None
                self._recent.clear()
            self._poke.set()
            place = await self._place(after)
            yield place, None
            told_seconds = time.monotonic()
            while True:
                self._check_open()
                check()
                news = self._news  # before the look, so that nothing comes unnoticed in between
                recent = self._recent_after(place)
                events = await self._store.events_after(place, _PAGE) if recent is None else recent
                for event in events:
                    if event.sequence != place + 1:
                        # The numbers have no gap: what is missing was archived, since this one began so far back.
                        raise _expired()
                    yield event.sequence, event
                    place = event.sequence
                    self._check_open()
                wait_seconds = self._heartbeat_seconds - (time.monotonic() - told_seconds)
                if events or wait_seconds <= 0:
                    if not events:
                        yield place, None
                    told_seconds = time.monotonic()
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_seconds, _CHECKED_SECONDS)):
                        await news.wait()

    async def _place(self, after: int | None) -> int:
        last = await self._store.last_sequence()
        if after is None:
            return last
        if after > last:
            raise ResumeTokenExpired("the resume_token is not of this stream: it names a place that is yet to come")
        if after + 1 < await self._store.first_sequence():
            raise _expired()
        return after

    def _recent_after(self, place: int) -> list[PaymentEvent] | None:
        """Return what is known to follow a place; None when that is not all that there is."""
        if self._last is None or place >= self._last:
            return []
        oldest = self._recent[0].sequence if self._recent else self._last + 1
        if place + 1 < oldest:
            return None
        return [event for event in self._recent if event.sequence > place][:_PAGE]

    async def _read(self) -> bool:
        """Read what is new, and tell whether there may be more at once."""
        if self._last is None:
            # Whoever begins further back reads pages.
            self._last = await self._store.last_sequence()
            self._tell()
            return False
        events = await self._store.events_after(self._last, _PAGE)
        if events:
            self._recent.extend(events)
            self._last = events[-1].sequence
            self._tell()
        return len(events) == _PAGE

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval_seconds if self._places.taken else None):
                await self._poke.wait()
        self._poke.clear()

    def _tell(self) -> None:
        """Wake all who wait for news."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _check_open(self) -> None:
        if self._closed:
            raise ShuttingDown("the service is shutting down; go on with another replica")


def _expired() -> ResumeTokenExpired:
    return ResumeTokenExpired("what came after this resume_token is no longer kept; list the payments instead")
