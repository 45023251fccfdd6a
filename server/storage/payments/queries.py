"""The SQL that reads payments and refunds, and stores refunds, and the index that each statement uses.

The SQL of charges is in ``insert_queries``, and that of lists in ``listing``.

Values are bound, never formatted into the text. All statements run on the databases in docs/databases.md.
"""

import re
from functools import lru_cache

from server.domain.payment import MAX_REFUNDS_SHOWN
from server.domain.simulation import DEFERRED_REFUNDS
from server.storage.database.transactions import BEGIN, COMMIT, INSERTED_ID

SEPARATOR = "\x1f"
"""Separates the values in a text of PAYMENT and REFUND: a control character, which only adopted text may contain."""

_SEPARATOR = f"X'{ord(SEPARATOR):02X}'"

_NAMES = (
    "p.external_reference, p.customer_id, p.labels, p.failure_code, p.processor_reference, p.simulated_source, "
    "p.source_mark, p.next_action, p.dispute_status, p.dispute"
)

PAYMENT = (
    f"CONCAT_WS({_SEPARATOR}, p.payment_id, p.order_id, IFNULL(p.amount, ''), p.currency, IFNULL(p.status, ''), "
    "IFNULL(p.created_at, ''), p.refunded_amount, p.refunded, IFNULL(p.failure, ''), IFNULL(p.caller, ''), "
    f"IFNULL(p.request_id, ''), IF({' IS NULL AND '.join(_NAMES.split(', '))} IS NULL, '', JSON_ARRAY({_NAMES})), "
    "CHAR_LENGTH(p.method), p.method, p.reference)"
)
"""A payment as one text, which ``codec`` parses: a value is cheaper for the driver than a row with as many columns, and
JSON would be twice as expensive for the database. Only the values that most payments lack are JSON, if there are any.

Only the method and the reference of an adopted payment may contain the separator, so they come last, after the length
of the first. Other unknown values are empty. CONCAT_WS leaves out an unknown reference, and the separator before it.
The text is binary, because caller and request_id are.
"""

REFUND = (
    f"CONCAT_WS({_SEPARATOR}, r.refund_id, r.payment_id, r.amount, p.currency, IFNULL(r.status, ''), r.created_at, "
    "IFNULL(r.requested_amount, ''), r.caller, r.request_id, IFNULL(r.failure, ''), "
    "IF(r.failure_code IS NULL AND r.processor_reference IS NULL, '', "
    "JSON_ARRAY(r.failure_code, r.processor_reference)), r.reason)"
)
"""A refund as one text: see PAYMENT."""

REFUND_OR_NULL = f"IF(r.refund_id IS NULL, NULL, {REFUND})"
"""The refund of a LEFT JOIN."""

_REFUND_ROW = (
    "SELECT %s AS payment_id, %s AS amount, %s AS currency, %s AS reason, %s AS caller, %s AS request_id, "
    "%s AS created_at"
)
_NEXT_REFUND_ROW = re.sub(r" AS \w+", "", _REFUND_ROW)

DUE_TIME = "UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND"
"""When a pending charge or refund becomes due for the reconciler."""


@lru_cache(maxsize=128)
def for_refunds(text: str, count: int) -> str:
    """Return a statement that inserts refunds of several payments, for ``count`` refunds."""
    return text.replace(_REFUND_ROW, " UNION ALL ".join([_REFUND_ROW, *[_NEXT_REFUND_ROW] * (count - 1)]))


def charges_by_request(payments: str) -> str:
    """Return the query for the payments with these request keys.

    Each has its requested method, and whether its customer and labels were erased.
    """
    return f"""
    SELECT p.requested_method, p.forgotten_at IS NOT NULL, {PAYMENT}
    FROM {payments} p FORCE INDEX ({payments}_by_request) WHERE (p.caller, p.request_id) IN %s
"""


SELECT_CHARGES_BY_REQUEST = charges_by_request("payments")
"""Uses payments_by_request."""

