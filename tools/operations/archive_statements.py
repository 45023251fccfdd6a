"""The SQL of ``payments archive``. Values are bound, never formatted into the text."""

_PAYMENT_COLUMNS = (
    "payment_id, order_id, amount, method, status, reference, created_at, refunded, currency, refunded_amount, "
    "requested_method, caller, request_id, external_reference, customer_id, labels, failure, failure_code, "
    "processor_reference, simulated_source, forgotten_at, source_mark, next_action, dispute_status, dispute"
)
_REFUND_COLUMNS = (
    "refund_id, payment_id, amount, requested_amount, status, reason, caller, request_id, created_at, failure, "
    "failure_code, processor_reference"
)
_EVENT_COLUMNS = "sequence, payment_id, refund_id, kind, refunded_amount, occurred_at"
MOVED_COLUMNS = {"payments": _PAYMENT_COLUMNS, "refunds": _REFUND_COLUMNS, "payment_events": _EVENT_COLUMNS}
"""The columns of each table that has an archive."""


def _equal(columns: str) -> str:
    return " AND ".join(f"a.{column} <=> l.{column}" for column in columns.split(", "))


COLUMNS = """
    SELECT DISTINCT column_name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name IN %s AND column_name <> 'archived_at' ORDER BY column_name
"""
OLD_EVENTS = "SELECT sequence, occurred_at FROM payment_events ORDER BY sequence LIMIT %s"
COPY_EVENTS = f"""
    INSERT INTO payment_events_archive ({_EVENT_COLUMNS})
    SELECT {_EVENT_COLUMNS} FROM payment_events WHERE sequence <= %s
"""
DELETE_EVENTS = "DELETE FROM payment_events WHERE sequence <= %s"

_HAS_OUTCOME = "{0}.status IS NOT NULL AND NOT {0}.dispute_status <=> 'OPEN'"
_CHANGED_SINCE = "(r.status IS NULL OR r.created_at >= %s)"
CANDIDATES = f"""
    SELECT l.payment_id, l.created_at FROM payments l FORCE INDEX (payments_by_time)
    WHERE l.created_at >= %s AND (l.created_at > %s OR l.payment_id > %s) AND l.created_at < %s
        AND {_HAS_OUTCOME.format("l")}
        AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = l.payment_id AND {_CHANGED_SINCE})
        AND NOT EXISTS (SELECT 1 FROM payment_events e WHERE e.payment_id = l.payment_id)
        AND NOT EXISTS (SELECT 1 FROM processor_checks c WHERE c.payment_id = l.payment_id)
    ORDER BY l.created_at, l.payment_id LIMIT %s
"""
COPY_PAYMENTS = f"""
    INSERT INTO payments_archive ({_PAYMENT_COLUMNS}, archived_at)
    SELECT {_PAYMENT_COLUMNS}, UTC_TIMESTAMP(6) FROM payments WHERE payment_id IN %s
"""
COPY_REFUNDS = f"""
    INSERT INTO refunds_archive ({_REFUND_COLUMNS}, archived_at)
    SELECT {_REFUND_COLUMNS}, UTC_TIMESTAMP(6) FROM refunds WHERE payment_id IN %s
"""
DELETE_PAYMENT_COPIES = "DELETE FROM payments_archive WHERE payment_id IN %s"
DELETE_REFUND_COPIES = "DELETE FROM refunds_archive WHERE payment_id IN %s"
LOCK_PAYMENTS = f"""
    SELECT l.payment_id FROM payments l WHERE l.payment_id IN %s AND {_HAS_OUTCOME.format("l")} FOR UPDATE NOWAIT
"""
CHANGED_PAYMENTS = f"""
    SELECT r.payment_id FROM refunds r WHERE r.payment_id IN %s AND {_CHANGED_SINCE}
    UNION SELECT e.payment_id FROM payment_events e WHERE e.payment_id IN %s
    UNION SELECT c.payment_id FROM processor_checks c WHERE c.payment_id IN %s
"""
COUNT_EQUAL_PAYMENTS = f"""
    SELECT COUNT(*) FROM payments l
    JOIN payments_archive a ON a.payment_id = l.payment_id AND {_equal(_PAYMENT_COLUMNS)}
    WHERE l.payment_id IN %s
"""
COUNT_EQUAL_REFUNDS = f"""
    SELECT COUNT(*) FROM refunds l
    JOIN refunds_archive a ON a.refund_id = l.refund_id AND {_equal(_REFUND_COLUMNS)}
    WHERE l.payment_id IN %s
"""
DELETE_REFUNDS = "DELETE FROM refunds WHERE payment_id IN %s"
DELETE_PAYMENTS = "DELETE FROM payments WHERE payment_id IN %s"
IS_BEHIND = "SELECT 1 FROM payment_outbox WHERE created_at <= %s ORDER BY outbox_id LIMIT 1"

UNARCHIVE_PAYMENT = f"""
    INSERT INTO payments ({_PAYMENT_COLUMNS}) SELECT {_PAYMENT_COLUMNS} FROM payments_archive WHERE payment_id = %s
"""
UNARCHIVE_REFUNDS = f"""
    INSERT INTO refunds ({_REFUND_COLUMNS})
    SELECT {_REFUND_COLUMNS} FROM refunds_archive WHERE payment_id = %s ORDER BY refund_id
"""
