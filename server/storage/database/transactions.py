"""How a transaction of several statements begins and ends, in one message to the database."""

AUTOCOMMIT_ON = "SET autocommit = 1"

BEGIN = "SET autocommit = 0; DO LAST_INSERT_ID(0)"
"""Begins a transaction of several statements that go to the database in one message, so that none of its locks waits
for the network.

On Galera, a commit on another node may abort the transaction between two statements. MariaDB then reports nothing, and
runs the remaining ones: after START TRANSACTION each in autocommit, with autocommit off in a new transaction. So
autocommit is off, and each statement depends on a row that an earlier one has inserted, under an id that no other
transaction has: an abort takes that row away, and with it the effect of all that follows. What the answer says is read
after the commit. LAST_INSERT_ID() is 0 until the transaction has inserted such a row.
"""

COMMIT = f"COMMIT; {AUTOCOMMIT_ON}"
