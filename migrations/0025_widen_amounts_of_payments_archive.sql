-- As in payments.
ALTER TABLE payments_archive
    MODIFY amount DECIMAL(19, 4) NULL,
    MODIFY refunded_amount DECIMAL(19, 4) NOT NULL;
