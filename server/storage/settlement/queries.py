"""The SQL of pending requests and their outcomes, and the index that each statement uses."""

from server.storage.database.transactions import BEGIN, COMMIT, INSERTED_ID
from server.storage.payments.queries import PAYMENT, REFUND, REFUND_OR_NULL

SETTLE_CHARGE = f"""
    {BEGIN};

    INSERT INTO payment_outbox (changes)
    SELECT CONVERT(UNHEX(%s) USING utf8mb4) FROM payments WHERE payment_id = %s AND status IS NULL FOR UPDATE;

    SET @outbox_id = {INSERTED_ID};

    UPDATE payments p JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET p.status = %s, p.failure = %s, p.failure_code = %s,
        p.processor_reference = COALESCE(%s, p.processor_reference), p.next_action = NULL
    WHERE p.payment_id = %s AND p.status IS NULL;

    INSERT INTO processor_payments (payment_id, processor_id)
    SELECT n.payment_id, n.processor_id FROM (SELECT %s AS payment_id, %s AS processor_id) n
    JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    WHERE n.processor_id IS NOT NULL;

    DELETE q FROM processor_requests q JOIN payments p ON p.payment_id = q.payment_id
    WHERE q.payment_id = %s AND q.refund_id IS NULL AND p.status IS NOT NULL;

    {COMMIT};

    SELECT {PAYMENT}, @outbox_id IS NOT NULL FROM payments p WHERE p.payment_id = %s
"""
"""Stores the outcome of a pending payment; changes nothing if the payment already has one.

The last result is the payment, and whether this script stored its outcome. Uses the primary keys and
processor_requests_by_payment.
"""

AWAIT_PAYER = f"""
    {BEGIN};

    INSERT INTO payment_outbox (changes)
    SELECT CONVERT(UNHEX(%s) USING utf8mb4) FROM payments
    WHERE payment_id = %s AND status IS NULL AND NOT next_action <=> %s FOR UPDATE;

    SET @outbox_id = {INSERTED_ID};

    UPDATE payments p JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET p.next_action = %s, p.processor_reference = %s
    WHERE p.payment_id = %s AND p.status IS NULL;

    UPDATE processor_requests SET attempts = 0 WHERE payment_id = %s AND refund_id IS NULL;

    {COMMIT};

    SELECT {PAYMENT} FROM payments p WHERE p.payment_id = %s
"""
"""Stores what the payer of a pending payment must do; changes nothing if the payment has its outcome.

The reconciler asks about such a payment at the shortest interval, as if it had not asked before. The last result is the
payment. Uses the primary keys and processor_requests_by_payment.
"""

SETTLE_REFUND = f"""
    {BEGIN};

    SELECT payment_id FROM payments WHERE payment_id = %s FOR UPDATE;

    INSERT INTO payment_outbox (changes)
    SELECT JSON_ARRAY(JSON_ARRAY(%s, NULL, p.payment_id, r.refund_id,
        CAST(p.refunded_amount - IF(%s = 0, r.amount, 0) AS CHAR), %s))
    FROM payments p JOIN refunds r ON r.payment_id = p.payment_id
    WHERE p.payment_id = %s AND r.refund_id = %s AND r.status IS NULL FOR UPDATE;

    SET @outbox_id = {INSERTED_ID};

    UPDATE refunds r JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET r.status = %s, r.failure = %s, r.failure_code = %s, r.processor_reference = %s
    WHERE r.refund_id = %s AND r.status IS NULL;

    UPDATE payments p JOIN refunds r ON r.payment_id = p.payment_id
    JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET p.refunded = 0, p.refunded_amount = p.refunded_amount - r.amount
    WHERE p.payment_id = %s AND r.refund_id = %s AND r.status = 0;

    DELETE q FROM processor_requests q JOIN refunds r ON r.refund_id = q.refund_id
    WHERE q.payment_id = %s AND q.refund_id = %s AND r.status IS NOT NULL;

    {COMMIT};

    SELECT {PAYMENT}, {REFUND}, @outbox_id IS NOT NULL FROM payments p JOIN refunds r ON r.payment_id = p.payment_id
    WHERE p.payment_id = %s AND r.refund_id = %s
"""
"""Stores the outcome of a pending refund, as SETTLE_CHARGE does for a payment. If the refund failed, its amount is
subtracted from the payment's refunded amount.

The last result is the payment, the refund, and whether this script stored its outcome. Uses the primary keys and
processor_requests_by_payment. The payment is locked before the refund, in the same order as for a new refund.
"""

NEXT_ATTEMPT_AT = "UTC_TIMESTAMP(6) + INTERVAL LEAST(%s, %s * POW(2, LEAST(due.attempts, 30))) MICROSECOND"
"""When a claimed row is due again: after the first pause, then twice as long each time, up to a limit.

The values are the longest pause and the first one, in microseconds. The number of attempts is read from the derived
table, because MySQL computes due_at after it has assigned attempts.
"""

CLAIM = f"""
    UPDATE processor_requests r
    JOIN (
        SELECT processor_request_id, attempts FROM processor_requests WHERE due_at <= UTC_TIMESTAMP(6)
        ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
    ) due ON due.processor_request_id = r.processor_request_id
    SET r.claimed_by = %s, r.attempts = due.attempts + 1,
        r.due_at = {NEXT_ATTEMPT_AT}
"""
"""Claims requests that are due, and postpones each.

Uses processor_requests_by_due, and skips rows that another reconciler is claiming. TiDB does not support SKIP LOCKED:
it waits for such rows in the UPDATE, and then finds that they are no longer due. It is one statement, committed by
itself, so no lock is held during a round trip or a request to the processor.
"""

SELECT_CLAIMED = f"""
    SELECT {PAYMENT}, {REFUND_OR_NULL}, TIMESTAMPDIFF(MICROSECOND, q.created_at, UTC_TIMESTAMP(6)), q.attempts,
        n.processor_id
    FROM processor_requests q
    JOIN payments p ON p.payment_id = q.payment_id
    LEFT JOIN refunds r ON r.refund_id = q.refund_id
    LEFT JOIN processor_payments n ON n.payment_id = q.payment_id
    WHERE q.claimed_by = %s
"""
"""Returns the requests that one round claimed. Uses processor_requests_by_claim, then the primary keys."""

SELECT_PROCESSOR_ID = "SELECT processor_id FROM processor_payments WHERE payment_id = %s"
"""Uses the primary key."""

COUNT_PENDING = """
    SELECT kind, COUNT(*), MAX(TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)))
    FROM processor_requests GROUP BY kind
"""
"""Scans the table, which has only pending requests."""

STATEMENTS = (SETTLE_CHARGE, AWAIT_PAYER, SETTLE_REFUND, CLAIM, SELECT_CLAIMED, SELECT_PROCESSOR_ID, COUNT_PENDING)
"""All statements of this module: see ``storage.statements``."""
