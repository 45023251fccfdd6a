"""The SQL texts of payments and refunds, each with the index that it uses; those of lists are in ``listing``.

Values are bound, never formatted. All texts run on MySQL 8.0, 8.4 and 9, and on MariaDB 10.6 and later.
"""

from server.domain.payment import MAX_REFUNDS_SHOWN
from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.outbox import TELL

PAYMENT = (
    "JSON_ARRAY(p.payment_id, p.order_id, CAST(p.amount AS CHAR), p.currency, p.method, p.status, p.reference, "
    "CAST(p.created_at AS CHAR), CAST(p.refunded_amount AS CHAR), p.refunded, p.caller IS NULL)"
)
"""A payment as one JSON value, because the driver takes several times as long for a row of as many columns.

Amounts and times are text, which all databases write exactly, and alike.
"""

REFUND = (
    "JSON_ARRAY(r.refund_id, r.payment_id, CAST(r.amount AS CHAR), p.currency, r.status, r.reason, "
    "CAST(r.created_at AS CHAR), CAST(r.requested_amount AS CHAR))"
)
"""A refund as one JSON value."""

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
"""A duplicate, by payments_by_request or the unique key of reference, is an error that ends the script.

When payments_archive_by_request has the key (bound once more), nothing is inserted, and the row of the outbox is about
no payment: `payments archive` keeps a key always in one of the two tables. The answer comes last: the payment_id under
the key, if its payment has this reference.
"""

_UNLESS_ALONE = "IF(ROW_COUNT() < 0, NULL, {})"
"""A value for a NOT NULL column, in a statement that depends on what the statement before it changed.

When the client is gone, the database goes on with the script, but the row count is unknown (-1), because the previous
answer could not be sent. Then this value is an error, which ends the script and rolls it back: as if it had never been
sent.
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
"""INSERT_PAYMENT for a pending payment, with a row of processor_requests."""

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
"""Inserts many payments, and returns what is stored under their request keys then.

The payments are bound as a JSON list of lists, each with the values of INSERT_PAYMENT in their order. A duplicate, by
payments_by_request or the unique key of reference, is left out: the column that it updates is one that the service may
update, and keeps its value. A payment whose key payments_archive_by_request has is left out too. The changes for the
outbox are bound next, and left out when nothing was inserted: so it is when the script is retried because its answer
was lost. Both are bound in hexadecimal, because the driver escapes quotation marks ten times slower. The answer comes
last, and is one value, read by payments_by_request once all is committed: for each key that is stored, its place in the
list, counted from 1, the payment_id, and whether it has that reference.
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
"""INSERT_PAYMENTS for pending payments, with a row of processor_requests for each that was inserted.

The microseconds until they are due are bound after the changes for the outbox.
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

The first answer is the payment as it was, by the primary key; its lock serializes the refunds of one payment. The next
is the refund of the request key, if there is one, by refunds_by_request or refunds_archive_by_request. It is read under
the lock, because its holder may have been this very refund, called twice. The INSERT checks that the refund fits, by
the rules of ``Payment.refundable``, and the UPDATE checks the amount again. A duplicate of the refund of another
payment, by refunds_by_request, is an error that ends the script. The last answer is the refund with its payment, once
both are committed, or nothing.
"""

RESERVE_REFUND = f"""{_REFUND}
    INSERT INTO processor_requests (kind, payment_id, refund_id, due_at)
    SELECT 'refund', r.payment_id, r.refund_id, {_DUE} FROM refunds r WHERE r.refund_id = @refund_id;
{_READ_REFUND}"""
"""STORE_REFUND for a pending refund, with a row of processor_requests."""

SELECT_LAST_REFUND = f"""
    SELECT {REFUND} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.payment_id = %s ORDER BY r.refund_id DESC LIMIT 1
"""
"""refunds_by_payment, read backwards. The last refund of a fully refunded payment did not fail."""

_REFUND_OR_NULL = f"CASE WHEN r.refund_id IS NULL THEN 'null' ELSE {REFUND} END"


def details_of_many(payments: str, refunds: str) -> str:
    """Return the text that reads payments with all their refunds from these tables, by their indexes.

    It binds a tuple of at most a thousand ids. The answer has a value for each refund, or one for a payment without
    any: a JSON list of the payment, the refund or null, and whether the payment has more than ``MAX_REFUNDS_SHOWN``, in
    which case none is read. It is one statement, so that payment and refunds agree. The values are not sorted, because
    that would cost the database as much again.
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

    It binds the values of ``payment_id``, the refund_id after which the page begins, the size of the page, and the
    values of ``payment_id`` again. The answer is that of ``details_of_many`` without the last part of each list.
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
    """Return the subquery for the id of the payment whose reference is bound, with its length in bytes.

    The length is compared because the column's collation ignores trailing spaces.
    """
    return f"(SELECT q.payment_id FROM {payments} q WHERE q.reference = %s AND LENGTH(q.reference) = %s)"


SELECT_DETAILS_OF_MANY = details_of_many("payments", "refunds")
"""The primary key; then refunds_by_payment."""

SELECT_DETAILS_BY_ID = details("payments", "refunds")
"""The primary key; then refunds_by_payment."""

SELECT_DETAILS_BY_REFERENCE = details("payments", "refunds", by_reference("payments"))
"""The unique key of reference; then refunds_by_payment."""

STATEMENTS = (
    INSERT_PAYMENT,
    INSERT_PAYMENTS,
    RESERVE_PAYMENT,
    STORE_REFUND,
    RESERVE_REFUND,
    SELECT_DETAILS_BY_REFERENCE,
)
"""Statements that together need every right that the statements of this module need."""
