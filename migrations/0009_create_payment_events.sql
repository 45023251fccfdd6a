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
