-- Methods and references that differ only in trailing spaces are different. This changes only databases to which 0002
-- was applied before it had a collation that does not pad.
ALTER TABLE payments
    MODIFY method VARCHAR(255) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NOT NULL,
    MODIFY reference VARCHAR(100) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL;
