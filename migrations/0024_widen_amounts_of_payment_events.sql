-- As in payments.
ALTER TABLE payment_events
    MODIFY refunded_amount DECIMAL(19, 4) NOT NULL;
