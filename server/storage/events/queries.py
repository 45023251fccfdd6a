"""The SQL of the event stream and the outbox, and the index that each statement uses."""

from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.payments.listing import Query
from server.storage.payments.queries import PAYMENT, REFUND_OR_NULL

SELECT_HEAD = """
    SELECT lease_number, COALESCE(leased_until > UTC_TIMESTAMP(6), 0) FROM payment_stream WHERE stream_id = 1;

    SELECT outbox_id, LENGTH(changes), TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) FROM payment_outbox
    ORDER BY outbox_id LIMIT %s
"""
"""Returns the number of the lease and whether it is held, and the oldest rows of the outbox, each with its size in
bytes and its age in microseconds. Uses the primary keys.
"""

NEWEST_OUTBOX_ID = "SELECT COALESCE(MAX(outbox_id), 0) FROM payment_outbox"
"""Reads the last entry of the primary key."""

TAKE_LEASE = """
    UPDATE payment_stream SET lease_number = lease_number + 1, leased_until = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND
    WHERE stream_id = 1 AND lease_number = %s AND COALESCE(leased_until <= UTC_TIMESTAMP(6), 1)
"""
"""Starts the lease that follows the one with this number, unless that is still held. It changes a row only for one of
the relays that read the same number. Uses the primary key.
"""

RELEASE_LEASE = """
    UPDATE payment_stream SET lease_number = lease_number + 1, leased_until = NULL
    WHERE stream_id = 1 AND lease_number = %s
"""
"""Ends a lease. The new number stops a move under the old one that is still running. Uses the primary key."""

SELECT_CHANGES = """
    SELECT last_sequence FROM payment_stream WHERE stream_id = 1 AND lease_number = %s;

    SELECT outbox_id, changes FROM payment_outbox WHERE outbox_id IN %s ORDER BY outbox_id
"""
"""Returns the end of the stream, if the lease still has this number, and the changes of outbox rows. Uses the primary
keys.

The end of the stream is read first: if another relay moves the rows after that, the end changes, and MOVE does nothing.
"""

SELECT_CHARGES = "SELECT reference, payment_id, created_at FROM payments WHERE reference IN %s"
"""Uses the unique key of reference."""

_IS_MOVED = "stream_id = 1 AND lease_number = %s AND last_sequence = %s"
"""The stream ends where this move extends it to, and the lease is the one under which it does so."""

_FIRST_EVENT = f"((SELECT last_sequence - %s FROM payment_stream WHERE {_IS_MOVED}), %s, %s, %s, %s, %s)"
_NEXT_EVENT = "(%s, %s, %s, %s, %s, %s)"

_EXTEND_STREAM = f"""
    {BEGIN};

    UPDATE payment_stream SET last_sequence = %s, leased_until = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND
    WHERE stream_id = 1 AND lease_number = %s AND last_sequence = %s;
"""

_INSERT_EVENTS = f"""
    INSERT INTO payment_events (sequence, payment_id, refund_id, kind, refunded_amount, occurred_at)
    VALUES {_FIRST_EVENT};
"""

_DELETE_CHANGES = f"""
    DELETE FROM payment_outbox
    WHERE outbox_id IN %s AND EXISTS (SELECT 1 FROM payment_stream WHERE {_IS_MOVED});

    {COMMIT};

    SELECT 1 FROM payment_stream WHERE {_IS_MOVED}
"""

MOVE = _EXTEND_STREAM + _INSERT_EVENTS + _DELETE_CHANGES
"""Adds one event to the stream, or, after ``for_events``, several, deletes their outbox rows, and renews the lease. The
last result has a row if this was committed. Uses the primary keys.

It binds the new end of the stream, the length of the lease in microseconds, the number of the lease and the end of the
stream as it was read; the number of events after the first, ``_IS_MOVED`` and the other values of the first event; the
values of the other events; the outbox_ids, and twice ``_IS_MOVED``.

If another relay has taken the lease or has extended the stream, the UPDATE changes nothing. Then the sequence of the
first event is NULL, and the error ends the script. The same happens if the transaction is aborted after the UPDATE
(``transactions.BEGIN``). If it is aborted after the INSERT, the DELETE has no effect. So the script does not depend on
the lock that the UPDATE takes, and a relay whose lease has ended can neither add an event nor delete a change.
"""

