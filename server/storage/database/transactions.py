"""The beginning and the end of a transaction whose statements are sent in one message."""

AUTOCOMMIT_ON = "SET autocommit = 1"

BEGIN = "SET autocommit = 0; DO LAST_INSERT_ID(0)"
"""Begins a transaction whose statements are sent in one message, so that no lock is held during a round trip.

On Galera, a commit on another node may abort the transaction between two statements. MariaDB then reports no error and
executes the remaining statements: with autocommit if the transaction began with START TRANSACTION, or in a new
transaction if autocommit is off. Therefore autocommit is off, and each statement depends on a row that an earlier one
inserted, under an id that no other transaction has. An abort removes that row, so the statements that follow have no
effect. The result is read after the commit. LAST_INSERT_ID() is 0 until the transaction has inserted such a row.
"""

INSERTED_ID = "IF(ROW_COUNT() = 0, NULL, NULLIF(LAST_INSERT_ID(), 0))"
"""The id of the first row that the previous statement, an INSERT, has inserted, or NULL if it inserted none.

TiDB keeps the id of an earlier INSERT, even after DO LAST_INSERT_ID(0), so the row count decides. If the client is
gone, the result of the INSERT cannot be sent, and the row count is -1. MySQL and MariaDB then continue the script, so
LAST_INSERT_ID() decides. TiDB ends the script.

Scripts keep the id in a user variable, and compare it as ``(SELECT @id)``, because TiDB uses no index for ``= @id``.
"""

COMMIT = f"COMMIT; {AUTOCOMMIT_ON}"

ROLL_BACK = f"ROLLBACK; {AUTOCOMMIT_ON}"
"""Rolls back first, because enabling autocommit commits an open transaction."""
