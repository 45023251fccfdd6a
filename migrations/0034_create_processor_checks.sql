-- The settled payments that the service reads again at the processor, because it has hinted at a change, or because a
-- dispute about them is open.
-- hints: how many hints there were, so that one that arrives during a check is not lost. attempts: how many checks have
-- begun since the last one that succeeded. due_at: when the payment is checked next, in UTC. claimed_by: the round that
-- checks it. is_disputed: whether a dispute was open when it was checked last. created_at: the first hint, in UTC.
-- waits_since: the first hint, or the first attempt, since the last check that succeeded, in UTC; NULL without any.
CREATE TABLE IF NOT EXISTS processor_checks (
    payment_id BIGINT NOT NULL PRIMARY KEY,
    hints BIGINT NOT NULL DEFAULT 1,
    attempts INT NOT NULL DEFAULT 0,
    is_disputed TINYINT(1) NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    waits_since DATETIME(6) NULL,
    due_at DATETIME(6) NOT NULL,
    claimed_by CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    KEY processor_checks_by_due (due_at),
    KEY processor_checks_by_claim (claimed_by)
) ENGINE = InnoDB;