_CAN_REFUND = (
    "p.status <> 0 AND p.refunded = 0 AND p.refunded_amount < p.amount "
    "AND p.refunded_amount + COALESCE({amount}, 0) <= p.amount AND COALESCE(p.currency = {currency}, TRUE) "
    "AND COALESCE(p.dispute_status = 'WON', TRUE)"
)
"""The rules of ``Payment.amount_to_refund``."""

_NEW_REFUNDS = "refunds f STRAIGHT_JOIN refunds r FORCE INDEX (refunds_by_payment)"
_IS_NEW = "f.refund_id = (SELECT @first_refund_id) AND r.payment_id IN %s AND r.refund_id >= f.refund_id"
"""Selects the refunds that the script has inserted: see STORE_REFUNDS. If the first of them is missing, the transaction
was aborted (``transactions.BEGIN``), and any others were stored by other transactions.
"""

_DEFERRED = ", ".join(f"'{source}'" for source in DEFERRED_REFUNDS)
_STATUS = f"IF(p.simulated_source IN ({_DEFERRED}), NULL, %s)"
"""The status of a new refund: the bound one, or PENDING if the simulated processor defers refunds of the payment."""

_KIND = "IF(r.status IS NULL, 'REFUND_PENDING', 'REFUNDED')"
"""The kind of the event of a new refund."""

STORE_REFUNDS = f"""
    {BEGIN};

    INSERT INTO refunds (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at)
    SELECT p.payment_id, COALESCE(n.amount, p.amount - p.refunded_amount), n.amount, {_STATUS}, n.reason, n.caller,
        n.request_id, n.created_at
    FROM ({_REFUND_ROW}) n STRAIGHT_JOIN payments p FORCE INDEX (PRIMARY) ON p.payment_id = n.payment_id
    WHERE {_CAN_REFUND.format(amount="n.amount", currency="n.currency")}
    FOR UPDATE SKIP LOCKED;

    SET @refunds = ROW_COUNT(), @first_refund_id = {INSERTED_ID};

    UPDATE {_NEW_REFUNDS} STRAIGHT_JOIN payments p FORCE INDEX (PRIMARY) ON p.payment_id = r.payment_id SET
        p.refunded = p.refunded_amount + r.amount = p.amount,
        p.refunded_amount = p.refunded_amount + r.amount
    WHERE {_IS_NEW} AND p.refunded_amount + r.amount <= p.amount;

    INSERT INTO payment_outbox (changes)
    SELECT IF(ROW_COUNT() = @refunds AND SUM(p.refunded = (p.refunded_amount = p.amount)) = @refunds AND NOT EXISTS (
            SELECT 1 FROM refunds_archive a FORCE INDEX (refunds_archive_by_request)
            WHERE (a.caller, a.request_id) IN %s
        ), JSON_ARRAYAGG(JSON_ARRAY(
            {_KIND}, NULL, p.payment_id, r.refund_id, CAST(p.refunded_amount AS CHAR), CAST(r.created_at AS CHAR)
        )), NULL)
    FROM {_NEW_REFUNDS} JOIN payments p ON p.payment_id = r.payment_id
    WHERE {_IS_NEW}
    HAVING @first_refund_id IS NOT NULL;

    INSERT INTO processor_requests (kind, payment_id, refund_id, due_at)
    SELECT 'refund', r.payment_id, r.refund_id, {DUE_TIME} FROM {_NEW_REFUNDS}
    WHERE {_IS_NEW} AND r.status IS NULL;

    {COMMIT};

    SELECT @refunds, {REFUND}, {PAYMENT} FROM refunds f
    JOIN refunds r ON r.refund_id >= f.refund_id AND (r.caller, r.request_id) IN %s
    JOIN payments p ON p.payment_id = r.payment_id
    WHERE f.refund_id = (SELECT @first_refund_id)
"""

