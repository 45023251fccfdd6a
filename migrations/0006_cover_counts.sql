-- The exact total that /v1 gives with a method and a status is counted in one index, without reading rows: each of the
-- two indexes gets the other's column, last, so that lists are read from it as before. Writes go on meanwhile.
ALTER TABLE payments
    DROP KEY payments_by_method,
    ADD KEY payments_by_method (method, created_at, payment_id, status),
    DROP KEY payments_by_status,
    ADD KEY payments_by_status (status, created_at, payment_id, method);
