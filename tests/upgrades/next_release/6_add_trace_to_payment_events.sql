ALTER TABLE payment_events
    ADD COLUMN trace_id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ALGORITHM = INSTANT;
