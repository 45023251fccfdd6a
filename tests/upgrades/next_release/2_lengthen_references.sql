ALTER TABLE payments
    MODIFY reference VARCHAR(120) COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL,
    ALGORITHM = INPLACE, LOCK = NONE;
