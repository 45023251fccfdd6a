"""The SQL that stores charges, and the index that each statement uses."""

from functools import lru_cache

from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.payments.queries import DUE_TIME

_COLUMNS = (
    "order_id, amount, currency, method, status, reference, created_at, requested_method, caller, request_id, "
    "external_reference, customer_id, labels, failure, failure_code, simulated_source, source_mark"
)
_ROW = f"({', '.join(['%s'] * len(_COLUMNS.split(', ')))})"

_UNLESS_CLIENT_GONE = "IF(ROW_COUNT() < 0, NULL, {})"
"""A value for a NOT NULL column, in a statement that depends on the row count of the previous statement.

If the client has closed the connection, the database continues the script, but the row count is unknown (-1) because
the previous result could not be sent. Then the value is NULL, and the error ends the script and rolls it back, as if it
had never been sent.
"""

_RESERVE = f"""
    INSERT INTO processor_requests (kind, payment_id, due_at)
    SELECT 'charge', p.payment_id, {_UNLESS_CLIENT_GONE.format(DUE_TIME)} FROM payments p
    WHERE p.reference IN %s AND ROW_COUNT() <> 0;
"""


_IS_PENDING = "o.status IS NULL AND o.caller IS NOT NULL"
"""Selects pending payments. An adopted payment without a status will never get one."""


def _script(reserve: str = "", *, order: str = "") -> str:
    """Return the script that inserts payments, with ``reserve`` as the statement that follows.

    With ``order``, which selects the payments of an order, the script inserts one payment, and only if no other payment
    of the order is pending. The row in order_locks makes such scripts wait for each other. No other transaction ever
    sees the row, so if it is missing, the transaction was aborted.
    """
    lock = guard = unlock = ""
    if order:
        lock = """
    INSERT INTO order_locks (order_key) VALUES (%s) ON DUPLICATE KEY UPDATE order_key = VALUES(order_key);
"""
        guard = f"""
        OR NOT EXISTS (SELECT 1 FROM order_locks WHERE order_key = %s)
        OR EXISTS (SELECT 1 FROM payments {order} AND {_IS_PENDING} AND o.payment_id <> p.payment_id)"""
        unlock = """
    DELETE FROM order_locks WHERE order_key = %s;
"""
    return f"""
    {BEGIN};
{lock}
    INSERT INTO payments ({_COLUMNS})
    VALUES {_ROW};

    INSERT INTO payment_outbox (changes)
    SELECT IF(ROW_COUNT() < 0 OR EXISTS (
            SELECT 1 FROM payments_archive a FORCE INDEX (payments_archive_by_request)
            WHERE (a.caller, a.request_id) IN %s
        ){guard}, NULL, CONVERT(UNHEX(%s) USING utf8mb4))
    FROM payments p WHERE p.payment_id = LAST_INSERT_ID();
{reserve}{unlock}
    {COMMIT};

    SELECT payment_id, @@auto_increment_increment FROM payments WHERE reference = %s
"""


INSERT_PAYMENTS = _script()
"""Inserts one payment, or, after ``for_payments``, several.

It binds the values of the payments, their request keys, the changes for the outbox in hexadecimal, and the last
reference. The last result is the payment_id of the last payment, and the step between the ids of one INSERT.

A duplicate in payments_by_request or in the unique key of reference is an error that ends the script. So is a request
key in payments_archive_by_request: it makes ``changes`` NULL. The archive is read after the INSERT, because `payments
archive` commits its copy of a payment before it deletes the payment. So a key that could be inserted is visible in the
archive by then, if it was ever there.
"""

RESERVE_PAYMENTS = _script(_RESERVE)
"""Like INSERT_PAYMENTS, for payments some of which are pending: also inserts a row of processor_requests for those.

The time until they are due, in microseconds, and the references of the pending payments are bound before the last
reference.
"""

_BY_ORDER_ID = "o FORCE INDEX (payments_by_order) WHERE o.order_id = %s"
_BY_EXTERNAL_REFERENCE = (
    "o FORCE INDEX (payments_by_external_reference) WHERE o.external_reference = %s AND o.order_id = 0"
)

INSERT_PAYMENT_OF_ORDER = _script(order=_BY_ORDER_ID)
"""Like INSERT_PAYMENTS, for one payment, whose order must have no other pending payment.

It binds the key of the order first, the key of the order and the order_id before the changes, and the key of the order
again before the reference. If another payment is pending, ``changes`` is NULL, and the error ends the script. Uses the
primary key of order_locks and payments_by_order.
"""

INSERT_PAYMENT_OF_REFERENCE = _script(order=_BY_EXTERNAL_REFERENCE)
"""Like INSERT_PAYMENT_OF_ORDER, for an order without an order_id. Uses payments_by_external_reference."""

RESERVE_PAYMENT_OF_ORDER = _script(_RESERVE, order=_BY_ORDER_ID)
"""Like INSERT_PAYMENT_OF_ORDER, for a pending payment: see RESERVE_PAYMENTS."""

RESERVE_PAYMENT_OF_REFERENCE = _script(_RESERVE, order=_BY_EXTERNAL_REFERENCE)
"""Like INSERT_PAYMENT_OF_REFERENCE, for a pending payment: see RESERVE_PAYMENTS."""

SELECT_PENDING_OF_ORDER = f"SELECT o.payment_id FROM payments {_BY_ORDER_ID} AND {_IS_PENDING} LIMIT 1"
"""Reads the payments of the order, by payments_by_order."""

SELECT_PENDING_OF_REFERENCE = f"SELECT o.payment_id FROM payments {_BY_EXTERNAL_REFERENCE} AND {_IS_PENDING} LIMIT 1"
"""Reads the payments of the external reference, by payments_by_external_reference."""

SELECT_IDS = "SELECT reference, payment_id FROM payments WHERE reference IN %s"
"""Uses the unique key of reference."""

STATEMENTS = (
    INSERT_PAYMENTS,
    RESERVE_PAYMENTS,
    INSERT_PAYMENT_OF_ORDER,
    INSERT_PAYMENT_OF_REFERENCE,
    RESERVE_PAYMENT_OF_ORDER,
    RESERVE_PAYMENT_OF_REFERENCE,
    SELECT_PENDING_OF_ORDER,
    SELECT_PENDING_OF_REFERENCE,
    SELECT_IDS,
)
"""All statements of this module: see ``storage.statements``."""


@lru_cache(maxsize=128)
def for_payments(text: str, count: int) -> str:
    """Return INSERT_PAYMENTS or RESERVE_PAYMENTS for ``count`` payments."""
    return text.replace(_ROW, ", ".join([_ROW] * count))
