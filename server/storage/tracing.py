"""Sessions and groups that make spans, in the place of those that make none where there is tracing."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, cast

import pymysql.err
from opentelemetry.trace import Span

from server.domain.deadline import Deadline
from server.observability import tracing
from server.storage import api_keys
from server.storage.batching import Groups, Item, Limits, Outcome
from server.storage.database.pool import Database, Executed, Row, Session
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, queries
from server.storage.settlement import queries as processor_queries

_NAMES = {
    text: name + suffix
    for module, suffix in (
        (api_keys, ""),
        (queries, ""),
        (event_queries, ""),
        (processor_queries, ""),
        (archive_queries, "_ARCHIVED"),
    )
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str)
}
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE) (\w+)")
_KINDS_OF_TEXT = 1000


class TracedSession(Session):
    """A session whose statements each have a span, with their name in ``queries`` and none of their values.

    What nobody's trace asks for, such as reading the API keys now and then, has none.
    """

    async def write(self, text: str, values: Sequence[object]) -> int:
        """Execute a statement: see ``Session``."""
        with _statement(text):
            return await super().write(text, values)

    async def rows(self, text: str, values: Sequence[object]) -> Sequence[Row]:
        """Execute a query: see ``Session``."""
        with _statement(text):
            return await super().rows(text, values)

    async def values(self, text: str, values: Sequence[object]) -> list[bytes]:
        """Execute a query of one column: see ``Session``."""
        with _statement(text):
            return await super().values(text, values)

    async def script(self, text: str, values: Sequence[object]) -> list[Executed]:
        """Execute several statements: see ``Session``."""
        with _statement(text):
            return await super().script(text, values)


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Item]):
    item: Item
    span: Span


class TracedGroups(Groups[Item, Outcome]):
    """Groups whose work has a span of its own, linked to those of the calls that it serves.

    Work for one call alone is part of that call's trace.
    """

    def __init__(
        self,
        database: Database,
        work: Callable[[Session, Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        limits: Limits,
        name: str,
    ) -> None:
        """Keep ``work``: see ``Groups``. What waits in them are items with the spans of those who ask for them."""

        async def traced(session: Session, items: Sequence[Item]) -> Sequence[Outcome | Exception]:
            asked = cast("Sequence[_Asked[Item]]", items)
            spans = [one.span for one in asked]
            around = (
                tracing.inside(spans[0])
                if len(spans) == 1
                else tracing.shared_span(f"group {name}", {"payments.group.items": len(spans)}, spans)
            )
            with around:
                return await work(session, [one.item for one in asked])

        super().__init__(database, traced, limits, name)

    async def add(self, item: Item, deadline: Deadline) -> Outcome:
        """Do the work for an item: see ``Groups``."""
        asked: Any = _Asked(item, tracing.current_span())
        return await super().add(asked, deadline)


@contextmanager
def _statement(text: str) -> Iterator[None]:
    if not tracing.current_span().is_recording():
        yield
        return
    name = _name(text)
    with tracing.client_span(name, {"db.system.name": "mysql", "db.query.summary": name}) as span:
        try:
            yield
        except (pymysql.err.MySQLError, OSError, asyncio.CancelledError) as error:
            tracing.tell_fault(span, type(error).__name__)
            if isinstance(error, pymysql.err.MySQLError) and error.args:
                span.set_attribute("db.response.status_code", str(error.args[0]))
            raise


@lru_cache(_KINDS_OF_TEXT)
def _name(text: str) -> str:
    """Return the name of a statement: that in ``queries``; of one that is put together, as lists are, what it does."""
    if text in _NAMES:
        return _NAMES[text]
    table = _TABLE.search(text)
    return f"{text.split(maxsplit=1)[0]} {table.group(1)}" if table else text.split(maxsplit=1)[0]
