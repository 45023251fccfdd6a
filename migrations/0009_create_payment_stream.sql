-- The state of the event stream, in one row: the sequence of the last event, and the lease of the relay that may add the
-- next one. lease_number grows with each lease (a fencing number); the lease ends at leased_until, in UTC.
CREATE TABLE IF NOT EXISTS payment_stream (
    stream_id TINYINT NOT NULL PRIMARY KEY,
    last_sequence BIGINT NOT NULL,
    lease_number BIGINT NOT NULL DEFAULT 0,
    leased_until DATETIME(6) NULL
) ENGINE = InnoDB;
