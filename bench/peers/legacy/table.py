"""The table of the legacy service, as it created it."""

TABLE = """
CREATE TABLE payments (
    payment_id INT AUTO_INCREMENT PRIMARY KEY,
    order_id INT NOT NULL,
    amount DECIMAL(10,2),
    method VARCHAR(255) NOT NULL,
    status BOOLEAN,
    reference VARCHAR(100) UNIQUE,
    created_at TIMESTAMP NULL,
    refunded BOOLEAN NOT NULL DEFAULT 0
)
"""
"""created_at has an explicit NULL, because older servers would make a TIMESTAMP column NOT NULL by default."""
