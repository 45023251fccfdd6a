"""Locks by which tools keep out of each other's way: held by one, and free as soon as it is done."""

from tests.support.databases import DatabaseServer
from tools.database.locks import lock_if_free, lock_name


def test_a_lock_is_free_as_soon_as_its_context_ends_though_the_connection_is_open(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database = migrated_database["MYSQL_DB"]
    name = lock_name("archive", database)
    with database_server.connection(database) as one, database_server.connection(database) as other:
        with lock_if_free(one, name) as is_taken, lock_if_free(other, name) as is_taken_too:
            assert (is_taken, is_taken_too) == (True, False)
        with lock_if_free(other, name) as is_taken:
            assert is_taken


def test_a_connection_that_breaks_while_it_has_a_lock_ends_without_another_error(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database = migrated_database["MYSQL_DB"]
    with (
        database_server.connection(database) as connection,
        lock_if_free(connection, "any") as is_taken,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT CONNECTION_ID()")
        database_server.execute(f"KILL CONNECTION {cursor.fetchall()[0][0]}")
    assert is_taken
