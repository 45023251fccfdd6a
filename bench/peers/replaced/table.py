"""The replaced service's table, as it made it."""

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
"""The NULL of created_at stands for what older servers would not take for granted."""
