"""The beginning and end of a transaction of several statements in one message."""

AUTOCOMMIT_ON = "SET autocommit = 1"

BEGIN = "SET autocommit = 0; DO LAST_INSERT_ID(0)"
"""Begins a transaction whose statements go to the database in one message, so that no lock waits for the network.

On Galera, a commit on another node may abort the transaction between two statements. MariaDB then reports nothing, and
runs the remaining statements: each in autocommit after START TRANSACTION, or in a new transaction with autocommit off.
So autocommit is off, and each statement depends on a row that an earlier one inserted, under an id that no other
transaction has. An abort removes that row, and so the statements that follow have no effect. The answer is read after
the commit. LAST_INSERT_ID() is 0 until the transaction has inserted such a row.
"""

COMMIT = f"COMMIT; {AUTOCOMMIT_ON}"
