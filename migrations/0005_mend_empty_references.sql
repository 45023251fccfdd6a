-- A reference of nothing, or of spaces alone, is no reference: NULL, like that of other rows that have none. A charge
-- never has one, and a file of payments cannot tell the two apart.
UPDATE payments
SET reference = NULL
WHERE reference = '';
