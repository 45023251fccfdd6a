-- Columns that the releases before this one do not write.
ALTER TABLE payments
    ADD COLUMN risk_score INT NOT NULL DEFAULT 0,
    ADD COLUMN risk_reason VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    ALGORITHM = INSTANT;
