-- The key of requests, and the indexes of lists. Writes continue meanwhile.
-- payments_by_method and payments_by_status each end with the other's column, so that the exact total of a /v1 list with
-- both filters is counted without reading rows.
ALTER TABLE payments
    ADD UNIQUE KEY payments_by_request (caller, request_id),
    ADD KEY payments_by_time (created_at, payment_id),
    ADD KEY payments_by_order (order_id, created_at, payment_id),
    ADD KEY payments_by_method (method, created_at, payment_id, status),
    ADD KEY payments_by_status (status, created_at, payment_id, method);
