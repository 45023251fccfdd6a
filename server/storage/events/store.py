"""The stores of the event stream and of the outbox."""

from collections.abc import Mapping, Sequence
from functools import partial

from server.domain.deadline import Deadline
from server.domain.errors import PaymentNotFound
from server.domain.events import EventsPage, EventsQuery, OutboxHead, OutboxRow, PaymentEvent
from server.storage.database.fast_read import RawRow
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.database.values import to_microseconds, to_seconds
from server.storage.events import queries as event_queries
from server.storage.events.move import move
from server.storage.payments.codec import events_from_rows


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

    async def head(self, at_most: int) -> OutboxHead:
        """Return the oldest rows and the state of the lease: see ``Outbox.head``."""

        async def work(session: Session) -> OutboxHead:
            stream, rows = await session.script(event_queries.SELECT_HEAD, (at_most,))
            ((lease_number, is_leased),) = stream.rows
            oldest = tuple(OutboxRow(outbox_id, size, to_seconds(age)) for outbox_id, size, age in rows.rows)
            return OutboxHead(oldest, lease_number, is_leased=bool(is_leased))

        return await self._database.run(work, Deadline())

    async def newest_id(self) -> int:
        """Return the id of the newest committed row: see ``Outbox.newest_id``."""
        return await _read_number(self._database, event_queries.NEWEST_OUTBOX_ID)

    async def take_lease(self, after_number: int, seconds: float) -> bool:
        """Take the lease unless another relay holds it: see ``Outbox.take_lease``."""

        async def work(session: Session) -> bool:
            (result,) = await session.script(event_queries.TAKE_LEASE, (to_microseconds(seconds), after_number))
            return result.changed_rows == 1

        return await self._database.run(work, Deadline())

    async def release_lease(self, number: int) -> None:
        """End the lease if it still has this number: see ``Outbox.release_lease``."""

        async def work(session: Session) -> None:
            await session.script(event_queries.RELEASE_LEASE, (number,))

        await self._database.run(work, Deadline())

    async def move(self, outbox_ids: Sequence[int], lease_number: int, seconds: float) -> Mapping[str, int] | None:
        """Move rows into the stream: see ``Outbox.move``."""
        work = partial(move, outbox_ids=outbox_ids, lease_number=lease_number, lease_seconds=seconds)
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
