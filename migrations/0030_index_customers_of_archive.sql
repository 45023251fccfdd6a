-- Finds a customer's archived payments, because `payments forget` erases them too.
ALTER TABLE payments_archive ADD KEY payments_archive_by_customer (customer_id, payment_id);
