"""``read_values`` and ``read_rows`` return the same values as the driver itself, for any number and length of them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import aiomysql
import pymysql
import pytest

from server.storage.database.fast_read import read_rows, read_values
from tests.support.databases import DatabaseServer

Connect = Callable[[], Awaitable[aiomysql.Connection]]


@pytest.fixture
def connect(migrated_database: dict[str, str], database_server: DatabaseServer) -> Connect:
    """Return a function that opens a connection with the options of the service."""
    return lambda: aiomysql.connect(
        **database_server.connect_kwargs, db=migrated_database["MYSQL_DB"], charset="utf8mb4", autocommit=True
    )


DIGITS = f"(SELECT {' AS digit UNION ALL SELECT '.join('0123456789')})"


def numbers(count: int, alias: str = "numbers") -> str:
    """Return a table expression with the numbers from 1 to ``count``, at most 100,000."""
    powers = [10**place for place in range(5)]
    number = " + ".join(f"{power} * d{power}.digit" for power in powers)
    digits = ", ".join(f"{DIGITS} d{power}" for power in powers)
    return f"(SELECT 1 + {number} AS number FROM {digits} WHERE {number} < {count}) {alias}"


def read(connect: Connect, *texts: str) -> tuple[list[list[bytes]], list[list[str]]]:
    """Execute each query on one connection with ``read_values`` and with the driver; return the values of both."""

    async def run() -> tuple[list[list[bytes]], list[list[str]]]:
        connection = await connect()
        try:
            ours, by_driver = [], []
            for text in texts:
                ours.append(await read_values(connection, text))
                async with connection.cursor() as cursor:
                    await cursor.execute(text)
                    by_driver.append([value for (value,) in await cursor.fetchall()])
            return ours, by_driver
        finally:
            connection.close()

    return asyncio.run(run())


@pytest.mark.parametrize("length", [0, 1, 250, 251, 252, 65_535, 65_536, 200_000, (1 << 24) - 16])
def test_values_of_any_length_are_read(connect: Connect, length: int) -> None:
    text = f"SELECT REPEAT('x', {length}) AS value UNION ALL SELECT 'after' ORDER BY value = 'after'"
    ((value, after),), ((by_driver, _),) = read(connect, text)
    assert (value, after) == (by_driver.encode(), b"after")
    assert len(value) == length


@pytest.mark.parametrize("count", [0, 1, 2, 251, 256, 1000, 30_000])
def test_any_number_of_values_is_read(connect: Connect, count: int) -> None:
    text = f"SELECT CONCAT(number, ' बैंक 🏦') FROM {numbers(30_000)} ORDER BY number LIMIT {count}"
    (values,), (by_driver,) = read(connect, text)
    assert [value.decode() for value in values] == by_driver
    assert len(values) == count


def test_rows_have_the_values_of_all_columns_or_none(connect: Connect) -> None:
    first_row = "SELECT '', NULL, REPEAT('y', {0}), 7, REPEAT('x', {1}), NULL"
    text = f"{first_row} UNION ALL SELECT NULL, 'a', 'b', 'c', 'd', 'e' ORDER BY 1 DESC"
    lengths = [0, 1, 250, 251, 65_536, 200_000]

    async def run() -> list[list[tuple[object, ...]]]:
        connection = await connect()
        try:
            return [await read_rows(connection, text.format(*pair)) for pair in itertools.product(lengths, lengths)]
        finally:
            connection.close()

    for (first, second), rows in zip(itertools.product(lengths, lengths), asyncio.run(run()), strict=True):
        assert rows == [
            (b"", None, b"y" * first, b"7", b"x" * second, None),
            (None, b"a", b"b", b"c", b"d", b"e"),
        ]


def test_a_connection_can_be_reused_after_a_query(connect: Connect) -> None:
    texts = [f"SELECT CONCAT(number) FROM {numbers(count)} ORDER BY number" for count in (1, 700, 3)]
    ours, by_driver = read(connect, *texts)
    assert [[value.decode() for value in values] for values in ours] == by_driver


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT", pymysql.err.ProgrammingError),
        ("SELECT no_such FROM payments", pymysql.err.OperationalError),
        # The second row fails, after the first one has been sent.
        (
            f"SELECT (SELECT number FROM {numbers(2)} WHERE number <= o.number) FROM {numbers(2, 'o')}",
            pymysql.err.OperationalError,
        ),
        ("SELECT NULL", pymysql.err.InternalError),
        ("SELECT 1, 2", pymysql.err.InternalError),
        ("DO 1", pymysql.err.InternalError),
    ],
)
def test_an_error_is_of_the_same_type_as_from_the_driver(
    connect: Connect, text: str, error: type[pymysql.err.MySQLError]
) -> None:
    with pytest.raises(error):
        read(connect, text)


def test_a_lost_connection_raises_the_same_error_as_from_the_driver(
    connect: Connect, database_server: DatabaseServer
) -> None:
    async def run() -> None:
        connection = await connect()
        reading = asyncio.create_task(read_values(connection, "SELECT SLEEP(30)"))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(database_server.execute, f"KILL CONNECTION {connection.thread_id()}")
        try:
            await reading
        finally:
            connection.close()

    with pytest.raises(pymysql.err.OperationalError):
        asyncio.run(run())
