-- The refunds of archived payments, with the columns of the live table.
CREATE TABLE IF NOT EXISTS refunds_archive (
    refund_id BIGINT NOT NULL PRIMARY KEY,
    payment_id BIGINT NOT NULL,
    amount DECIMAL(10, 2) NOT NULL,
    requested_amount DECIMAL(10, 2) NULL,
    status BOOLEAN NULL,
    reason VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    caller VARBINARY(255) NOT NULL,
    request_id VARBINARY(255) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    archived_at DATETIME(6) NOT NULL,
    UNIQUE KEY refunds_archive_by_request (caller, request_id),
    KEY refunds_archive_by_payment (payment_id, refund_id)
) ENGINE = InnoDB;
