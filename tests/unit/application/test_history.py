"""The history of a payment."""

import pytest

from server.application.history import PaymentHistory
from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.domain.events import EventsPage, EventsQuery

pytestmark = pytest.mark.asyncio

QUERY = EventsQuery(7, 50, None)
EMPTY = EventsPage((), has_more=False)


class RecordingStore:
    """A ``HistoryStore`` that records when it is read and when the stream has caught up."""

    def __init__(self) -> None:
        """Start without records."""
        self.steps: list[str] = []

    async def catch_up(self) -> None:
        """Record the step."""
        self.steps.append("catch up")

    async def events_of_payment(self, query: EventsQuery, deadline: Deadline) -> EventsPage:
        """Record the step."""
        assert (query, deadline) == (QUERY, Deadline())
        self.steps.append("read")
        return EMPTY


async def test_committed_changes_are_moved_into_the_stream_before_the_events_are_read() -> None:
    store = RecordingStore()
    assert await PaymentHistory(store, store.catch_up).list_events(QUERY, Deadline()) is EMPTY
    assert store.steps == ["catch up", "read"]


async def test_events_are_not_listed_while_the_stream_lags() -> None:
    store = RecordingStore()

    async def fail() -> None:
        raise StoreUnavailable("the event stream lags behind; try again later")

    with pytest.raises(StoreUnavailable):
        await PaymentHistory(store, fail).list_events(QUERY, Deadline())
    assert store.steps == []
