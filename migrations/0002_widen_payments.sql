-- Ids of 64 bits, times to the microsecond and beyond 2038, text compared byte for byte, and what this service keeps of
-- a charge besides. One ALTER, so that the table is rebuilt once and a failure leaves it as it was.
--
-- created_at is UTC: the runner's session is, so that TIMESTAMP values convert to UTC. The replaced service may leave
-- out any of the new columns: each has a default. An adopted row has no caller and no request_id.
-- The collation of method and reference does not pad, because MySQL's default collations do not: an adopted table may
-- have references that differ only in trailing spaces. MariaDB reads the first of its names, and MySQL the second.
-- ${default_currency} is the deployment's DEFAULT_CURRENCY: the one that adopted rows, which name none, are in.
-- earlier checksum: c5e042cd78f43d62e056b5f2da0226453271ca6cb97bf80ca62993c87eb6da0b
ALTER TABLE payments
    ENGINE = InnoDB,
    MODIFY payment_id BIGINT NOT NULL AUTO_INCREMENT,
    MODIFY order_id BIGINT NOT NULL,
    MODIFY method VARCHAR(255) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NOT NULL,
    MODIFY reference VARCHAR(100) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL,
    MODIFY created_at DATETIME(6) NULL DEFAULT (UTC_TIMESTAMP(6)),
    ADD COLUMN currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '${default_currency}',
    ADD COLUMN refunded_amount DECIMAL(10, 2) NOT NULL DEFAULT 0,
    ADD COLUMN requested_method VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN caller VARBINARY(255) NULL,
    ADD COLUMN request_id VARBINARY(255) NULL,
    ADD UNIQUE KEY payments_by_request (caller, request_id),
    ADD KEY payments_by_time (created_at, payment_id),
    ADD KEY payments_by_order (order_id, created_at, payment_id),
    ADD KEY payments_by_method (method, created_at, payment_id),
    ADD KEY payments_by_status (status, created_at, payment_id),
    ADD CONSTRAINT payments_refunded_amount
        CHECK (refunded_amount = 0 OR (refunded_amount > 0 AND refunded_amount <= amount));
