"""Spans of statements and batches: variants of the session and the batcher, used when tracing is enabled."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

import pymysql.err
from opentelemetry.trace import Span

from server.domain.deadline import Deadline
from server.observability import tracing
from server.storage.batching import Batcher, BatchLimits, Item, Outcome, Work
from server.storage.database.fast_read import RawRow
from server.storage.database.pool import Database
from server.storage.database.session import Session, StatementResult
from server.storage.statements import name_of


class TracedSession(Session):
    """A session that records a span for each statement that belongs to a trace.

    A span has the name of the statement in ``queries``, and none of the bound values. Background statements, such as
    those that read the API keys, belong to no trace.
    """

    async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
        """Execute one or more statements: see ``Session``."""
        with _statement_span(text):
            return await super().script(text, values)

    async def values(self, text: str, values: Sequence[object]) -> list[bytes]:
        """Execute a query with one column: see ``Session``."""
        with _statement_span(text):
            return await super().values(text, values)

    async def raw_rows(self, text: str, values: Sequence[object]) -> list[RawRow]:
        """Execute a query: see ``Session``."""
        with _statement_span(text):
            return await super().raw_rows(text, values)


@dataclass(frozen=True, slots=True)
class _TracedItem(Generic[Item]):
    item: Item
    span: Span


class TracedBatcher(Generic[Item, Outcome]):
    """A ``Batcher`` that records a span for each batch, linked to the spans of the calls in it.

    A batch with one item belongs to the trace of its call.
    """

    def __init__(self, database: Database, work: Work[Item, Outcome], limits: BatchLimits, name: str) -> None:
        """Create batches that run ``work``: see ``BatcherFactory``."""
        self._work = work
        self._name = f"group {name}"
        self._batcher: Batcher[_TracedItem[Item], Outcome] = Batcher(database, self._work_in_span, limits, name)

    async def add(self, item: Item, deadline: Deadline) -> Outcome:
        """Add an item to the next batch, with the current span: see ``Batches``."""
        return await self._batcher.add(_TracedItem(item, tracing.current_span()), deadline)

    async def _work_in_span(
        self, session: Session, items: Sequence[_TracedItem[Item]]
    ) -> Sequence[Outcome | Exception]:
        spans = [one.span for one in items]
        span = (
            tracing.use_span(spans[0])
            if len(spans) == 1
            else tracing.shared_span(self._name, {"payments.group.items": len(spans)}, spans)
        )
        with span:
            return await self._work(session, [one.item for one in items])


@contextmanager
def _statement_span(text: str) -> Iterator[None]:
    if not tracing.current_span().is_recording():
        yield
        return
    name = name_of(text)
    with tracing.client_span(name, {"db.system.name": "mysql", "db.query.summary": name}) as span:
        try:
            yield
        except (pymysql.err.MySQLError, OSError, asyncio.CancelledError) as error:
            tracing.record_server_error(span, type(error).__name__)
            if isinstance(error, pymysql.err.MySQLError) and error.args:
                span.set_attribute("db.response.status_code", str(error.args[0]))
            raise
