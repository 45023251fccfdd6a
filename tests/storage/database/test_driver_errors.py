"""Each database error is retried, raised as unavailable, or raised unchanged, by its meaning."""

import asyncio

import pymysql.err
import pytest

from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.storage.database import driver_errors
from server.storage.database.pool import Database
from server.storage.database.session import Session
from tests.support.databases import settings_of

RETRIED = {
    "deadlock": 1213,
    "connection lost": 2013,
    "auto-increment value could not be read": 1467,
    "record has changed since it was read": 1020,
    "table definition has changed": 1412,
    "statement must be prepared again": 1615,
    "rolled back by group replication": 3101,
    "write conflict of TiDB": 9007,
    "commit that TiDB rolled back": 8022,
    "schema changed during a transaction of TiDB": 8028,
}
UNAVAILABLE = {
    "lock wait timeout": 1205,
    "disk full": 1021,
    "lock table full": 1206,
    "no new thread": 1135,
    "too many open files": 1016,
    "storage engine error": 1030,
    "no quorum": 1047,
    "interrupted": 1317,
    "sort interrupted": 1028,
    "statement timeout of MariaDB": 1969,
    "statement timeout of MySQL": 3024,
    "read lock of a backup": 1223,
    "wrong password": 1045,
    "storage of TiDB unavailable": 9005,
    "unknown error of TiDB": 1105,
    "lock of TiDB expired": 8229,
    "memory of TiDB full": 8175,
}
RAISED_UNCHANGED = {
    "syntax": 1064,
    "unknown table": 1146,
    "too long": 1406,
    "out of range": 1264,
    "packet too large": 1153,
}


def run_with_errors(environment: dict[str, str], codes: list[int]) -> str:
    """Run work that fails with each code in turn, and then succeeds."""

    async def work(session: Session) -> str:
        await session.rows("SELECT 1", ())
        if codes:
            raise pymysql.err.OperationalError(codes.pop(0), "a message of the server")
        return "done"

    async def run() -> str:
        database = Database(settings_of(environment))
        try:
            return await database.run(work, Deadline())
        finally:
            await database.close(Deadline.after(10))

    return asyncio.run(run())


@pytest.mark.parametrize("code", RETRIED.values(), ids=RETRIED)
def test_an_error_whose_cause_is_gone_is_retried(empty_database: dict[str, str], code: int) -> None:
    assert run_with_errors(empty_database, [code, code]) == "done"


@pytest.mark.parametrize("code", RETRIED.values(), ids=RETRIED)
def test_an_error_that_repeats_is_retried_only_a_few_times(empty_database: dict[str, str], code: int) -> None:
    with pytest.raises(StoreUnavailable):
        run_with_errors(empty_database, [code] * 3)


@pytest.mark.parametrize("code", UNAVAILABLE.values(), ids=UNAVAILABLE)
def test_a_transient_error_is_raised_as_unavailable(empty_database: dict[str, str], code: int) -> None:
    with pytest.raises(StoreUnavailable):
        run_with_errors(empty_database, [code])


@pytest.mark.parametrize("code", RAISED_UNCHANGED.values(), ids=RAISED_UNCHANGED)
def test_an_error_that_a_retry_would_repeat_is_raised_unchanged(empty_database: dict[str, str], code: int) -> None:
    with pytest.raises(pymysql.err.OperationalError):
        run_with_errors(empty_database, [code])


@pytest.mark.parametrize("code", [*RETRIED.values(), *UNAVAILABLE.values(), *RAISED_UNCHANGED.values()])
def test_every_error_is_counted_as_one_of_the_kinds(code: int) -> None:
    assert driver_errors.kind(pymysql.err.OperationalError(code, "")) in driver_errors.KINDS
