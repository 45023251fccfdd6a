-- A time of 0000-00-00, which servers that are not strict once let in, is no time: NULL, like that of other rows that
-- have none. payments_by_time finds them.
UPDATE payments SET created_at = NULL WHERE created_at = '0000-00-00 00:00:00';
