-- As in payments.
ALTER TABLE refunds_archive
    MODIFY amount DECIMAL(19, 4) NOT NULL,
    MODIFY requested_amount DECIMAL(19, 4) NULL;
