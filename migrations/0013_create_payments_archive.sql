-- Payments that `payments archive` moved out of the live table (docs/operations/retention.md), with its columns. A charge
-- whose request key is here is not made again. If a payment is in both tables, only the live row counts.
CREATE TABLE IF NOT EXISTS payments_archive (
    payment_id BIGINT NOT NULL PRIMARY KEY,
    order_id BIGINT NOT NULL,
    amount DECIMAL(10, 2) NULL,
    method VARCHAR(255) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NOT NULL,
    status BOOLEAN NULL,
    reference VARCHAR(100) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL,
    created_at DATETIME(6) NULL,
    refunded BOOLEAN NOT NULL,
    currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    refunded_amount DECIMAL(10, 2) NOT NULL,
    requested_method VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    caller VARBINARY(255) NULL,
    request_id VARBINARY(255) NULL,
    archived_at DATETIME(6) NOT NULL,
    UNIQUE KEY payments_archive_by_request (caller, request_id),
    UNIQUE KEY payments_archive_by_reference (reference)
) ENGINE = InnoDB;
