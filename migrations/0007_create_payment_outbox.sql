-- The changes of committed transactions that are not in the event stream yet: each transaction that changes payments
-- inserts a row. The relay (server/application/relay.py) converts the changes to events, and deletes the row.
-- changes: JSON, a list of [kind, reference, payment_id, refund_id, refunded_amount, occurred_at].
-- The sessions that insert rows are in UTC.
CREATE TABLE IF NOT EXISTS payment_outbox (
    outbox_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    changes LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB /*T![auto_id_cache] AUTO_ID_CACHE = 1 */;
