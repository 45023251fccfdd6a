"""The history of a payment, read from its events, which never change.

Payments from an earlier system, or from before events were recorded, have no events for what happened then. These
entries are derived from the stored payment and refunds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from server.domain.events import KIND_BY_CHARGE_STATUS, KIND_BY_REFUND_STATUS, EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.payment import PaymentDetails
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import details_from_json, events_from_json
from tools.database.connection import DatabaseConnection, execute
from tools.errors import ToolError


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the history. ``sequence`` is its position in the event stream, or None if it has no event.

    ``amount`` is the amount charged or refunded, and ``refunded`` is the total refunded amount afterwards.
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


_ALL_REFUNDS = 1 << 62
"""More than any payment has."""


def history(connection: DatabaseConnection, payment: str) -> tuple[PaymentDetails, list[Entry]]:
    """Return the payment with this id or reference, and its history in order.

    Raises:
        ToolError: there is no such payment.
    """
    for detail_queries, event_texts in (
        (queries, event_queries.EVENTS_OF_PAYMENT),
        (archive_queries, event_queries.EVENTS_OF_ARCHIVED_PAYMENT),
    ):
        details = _details(connection, detail_queries, payment)
        if details is not None:
            payment_id = details.payment.payment_id
            events = [it for text in event_texts for it in events_from_json(_values(connection, text, payment_id))]
            return details, [*_entries_without_events(details, events), *map(_entry, events)]
    raise ToolError(f"there is no payment {payment}")


def _details(connection: DatabaseConnection, texts: _DetailQueries, payment: str) -> PaymentDetails | None:
    """Return a payment with all its refunds."""
    key: tuple[object, ...]
    if payment.isascii() and payment.isdecimal():
        text, key = texts.SELECT_DETAILS_BY_ID, (int(payment),)
    else:
        text, key = texts.SELECT_DETAILS_BY_REFERENCE, (payment, len(payment.encode()))
    return details_from_json(_values(connection, text, *key, 0, _ALL_REFUNDS, *key), _ALL_REFUNDS)


def _values(connection: DatabaseConnection, text: str, *values: object) -> list[bytes]:
    return [value.encode() for (value,) in execute(connection, text, *values)]


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


def _entries_without_events(details: PaymentDetails, events: Sequence[PaymentEvent]) -> Iterator[Entry]:
    """Derive entries from the stored payment and those stored refunds that have no events."""
    payment = details.payment
    if not any(event.refund is None for event in events):
        kind = KIND_BY_CHARGE_STATUS[payment.status]
        yield Entry(payment.create_time, kind, payment.amount, None, None, "", "", None)
    ids_with_events = {event.refund.refund_id for event in events if event.refund is not None}
    for refund in details.refunds:
        if refund.refund_id not in ids_with_events:
            kind = KIND_BY_REFUND_STATUS[refund.status]
            yield Entry(refund.create_time, kind, refund.amount, None, refund.refund_id, "", "", None)
    if not events and not details.refunds and payment.is_refunded:
        yield Entry(None, EventKind.REFUNDED, payment.amount, payment.refunded_amount, None, "", "", None)
