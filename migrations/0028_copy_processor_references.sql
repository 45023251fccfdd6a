-- The identifiers at the processor that earlier releases stored only in processor_payments. Runs in ranges of IDs.
UPDATE payments p JOIN processor_payments n ON n.payment_id = p.payment_id
SET p.processor_reference = n.processor_id
WHERE p.payment_id BETWEEN ${first_id} AND ${last_id} AND p.processor_reference IS NULL;
