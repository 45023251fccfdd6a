"""The SQL texts of the service, each with the index that it uses; those of lists are in ``list_queries``.

Values are bound, never formatted. All of it runs alike on MySQL 8.0, 8.4, 9 and MariaDB 10.6 or later.
"""

from server.domain.payment import MAX_REFUNDS_SHOWN
from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.outbox import TELL

PAYMENT = (
    "JSON_ARRAY(p.payment_id, p.order_id, CAST(p.amount AS CHAR), p.currency, p.method, p.status, p.reference, "
    "CAST(p.created_at AS CHAR), CAST(p.refunded_amount AS CHAR), p.refunded, p.caller IS NULL)"
)
"""A payment as one value, in JSON: the driver takes several times as long for a row of as many columns.

Amounts and times go as text, which all databases write alike, and exactly.
"""

REFUND = (
    "JSON_ARRAY(r.refund_id, r.payment_id, CAST(r.amount AS CHAR), p.currency, r.status, r.reason, "
    "CAST(r.created_at AS CHAR), CAST(r.requested_amount AS CHAR))"
)
"""A refund likewise."""

_READ_PAYMENT = """
    SELECT payment_id FROM payments WHERE caller = %s AND request_id = %s AND reference = %s
"""

INSERT_PAYMENT = f"""
    {BEGIN};

    INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, requested_method, caller,
        request_id)
    SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s FROM DUAL
    WHERE NOT EXISTS (SELECT 1 FROM payments_archive a WHERE a.caller = %s AND a.request_id = %s);

    {TELL};

    {COMMIT};
{_READ_PAYMENT}"""
"""payments_by_request and the unique key of reference settle what is a duplicate, at which the rest is not executed.

Where payments_archive_by_request has its key (bound once more) nothing is inserted, and what the stream is told is of
no payment: `payments archive` sees to it that a key is always in one of the two. The answer comes last: the payment_id
under that key, if its payment has this reference.
"""

_UNLESS_ALONE = "IF(ROW_COUNT() < 0, NULL, {})"
"""A value for a column that is never NULL, in a statement that depends on what the one before it changed.

That is not known (-1) where the client is gone, so that the answer to the one before could not be sent: the database
goes on with a script all the same. Then this is an error, which ends the script and takes back what it did: as if it
had not been sent.
"""

_DUE = "UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND"

RESERVE_PAYMENT = f"""
    {BEGIN};

    INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, requested_method, caller,
        request_id)
    SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s FROM DUAL
    WHERE NOT EXISTS (SELECT 1 FROM payments_archive a WHERE a.caller = %s AND a.request_id = %s);

    INSERT INTO processor_requests (kind, payment_id, due_at)
    SELECT 'charge', p.payment_id, {_UNLESS_ALONE.format(_DUE)} FROM payments p
    WHERE p.payment_id = LAST_INSERT_ID() AND ROW_COUNT() <> 0;

    {TELL};

    {COMMIT};
{_READ_PAYMENT}"""
"""The same for a payment that is pending: it has a row of what the processor is asked."""

_NEW_PAYMENTS = """JSON_TABLE(@payments, '$[*]' COLUMNS (
        order_id BIGINT PATH '$[0]' ERROR ON ERROR,
        amount DECIMAL(10, 2) PATH '$[1]' ERROR ON ERROR,
        currency CHAR(3) CHARACTER SET ascii PATH '$[2]' ERROR ON ERROR,
        method VARCHAR(16) CHARACTER SET ascii PATH '$[3]' ERROR ON ERROR,
        status BOOLEAN PATH '$[4]' ERROR ON ERROR,
        reference VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[5]' ERROR ON ERROR,
        created_at DATETIME(6) PATH '$[6]' ERROR ON ERROR,
        requested_method VARCHAR(16) CHARACTER SET ascii PATH '$[7]' ERROR ON ERROR,
        caller VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[8]' ERROR ON ERROR,
        request_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[9]' ERROR ON ERROR
    )) n"""

_NEW_KEYS = """JSON_TABLE(@payments, '$[*]' COLUMNS (
        place FOR ORDINALITY,
        reference VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[5]' ERROR ON ERROR,
        caller VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[8]' ERROR ON ERROR,
        request_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[9]' ERROR ON ERROR
    )) n"""

