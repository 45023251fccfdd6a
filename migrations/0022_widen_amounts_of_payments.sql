-- Amounts of all currencies: up to 15 digits before the point, and 4 after it.
ALTER TABLE payments
    MODIFY amount DECIMAL(19, 4) NULL,
    MODIFY refunded_amount DECIMAL(19, 4) NOT NULL DEFAULT 0;
