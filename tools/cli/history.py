"""Everything that happened to one payment: ``payments history 7``.

It is read from the events, which are never changed. A payment that an earlier system made, before there were events,
has none of its own: what is stored of it is told instead, and that it is so.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Protocol

import pymysql
import typer

from server.config.settings import SettingsError
from server.domain.events import OF_CHARGE, OF_REFUND, EventKind, PaymentEvent
from server.domain.money import Money
from server.domain.payment import PaymentDetails
from server.storage.database.access import explain
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import details_from_json, events_from_json
from tools.cli.tables import print_table, shown_time
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect
from tools.database.migration_files import MigrationError
from tools.database.migrations import check_migrated
from tools.database.tool_settings import load_tool_settings


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``sequence`` is its place in the stream of events, None for what has no event.

    ``amount`` is what was charged or refunded by it, ``refunded`` what was refunded of the payment after it.
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
    """The texts that read payments with their refunds: of the live tables, or of the archive."""

    SELECT_DETAILS_BY_ID: str
    SELECT_DETAILS_BY_REFERENCE: str


_ALL_REFUNDS = 1 << 62
"""More than any payment has."""


class PaymentUnknown(Exception):
    """There is no such payment."""


def history(connection: DatabaseConnection, payment: str) -> tuple[PaymentDetails, list[Entry]]:
    """Return the payment with this id or reference, as it is, and what happened to it, in order.

    Raises:
        PaymentUnknown: there is none.
    """
    for of_payment, texts in (
        (queries, event_queries.EVENTS_OF_PAYMENT),
        (archive_queries, event_queries.EVENTS_OF_ARCHIVED_PAYMENT),
    ):
        details = _details(connection, of_payment, payment)
        if details is not None:
            payment_id = details.payment.payment_id
            events = [it for text in texts for it in events_from_json(_values(connection, text, payment_id))]
            return details, [*_stored(details, events), *map(_entry, events)]
    raise PaymentUnknown(f"there is no payment {payment}")


def _details(connection: DatabaseConnection, texts: _DetailQueries, payment: str) -> PaymentDetails | None:
    """Return a payment with all its refunds."""
    key: tuple[object, ...]
    if payment.isascii() and payment.isdecimal():
        text, key = texts.SELECT_DETAILS_BY_ID, (int(payment),)
    else:
        text, key = texts.SELECT_DETAILS_BY_REFERENCE, (payment, len(payment.encode()))
    return details_from_json(_values(connection, text, *key, 0, _ALL_REFUNDS, *key), _ALL_REFUNDS)


def _values(connection: DatabaseConnection, text: str, *values: object) -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return [row[0].encode() for row in cursor.fetchall()]


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


def _stored(details: PaymentDetails, events: Sequence[PaymentEvent]) -> Iterator[Entry]:
    """Return what is stored and has no event: of the payment, and of refunds."""
    payment = details.payment
    if not any(event.refund is None for event in events):
        kind = OF_CHARGE[payment.status]
        yield Entry(payment.create_time, kind, payment.amount, None, None, "", "", None)
    told = {event.refund.refund_id for event in events if event.refund is not None}
    for refund in details.refunds:
        if refund.refund_id not in told:
            kind = OF_REFUND[refund.status]
            yield Entry(refund.create_time, kind, refund.amount, None, refund.refund_id, "", "", None)
    if not events and not details.refunds and payment.is_refunded:
        yield Entry(None, EventKind.REFUNDED, payment.amount, payment.refunded_amount, None, "", "", None)


def command(
    payment: Annotated[str, typer.Argument(help="Its payment_id, or its reference.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
) -> None:
    """Show everything that happened to a payment: when, what, how much, and who asked for it."""
    try:
        with closing(connect(load_tool_settings())) as connection:
            check_migrated(connection)
            details, entries = history(connection, payment)
    except (DatabaseConnectionError, MigrationError, PaymentUnknown, SettingsError) as error:
        sys.exit(str(error))
    except pymysql.err.MySQLError as error:
        sys.exit(f"the database failed: {explain(error)}")
    if as_json:
        for entry in entries:
            print(_json(details.payment.payment_id, entry))
        return
    print_table(
        ("time (UTC)", "what", "amount", "refunded", "who", "request_id"),
        [
            (
                shown_time(it.time),
                it.kind.value,
                str(it.amount or ""),
                str(it.refunded) if it.refunded is not None and it.refunded.is_positive else "",
                it.caller,
                it.request_id,
            )
            for it in entries
        ],
    )
    if any(entry.sequence is None for entry in entries):
        print("What has no name in `who` happened before there were events, or in an earlier system: it is told from")
        print("what is stored, which does not say more.")


def _json(payment_id: int, entry: Entry) -> str:
    values = {
        "payment_id": payment_id,
        "event_time": None if entry.time is None else entry.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "type": entry.kind.value,
        "amount": None if entry.amount is None else f"{entry.amount.amount:f}",
        "currency": None if entry.amount is None else entry.amount.currency,
        "refunded_amount": None if entry.refunded is None else f"{entry.refunded.amount:f}",
        "refund_id": entry.refund_id,
        "caller": entry.caller or None,
        "request_id": entry.request_id or None,
        "sequence": entry.sequence,
    }
    return json.dumps(values, ensure_ascii=False)
