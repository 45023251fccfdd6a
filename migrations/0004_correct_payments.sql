-- Corrections of adopted rows. A time of 0000-00-00 and a reference of no characters become NULL, as in other rows that
-- have none. A status is NULL, 0 or 1; the legacy service showed any other number as true, which is 1.
UPDATE payments
SET
    created_at = IF(created_at = '0000-00-00 00:00:00', NULL, created_at),
    status = IF(status IS NULL, NULL, status <> 0),
    reference = IF(reference = '', NULL, reference)
WHERE created_at = '0000-00-00 00:00:00' OR status NOT IN (0, 1) OR reference = '';
