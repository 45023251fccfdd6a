-- The indexes of lists by caller, by the caller's own names, and by the identifier at the processor. Writes continue
-- meanwhile.
ALTER TABLE payments
    ADD KEY payments_by_caller (caller, created_at, payment_id),
    ADD KEY payments_by_external_reference (external_reference, created_at, payment_id),
    ADD KEY payments_by_customer (customer_id, created_at, payment_id),
    ADD KEY payments_by_processor_reference (processor_reference, created_at, payment_id);