_WRITE_PAYMENTS = f"""
    SET @payments = CONVERT(UNHEX(%s) USING utf8mb4);

    {BEGIN};

    INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, requested_method, caller,
        request_id)
    SELECT n.order_id, n.amount, n.currency, n.method, n.status, n.reference, n.created_at, n.requested_method,
        n.caller, n.request_id
    FROM {_NEW_PAYMENTS}
    LEFT JOIN payments_archive a FORCE INDEX (payments_archive_by_request)
        ON a.caller = CAST(n.caller AS BINARY) AND a.request_id = CAST(n.request_id AS BINARY)
    WHERE a.payment_id IS NULL
    ON DUPLICATE KEY UPDATE refunded = payments.refunded;

    INSERT INTO payment_outbox (changes)
    SELECT {_UNLESS_ALONE.format("CONVERT(UNHEX(%s) USING utf8mb4)")} FROM DUAL WHERE ROW_COUNT() <> 0;
"""

_READ_PAYMENTS = f"""
    {COMMIT};

    SELECT STRAIGHT_JOIN GROUP_CONCAT(n.place, ' ', p.payment_id, ' ', p.reference = n.reference)
    FROM {_NEW_KEYS}
    JOIN payments p FORCE INDEX (payments_by_request)
        ON p.caller = CAST(n.caller AS BINARY) AND p.request_id = CAST(n.request_id AS BINARY)
"""

INSERT_PAYMENTS = _WRITE_PAYMENTS + _READ_PAYMENTS
"""Inserts many payments, and tells what is stored then under their request keys.

They are bound as a JSON value: a list of lists, each with the values of INSERT_PAYMENT in their order. A duplicate, by
payments_by_request or the unique key of reference, is left out: what it updates is a column that the service may, to
what it was. So is one whose key payments_archive_by_request has. What the stream is told is bound next (``outbox``),
and left out where nothing was inserted: so it is when this is repeated because its answer was lost, and the stream was
told before. Both go in hexadecimal: to escape text full of quotation marks takes the driver ten times as long. The
answer comes last, and is one value, read by payments_by_request once all is committed: for each key that is there, its
place in the list, counted from 1, the payment_id, and whether it has that reference.
"""

RESERVE_PAYMENTS = f"""{_WRITE_PAYMENTS}
    INSERT INTO processor_requests (kind, payment_id, due_at)
    SELECT STRAIGHT_JOIN 'charge', p.payment_id, {_UNLESS_ALONE.format(_DUE)}
    FROM {_NEW_KEYS}
    JOIN payments p FORCE INDEX (payments_by_request)
        ON p.caller = CAST(n.caller AS BINARY) AND p.request_id = CAST(n.request_id AS BINARY)
        AND p.reference = n.reference
    WHERE ROW_COUNT() <> 0;
{_READ_PAYMENTS}"""
"""The same for payments that are pending: each that was inserted has a row of what the processor is asked.

When they are due, in microseconds, is bound after what the stream is told.
"""

SELECT_CHARGE_BY_REQUEST = f"""
    SELECT p.requested_method, {PAYMENT} FROM payments p WHERE p.caller = %s AND p.request_id = %s
"""
"""payments_by_request, at most one row."""

_REFUND = f"""
    {BEGIN};

    SELECT {PAYMENT} FROM payments p WHERE p.payment_id = %s FOR UPDATE;

    SELECT {REFUND} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.caller = %s AND r.request_id = %s
    UNION ALL
    SELECT {REFUND} FROM refunds_archive r JOIN payments_archive p ON p.payment_id = r.payment_id
    WHERE r.caller = %s AND r.request_id = %s;

    INSERT INTO refunds (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at)
    SELECT p.payment_id, COALESCE(%s, p.amount - p.refunded_amount), %s, %s, %s, %s, %s, %s FROM payments p
    WHERE p.payment_id = %s AND p.status <> 0 AND p.refunded = 0 AND p.refunded_amount < p.amount
        AND p.refunded_amount + COALESCE(%s, 0) <= p.amount AND p.currency = COALESCE(%s, p.currency)
        AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.caller = %s AND r.request_id = %s)
        AND NOT EXISTS (SELECT 1 FROM refunds_archive r WHERE r.caller = %s AND r.request_id = %s)
    FOR UPDATE;

    SET @refund_id = LAST_INSERT_ID();

    UPDATE payments SET
        refunded = refunded_amount + (SELECT r.amount FROM refunds r WHERE r.refund_id = @refund_id) = amount,
        refunded_amount = refunded_amount + (SELECT r.amount FROM refunds r WHERE r.refund_id = @refund_id)
    WHERE payment_id = %s
        AND refunded_amount + (SELECT r.amount FROM refunds r WHERE r.refund_id = @refund_id) <= amount;

    INSERT INTO payment_outbox (changes)
    SELECT JSON_ARRAY(JSON_ARRAY(%s, NULL, p.payment_id, r.refund_id, CAST(p.refunded_amount AS CHAR), %s))
    FROM refunds r JOIN payments p ON p.payment_id = r.payment_id WHERE r.refund_id = @refund_id;
"""

_READ_REFUND = f"""
    {COMMIT};

    SELECT {REFUND}, {PAYMENT} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.refund_id = @refund_id
"""

