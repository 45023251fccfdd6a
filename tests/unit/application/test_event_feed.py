"""The event feed with an in-memory event stream: the events of a consumer, reads of the store, and the stream's end."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.app.background import run_forever
from server.application.event_feed import EventFeed
from server.application.stream_limit import StreamLimit
from server.domain.errors import ApiKeyInvalid, ResumeTokenExpired, ShuttingDown, StoreUnavailable, TooManyWatches
from server.domain.events import EventFilter, EventKind, PaymentEvent
from server.domain.names import Names
from server.domain.payment import Status
from tests.support.fakes import stored_payment
from tests.support.memory import Memory, MemoryEventStore

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PAYMENT = stored_payment(1, Status.SUCCEEDED)
HEARTBEAT = None

Stream = AsyncGenerator[tuple[int, PaymentEvent | None], None]


def event(sequence: int) -> PaymentEvent:
    return PaymentEvent(sequence, EventKind.CHARGED, NOW, PAYMENT, None, "a", "b")


class RecordingEventStore(MemoryEventStore):
    """An in-memory event stream that records its reads."""

    def __init__(self) -> None:
        """Start without events."""
        self.memory = Memory()
        super().__init__(self.memory)
        self.reads: list[tuple[int, int]] = []
        self.is_available = True
        self.backlog = 0

    async def catch_up(self) -> None:
        """Append the events of changes that are not in the stream yet."""
        self.append(self.backlog)
        self.backlog = 0

    def append(self, count: int) -> None:
        """Append events."""
        for _ in range(count):
            self.memory.last_sequence += 1
            self.memory.events.append(event(self.memory.last_sequence))

    async def events_after(self, sequence: int, at_most: int) -> list[PaymentEvent]:
        """Read events."""
        if not self.is_available:
            raise StoreUnavailable("not available")
        self.reads.append((sequence, at_most))
        return await super().events_after(sequence, at_most)


@pytest.fixture
def store() -> RecordingEventStore:
    return RecordingEventStore()


def feed_of(store: RecordingEventStore, *, at_most: int = 8, heartbeat_seconds: float = 3600) -> EventFeed:
    return EventFeed(
        store,
        store.catch_up,
        interval_seconds=3600,
        heartbeat_seconds=heartbeat_seconds,
        limit=StreamLimit(at_most, at_most),
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
async def test_a_stream_starts_with_a_heartbeat_and_continues_with_new_events(
    store: RecordingEventStore,
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
async def test_a_stream_resumes_from_any_position_and_reads_missed_events_in_pages(store: RecordingEventStore) -> None:
    store.append(450)
    feed = feed_of(store)
    async with aclosing(watch(feed, 7)) as stream:
        assert await take(stream, 1) == [(7, HEARTBEAT)]
        await poll(feed)
        assert await take(stream, 443) == [(number, event(number)) for number in range(8, 451)]
    assert store.reads == [(7, 200), (207, 200), (407, 200)]


@pytest.mark.asyncio
async def test_a_filtered_stream_skips_events_and_its_heartbeats_pass_them(store: RecordingEventStore) -> None:
    feed = feed_of(store, heartbeat_seconds=0.05)
    event_filter = EventFilter(kinds=frozenset({EventKind.FAILED}))
    async with aclosing(feed.watch(None, "caller", lambda: None, event_filter)) as stream:
        assert await take(stream, 1) == [(0, HEARTBEAT)]
        await poll(feed)
        store.append(3)
        store.memory.events[1] = failed = replace(event(2), kind=EventKind.FAILED)
        await poll(feed)
        assert await take(stream, 2) == [(2, failed), (3, HEARTBEAT)]


@pytest.mark.parametrize(
    ("event_filter", "matches"),
    [
        (EventFilter(), True),
        (EventFilter(caller="shop", order_id=7, external_reference=" ORD ", customer_id="c"), True),
        (EventFilter(caller="other"), False),
        (EventFilter(order_id=8), False),
        (EventFilter(external_reference="ORD"), False),
        (EventFilter(customer_id="C"), False),
        (EventFilter(kinds=frozenset({EventKind.CHARGED, EventKind.FAILED})), True),
        (EventFilter(kinds=frozenset({EventKind.REFUNDED})), False),
    ],
)
def test_all_conditions_of_a_filter_must_hold(event_filter: EventFilter, *, matches: bool) -> None:
    named = replace(event(1), payment=replace(PAYMENT, names=Names(" ORD ", "c")))
    assert event_filter.matches(named) is matches


@pytest.mark.asyncio
async def test_the_events_in_memory_forget_a_customer_too(store: RecordingEventStore) -> None:
    feed = feed_of(store)
    async with aclosing(watch(feed)) as first, aclosing(watch(feed, 0)) as second:
        await take(first, 1)
        await poll(feed)
        store.append(2)
        store.memory.events[0] = replace(event(1), payment=replace(PAYMENT, names=Names("ORD", "c", (("a", "b"),))))
        await poll(feed)
        store.append(1)
        store.memory.events[2] = replace(event(3), kind=EventKind.FORGOTTEN)
        await poll(feed)
        _, (_, charged), *_ = await take(second, 4)
        assert charged is not None
        assert charged.payment.names == Names("ORD")


@pytest.mark.asyncio
async def test_one_read_serves_every_consumer_that_is_up_to_date(store: RecordingEventStore) -> None:
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
async def test_a_full_page_is_followed_by_another_at_once(store: RecordingEventStore) -> None:
    feed = feed_of(store)
    async with aclosing(watch(feed)) as stream:
        await take(stream, 1)
        assert not await feed.poll(), "the first poll finds the end of the stream"
        store.append(250)
        assert await feed.poll()
        assert not await feed.poll()
        assert len(await take(stream, 250)) == 250
    assert store.reads == [(0, 200), (200, 200)]


@pytest.mark.asyncio
async def test_without_consumers_nothing_is_read_and_the_next_consumer_misses_nothing(
    store: RecordingEventStore,
) -> None:
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
async def test_an_idle_stream_gets_heartbeats(store: RecordingEventStore) -> None:
    async with aclosing(watch(feed_of(store, heartbeat_seconds=0))) as stream:
        assert await take(stream, 3) == [(0, HEARTBEAT)] * 3


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [0, 1, 4])
async def test_a_stream_cannot_resume_from_an_archived_or_future_position(
    store: RecordingEventStore, after: int
) -> None:
    store.append(3)
    del store.memory.events[:2]
    with pytest.raises(ResumeTokenExpired):
        await anext(watch(feed_of(store), after))
    assert await anext(watch(feed_of(store), 2)) == (2, HEARTBEAT)


@pytest.mark.asyncio
async def test_the_number_of_open_streams_is_limited(store: RecordingEventStore) -> None:
    feed = feed_of(store, at_most=1)
    stream = watch(feed)
    await anext(stream)
    with pytest.raises(TooManyWatches):
        await anext(watch(feed))
    await stream.aclose()
    assert await anext(watch(feed)) == (0, HEARTBEAT)


@pytest.mark.asyncio
async def test_by_default_one_caller_may_have_a_quarter_of_the_streams() -> None:
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
async def test_a_stream_ends_when_its_caller_loses_access(store: RecordingEventStore) -> None:
    def check() -> None:
        raise ApiKeyInvalid("revoked")

    stream = feed_of(store).watch(None, "caller", check)
    await anext(stream)
    with pytest.raises(ApiKeyInvalid):
        await anext(stream)


@pytest.mark.asyncio
async def test_closing_the_feed_ends_waiting_streams(store: RecordingEventStore) -> None:
    feed = feed_of(store)
    stream = watch(feed)
    await anext(stream)
    waiting = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    feed.close()
    with pytest.raises(ShuttingDown):
        await waiting


@pytest.mark.asyncio
async def test_an_outage_is_raised_to_the_consumer_and_to_the_loop(store: RecordingEventStore) -> None:
    store.append(3)
    feed = feed_of(store)
    stream = watch(feed, 0)
    await anext(stream)
    await feed.poll()
    store.is_available = False
    with pytest.raises(StoreUnavailable):
        await anext(stream)
    async with aclosing(watch(feed)) as another:
        await anext(another)
        await feed.poll()
        with pytest.raises(StoreUnavailable):
            await feed.poll()


@pytest.mark.asyncio
async def test_wake_ends_the_pause(store: RecordingEventStore) -> None:
    feed = feed_of(store)
    pausing = asyncio.create_task(feed.pause())
    await asyncio.sleep(0)
    assert not pausing.done()
    feed.wake()
    await pausing


async def no_backlog() -> None:
    """Catch up with nothing."""


class ShrinkingStore:
    """An event stream of 2,000 events whose oldest events are archived once the first page has been read."""

    def __init__(self) -> None:
        """Start with all events."""
        self.first = 1

    async def last_sequence(self) -> int:
        """Return 2,000."""
        return 2_000

    async def first_sequence(self) -> int:
        """Return the first sequence that is left."""
        return self.first

    async def events_after(self, sequence: int, at_most: int) -> Sequence[PaymentEvent]:
        """Return a page; the first read archives events."""
        begin = max(sequence + 1, self.first)
        if sequence == 0:
            self.first = 1_500
        return [event(number) for number in range(begin, min(begin + at_most, 2_001))]


def test_a_stream_whose_next_events_are_archived_ends_with_an_error() -> None:
    seen = []

    async def watch() -> None:
        feed = EventFeed(
            ShrinkingStore(), no_backlog, interval_seconds=0.1, heartbeat_seconds=0.1, limit=StreamLimit(1)
        )
        reading = asyncio.create_task(run_forever(feed.poll, pause=feed.pause, failure_event="stream_not_read"))
        try:
            async for position, seen_event in feed.watch(0, "", lambda: None):
                if seen_event is not None:
                    seen.append(position)
        finally:
            reading.cancel()

    with pytest.raises(ResumeTokenExpired):
        asyncio.run(asyncio.wait_for(watch(), 30))
    assert seen == list(range(1, seen[-1] + 1))
    assert seen[-1] < 1_499


@pytest.mark.asyncio
async def test_a_stream_from_now_on_starts_after_the_backlog(store: RecordingEventStore) -> None:
    store.append(2)
    store.backlog = 3
    async with aclosing(watch(feed_of(store))) as stream:
        assert await anext(stream) == (5, HEARTBEAT)


@pytest.mark.asyncio
async def test_a_stream_that_resumes_does_not_wait_for_the_backlog(store: RecordingEventStore) -> None:
    store.append(2)
    store.backlog = 3
    async with aclosing(watch(feed_of(store), 2)) as stream:
        assert await anext(stream) == (2, HEARTBEAT)
    assert store.backlog == 3
