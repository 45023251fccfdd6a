"""Named locks in the database, so that tools do not interfere with one another."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql

from tools.database.connection import DatabaseConnection

_MAX_LENGTH = 64
"""The maximum length of a lock name, in characters (dev.mysql.com/doc/refman/8.0/en/locking-functions.html)."""

BACKUP_LOCK = "backup"
"""Held while a backup reads the tables."""


def lock_name(purpose: str, database: str) -> str:
    """Return the name of a lock for one database, because all databases on a server share lock names."""
    name = f"{purpose} {database}"
    if len(name) > _MAX_LENGTH:
        name = f"{purpose} {hashlib.sha256(database.encode()).hexdigest()[:32]}"
    return name


@contextmanager
def lock_if_free(connection: DatabaseConnection, name: str) -> Iterator[bool]:
    """Hold a lock until the context ends, unless another session holds it; yield whether it was acquired."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (name,))
        is_acquired = cursor.fetchall() == ((1,),)
    try:
        yield is_acquired
    finally:
        release(connection, name)


def release(connection: DatabaseConnection, name: str) -> None:
    """Release a lock immediately, because the database may notice a closed connection late."""
    # A lost connection has already released the lock.
    with suppress(pymysql.err.MySQLError), connection.cursor() as cursor:
        cursor.execute("DO RELEASE_LOCK(%s)", (name,))
