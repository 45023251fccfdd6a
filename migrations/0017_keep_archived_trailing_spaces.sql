-- Likewise in the archive, so that all payments can be moved there.
ALTER TABLE payments_archive
    MODIFY method VARCHAR(255) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NOT NULL,
    MODIFY reference VARCHAR(100) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL;
