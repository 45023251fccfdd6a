"""Move changes from the outbox into the event stream.

All reads and the write of a move use the same connection. In a cluster whose nodes lag behind each other, another
connection might show outbox rows that are already in the stream, or not yet show the payments of new ones.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import pymysql.err
from pymysql.constants import ER

from server.storage.database.driver_errors import code
from server.storage.database.session import DuplicateKey, Session
from server.storage.database.values import to_microseconds
from server.storage.events import queries
from server.storage.outbox import Change, decode_changes


class _Event(NamedTuple):
    """The columns of payment_events after the sequence."""

    payment_id: int
    refund_id: int | None
    kind: str
    refunded_amount: str
    occurred_at: str | None


async def move(
    session: Session, *, outbox_ids: Sequence[int], lease_number: int, lease_seconds: float
) -> Mapping[str, int] | None:
    """Move outbox rows into the stream, and return the number of events of each kind: see ``Outbox.move``."""
    stream, outbox = await session.script(queries.SELECT_CHANGES, (lease_number, outbox_ids))
    if not stream.rows or not outbox.rows:
        return None
    ((last_sequence,),) = stream.rows
    changes = list(chain.from_iterable(decode_changes(text) for _, text in outbox.rows))
    events = list(_events(changes, await _read_charges(session, changes)))
    new_last_sequence = last_sequence + len(events)
    is_moved = (lease_number, new_last_sequence)
    values = (
        *(new_last_sequence, to_microseconds(lease_seconds), lease_number, last_sequence),
        *_insert_values(events, last_sequence, is_moved),
        *(tuple(outbox_id for outbox_id, _ in outbox.rows), *is_moved, *is_moved),
    )
    text = queries.for_events(len(events)) if events else queries.DISCARD
    if not await _is_committed(session, text, values):
        return None
    return Counter(event.kind for event in events)


async def _read_charges(session: Session, changes: Iterable[Change]) -> dict[str, tuple[int, str | None]]:
    """Return the payment_id and the create time of the charges that changes name by reference."""
    references = tuple(change.reference for change in changes if change.reference is not None)
    if not references:
        return {}
    rows = await session.raw_rows(queries.SELECT_CHARGES, (references,))
    return {
        reference.decode(): (int(payment_id), None if created_at is None else created_at.decode())
        for reference, payment_id, created_at in rows
    }


def _events(changes: Iterable[Change], charges: Mapping[str, tuple[int, str | None]]) -> Iterator[_Event]:
    """Yield the events of changes; a charge that was a replay has none, because its reference is not stored."""
    for kind, reference, payment_id, refund_id, refunded_amount, occurred_at in changes:
        if reference is not None:
            if reference not in charges:
                continue
            payment_id, create_time = charges[reference]  # noqa: PLW2901 - a change has one of the two keys
            occurred_at = occurred_at or create_time  # noqa: PLW2901 - a charge happened when it was created
        assert payment_id is not None, "a change has a reference or a payment_id"
        yield _Event(payment_id, refund_id, kind, refunded_amount or "0", occurred_at)


def _insert_values(
    events: Sequence[_Event], last_sequence: int, is_moved: tuple[int, int]
) -> Iterator[int | str | None]:
    """Yield the values of the INSERT of ``queries.MOVE``."""
    if not events:
        return
    yield from (len(events) - 1, *is_moved, *events[0])
    for sequence, event in enumerate(events[1:], start=last_sequence + 2):
        yield sequence
        yield from event


async def _is_committed(session: Session, text: str, values: Sequence[object]) -> bool:
    """Execute MOVE or DISCARD, and return whether this transaction was committed."""
    try:
        async with session.transaction():
            *_, moved = await session.script(text, values)
    except DuplicateKey:
        # An earlier attempt, whose outcome was unknown, has moved the same changes in the meantime.
        return False
    except pymysql.err.MySQLError as error:
        if code(error) != ER.BAD_NULL_ERROR:
            raise
        return False
    return bool(moved.rows)
