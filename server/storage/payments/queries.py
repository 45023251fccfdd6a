"""The SQL of payments and refunds, and the index that each statement uses; the SQL of lists is in ``listing``.

Values are bound, never formatted into the text. All statements run on MySQL 8.0, 8.4 and 9, and on MariaDB 10.6 and
later.
"""

from server.domain.payment import MAX_REFUNDS_SHOWN
from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.outbox import INSERT_CHANGES

PAYMENT = (
    "JSON_ARRAY(p.payment_id, p.order_id, CAST(p.amount AS CHAR), p.currency, p.method, p.status, p.reference, "
    "CAST(p.created_at AS CHAR), CAST(p.refunded_amount AS CHAR), p.refunded, p.caller IS NULL)"
)
"""A payment as one JSON value, because the driver takes several times as long for a row with as many columns.

Amounts and times are text, which is exact and the same on all databases.
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

    {INSERT_CHANGES};

    {COMMIT};
{_READ_PAYMENT}"""
"""Inserts a payment. A duplicate in payments_by_request or in the unique key of reference is an error that ends the
script.

If payments_archive_by_request has the request key, which is bound a second time, nothing is inserted, and the outbox
row names no stored payment. `payments archive` ensures that a key is always in one of the two tables. The last result
is the payment_id under the request key, if that payment has this reference.
"""

_UNLESS_CLIENT_GONE = "IF(ROW_COUNT() < 0, NULL, {})"
"""A value for a NOT NULL column, in a statement that depends on the row count of the previous statement.

If the client has closed the connection, the database continues the script, but the row count is unknown (-1) because
the previous result could not be sent. Then the value is NULL, and the error ends the script and rolls it back, as if it
had never been sent.
"""

_DUE_TIME = "UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND"

RESERVE_PAYMENT = f"""
    {BEGIN};

    INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, requested_method, caller,
        request_id)
    SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s FROM DUAL
    WHERE NOT EXISTS (SELECT 1 FROM payments_archive a WHERE a.caller = %s AND a.request_id = %s);

    INSERT INTO processor_requests (kind, payment_id, due_at)
    SELECT 'charge', p.payment_id, {_UNLESS_CLIENT_GONE.format(_DUE_TIME)} FROM payments p
    WHERE p.payment_id = LAST_INSERT_ID() AND ROW_COUNT() <> 0;

    {INSERT_CHANGES};

    {COMMIT};
{_READ_PAYMENT}"""
"""Like INSERT_PAYMENT, for a pending payment: also inserts a row of processor_requests."""

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
    SELECT {_UNLESS_CLIENT_GONE.format("CONVERT(UNHEX(%s) USING utf8mb4)")} FROM DUAL WHERE ROW_COUNT() <> 0;
"""

_READ_PAYMENTS = f"""
    {COMMIT};

    SELECT STRAIGHT_JOIN GROUP_CONCAT(n.place, ' ', p.payment_id, ' ', p.reference = n.reference)
    FROM {_NEW_KEYS}
    JOIN payments p FORCE INDEX (payments_by_request)
        ON p.caller = CAST(n.caller AS BINARY) AND p.request_id = CAST(n.request_id AS BINARY)
"""

INSERT_PAYMENTS = _WRITE_PAYMENTS + _READ_PAYMENTS
"""Inserts many payments, and returns the payments that are stored under their request keys afterwards.

First, the payments are bound as a JSON list of lists, each with the values of INSERT_PAYMENT in the same order. A
duplicate in payments_by_request or in the unique key of reference is skipped: ON DUPLICATE KEY UPDATE leaves the value
of a column that the service may update. A payment whose request key is in payments_archive_by_request is skipped as
well.

Then, the changes for the outbox are bound. They are not stored if nothing was inserted, for example because the script
is a retry after a lost reply. Both lists are bound in hexadecimal, because the driver takes ten times as long to escape
quotation marks.

