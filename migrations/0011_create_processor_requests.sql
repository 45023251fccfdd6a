-- The requests to a remote processor whose outcome is not known yet: a row for each payment and refund that is PENDING,
-- inserted by the transaction that reserves it, and deleted by the one that stores its outcome.
-- kind: charge or refund. due_at: when the reconciler asks about it next, in UTC. claimed_by: the round of the reconciler
-- that asked last. attempts: how many rounds have asked. The sessions that insert rows are in UTC.
CREATE TABLE IF NOT EXISTS processor_requests (
    processor_request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_id BIGINT NOT NULL,
    refund_id BIGINT NULL,
    attempts INT NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    due_at DATETIME(6) NOT NULL,
    claimed_by CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    KEY processor_requests_by_due (due_at),
    KEY processor_requests_by_payment (payment_id, refund_id),
    KEY processor_requests_by_claim (claimed_by)
) ENGINE = InnoDB /*T![auto_id_cache] AUTO_ID_CACHE = 1 */;
