"""A watcher that is far behind while the oldest events are archived is told so, rather than to miss them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from server.app.background import run_forever
from server.application.event_feed import EventFeed
from server.application.stream_limit import StreamLimit
from server.domain.errors import ResumeTokenExpired
from server.domain.events import EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.payment import Payment, PaymentMethod, Status

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PAYMENT = Payment(
    payment_id=1,
    order_id=1,
    amount=Money("INR", 100),
    method=PaymentMethod.UPI,
    other_method="",
    status=Status.SUCCEEDED,
    reference="A",
    create_time=NOW,
    refunded_amount=Money("INR", 0),
    is_refunded=False,
    is_adopted=False,
)


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
        return [
            PaymentEvent(number, EventKind.CHARGED, NOW, PAYMENT, None, "a", "b")
            for number in range(begin, min(begin + at_most, 2_001))
        ]


def test_events_that_are_archived_under_a_watcher_end_its_stream_with_the_reason() -> None:
    seen = []

    async def watch() -> None:
        feed = EventFeed(ShrinkingStore(), interval_seconds=0.1, heartbeat_seconds=0.1, limit=StreamLimit(1))
        reading = asyncio.create_task(run_forever(feed.poll, pause=feed.pause, failure_event="stream_not_read"))
        try:
            async for place, event in feed.watch(0, "", lambda: None):
                if event is not None:
                    seen.append(place)
        finally:
            reading.cancel()

    with pytest.raises(ResumeTokenExpired):
        asyncio.run(asyncio.wait_for(watch(), 30))
    assert seen == list(range(1, seen[-1] + 1))
    assert seen[-1] < 1_499
