"""The SQL of the event stream and the outbox, and the index that each statement uses."""

from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.payments.listing import Query
from server.storage.payments.queries import PAYMENT, REFUND_OR_NULL

SELECT_OUTBOX = """
    SELECT outbox_id, LENGTH(changes), TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) FROM payment_outbox
    ORDER BY outbox_id LIMIT %s
"""
"""Returns the oldest rows, each with its size in bytes and its age in microseconds. Uses the primary key."""

NEWEST_OUTBOX_ID = "SELECT COALESCE(MAX(outbox_id), 0) FROM payment_outbox"
"""Reads the last entry of the primary key."""

RELAY = f"""
    {BEGIN};

    SET @last_sequence = NULL;

    SELECT last_sequence INTO @last_sequence FROM payment_stream WHERE stream_id = 1 FOR UPDATE SKIP LOCKED;

    INSERT INTO payment_outbox (changes) SELECT '[]' FROM DUAL WHERE @last_sequence IS NOT NULL;

    SET @fence = LAST_INSERT_ID();

    INSERT INTO payment_events (sequence, payment_id, refund_id, kind, refunded_amount, occurred_at)
    SELECT STRAIGHT_JOIN
        @last_sequence + ROW_NUMBER() OVER (ORDER BY o.outbox_id, n.place), COALESCE(n.payment_id, p.payment_id),
        n.refund_id, n.kind, COALESCE(n.refunded_amount, 0), COALESCE(n.occurred_at, p.created_at)
    FROM payment_outbox f
    JOIN payment_outbox o ON o.outbox_id IN %s
    JOIN JSON_TABLE(o.changes, '$[*]' COLUMNS (
        place FOR ORDINALITY,
        kind VARCHAR(16) CHARACTER SET ascii PATH '$[0]' ERROR ON ERROR,
        reference VARCHAR(100) CHARACTER SET utf8mb4 PATH '$[1]' ERROR ON ERROR,
        payment_id BIGINT PATH '$[2]' ERROR ON ERROR,
        refund_id BIGINT PATH '$[3]' ERROR ON ERROR,
        refunded_amount DECIMAL(10, 2) PATH '$[4]' ERROR ON ERROR,
        occurred_at DATETIME(6) PATH '$[5]' ERROR ON ERROR
    )) n ON TRUE
    LEFT JOIN payments p ON p.reference = n.reference
    WHERE f.outbox_id = @fence AND COALESCE(n.payment_id, p.payment_id) IS NOT NULL;

    SELECT COUNT(*) INTO @inserted FROM payment_events WHERE sequence > @last_sequence;

    UPDATE payment_stream SET last_sequence = @last_sequence + @inserted
    WHERE stream_id = (@fence <> 0) AND last_sequence = @last_sequence
        AND EXISTS (SELECT 1 FROM payment_outbox f WHERE f.outbox_id = @fence);

    DELETE o FROM payment_outbox f STRAIGHT_JOIN payment_outbox o
    WHERE f.outbox_id = @fence AND o.outbox_id IN %s;

    DELETE FROM payment_outbox WHERE outbox_id = @fence;

    {COMMIT};

    SELECT kind, COUNT(*) FROM payment_events
    WHERE sequence > @last_sequence AND sequence <= @last_sequence + @inserted GROUP BY kind
"""
"""Converts outbox rows to events with the next sequence numbers of the stream, and deletes the rows; does nothing if
another relay holds the lock. The last result is the number of events of each kind. Uses the primary keys; new charges
are looked up by the unique key of their reference. The JSON column has no collation of its own, so that references are
compared with the collation of payments.reference, whichever that is.

The fence is an outbox row that no other transaction sees (``transactions.BEGIN``). It exists only while this
transaction holds the lock.

All of it is sent in one message, so that the lock is not held during a round trip. If the machine of a relay crashed
between two messages, the database would keep its connection open, and the lock with it, for hours.
"""

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
    SELECT_OUTBOX,
    NEWEST_OUTBOX_ID,
    RELAY,
    LAST_SEQUENCE,
    FIRST_SEQUENCE,
    EVENTS_AFTER,
    _EVENTS_OF_PAYMENT,
    _EVENTS_OF_ARCHIVED_PAYMENT,
    PAYMENT_EXISTS,
)
"""All statements of this module: see ``storage.statements``."""


def events_of_payment(payment_id: int, after: int, at_most: int) -> Query:
    """Return the query for the first ``at_most`` events of a payment that follow ``after``, in order."""
    return Query(_EVENTS_OF_PAYMENT, (*(payment_id, after, at_most) * 2, at_most))


def events_of_archived_payment(payment_id: int, after: int, at_most: int) -> Query:
    """Return the query for the first ``at_most`` events of an archived payment that follow ``after``, in order."""
    return Query(_EVENTS_OF_ARCHIVED_PAYMENT, (payment_id, after, at_most))
