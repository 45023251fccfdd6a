"""Named locks: one session holds a lock, which is free as soon as the session releases it."""

from tests.support.databases import DatabaseServer
from tools.database.locks import lock_if_free, lock_name


def test_a_lock_is_free_when_its_context_ends_even_if_the_connection_is_open(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database = migrated_database["MYSQL_DB"]
    name = lock_name("archive", database)
    with database_server.connection(database) as one, database_server.connection(database) as other:
        with lock_if_free(one, name) as is_acquired, lock_if_free(other, name) as is_also_acquired:
            assert (is_acquired, is_also_acquired) == (True, False)
        with lock_if_free(other, name) as is_acquired:
            assert is_acquired


def test_losing_the_connection_while_holding_a_lock_is_not_an_error(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database = migrated_database["MYSQL_DB"]
    with (
        database_server.connection(database) as connection,
        lock_if_free(connection, "any") as is_acquired,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT CONNECTION_ID()")
        database_server.execute(f"KILL CONNECTION {cursor.fetchall()[0][0]}")
    assert is_acquired
