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

COMMIT = f"COMMIT; {AUTOCOMMIT_ON}"

ROLL_BACK = f"ROLLBACK; {AUTOCOMMIT_ON}"
"""Rolls back first, because enabling autocommit commits an open transaction."""
