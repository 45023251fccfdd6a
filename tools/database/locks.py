"""Named locks in the database, which keep tools from interfering with one another."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql

from tools.database.connection import DatabaseConnection

_MAX_LENGTH = 64
"""Of a lock's name (dev.mysql.com/doc/refman/8.0/en/locking-functions.html)."""

BACKUP_LOCK = "backup"
"""Held while a backup reads the tables."""


def lock_name(purpose: str, database: str) -> str:
    """Return the name of a lock for one database, because the names of locks are shared by the whole server."""
    name = f"{purpose} {database}"
    if len(name) > _MAX_LENGTH:
        name = f"{purpose} {hashlib.sha256(database.encode()).hexdigest()[:32]}"
    return name


@contextmanager
def lock_if_free(connection: DatabaseConnection, name: str) -> Iterator[bool]:
    """Hold a lock until the end of the context, unless another session has it; give whether it is held."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (name,))
        is_taken = cursor.fetchall() == ((1,),)
    try:
        yield is_taken
    finally:
        release(connection, name)


def release(connection: DatabaseConnection, name: str) -> None:
    """Release a lock at once, because the database may notice late that a connection is closed."""
    # A connection that broke has let go of it.
    with suppress(pymysql.err.MySQLError), connection.cursor() as cursor:
        cursor.execute("DO RELEASE_LOCK(%s)", (name,))
