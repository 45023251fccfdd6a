-- The orders that a charge with unless_pending is being made for. The transaction of the charge inserts the row, which
-- makes the other charges of the order wait, and deletes it, so the table is empty between transactions.
-- GET_LOCK would not work on Galera. order_key: order:ID, or reference: and the external reference.
CREATE TABLE IF NOT EXISTS order_locks (
    order_key VARBINARY(450) NOT NULL PRIMARY KEY
) ENGINE = InnoDB;