STORE_REFUND = _REFUND + _READ_REFUND
"""Refunds a payment, if the refund fits and its request key is new.

Answers with the payment as it was, by the primary key: its lock makes the refunds of one payment wait for one another.
Then with the refund of the request key, if there is one, by refunds_by_request or refunds_archive_by_request: it is
read after the lock, because what held it may have been this very refund, called twice. The INSERT settles whether the
refund fits, as ``Payment.refundable`` has it, and the UPDATE once more. refunds_by_request settles what is a duplicate
of a refund of another payment, at which the rest is not executed. The last answer is the refund with its payment, once
both are committed, or nothing.
"""

RESERVE_REFUND = f"""{_REFUND}
    INSERT INTO processor_requests (kind, payment_id, refund_id, due_at)
    SELECT 'refund', r.payment_id, r.refund_id, {_DUE} FROM refunds r WHERE r.refund_id = @refund_id;
{_READ_REFUND}"""
"""The same for a refund that is pending: it has a row of what the processor is asked."""

SELECT_LAST_REFUND = f"""
    SELECT {REFUND} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.payment_id = %s ORDER BY r.refund_id DESC LIMIT 1
"""
"""refunds_by_payment, read backwards. Of a payment that is wholly refunded, the last one did not fail."""

_REFUND_OR_NULL = f"CASE WHEN r.refund_id IS NULL THEN 'null' ELSE {REFUND} END"


def details_of_many(payments: str, refunds: str) -> str:
    """Return the text that reads payments with all their refunds from these tables, by their indexes.

    It binds a tuple of at most a thousand ids. The answer has a value for each refund, or one for a payment without
    any: a JSON list of the payment, the refund or null, and whether the payment has more than ``MAX_REFUNDS_SHOWN``, in
    which case none is read. One statement, so that payment and refunds agree. They come in no order: to sort them costs
    the database as much again.
    """
    return f"""
    SELECT CONCAT('[', {PAYMENT}, ',', {_REFUND_OR_NULL}, ',', IF(k.beyond IS NULL, 'false', 'true'), ']')
    FROM (
        SELECT q.payment_id, (
            SELECT n.refund_id FROM {refunds} n FORCE INDEX ({refunds}_by_payment) WHERE n.payment_id = q.payment_id
            ORDER BY n.payment_id, n.refund_id LIMIT 1 OFFSET {MAX_REFUNDS_SHOWN}
        ) AS beyond
        FROM {payments} q WHERE q.payment_id IN %s LIMIT 1000
    ) k
    JOIN {payments} p ON p.payment_id = k.payment_id
    LEFT JOIN {refunds} r ON r.payment_id = IF(k.beyond IS NULL, k.payment_id, 0)
"""


def details(payments: str, refunds: str, payment_id: str = "%s") -> str:
    """Return the text that reads one payment and a page of its refunds from these tables, by their indexes.

    It binds what ``payment_id`` does, the refund_id after which the page begins, how many refunds it has at most, and
    once more what ``payment_id`` does. The answer is that of ``details_of_many`` without the last part of each list.
    """
    return f"""
    SELECT CONCAT('[', {PAYMENT}, ',', {_REFUND_OR_NULL}, ']')
    FROM {payments} p
    LEFT JOIN (
        SELECT n.refund_id, n.payment_id, n.amount, n.status, n.reason, n.created_at, n.requested_amount
        FROM {refunds} n FORCE INDEX ({refunds}_by_payment)
        WHERE n.payment_id = {payment_id} AND n.refund_id > %s
        ORDER BY n.payment_id, n.refund_id LIMIT %s
    ) r ON r.payment_id = p.payment_id
    WHERE p.payment_id = {payment_id}
"""


def by_reference(payments: str) -> str:
    """Return what stands for the id of a payment whose reference is bound, with its length in bytes.

    The length, because to the column's collation spaces at the end are nothing.
    """
    return f"(SELECT q.payment_id FROM {payments} q WHERE q.reference = %s AND LENGTH(q.reference) = %s)"


SELECT_DETAILS_OF_MANY = details_of_many("payments", "refunds")
"""The primary key; then refunds_by_payment."""

SELECT_DETAILS_BY_ID = details("payments", "refunds")
"""Likewise."""

SELECT_DETAILS_BY_REFERENCE = details("payments", "refunds", by_reference("payments"))
"""The unique key of reference; then likewise."""

STATEMENTS = (
    INSERT_PAYMENT,
    INSERT_PAYMENTS,
    RESERVE_PAYMENT,
    STORE_REFUND,
    RESERVE_REFUND,
    SELECT_DETAILS_BY_REFERENCE,
)
"""What needs, together, all the rights that the statements here need."""
