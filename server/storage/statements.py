"""All statements of the service, by name, for traces and for checks of the database.

The tests of the stores fail if they execute a statement that is missing here.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from types import ModuleType

from server.domain.listing import NumberedPageQuery, Order, PaymentFilter, Position
from server.domain.money import Money
from server.domain.payment import PaymentMethod, RefundState, Status
from server.storage import api_keys
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, insert_queries, listing, queries
from server.storage.payments.listing import Query
from server.storage.settlement import late_queries
from server.storage.settlement import queries as settlement_queries

_FURTHER_ROWS = re.compile(r"(?<=\)), \((?:%s, )*%s\)| UNION ALL SELECT (?:%s, )*%s(?= UNION ALL|\))")
"""The rows of ``for_payments``, ``for_refunds`` and ``for_events`` after the first."""

_ROWS = re.compile(r"\(?(?:SELECT|INSERT|UPDATE|DELETE)\b")
"""The start of a statement that reads or writes rows."""

_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE) (\w+)")
_MAX_CACHED_NAMES = 1000
_MAX_CACHED_LENGTH = 10_000
"""The relay's statements, of thousands of rows and any number of them, would fill the memory."""


def _named(module: ModuleType, suffix: str = "") -> dict[str, str]:
    """Return the STATEMENTS of a module by the names of their constants."""
    names = {text: name.lstrip("_") for name, text in vars(module).items() if isinstance(text, str)}
    return {names[text] + suffix: text for text in vars(module)["STATEMENTS"]}


STATEMENTS = {
    **_named(api_keys),
    **_named(insert_queries),
    **_named(queries),
    **_named(event_queries),
    **_named(settlement_queries),
    **_named(late_queries),
    **_named(archive_queries, "_ARCHIVED"),
}
"""The statements with a fixed text, by name. Some are scripts of several statements, separated by semicolons."""

_NAMES = {text: name for name, text in STATEMENTS.items()}


def name_of(text: str) -> str:
    """Return the name of a statement, or the summary of one that is composed, such as a list."""
    return _cached_name(text) if len(text) <= _MAX_CACHED_LENGTH else _find_name(text)


def _find_name(text: str) -> str:
    return _NAMES.get(_FURTHER_ROWS.sub("", text)) or summary_of(text)


_cached_name = lru_cache(_MAX_CACHED_NAMES)(_find_name)


def summary_of(text: str) -> str:
    """Return the verb and the table of a statement."""
    table = _TABLE.search(text)
    verb = text.split(maxsplit=1)[0]
    return f"{verb} {table.group(1)}" if table else verb


def explanations(script: str) -> list[tuple[str, str]]:
    """Return each statement of a script that reads or writes rows, with an EXPLAIN of it.

    The database rejects the EXPLAIN if it would reject the statement, for example because a privilege is missing or
    collations cannot be mixed, and executes nothing. (MariaDB's PREPARE accepts a mix of collations.)
    """
    statements = map(str.strip, script.split(";"))
    return [(statement, f"EXPLAIN {_without_values(statement)}") for statement in statements if _ROWS.match(statement)]


def _without_values(statement: str) -> str:
    return (
        statement.replace("request_id) IN %s", "request_id) IN ((NULL, NULL))")
        .replace("IN %s", "IN (NULL)")
        .replace("LIMIT %s", "LIMIT 1")
        .replace("OFFSET %s", "OFFSET 1")
        .replace("%s", "NULL")
    )


def list_statements() -> Iterator[str]:
    """Yield statements of lists, counts and exports that together have every clause of ``listing``, each once."""
    yield from dict.fromkeys(query.text for query in _list_queries())


_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_FILTERS = (
    PaymentFilter(
        order_id=1,
        methods=frozenset(PaymentMethod),
        statuses=frozenset(Status),
        refund_states=frozenset(RefundState),
        reference="reference",
        min_amount=Money("INR", 1),
        max_amount=Money("INR", 1),
        request_id="request_id",
        caller="caller",
        processor_reference="processor_reference",
        external_reference="external_reference",
        customer_id="customer_id",
    ),
    PaymentFilter(min_create_time=_TIME, max_create_time=_TIME),
    PaymentFilter(request_id="request_id", caller="caller"),
    PaymentFilter(processor_reference="processor_reference"),
    PaymentFilter(external_reference="external_reference"),
    PaymentFilter(order_id=1),
    PaymentFilter(customer_id="customer_id"),
    PaymentFilter(caller="caller"),
    PaymentFilter(methods=frozenset({PaymentMethod.UPI})),
    PaymentFilter(statuses=frozenset({Status.PENDING})),
)
"""The first two have every condition: no list has those for a time and those for payments without a time. Lists with
one of the others use the index that the filter needs.
"""


def _list_queries() -> Iterator[Query]:
    for payment_filter in _FILTERS:
        yield listing.count(payment_filter)
        yield listing.export_payments(payment_filter)
        yield listing.export_refunds(payment_filter)
        for order in Order:
            for after in (None, Position(_TIME, 1), Position(None, 1)):
                yield from listing.page_parts(payment_filter, order, after)
    yield listing.method_spellings("UPI")
    for order in Order:
        for skip in (0, 9):
            for query in _numbered_pages(order, skip):
                yield listing.numbered_count(query)
                yield listing.numbered_page(query, total=10)


def _numbered_pages(order: Order, skip: int) -> Iterator[NumberedPageQuery]:
    page = partial(NumberedPageQuery, order=order, size=1, skip=skip)
    yield page()
    yield page(min_amount=Decimal(1), max_amount=Decimal(1), min_create_time=_TIME, max_create_time=_TIME)
    yield page(order_id=1)
    yield page(method="UPI")
    yield page(status=Status.PENDING)
