"""Locks that tools hold in the database, by name, so that one does not get in the way of another."""

import hashlib

_MAX_LENGTH = 64
"""Of a lock's name (dev.mysql.com/doc/refman/8.0/en/locking-functions.html)."""

BACKUP_LOCK = "backup"
"""Held, with others, for as long as a backup reads tables."""


def lock_name(purpose: str, database: str) -> str:
    """Return the name of the lock for a purpose in one database: locks are the whole server's."""
    name = f"{purpose} {database}"
    if len(name) > _MAX_LENGTH:
        name = f"{purpose} {hashlib.sha256(database.encode()).hexdigest()[:32]}"
    return name