The last result is a single value, read from payments_by_request after the commit. For each stored request key, it has
the position in the list, counted from 1, the payment_id, and whether the payment has the bound reference.
"""

RESERVE_PAYMENTS = f"""{_WRITE_PAYMENTS}
    INSERT INTO processor_requests (kind, payment_id, due_at)
    SELECT STRAIGHT_JOIN 'charge', p.payment_id, {_UNLESS_CLIENT_GONE.format(_DUE_TIME)}
    FROM {_NEW_KEYS}
    JOIN payments p FORCE INDEX (payments_by_request)
        ON p.caller = CAST(n.caller AS BINARY) AND p.request_id = CAST(n.request_id AS BINARY)
        AND p.reference = n.reference
    WHERE ROW_COUNT() <> 0;
{_READ_PAYMENTS}"""
"""Like INSERT_PAYMENTS, for pending payments: also inserts a row of processor_requests for each inserted payment.

The time until they are due, in microseconds, is bound after the changes for the outbox.
"""

SELECT_CHARGE_BY_REQUEST = f"""
    SELECT p.requested_method, {PAYMENT} FROM payments p WHERE p.caller = %s AND p.request_id = %s
"""
"""Uses payments_by_request; returns at most one row."""

_WRITE_REFUND = f"""
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

STORE_REFUND = _WRITE_REFUND + _READ_REFUND
"""Refunds a payment, if that is possible and the request key is new.

The first result is the payment before the refund, by the primary key. Its lock serializes the refunds of one payment.
The second result is the earlier refund with the same request key, if any, by refunds_by_request or
refunds_archive_by_request. It is read under the lock, because the previous holder of the lock may have been an earlier
attempt of the same refund.

The INSERT checks the rules of ``Payment.amount_to_refund``, and the UPDATE checks the amount again. If a refund of
another payment has the same request key, the duplicate in refunds_by_request is an error that ends the script. The last
result is the refund with its payment, read after the commit, or no row.
"""

RESERVE_REFUND = f"""{_WRITE_REFUND}
    INSERT INTO processor_requests (kind, payment_id, refund_id, due_at)
    SELECT 'refund', r.payment_id, r.refund_id, {_DUE_TIME} FROM refunds r WHERE r.refund_id = @refund_id;
{_READ_REFUND}"""
"""Like STORE_REFUND, for a pending refund: also inserts a row of processor_requests."""

SELECT_LAST_REFUND = f"""
    SELECT {REFUND} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.payment_id = %s ORDER BY r.refund_id DESC LIMIT 1
"""
"""Reads refunds_by_payment backwards. The last refund of a fully refunded payment is never a failed one."""

_REFUND_OR_NULL = f"CASE WHEN r.refund_id IS NULL THEN 'null' ELSE {REFUND} END"


def details_of_many(payments: str, refunds: str) -> str:
    """Return the query that reads payments with all their refunds from these tables, by their indexes.

    It binds a tuple of at most a thousand ids, and returns a value for each refund, or one value for a payment without
    refunds. A value is a JSON list of the payment, the refund or null, and whether the payment has more than
    ``MAX_REFUNDS_SHOWN`` refunds, in which case none of them is read. It is a single statement, so that payments and
    refunds are consistent. The values are not sorted, because that would double the cost for the database.
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
    """Return the query that reads one payment and a page of its refunds from these tables, by their indexes.

    It binds the values of ``payment_id``, the refund_id after which the page begins, the size of the page, and the
    values of ``payment_id`` again. The values are those of ``details_of_many`` without the last part of each list.
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
    """Return the subquery that finds a payment_id by reference. It binds the reference and its length in bytes.

    The length is compared because the column's collation ignores trailing spaces.
    """
    return f"(SELECT q.payment_id FROM {payments} q WHERE q.reference = %s AND LENGTH(q.reference) = %s)"


SELECT_DETAILS_OF_MANY = details_of_many("payments", "refunds")
"""Uses the primary key, then refunds_by_payment."""

SELECT_DETAILS_BY_ID = details("payments", "refunds")
"""Uses the primary key, then refunds_by_payment."""

SELECT_DETAILS_BY_REFERENCE = details("payments", "refunds", by_reference("payments"))
"""Uses the unique key of reference, then refunds_by_payment."""

STATEMENTS = (
    INSERT_PAYMENT,
    INSERT_PAYMENTS,
    RESERVE_PAYMENT,
    STORE_REFUND,
    RESERVE_REFUND,
    SELECT_DETAILS_BY_REFERENCE,
)
"""Statements that together require every privilege that this module needs."""
