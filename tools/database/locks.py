"""Locks that tools hold in the database, by name, so that one does not get in the way of another."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql

from tools.database.connection import DatabaseConnection

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


@contextmanager
def lock_if_free(connection: DatabaseConnection, name: str) -> Iterator[bool]:
    """Take the lock of this name for as long as the context lasts, unless another has it; say whether it was taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (name,))
        is_taken = cursor.fetchall() == ((1,),)
    try:
        yield is_taken
    finally:
        release(connection, name)


def release(connection: DatabaseConnection, name: str) -> None:
    """Let go of a lock at once: the database may notice only after a while that a connection is closed."""
    # A connection that broke has let go of it.
    with suppress(pymysql.err.MySQLError), connection.cursor() as cursor:
        cursor.execute("DO RELEASE_LOCK(%s)", (name,))
