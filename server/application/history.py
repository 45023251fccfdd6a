"""The use case of a payment's history: list its events."""

from collections.abc import Awaitable, Callable

from server.application.ports import HistoryStore
from server.domain.deadline import Deadline
from server.domain.events import EventsPage, EventsQuery


class PaymentHistory:
    """Lists the events of a payment."""

    def __init__(self, store: HistoryStore, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Read from ``store``. ``catch_up`` moves all committed changes into the stream, like ``Relay.catch_up``."""
        self._store = store
        self._catch_up = catch_up

    async def list_events(self, query: EventsQuery, deadline: Deadline) -> EventsPage:
        """Return a page of a payment's events, which include every change that was committed before this call.

        Raises:
            PaymentNotFound: there is no such payment.
            StoreUnavailable: the database cannot be reached, or the relay lags behind.
        """
        await self._catch_up()
        return await self._store.events_of_payment(query, deadline)
