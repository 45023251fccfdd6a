CREATE TABLE IF NOT EXISTS disputes (
    dispute_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    KEY disputes_by_payment (payment_id)
) ENGINE = InnoDB;
