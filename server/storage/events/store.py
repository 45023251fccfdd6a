"""The stream of events in its tables, and the outbox from which the relay moves changes into it."""

from collections.abc import Sequence

from server.domain.deadline import Deadline
from server.domain.events import OutboxRow, PaymentEvent
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.events import queries as event_queries
from server.storage.payments.codec import events_from_json

_MICROSECONDS = 1_000_000


class MysqlEventStore:
    """The ``EventStore`` of the use cases, on a MySQL-compatible database."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database

    async def last_sequence(self) -> int:
        """Return the sequence of the newest event: see ``EventStore.last_sequence``."""
        return await self._number(event_queries.LAST_SEQUENCE)

    async def first_sequence(self) -> int:
        """Return the sequence of the oldest event that is kept: see ``EventStore.first_sequence``."""
        return await self._number(event_queries.FIRST_SEQUENCE)

    async def events_after(self, sequence: int, at_most: int) -> list[PaymentEvent]:
        """Return the events that follow: see ``EventStore.events_after``."""

        async def work(session: Session) -> list[bytes]:
            return await session.values(event_queries.EVENTS_AFTER, (sequence, at_most))

        return events_from_json(await self._database.run(work, Deadline()))

    async def _number(self, text: str) -> int:
        async def work(session: Session) -> int:
            row = await session.row(text, ())
            assert row is not None, "there is a row of what is one"
            return int(row[0])

        return await self._database.run(work, Deadline())


class MysqlOutbox:
    """The ``Outbox`` of the relay, on a MySQL-compatible database."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database

    async def head(self, at_most: int) -> list[OutboxRow]:
        """Return the oldest rows: see ``Outbox.head``."""

        async def work(session: Session) -> list[OutboxRow]:
            rows = await session.rows(event_queries.SELECT_OUTBOX, (at_most,))
            return [OutboxRow(outbox_id, size, age / _MICROSECONDS) for outbox_id, size, age in rows]

        return await self._database.run(work, Deadline())

    async def move(self, outbox_ids: Sequence[int]) -> dict[str, int]:
        """Move rows into the stream: see ``Outbox.move``."""

        async def work(session: Session) -> dict[str, int]:
            async with session.transaction():
                *_, moved = await session.script(event_queries.RELAY, (outbox_ids, outbox_ids))
            return dict(moved.rows)

        return await self._database.run(work, Deadline())
