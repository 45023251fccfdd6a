-- What was committed and is in no place of the stream yet: a row for what one transaction changed, written in it. The
-- relay (server/storage/relay.py) turns each into events, and deletes it.
-- changes: JSON, a list of [kind, reference, payment_id, refund_id, refunded_amount, occurred_at].
CREATE TABLE IF NOT EXISTS payment_outbox (
    outbox_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    changes LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB;

-- What happened to payments, in the order of the stream; rows are added and never changed. Who asked for it, and with
-- which request_id, is in the rows of payments and refunds, where neither ever changes. refunded_amount is that of the
-- payment, as this left it.
CREATE TABLE IF NOT EXISTS payment_events (
    sequence BIGINT NOT NULL PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    refund_id BIGINT NULL,
    kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    refunded_amount DECIMAL(10, 2) NOT NULL,
    occurred_at DATETIME(6) NULL,
    KEY payment_events_by_payment (payment_id, sequence)
) ENGINE = InnoDB;

-- Where the stream is: one row. Whoever relays holds its lock, so that one does at a time.
CREATE TABLE IF NOT EXISTS payment_stream (
    stream_id TINYINT NOT NULL PRIMARY KEY,
    last_sequence BIGINT NOT NULL
) ENGINE = InnoDB;

INSERT INTO payment_stream (stream_id, last_sequence) VALUES (1, 0)
ON DUPLICATE KEY UPDATE last_sequence = last_sequence;
