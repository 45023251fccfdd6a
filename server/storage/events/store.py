"""The stores of the event stream and of the outbox."""

from collections.abc import Sequence
from functools import partial

from server.domain.deadline import Deadline
from server.domain.errors import PaymentNotFound
from server.domain.events import EventsPage, EventsQuery, OutboxRow, PaymentEvent
from server.storage.database.fast_read import RawRow
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.events import queries as event_queries
from server.storage.payments.codec import events_from_rows

_MICROSECONDS = 1_000_000


class MysqlEventStore:
    """The ``EventStore`` and the ``HistoryStore`` of the use cases, on a MySQL-compatible database."""

    def __init__(self, database: Database) -> None:
        """Read from ``database``."""
        self._database = database

    async def last_sequence(self) -> int:
        """Return the sequence of the newest event: see ``EventStore.last_sequence``."""
        return await _read_number(self._database, event_queries.LAST_SEQUENCE)

    async def first_sequence(self) -> int:
        """Return the sequence of the oldest event in the stream: see ``EventStore.first_sequence``."""
        return await _read_number(self._database, event_queries.FIRST_SEQUENCE)

    async def events_after(self, sequence: int, at_most: int) -> list[PaymentEvent]:
        """Return the events after ``sequence``: see ``EventStore.events_after``."""

        async def work(session: Session) -> list[RawRow]:
            return await session.raw_rows(event_queries.EVENTS_AFTER, (sequence, at_most))

        return events_from_rows(await self._database.run(work, Deadline()))

    async def events_of_payment(self, query: EventsQuery, deadline: Deadline) -> EventsPage:
        """Return a page of a payment's events: see ``HistoryStore.events_of_payment``."""
        return await self._database.run(partial(_read_events_of_payment, query=query), deadline)


class MysqlOutbox:
    """The ``Outbox`` of the relay, on a MySQL-compatible database."""

    def __init__(self, database: Database) -> None:
        """Move rows in ``database``."""
        self._database = database

    async def head(self, at_most: int) -> list[OutboxRow]:
        """Return the oldest rows: see ``Outbox.head``."""

        async def work(session: Session) -> list[OutboxRow]:
            rows = await session.rows(event_queries.SELECT_OUTBOX, (at_most,))
            return [OutboxRow(outbox_id, size, age / _MICROSECONDS) for outbox_id, size, age in rows]

        return await self._database.run(work, Deadline())

    async def newest_id(self) -> int:
        """Return the id of the newest committed row: see ``Outbox.newest_id``."""
        return await _read_number(self._database, event_queries.NEWEST_OUTBOX_ID)

    async def move(self, outbox_ids: Sequence[int]) -> dict[str, int]:
        """Move rows into the stream: see ``Outbox.move``."""

        async def work(session: Session) -> dict[str, int]:
            async with session.transaction():
                *_, event_counts = await session.script(event_queries.RELAY, (outbox_ids, outbox_ids))
            return dict(event_counts.rows)

        return await self._database.run(work, Deadline())


async def _read_events_of_payment(session: Session, query: EventsQuery) -> EventsPage:
    # One event more than the page holds shows that there is a next page.
    wanted = query.size + 1
    for select in (event_queries.events_of_payment, event_queries.events_of_archived_payment):
        statement = select(query.payment_id, query.after or 0, wanted)
        if rows := await session.raw_rows(statement.text, statement.values):
            return EventsPage(tuple(events_from_rows(rows[: query.size])), has_more=len(rows) > query.size)
    if await session.row(event_queries.PAYMENT_EXISTS, (query.payment_id, query.payment_id)) is None:
        raise PaymentNotFound("payment not found")
    return EventsPage((), has_more=False)


async def _read_number(database: Database, query: str) -> int:
    """Return the number that ``query`` always finds."""

    async def work(session: Session) -> int:
        row = await session.row(query, ())
        assert row is not None, "payment_stream always has one row, and an aggregate always returns one"
        return int(row[0])

    return await database.run(work, Deadline())
