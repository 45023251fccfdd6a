ALTER TABLE refunds ADD KEY refunds_by_time (created_at, refund_id);
