-- The oldest events, which `payments archive` moved out of the stream: it begins after the last of them.
CREATE TABLE IF NOT EXISTS payment_events_archive (
    sequence BIGINT NOT NULL PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    refund_id BIGINT NULL,
    kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    refunded_amount DECIMAL(10, 2) NOT NULL,
    occurred_at DATETIME(6) NULL,
    KEY payment_events_archive_by_payment (payment_id, sequence)
) ENGINE = InnoDB;
