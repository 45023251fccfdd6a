"""The SQL of payments that are read again at the processor, and of what changed about them.

The index that each statement uses is named after it.
"""

from server.storage.database.transactions import BEGIN, COMMIT, INSERTED_ID
from server.storage.payments.queries import PAYMENT, REFUND_OR_NULL
from server.storage.settlement.queries import NEXT_ATTEMPT_AT

FIND_PAYMENT = """
    (SELECT payment_id FROM payments WHERE processor_reference = %s LIMIT 1)
    UNION ALL (SELECT payment_id FROM payments WHERE reference = %s)
    UNION ALL (SELECT payment_id FROM payments_archive WHERE processor_reference = %s LIMIT 1)
    UNION ALL (SELECT payment_id FROM payments_archive WHERE reference = %s)
    LIMIT 1
"""
"""Finds the payment of a hint.

Uses payments_by_processor_reference, the unique key of reference, and the indexes of these columns of the archive.
"""

ADD_CHECK = """
    INSERT INTO processor_checks (payment_id, waits_since, due_at) VALUES (%s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE
        hints = hints + 1, attempts = 0, waits_since = COALESCE(waits_since, UTC_TIMESTAMP(6)),
        due_at = UTC_TIMESTAMP(6)
"""
"""Makes a payment due for a check. Uses the primary key."""

REQUEST_CHECK = f"""
    {ADD_CHECK};

    UPDATE processor_requests SET attempts = 0, due_at = UTC_TIMESTAMP(6) WHERE payment_id = %s
"""
"""Makes a payment due for a check, and its pending requests due for the reconciler. Uses the primary key and
processor_requests_by_payment.
"""

COUNT_CHECKS = """
    SELECT COUNT(waits_since), COALESCE(SUM(due_at <= UTC_TIMESTAMP(6)), 0), COALESCE(SUM(is_disputed), 0),
        TIMESTAMPDIFF(MICROSECOND, MIN(waits_since), UTC_TIMESTAMP(6))
    FROM processor_checks
"""
"""Scans the table, which has only payments that wait for a check or have an open dispute."""

CLAIM_CHECKS = f"""
    UPDATE processor_checks c
    JOIN (
        SELECT payment_id, attempts FROM processor_checks WHERE due_at <= UTC_TIMESTAMP(6)
        ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
    ) due ON due.payment_id = c.payment_id
    SET c.claimed_by = %s, c.attempts = due.attempts + 1, c.waits_since = COALESCE(c.waits_since, UTC_TIMESTAMP(6)),
        c.due_at = {NEXT_ATTEMPT_AT}
"""
"""Claims checks that are due, as ``settlement.queries.CLAIM`` claims requests. Uses processor_checks_by_due."""

_AGE = "TIMESTAMPDIFF(MICROSECOND, c.waits_since, UTC_TIMESTAMP(6))"
_SUCCEEDED = "LEFT JOIN {refunds} r ON r.payment_id = c.payment_id AND r.status = 1"
_HAS_PENDING_REQUESTS = "EXISTS (SELECT 1 FROM processor_requests q WHERE q.payment_id = c.payment_id)"

SELECT_CHECKS = f"""
    SELECT {PAYMENT}, c.hints, {_AGE}, 0, {_HAS_PENDING_REQUESTS}, {REFUND_OR_NULL}
    FROM processor_checks c JOIN payments p ON p.payment_id = c.payment_id {_SUCCEEDED.format(refunds="refunds")}
    WHERE c.claimed_by = %s
    UNION ALL
    SELECT {PAYMENT}, c.hints, {_AGE}, 1, 0, {REFUND_OR_NULL}
    FROM processor_checks c JOIN payments_archive p ON p.payment_id = c.payment_id
    {_SUCCEEDED.format(refunds="refunds_archive")}
    WHERE c.claimed_by = %s AND NOT EXISTS (SELECT 1 FROM payments q WHERE q.payment_id = c.payment_id)
"""
"""Returns the checks that one round claimed, with a row for each succeeded refund, or one row if there is none.

Uses processor_checks_by_claim, then the primary keys, processor_requests_by_payment, and refunds_by_payment or
refunds_archive_by_payment.
"""

POSTPONE_CHECK = "UPDATE processor_checks SET waits_since = NULL WHERE payment_id = %s AND hints = %s"
"""Keeps a check until it is claimed again, unless there was another hint. Uses the primary key."""

FINISH_CHECK = "DELETE FROM processor_checks WHERE payment_id = %s AND hints = %s"
"""Removes a check, unless there was another hint. Uses the primary key."""