"""Stores one refund, or, after ``for_refunds``, those of several payments; skips those that it cannot store at once.

It skips a refund if ``Payment.amount_to_refund`` rejects it, or if its payment is missing or locked. It binds the
status, the values of the refunds, the payment_ids, the request keys, the payment_ids, the time until pending refunds
are due, in microseconds, the payment_ids, and the request keys. The last result has a row for each stored refund: the
number of stored refunds, the refund, and its payment. Payments are read by the primary key, so that no other payment is
locked. A pending refund also gets a row in processor_requests.

A new refund has a larger id than the earlier refunds of its payment, because the INSERT locks the payment first.
However, a concurrent transaction may refund a skipped payment. If it commits before the outbox row is written, more
refunds are found than were inserted. If it commits later, the last result has more rows than the number in each row.

So that no refund depends on the lock alone, the UPDATE checks the amount again.

``changes`` is NULL, and the error ends the script, if fewer payments than refunds were updated, if more refunds are
found than were inserted, if the database does not evaluate the assignments of the UPDATE in order, or if
refunds_archive_by_request has one of the request keys. The archive is read after the INSERT, as in INSERT_PAYMENTS. A
duplicate in refunds_by_request also ends the script.
"""

_LOCK_PAYMENTS = "SELECT payment_id FROM payments WHERE payment_id IN %s FOR UPDATE NOWAIT"

STORE_REFUNDS_ON_TIDB = STORE_REFUNDS.replace(BEGIN, f"{BEGIN};\n\n    {_LOCK_PAYMENTS}", 1)
"""STORE_REFUNDS for TiDB, whose INSERT ... SELECT ignores FOR UPDATE SKIP LOCKED.

The payments are locked first, and their payment_ids are bound first. If another transaction has locked one of them, an
error ends the script.
"""

STORE_REFUND = f"""
    {BEGIN};

    SELECT {PAYMENT} FROM payments p WHERE p.payment_id = %s FOR UPDATE;

    SELECT {REFUND} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.caller = %s AND r.request_id = %s
    UNION ALL
    SELECT {REFUND} FROM refunds_archive r JOIN payments_archive p ON p.payment_id = r.payment_id
    WHERE r.caller = %s AND r.request_id = %s;

    INSERT INTO refunds (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at)
    SELECT p.payment_id, COALESCE(%s, p.amount - p.refunded_amount), %s, {_STATUS}, %s, %s, %s, %s FROM payments p
    WHERE p.payment_id = %s AND {_CAN_REFUND.format(amount="%s", currency="%s")}
        AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.caller = %s AND r.request_id = %s)
        AND NOT EXISTS (SELECT 1 FROM refunds_archive r WHERE r.caller = %s AND r.request_id = %s)
    FOR UPDATE;

    SET @refund_id = {INSERTED_ID};

    UPDATE payments SET
        refunded = refunded_amount + (SELECT r.amount FROM refunds r WHERE r.refund_id = (SELECT @refund_id)) = amount,
        refunded_amount = refunded_amount + (SELECT r.amount FROM refunds r WHERE r.refund_id = (SELECT @refund_id))
    WHERE payment_id = %s
        AND refunded_amount + (SELECT r.amount FROM refunds r WHERE r.refund_id = (SELECT @refund_id)) <= amount;

    INSERT INTO payment_outbox (changes)
    SELECT JSON_ARRAY(JSON_ARRAY({_KIND}, NULL, p.payment_id, r.refund_id, CAST(p.refunded_amount AS CHAR), %s))
    FROM refunds r JOIN payments p ON p.payment_id = r.payment_id WHERE r.refund_id = (SELECT @refund_id);

    INSERT INTO processor_requests (kind, payment_id, refund_id, due_at)
    SELECT 'refund', r.payment_id, r.refund_id, {DUE_TIME} FROM refunds r
    WHERE r.refund_id = (SELECT @refund_id) AND r.status IS NULL;

    {COMMIT};

    SELECT {REFUND}, {PAYMENT} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.refund_id = (SELECT @refund_id)
"""

