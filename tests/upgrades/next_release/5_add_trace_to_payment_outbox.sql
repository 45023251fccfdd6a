-- The relays of all replicas work on this table.
ALTER TABLE payment_outbox
    ADD COLUMN trace_id CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ALGORITHM = INSTANT;
