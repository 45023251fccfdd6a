"""The event feed over a stream in memory: which events a consumer gets, who reads them, and how its stream ends."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from server.app.background import run_forever
from server.application.event_feed import EventFeed
from server.application.stream_limit import StreamLimit
from server.domain.errors import ApiKeyInvalid, ResumeTokenExpired, ShuttingDown, StoreUnavailable, TooManyWatches
from server.domain.events import EventKind, PaymentEvent
from server.domain.payment import Status
from tests.support.fakes import stored
from tests.support.memory import Memory, MemoryEventStore

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PAYMENT = stored(1, Status.SUCCEEDED)
HEARTBEAT = None

Stream = AsyncGenerator[tuple[int, PaymentEvent | None], None]


def event(sequence: int) -> PaymentEvent:
    return PaymentEvent(sequence, EventKind.CHARGED, NOW, PAYMENT, None, "a", "b")


class RecordedEvents(MemoryEventStore):
    """A stream in memory that tells how often its events were read."""

    def __init__(self) -> None:
        """Begin with no event."""
        self.memory = Memory()
        super().__init__(self.memory)
        self.reads: list[tuple[int, int]] = []
        self.is_there = True

    def append(self, count: int) -> None:
        """Append events."""
        for _ in range(count):
            self.memory.last_sequence += 1
            self.memory.events.append(event(self.memory.last_sequence))

    async def events_after(self, sequence: int, at_most: int) -> list[PaymentEvent]:
        """Read events."""
        if not self.is_there:
            raise StoreUnavailable("not there")
        self.reads.append((sequence, at_most))
        return await super().events_after(sequence, at_most)


@pytest.fixture
def store() -> RecordedEvents:
    return RecordedEvents()


def feed_of(store: RecordedEvents, *, at_most: int = 8, heartbeat_seconds: float = 3600) -> EventFeed:
    return EventFeed(
        store, interval_seconds=3600, heartbeat_seconds=heartbeat_seconds, limit=StreamLimit(at_most, at_most)
    )


def watch(feed: EventFeed, after: int | None = None) -> Stream:
    return feed.watch(after, "caller", lambda: None)


async def take(stream: Stream, count: int) -> list[tuple[int, PaymentEvent | None]]:
    return [await anext(stream) for _ in range(count)]


async def poll(feed: EventFeed) -> None:
    """Read all new events."""
    while await feed.poll():
        pass


@pytest.mark.asyncio
async def test_a_stream_begins_with_a_heartbeat_and_goes_on_with_what_happens_from_then_on(
    store: RecordedEvents,
) -> None:
    store.append(3)
    feed = feed_of(store)
    async with aclosing(watch(feed)) as stream:
        assert await take(stream, 1) == [(3, HEARTBEAT)]
        await poll(feed)
        waiting = asyncio.create_task(take(stream, 2))
        await asyncio.sleep(0)
        store.append(2)
        await poll(feed)
        assert await waiting == [(4, event(4)), (5, event(5))]


@pytest.mark.asyncio
async def test_a_stream_goes_on_from_any_place_and_pages_through_what_it_has_missed(store: RecordedEvents) -> None:
    store.append(450)
    feed = feed_of(store)
    async with aclosing(watch(feed, 7)) as stream:
        assert await take(stream, 1) == [(7, HEARTBEAT)]
        await poll(feed)
        assert await take(stream, 443) == [(number, event(number)) for number in range(8, 451)]
    assert store.reads == [(7, 200), (207, 200), (407, 200)]


@pytest.mark.asyncio
async def test_one_read_serves_every_consumer_that_is_up_to_date(store: RecordedEvents) -> None:
    feed = feed_of(store)
    streams = [watch(feed) for _ in range(5)]
    for stream in streams:
        await take(stream, 1)
    await poll(feed)
    store.append(3)
    await poll(feed)
    for stream in streams:
        assert await take(stream, 3) == [(number, event(number)) for number in (1, 2, 3)]
        await stream.aclose()
    assert store.reads == [(0, 200)]


@pytest.mark.asyncio
async def test_a_full_page_is_followed_by_another_at_once(store: RecordedEvents) -> None:
    feed = feed_of(store)
    async with aclosing(watch(feed)) as stream:
        await take(stream, 1)
        assert not await feed.poll(), "it finds where the stream ends"
        store.append(250)
        assert await feed.poll()
        assert not await feed.poll()
        assert len(await take(stream, 250)) == 250
    assert store.reads == [(0, 200), (200, 200)]


@pytest.mark.asyncio
async def test_without_consumers_nothing_is_read_and_the_next_one_misses_nothing(store: RecordedEvents) -> None:
    feed = feed_of(store)
    assert not await feed.poll()
    async with aclosing(watch(feed)) as stream:
        await take(stream, 1)
        await poll(feed)
    store.append(2)
    assert not await feed.poll()
    assert not store.reads
    async with aclosing(watch(feed, 0)) as stream:
        await take(stream, 1)
        await poll(feed)
        assert await take(stream, 2) == [(1, event(1)), (2, event(2))]


@pytest.mark.asyncio
async def test_a_quiet_stream_has_heartbeats(store: RecordedEvents) -> None:
    async with aclosing(watch(feed_of(store, heartbeat_seconds=0))) as stream:
        assert await take(stream, 3) == [(0, HEARTBEAT)] * 3


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [0, 1, 4])
async def test_a_place_that_is_not_kept_or_was_never_there_is_no_place_to_go_on_from(
    store: RecordedEvents, after: int
) -> None:
    store.append(3)
    del store.memory.events[:2]
    with pytest.raises(ResumeTokenExpired):
        await anext(watch(feed_of(store), after))
    assert await anext(watch(feed_of(store), 2)) == (2, HEARTBEAT)


@pytest.mark.asyncio
async def test_no_more_streams_are_open_than_may_be_and_one_that_ends_makes_room(store: RecordedEvents) -> None:
    feed = feed_of(store, at_most=1)
    stream = watch(feed)
    await anext(stream)
    with pytest.raises(TooManyWatches):
        await anext(watch(feed))
    await stream.aclose()
    assert await anext(watch(feed)) == (0, HEARTBEAT)


@pytest.mark.asyncio
async def test_one_caller_has_a_quarter_of_the_streams_unless_a_limit_is_given() -> None:
    limit = StreamLimit(8)
    with limit.hold("one"), limit.hold("one"):
        with pytest.raises(TooManyWatches), limit.hold("one"):
            pass
        with limit.hold("another"):
            assert limit.open_streams == 3
    assert limit.open_streams == 0
    with limit.hold("one"):
        assert limit.open_streams == 1


@pytest.mark.asyncio
async def test_a_stream_ends_with_the_error_of_a_caller_that_may_no_longer_have_it(store: RecordedEvents) -> None:
    def check() -> None:
        raise ApiKeyInvalid("revoked")

    stream = feed_of(store).watch(None, "caller", check)
    await anext(stream)
    with pytest.raises(ApiKeyInvalid):
        await anext(stream)


@pytest.mark.asyncio
async def test_at_the_end_of_the_service_every_stream_ends_also_one_that_waits(store: RecordedEvents) -> None:
    feed = feed_of(store)
    stream = watch(feed)
    await anext(stream)
    waiting = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    feed.close()
    with pytest.raises(ShuttingDown):
        await waiting


@pytest.mark.asyncio
async def test_an_outage_is_the_consumer_s_to_learn_and_the_loop_s_to_retry(store: RecordedEvents) -> None:
    store.append(3)
    feed = feed_of(store)
    stream = watch(feed, 0)
    await anext(stream)
    await feed.poll()
    store.is_there = False
    with pytest.raises(StoreUnavailable):
        await anext(stream)
    async with aclosing(watch(feed)) as another:
        await anext(another)
        await feed.poll()
        with pytest.raises(StoreUnavailable):
            await feed.poll()


@pytest.mark.asyncio
async def test_a_poke_ends_the_pause(store: RecordedEvents) -> None:
    feed = feed_of(store)
    pausing = asyncio.create_task(feed.pause())
    await asyncio.sleep(0)
    assert not pausing.done()
    feed.wake()
    await pausing


class ShrinkingStore:
    """A stream of 2,000 events, whose beginning is archived once the first page was read."""

    def __init__(self) -> None:
        """Begin with all."""
        self.first = 1

    async def last_sequence(self) -> int:
        """Return 2,000."""
        return 2_000

    async def first_sequence(self) -> int:
        """Return what is left."""
        return self.first

    async def events_after(self, sequence: int, at_most: int) -> Sequence[PaymentEvent]:
        """Return a page; after the first there are fewer."""
        begin = max(sequence + 1, self.first)
        if sequence == 0:
            self.first = 1_500
        return [event(number) for number in range(begin, min(begin + at_most, 2_001))]


def test_events_that_are_archived_under_a_watcher_end_its_stream_with_the_reason() -> None:
    seen = []

    async def watch() -> None:
        feed = EventFeed(ShrinkingStore(), interval_seconds=0.1, heartbeat_seconds=0.1, limit=StreamLimit(1))
        reading = asyncio.create_task(run_forever(feed.poll, pause=feed.pause, failure_event="stream_not_read"))
        try:
            async for place, seen_event in feed.watch(0, "", lambda: None):
                if seen_event is not None:
                    seen.append(place)
        finally:
            reading.cancel()

    with pytest.raises(ResumeTokenExpired):
        asyncio.run(asyncio.wait_for(watch(), 30))
    assert seen == list(range(1, seen[-1] + 1))
    assert seen[-1] < 1_499