KEEP_DISPUTED_CHECK = """
    UPDATE processor_checks
    SET is_disputed = 1, attempts = 0, waits_since = NULL, due_at = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND
    WHERE payment_id = %s AND hints = %s
"""
"""Keeps the check of a payment with an open dispute, unless there was another hint. Uses the primary key."""

SET_DISPUTE = f"""
    {BEGIN};

    INSERT INTO payment_outbox (changes)
    SELECT JSON_ARRAY(JSON_ARRAY(%s, NULL, p.payment_id, NULL, CAST(p.refunded_amount AS CHAR), %s)) FROM payments p
    WHERE p.payment_id = %s AND p.dispute <=> %s AND p.dispute_status <=> %s FOR UPDATE;

    SET @outbox_id = {INSERTED_ID};

    UPDATE payments p JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET p.dispute_status = %s, p.dispute = %s WHERE p.payment_id = %s;

    INSERT INTO late_outcomes (kind, payment_id, found_at)
    SELECT %s, %s, %s FROM payment_outbox o WHERE o.outbox_id = (SELECT @outbox_id);

    {COMMIT};

    SELECT @outbox_id IS NOT NULL AND p.dispute = %s AND p.dispute_status = %s FROM payments p WHERE p.payment_id = %s
"""
"""Stores a dispute, unless the payment has another one by now.

The last result is whether it was stored. Uses the primary keys.
"""

FAIL_REFUND = f"""
    {BEGIN};

    SELECT payment_id FROM payments WHERE payment_id = %s FOR UPDATE;

    INSERT INTO payment_outbox (changes)
    SELECT JSON_ARRAY(JSON_ARRAY('REFUND_FAILED', NULL, p.payment_id, r.refund_id,
        CAST(p.refunded_amount - r.amount AS CHAR), %s))
    FROM payments p JOIN refunds r ON r.payment_id = p.payment_id
    WHERE p.payment_id = %s AND r.refund_id = %s AND r.status = 1 AND r.amount = %s
        AND COALESCE(r.processor_reference, '') = %s
    FOR UPDATE;

    SET @outbox_id = {INSERTED_ID};

    UPDATE refunds r JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET r.status = 0, r.failure = %s, r.failure_code = %s
    WHERE r.refund_id = %s AND r.status = 1;

    UPDATE payments p JOIN refunds r ON r.payment_id = p.payment_id
    JOIN payment_outbox o ON o.outbox_id = (SELECT @outbox_id)
    SET p.refunded = 0, p.refunded_amount = p.refunded_amount - r.amount
    WHERE p.payment_id = %s AND r.refund_id = %s AND r.status = 0;

    INSERT INTO late_outcomes (kind, payment_id, refund_id, found_at)
    SELECT 'REFUND_FAILED', %s, %s, %s FROM payment_outbox o WHERE o.outbox_id = (SELECT @outbox_id);

    {COMMIT};

    SELECT r.status, r.amount = %s, COALESCE(r.processor_reference, '') = %s, @outbox_id IS NOT NULL FROM refunds r
    WHERE r.payment_id = %s AND r.refund_id = %s
"""
"""Stores that a refund failed after it had succeeded, as SETTLE_REFUND stores that a pending one failed.

The last result is the status of the refund, whether it has this amount and this id at the processor, and whether this
script changed it. Uses the primary keys.
"""

TAKE_POLL = """
    UPDATE processor_polls SET claimed_by = %s, due_at = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND
    WHERE poll_id = 1 AND due_at <= UTC_TIMESTAMP(6);

    SELECT last_event_id FROM processor_polls WHERE poll_id = 1 AND claimed_by = %s
"""
"""Claims the next reading of the processor's events, for one replica, if it is due. Uses the primary key."""

SET_LAST_EVENT = "UPDATE processor_polls SET last_event_id = %s WHERE poll_id = 1"
"""Uses the primary key."""

STATEMENTS = (
    FIND_PAYMENT,
    ADD_CHECK,
    REQUEST_CHECK,
    COUNT_CHECKS,
    CLAIM_CHECKS,
    SELECT_CHECKS,
    POSTPONE_CHECK,
    FINISH_CHECK,
    KEEP_DISPUTED_CHECK,
    SET_DISPUTE,
    FAIL_REFUND,
    TAKE_POLL,
    SET_LAST_EVENT,
)
"""All statements of this module: see ``storage.statements``."""