"""Stores the refund of one payment, if that is possible and the request key is new; waits for a locked payment.

The first result is the payment before the refund, by the primary key. Its lock serializes the refunds of one payment.
The second result is the earlier refund with the same request key, if any, by refunds_by_request or
refunds_archive_by_request. It is read under the lock, because the previous holder of the lock may have been an earlier
attempt of the same refund.

The INSERT checks the rules, and the UPDATE checks the amount again. If a refund of another payment has the same request
key, the duplicate in refunds_by_request is an error that ends the script. The last result is the refund with its
payment, read after the commit, or no row.
"""

SELECT_LAST_REFUND = f"""
    SELECT {REFUND} FROM refunds r JOIN payments p ON p.payment_id = r.payment_id
    WHERE r.payment_id = %s ORDER BY r.refund_id DESC LIMIT 1
"""
"""Reads refunds_by_payment backwards. The last refund of a fully refunded payment is never a failed one."""


def details_of_many(payments: str, refunds: str) -> str:
    """Return the query that reads payments with all their refunds from these tables, by their indexes.

    It binds a tuple of at most a thousand ids, and returns a row for each refund, or one row for a payment without
    refunds. A row has the payment, the refund or NULL, and NULL unless the payment has more than ``MAX_REFUNDS_SHOWN``
    refunds, in which case none of them is read. It is a single statement, so that payments and refunds are consistent.
    The rows are not sorted, because that would double the cost for the database.
    """
    return f"""
    SELECT {PAYMENT}, {REFUND_OR_NULL}, k.beyond
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
    values of ``payment_id`` again. The rows are those of ``details_of_many`` without the last column.
    """
    return f"""
    SELECT {PAYMENT}, {REFUND_OR_NULL}
    FROM {payments} p
    LEFT JOIN (
        SELECT n.refund_id, n.payment_id, n.amount, n.status, n.reason, n.created_at, n.requested_amount, n.caller,
            n.request_id, n.failure, n.failure_code, n.processor_reference
        FROM {refunds} n FORCE INDEX ({refunds}_by_payment)
        WHERE n.payment_id = {payment_id} AND n.refund_id > %s
        ORDER BY n.payment_id, n.refund_id LIMIT %s
    ) r ON r.payment_id = p.payment_id
    WHERE p.payment_id = {payment_id}
"""


def by_reference(payments: str) -> str:
    """Return the subquery that finds a payment_id by reference."""
    return f"(SELECT q.payment_id FROM {payments} q WHERE q.reference = %s)"


def by_request(payments: str) -> str:
    """Return the subquery that finds a payment_id by request key."""
    return f"(SELECT q.payment_id FROM {payments} q WHERE q.caller = %s AND q.request_id = %s)"


SELECT_DETAILS_OF_MANY = details_of_many("payments", "refunds")
"""Uses the primary key, then refunds_by_payment."""

SELECT_DETAILS_BY_ID = details("payments", "refunds")
"""Uses the primary key, then refunds_by_payment."""

SELECT_DETAILS_BY_REFERENCE = details("payments", "refunds", by_reference("payments"))
"""Uses the unique key of reference, then refunds_by_payment."""

SELECT_DETAILS_BY_REQUEST = details("payments", "refunds", by_request("payments"))
"""Uses payments_by_request, then refunds_by_payment."""

STATEMENTS = (
    SELECT_CHARGES_BY_REQUEST,
    STORE_REFUNDS,
    STORE_REFUNDS_ON_TIDB,
    STORE_REFUND,
    SELECT_LAST_REFUND,
    SELECT_DETAILS_OF_MANY,
    SELECT_DETAILS_BY_ID,
    SELECT_DETAILS_BY_REFERENCE,
    SELECT_DETAILS_BY_REQUEST,
)
"""All statements of this module: see ``storage.statements``."""
