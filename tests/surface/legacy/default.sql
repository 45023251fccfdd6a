-- The table as the legacy service created it, in the default collation of the database, and rows that it may hold:
-- trailing spaces, letter case, accents, control characters, zero dates, any status, and the limits of each column.
SET time_zone = '+00:00', sql_mode = '';

CREATE TABLE payments (
    payment_id INT AUTO_INCREMENT PRIMARY KEY,
    order_id INT NOT NULL,
    amount DECIMAL(10, 2),
    method VARCHAR(255) NOT NULL,
    status BOOLEAN,
    reference VARCHAR(100) UNIQUE,
    created_at TIMESTAMP NULL,
    refunded BOOLEAN NOT NULL DEFAULT 0
);

INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded) VALUES
    (1, 355, 1757.91, 'UPI', 0, 'ECI20250910-ID9VVN', '2025-02-07 05:28:54', 0),
    (2, 342, 561.00, 'CARD', 1, 'ECI20250910-1A2B3C4D', '2025-09-10 23:59:59', 1),
    (3, -1, NULL, '', NULL, NULL, NULL, 0),
    (4, 0, -5.00, 'net banking ', 1, 'eci20250910-id9vvx ', '1970-01-01 00:00:01', 0),
    (5, 2147483647, 99999999.99, 'Überweisung ₹ 💳', 1, ' R-5', '2038-01-19 03:14:07', 1),
    (6, 6, 10.00, 'upi ', 2, '', '0000-00-00 00:00:00', 0),
    (7, 7, 0.00, 'UPI\t', NULL, 'Résumé-7', '2024-02-29 00:00:00', 1),
    (8, 8, 1.01, 'Upi', -1, NULL, '0000-00-00 00:00:00', 2),
    (-9, 9, 1.00, 'COD', 0, 'R-9\n', '2025-02-07 05:28:54', 0),
    (2147483000, 10, 0.01, 'COD', 1, 'ECI-''"\\`%s;--', '2025-02-07 05:28:54', 0);
