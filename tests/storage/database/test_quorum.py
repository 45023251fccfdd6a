"""A Galera node that is cut off from the others is unavailable to the service, until it has joined them again."""

import asyncio
from pathlib import Path

import pytest

from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.storage.database.pool import Database
from server.storage.database.session import Session
from tests.support.databases import settings_of
from tests.support.galera import IS_SELECTED, has_quorum, is_synced, isolate
from tests.support.waiting import wait_until
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

pytestmark = [pytest.mark.skipif(not IS_SELECTED, reason="for DATABASE=galera"), pytest.mark.timeout(300)]


async def write(session: Session) -> None:
    await session.rows("UPDATE payment_stream SET last_sequence = last_sequence + 1", ())


async def ping_and_write(environment: dict[str, str]) -> list[type[BaseException] | None]:
    """Return the type of the error of a ping and of a write, or None for each that succeeds."""
    database = Database(settings_of(environment))
    try:
        outcomes = await asyncio.gather(database.ping(), database.run(write, Deadline()), return_exceptions=True)
        return [None if outcome is None else type(outcome) for outcome in outcomes]
    finally:
        await database.close(Deadline.after(10))


def test_a_node_without_a_quorum_is_unavailable_until_it_has_one(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "devdb") as cluster:
        environment = cluster.environment()
        migrate(settings_of(environment), report=lambda _: None)
        assert asyncio.run(ping_and_write(environment)) == [None, None]

        isolate(cluster, 1, is_isolated=True)
        wait_until(lambda: not has_quorum(cluster, 1), within_seconds=60)
        assert asyncio.run(ping_and_write(environment)) == [StoreUnavailable, StoreUnavailable]

        isolate(cluster, 1, is_isolated=False)
        wait_until(lambda: is_synced(cluster, 1), within_seconds=60)
        assert asyncio.run(ping_and_write(environment)) == [None, None]
