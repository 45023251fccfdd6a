-- Two things that servers which are not strict once let in. A time of 0000-00-00 is no time: NULL, like that of other
-- rows that have none. A status is NULL, 0 or 1; any other number was shown as true, which is 1.
UPDATE payments
SET
    created_at = IF(created_at = '0000-00-00 00:00:00', NULL, created_at),
    status = IF(status IS NULL, NULL, status <> 0)
WHERE created_at = '0000-00-00 00:00:00' OR status NOT IN (0, 1);
