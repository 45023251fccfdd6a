-- One row for each refund. status: NULL is PENDING, 1 SUCCEEDED, 0 FAILED, as in payments.
-- requested_amount is the amount in the request; NULL requested all that remained.
CREATE TABLE IF NOT EXISTS refunds (
    refund_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    amount DECIMAL(10, 2) NOT NULL,
    requested_amount DECIMAL(10, 2) NULL,
    status BOOLEAN NULL,
    reason VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    caller VARBINARY(255) NOT NULL,
    request_id VARBINARY(255) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    UNIQUE KEY refunds_by_request (caller, request_id),
    KEY refunds_by_payment (payment_id, refund_id),
    CONSTRAINT refunds_payment FOREIGN KEY (payment_id) REFERENCES payments (payment_id),
    CONSTRAINT refunds_amount CHECK (amount > 0)
) ENGINE = InnoDB /*T![auto_id_cache] AUTO_ID_CACHE = 1 */;
