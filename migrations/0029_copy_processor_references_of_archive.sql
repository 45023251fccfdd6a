-- As in payments.
UPDATE payments_archive p JOIN processor_payments n ON n.payment_id = p.payment_id
SET p.processor_reference = n.processor_id
WHERE p.payment_id BETWEEN ${first_id} AND ${last_id} AND p.processor_reference IS NULL;
