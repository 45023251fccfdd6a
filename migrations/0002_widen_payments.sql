-- IDs of 64 bits, times to the microsecond and beyond 2038, text compared byte for byte, and the columns that the legacy
-- table lacks. One ALTER, so that the table is rebuilt once, and a failure changes nothing. Writes wait meanwhile, and so
-- the indexes follow in a statement of their own.
--
-- created_at is in UTC: the session of the runner is, and so TIMESTAMP values convert to UTC. The legacy service writes
-- none of the new columns: each has a default. An adopted row has no caller and no request_id.
-- Methods and references that differ only in trailing spaces are different, as in MySQL's default collations, so the
-- collation does not pad. MariaDB reads the first of its names; MySQL and TiDB read the second.
-- ${default_currency} is the DEFAULT_CURRENCY of the deployment, the currency of adopted rows.
ALTER TABLE payments
    ENGINE = InnoDB,
    MODIFY payment_id BIGINT NOT NULL AUTO_INCREMENT,
    MODIFY order_id BIGINT NOT NULL,
    MODIFY method VARCHAR(255) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NOT NULL,
    MODIFY reference VARCHAR(100) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL,
    MODIFY created_at DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6),
    ADD COLUMN currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '${default_currency}',
    ADD COLUMN refunded_amount DECIMAL(10, 2) NOT NULL DEFAULT 0,
    ADD COLUMN requested_method VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN caller VARBINARY(255) NULL,
    ADD COLUMN request_id VARBINARY(255) NULL,
    ADD CONSTRAINT payments_refunded_amount
        CHECK (refunded_amount = 0 OR (refunded_amount > 0 AND refunded_amount <= amount));
