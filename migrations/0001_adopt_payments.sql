-- The table of the service that this one replaces, as it made it. An existing one is adopted in place, with its rows.
CREATE TABLE IF NOT EXISTS payments (
    payment_id INT AUTO_INCREMENT PRIMARY KEY,
    order_id INT NOT NULL,
    amount DECIMAL(10, 2),
    method VARCHAR(255) NOT NULL,
    status BOOLEAN,
    reference VARCHAR(100) UNIQUE,
    created_at TIMESTAMP NULL,
    refunded BOOLEAN NOT NULL DEFAULT 0
);
