-- The table of the legacy service, as that service created it, except for the collation. An existing table is adopted
-- with its rows: this statement leaves it as it is, and the next ones change it.
-- AUTO_ID_CACHE is for TiDB, and a comment elsewhere: ids increase across its servers, as they do in other databases.
CREATE TABLE IF NOT EXISTS payments (
    payment_id INT AUTO_INCREMENT PRIMARY KEY,
    order_id INT NOT NULL,
    amount DECIMAL(10, 2),
    method VARCHAR(255) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NOT NULL,
    status BOOLEAN,
    reference VARCHAR(100) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ UNIQUE,
    created_at TIMESTAMP NULL,
    refunded BOOLEAN NOT NULL DEFAULT 0
) /*T![auto_id_cache] AUTO_ID_CACHE = 1 */;
