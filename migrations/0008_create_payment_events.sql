-- The events of payments, in the order of the stream. Rows never change. The caller and the request_id of an event are in
-- its payment or refund, where neither ever changes. refunded_amount is that of the payment after the change.
CREATE TABLE IF NOT EXISTS payment_events (
    sequence BIGINT NOT NULL PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    refund_id BIGINT NULL,
    kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    refunded_amount DECIMAL(10, 2) NOT NULL,
    occurred_at DATETIME(6) NULL,
    KEY payment_events_by_payment (payment_id, sequence)
) ENGINE = InnoDB;
