"""Locks of tools: one process holds a lock at a time, and a lock ends with its process."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import pymysql
import pytest

from server.config.settings import Settings
from tests.support.databases import DatabaseServer, settings_of
from tools.database.connection import DatabaseConnection, connect, execute, transaction
from tools.database.maintenance_locks import (
    ARCHIVING,
    MIGRATION,
    LockHeld,
    LockLost,
    MaintenanceLock,
    create_table,
    maintenance_lock,
)

EXPIRE = "UPDATE maintenance_locks SET leased_until = UTC_TIMESTAMP(6)"


@pytest.fixture
def settings(empty_database: dict[str, str]) -> Settings:
    return settings_of(empty_database)


@pytest.fixture
def one(settings: Settings) -> Iterator[DatabaseConnection]:
    with closing(connect(settings)) as connection:
        create_table(connection)
        yield connection


@pytest.fixture
def other(settings: Settings, one: DatabaseConnection) -> Iterator[DatabaseConnection]:
    assert one
    with closing(connect(settings)) as connection:
        yield connection


def leased_until(connection: DatabaseConnection) -> datetime:
    ((time,),) = execute(connection, "SELECT leased_until FROM maintenance_locks")
    assert isinstance(time, datetime)
    return time


def test_a_lock_is_free_as_soon_as_its_context_ends(
    settings: Settings, one: DatabaseConnection, other: DatabaseConnection
) -> None:
    with maintenance_lock(one, settings, ARCHIVING):
        with (
            pytest.raises(LockHeld, match=r"archiving .*: process \d+ on \S+, since .* UTC.*its lock ends in \d+ s"),
            maintenance_lock(other, settings, ARCHIVING),
        ):
            pass
        with maintenance_lock(other, settings, MIGRATION):
            pass
    with maintenance_lock(other, settings, ARCHIVING):
        pass


def test_only_one_of_many_processes_acquires_a_lock(settings: Settings, one: DatabaseConnection) -> None:
    assert one
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def acquire() -> None:
        with closing(connect(settings)) as connection:
            barrier.wait()
            try:
                with maintenance_lock(connection, settings, ARCHIVING):
                    outcomes.append("acquired")
                    barrier.wait()
            except LockHeld:
                outcomes.append("held")
                barrier.wait()

    threads = [threading.Thread(target=acquire) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["acquired", *["held"] * 7]


def test_a_process_waits_for_a_lock_and_acquires_it_once_it_expires(
    settings: Settings, one: DatabaseConnection, other: DatabaseConnection
) -> None:
    lines: list[str] = []

    def expire(line: str) -> None:
        lines.append(line)
        execute(one, EXPIRE)

    with (
        maintenance_lock(one, settings, MIGRATION) as lost,
        maintenance_lock(other, settings, MIGRATION, timeout_seconds=60, report=expire) as lock,
    ):
        assert len(lines) == 1
        assert lock.lease_number == lost.lease_number + 1
        with pytest.raises(LockLost):
            lost.confirm(one)


def test_a_holder_that_has_lost_the_lock_cannot_commit(
    settings: Settings, one: DatabaseConnection, other: DatabaseConnection
) -> None:
    execute(one, "CREATE TABLE things (value INT) ENGINE = InnoDB")
    with maintenance_lock(one, settings, ARCHIVING) as lost:
        with pytest.raises(LockLost, match="another one has taken its place"), transaction(one):  # noqa: PT012
            execute(one, "INSERT INTO things VALUES (1)")
            execute(other, "UPDATE maintenance_locks SET lease_number = lease_number + 1")
            lost.confirm(one)
        assert execute(one, "SELECT * FROM things") == ()


def test_the_lock_is_not_given_away_between_confirmation_and_commit(
    settings: Settings, one: DatabaseConnection, other: DatabaseConnection
) -> None:
    with maintenance_lock(one, settings, ARCHIVING) as lock:
        with transaction(one):
            execute(other, EXPIRE)
            lock.confirm(one)
            waiting = threading.Thread(target=_fail_to_acquire, args=(other, settings))
            waiting.start()
            waiting.join(0.5)
        waiting.join()
        lock.confirm(one)


def _fail_to_acquire(connection: DatabaseConnection, settings: Settings) -> None:
    with pytest.raises(LockHeld), maintenance_lock(connection, settings, ARCHIVING):
        pass


def test_a_lock_is_renewed_until_it_is_released(
    settings: Settings, one: DatabaseConnection, other: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.database.maintenance_locks._RENEWAL_INTERVAL_SECONDS", 0.02)
    with maintenance_lock(one, settings, ARCHIVING) as lock:
        first = leased_until(other)
        while leased_until(other) == first:
            time.sleep(0.02)
    assert not lock.renew(other)
    released = leased_until(other)
    assert execute(other, "SELECT leased_until <= UTC_TIMESTAMP(6) FROM maintenance_locks") == ((1,),)
    time.sleep(0.1)
    assert leased_until(other) == released


def test_a_lock_is_released_even_if_its_connection_was_lost(
    settings: Settings, one: DatabaseConnection, other: DatabaseConnection, database_server: DatabaseServer
) -> None:
    with maintenance_lock(one, settings, ARCHIVING):
        database_server.execute(f"KILL CONNECTION {one.thread_id()}")  # type: ignore[no-untyped-call]
    with maintenance_lock(other, settings, ARCHIVING):
        pass


def test_a_conflict_at_another_node_is_not_mistaken_for_a_lost_lock(
    settings: Settings, one: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Galera, a transaction can be aborted at any statement because another node committed first."""

    def abort(_cursor: object, _text: str, _values: object) -> int:
        raise pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")

    lock = MaintenanceLock(ARCHIVING, 1)
    with maintenance_lock(one, settings, ARCHIVING), monkeypatch.context() as patch:
        patch.setattr("pymysql.cursors.Cursor.execute", abort)
        with pytest.raises(pymysql.err.OperationalError, match="1213"):
            lock.confirm(one)
