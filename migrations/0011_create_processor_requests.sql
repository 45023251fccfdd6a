-- What a remote processor is asked, or is to be, and has not told the outcome of: a row for each payment and refund that
-- is PENDING, written in the transaction that reserves it and deleted in the one that settles it.
-- kind: charge or refund. due_at: when the janitor next asks about it, UTC. claimed_by: the round of the janitor that
-- asked last. attempts: how often it did.
CREATE TABLE IF NOT EXISTS processor_requests (
    processor_request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_id BIGINT NOT NULL,
    refund_id BIGINT NULL,
    attempts INT NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    due_at DATETIME(6) NOT NULL,
    claimed_by CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    KEY processor_requests_by_due (due_at),
    KEY processor_requests_by_payment (payment_id, refund_id),
    KEY processor_requests_by_claim (claimed_by)
) ENGINE = InnoDB;
