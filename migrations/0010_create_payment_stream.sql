-- How far the stream of events is: one row. Whoever relays holds its lock, so that one does at a time.
CREATE TABLE IF NOT EXISTS payment_stream (
    stream_id TINYINT NOT NULL PRIMARY KEY,
    last_sequence BIGINT NOT NULL
) ENGINE = InnoDB
SELECT 1 AS stream_id, 0 AS last_sequence;
