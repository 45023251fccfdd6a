-- What changed after a payment or refund had its outcome, for `payments doctor`.
-- kind: that of the event: DISPUTE_OPENED, DISPUTE_WON, DISPUTE_LOST or REFUND_FAILED. found_at: when the service learned
-- of it, in UTC.
CREATE TABLE IF NOT EXISTS late_outcomes (
    late_outcome_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_id BIGINT NOT NULL,
    refund_id BIGINT NULL,
    found_at DATETIME(6) NOT NULL,
    KEY late_outcomes_by_time (found_at)
) ENGINE = InnoDB /*T![auto_id_cache] AUTO_ID_CACHE = 1 */;