DISCARD = _EXTEND_STREAM + _DELETE_CHANGES
"""Like MOVE, for outbox rows without events."""

LAST_SEQUENCE = "SELECT last_sequence FROM payment_stream WHERE stream_id = 1"
"""Uses the primary key."""

FIRST_SEQUENCE = """
    SELECT COALESCE((SELECT MIN(sequence) FROM payment_events), last_sequence + 1) FROM payment_stream
    WHERE stream_id = 1
"""
"""Reads the first entry of the primary key of each table."""

_SELECT_EVENT = f"""
    SELECT e.sequence, e.kind, e.refunded_amount, e.occurred_at, COALESCE(r.caller, p.caller),
        COALESCE(r.request_id, p.request_id), {PAYMENT}, {REFUND_OR_NULL}
"""
"""Selects an event with the current state of its payment and refund."""

_LIVE = "JOIN payments p ON p.payment_id = e.payment_id LEFT JOIN refunds r ON r.refund_id = e.refund_id"
_ARCHIVED = (
    "JOIN payments_archive p ON p.payment_id = e.payment_id LEFT JOIN refunds_archive r ON r.refund_id = e.refund_id"
)

EVENTS_AFTER = f"{_SELECT_EVENT} FROM payment_events e {_LIVE} WHERE e.sequence > %s ORDER BY e.sequence LIMIT %s"
"""Uses the primary keys."""

_OF_PAYMENT = "WHERE e.payment_id = %s AND e.sequence > %s ORDER BY e.sequence LIMIT %s"

_EVENTS_OF_PAYMENT = f"""
    ({_SELECT_EVENT} FROM payment_events_archive e {_LIVE} {_OF_PAYMENT})
    UNION ALL
    ({_SELECT_EVENT} FROM payment_events e {_LIVE} {_OF_PAYMENT})
    ORDER BY sequence LIMIT %s
"""
"""One statement, so that no event is missed while it is archived. Each part uses the index of events by payment, then
the primary keys.
"""

_EVENTS_OF_ARCHIVED_PAYMENT = f"{_SELECT_EVENT} FROM payment_events_archive e {_ARCHIVED} {_OF_PAYMENT}"
"""Like _EVENTS_OF_PAYMENT, for an archived payment, all of whose events are archived."""

PAYMENT_EXISTS = """
    SELECT 1 FROM payments WHERE payment_id = %s UNION ALL SELECT 1 FROM payments_archive WHERE payment_id = %s LIMIT 1
"""
"""Uses the primary keys."""

STATEMENTS = (
    SELECT_HEAD,
    NEWEST_OUTBOX_ID,
    TAKE_LEASE,
    RELEASE_LEASE,
    SELECT_CHANGES,
    SELECT_CHARGES,
    MOVE,
    DISCARD,
    LAST_SEQUENCE,
    FIRST_SEQUENCE,
    EVENTS_AFTER,
    _EVENTS_OF_PAYMENT,
    _EVENTS_OF_ARCHIVED_PAYMENT,
    PAYMENT_EXISTS,
)
"""All statements of this module: see ``storage.statements``."""


def for_events(count: int) -> str:
    """Return MOVE for ``count`` events."""
    return MOVE.replace(_FIRST_EVENT, ", ".join([_FIRST_EVENT, *[_NEXT_EVENT] * (count - 1)]))


def events_of_payment(payment_id: int, after: int, at_most: int) -> Query:
    """Return the query for the first ``at_most`` events of a payment that follow ``after``, in order."""
    return Query(_EVENTS_OF_PAYMENT, (*(payment_id, after, at_most) * 2, at_most))


def events_of_archived_payment(payment_id: int, after: int, at_most: int) -> Query:
    """Return the query for the first ``at_most`` events of an archived payment that follow ``after``, in order."""
    return Query(_EVENTS_OF_ARCHIVED_PAYMENT, (payment_id, after, at_most))
