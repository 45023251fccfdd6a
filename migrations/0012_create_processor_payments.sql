-- The IDs that a remote processor gave to the payments that it charged, which refunds need. Inserted with the outcome.
CREATE TABLE IF NOT EXISTS processor_payments (
    payment_id BIGINT NOT NULL PRIMARY KEY,
    processor_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
) ENGINE = InnoDB;
