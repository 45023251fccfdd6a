-- What was committed and has no place in the stream of events yet: a row for what one transaction changed, written in
-- it. The relay (server/storage/relay.py) makes events of each, and deletes it.
-- changes: JSON, a list of [kind, reference, payment_id, refund_id, refunded_amount, occurred_at].
CREATE TABLE IF NOT EXISTS payment_outbox (
    outbox_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    changes LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB;
