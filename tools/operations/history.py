"""The history of a payment, read from its events, which never change.

Some changes have no event: those made by an earlier system or before events were recorded, and new ones that the relay
has not numbered yet. Their entries are derived from the stored payment and refunds.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from server.domain.events import KIND_BY_CHARGE_STATUS, KIND_BY_REFUND_STATUS, EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.payment import PaymentDetails
from server.storage.database.fast_read import RawRow
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import details_from_rows, events_from_rows
from tools.database.connection import DatabaseConnection, execute
from tools.errors import ToolError


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the history. ``sequence`` is its position in the event stream, or None if it has no event.

    ``amount`` is the amount charged or refunded, and ``refunded`` is the total refunded amount afterwards. ``caller``
    and ``request_id`` identify the request; both are empty for changes made by an earlier system.
    """

    time: datetime | None
    kind: EventKind
    amount: Money | None
    refunded: Money | None
    refund_id: int | None
    caller: str
    request_id: str
    sequence: int | None


class _DetailQueries(Protocol):
    """The queries that select payments with their refunds, from the live tables or from the archive."""

    SELECT_DETAILS_BY_ID: str
    SELECT_DETAILS_BY_REFERENCE: str


_ALL = 1 << 62
"""More refunds and more events than any payment has."""


def history(connection: DatabaseConnection, payment: str) -> tuple[PaymentDetails, list[Entry]]:
    """Return the payment with this id or reference, and its history in order.

    Raises:
        ToolError: there is no such payment.
    """
    for detail_queries, select_events in (
        (queries, event_queries.events_of_payment),
        (archive_queries, event_queries.events_of_archived_payment),
    ):
        details = _details(connection, detail_queries, payment)
        if details is not None:
            query = select_events(details.payment.payment_id, 0, _ALL)
            events = events_from_rows(_raw_rows(connection, query.text, *query.values))
            refunds = heapq.merge(_refunds_without_events(details, events), map(_entry, events), key=_time_or_earliest)
            return details, [*_charge_without_event(details, events), *refunds]
    raise ToolError(f"there is no payment {payment}")


def _details(connection: DatabaseConnection, texts: _DetailQueries, payment: str) -> PaymentDetails | None:
    """Return a payment with all its refunds."""
    key: tuple[object, ...]
    if payment.isascii() and payment.isdecimal():
        text, key = texts.SELECT_DETAILS_BY_ID, (int(payment),)
    else:
        text, key = texts.SELECT_DETAILS_BY_REFERENCE, (payment,)
    return details_from_rows(_raw_rows(connection, text, *key, 0, _ALL, *key), _ALL)


def _raw_rows(connection: DatabaseConnection, text: str, *values: object) -> list[RawRow]:
    """Return rows in the form in which the service reads them."""
    return [tuple(map(_raw_value, row)) for row in execute(connection, text, *values)]


def _raw_value(value: object) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else str(value).encode()


def _entry(event: PaymentEvent) -> Entry:
    return Entry(
        time=event.occurred_at,
        kind=event.kind,
        amount=event.payment.amount if event.refund is None else event.refund.amount,
        refunded=event.payment.refunded_amount,
        refund_id=None if event.refund is None else event.refund.refund_id,
        caller=event.caller,
        request_id=event.request_id,
        sequence=event.sequence,
    )


def _charge_without_event(details: PaymentDetails, events: Sequence[PaymentEvent]) -> Iterator[Entry]:
    """Derive the charge if it has no event, and a refund that only the payment's refunded flag shows."""
    payment = details.payment
    if not any(event.refund is None and event.kind is not EventKind.FORGOTTEN for event in events):
        kind, request = KIND_BY_CHARGE_STATUS[payment.status], (payment.caller, payment.request_id)
        yield Entry(payment.create_time, kind, payment.amount, None, None, *request, None)
    if not events and not details.refunds and payment.is_refunded:
        yield Entry(None, EventKind.REFUNDED, payment.amount, payment.refunded_amount, None, "", "", None)


def _refunds_without_events(details: PaymentDetails, events: Sequence[PaymentEvent]) -> Iterator[Entry]:
    """Derive the stored refunds that have no event."""
    ids_with_events = {event.refund.refund_id for event in events if event.refund is not None}
    for refund in details.refunds:
        if refund.refund_id not in ids_with_events:
            kind, request = KIND_BY_REFUND_STATUS[refund.status], (refund.caller, refund.request_id)
            yield Entry(refund.create_time, kind, refund.amount, None, refund.refund_id, *request, None)


def _time_or_earliest(entry: Entry) -> datetime:
    return entry.time or datetime.min.replace(tzinfo=UTC)
