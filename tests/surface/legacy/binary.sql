-- A table of an older server: MyISAM, a time that defaults to now, methods in Latin-1, and references compared byte for
-- byte, some of which differ only in trailing spaces, letter case or accents.
SET time_zone = '+00:00', sql_mode = '';

CREATE TABLE payments (
    payment_id INT AUTO_INCREMENT PRIMARY KEY,
    order_id INT NOT NULL,
    amount DECIMAL(10, 2),
    method VARCHAR(255) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL,
    status BOOLEAN,
    reference VARCHAR(100) CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ UNIQUE,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    refunded BOOLEAN NOT NULL DEFAULT 0
) ENGINE = MyISAM DEFAULT CHARSET = utf8mb4;

INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded) VALUES
    (1, 1, 10.00, 'UPI', 1, 'R-1', '2025-02-07 05:28:54', 0),
    (2, 1, 10.00, 'UPI ', 1, 'R-1 ', '2025-02-07 05:28:54', 0),
    (3, 1, 10.00, 'upi', 1, 'r-1', '2025-02-07 05:28:54', 1),
    (4, 1, 10.00, 'Überweisung', 0, 'Ř-1', '2025-02-07 05:28:54', 0),
    (5, 1, 10.00, 'Uberweisung', 3, '', '0000-00-00 00:00:00', 0),
    (6, 1, 10.00, 'café', NULL, ' ', '2025-02-07 05:28:54', 0),
    (7, 1, NULL, '', NULL, NULL, '2038-01-19 03:14:07', 0),
    (8, 1, 10.00, '€', 1, 'R-1\0', '2025-02-07 05:28:54', 0);
