-- A reference of no characters is no reference: NULL, like that of other rows that have none. A charge never has one,
-- and a file of payments cannot tell the two apart.
-- earlier checksum: c1ff7dd04760578ab6586d6e0b1e88378af184729ad67758c155e11c31a80996
UPDATE payments
SET reference = NULL
WHERE reference = '';
