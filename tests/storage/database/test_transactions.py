"""A script is one transaction, and never leaves a transaction open."""

import asyncio

import pymysql.err
import pytest

from server.domain.deadline import Deadline
from server.storage.database.pool import Database
from server.storage.database.session import DuplicateKey, Session
from server.storage.database.transactions import BEGIN, COMMIT
from server.storage.events import queries as event_queries
from server.storage.payments import archive_queries, insert_queries, queries
from server.storage.settlement import late_queries
from server.storage.settlement import queries as settlement_queries
from tests.support.databases import DatabaseServer, settings_of

WRITES = ("INSERT", "UPDATE", "DELETE")
SCRIPTS = {
    name: [statement.strip() for statement in text.split(";")]
    for module in (insert_queries, queries, archive_queries, event_queries, settlement_queries, late_queries)
    for name, text in vars(module).items()
    if name.isupper() and not name.startswith("_") and isinstance(text, str) and ";" in text
}
WITHOUT_TRANSACTION = {"REQUEST_CHECK", "TAKE_POLL"}
"""Their writes may be committed one by one: a hint is sent again unless all were, and TAKE_POLL has only one."""

TRANSACTIONS = {
    name: statements
    for name, statements in SCRIPTS.items()
    if any(statement.startswith(WRITES) for statement in statements) and name not in WITHOUT_TRANSACTION
}


def test_the_scripts_that_write_are_found() -> None:
    names = {"INSERT_PAYMENTS", "STORE_REFUND", "SETTLE_CHARGE", "MOVE", "DISCARD", "SET_DISPUTE", "FAIL_REFUND"}
    assert names <= TRANSACTIONS.keys()
    assert SCRIPTS.keys() >= WITHOUT_TRANSACTION


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_all_writes_of_a_script_are_between_its_begin_and_its_commit(name: str) -> None:
    statements = TRANSACTIONS[name]
    begin, commit = statements.index("SET autocommit = 0"), statements.index("COMMIT")
    assert statements[commit + 1] == "SET autocommit = 1"
    assert not any("START TRANSACTION" in statement for statement in statements)
    assert all(begin < index < commit for index, statement in enumerate(statements) if statement.startswith(WRITES)), (
        "a write outside the transaction would be committed on its own"
    )


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        ("INSERT INTO numbers VALUES (2)", DuplicateKey),
        ("INSERT INTO numbers VALUES (NULL)", pymysql.err.MySQLError),
        ("SELECT syntax error", pymysql.err.MySQLError),
    ],
)
def test_a_script_that_fails_midway_is_rolled_back_and_the_connection_commits_again(
    empty_database: dict[str, str], database_server: DatabaseServer, failing: str, error: type[Exception]
) -> None:
    name = empty_database["MYSQL_DB"]
    database_server.execute("CREATE TABLE numbers (number INT NOT NULL PRIMARY KEY)", database=name)
    database_server.execute("INSERT INTO numbers VALUES (2)", database=name)

    async def fail(session: Session) -> None:
        script = f"{BEGIN}; INSERT INTO numbers VALUES (1); {failing}; {COMMIT}"
        with pytest.raises(error):
            async with session.transaction():
                await session.script(script, ())
        assert await session.rows("SELECT @@autocommit", ()) == ((1,),)
        await session.script("INSERT INTO numbers VALUES (3)", ())

    async def run() -> None:
        database = Database(settings_of({**empty_database, "MYSQL_POOL_MIN": "1", "MYSQL_POOL_MAX": "1"}))
        try:
            await database.run(fail, Deadline())
        finally:
            await database.close(Deadline.after(10))

    asyncio.run(run())
    assert database_server.execute("SELECT number FROM numbers ORDER BY 1", database=name) == [(2,), (3,)]
