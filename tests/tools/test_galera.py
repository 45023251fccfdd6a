"""The nodes of a private Galera cluster have the same rows, come back after a crash, and end together."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.galera import IS_SELECTED, NODES, execute_at, is_synced, process_id_of, signal_node
from tests.support.waiting import wait_until
from tools.dev.devdb import PrivateDatabase

pytestmark = [pytest.mark.skipif(not IS_SELECTED, reason="for DATABASE=galera"), pytest.mark.timeout(300)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[PrivateDatabase]:
    with PrivateDatabase(tmp_path / "devdb") as database:
        execute_at(database, 1, "CREATE TABLE kept (value INT PRIMARY KEY)")
        yield database


def values_at(cluster: PrivateDatabase, node: int) -> list[object]:
    return [value for (value,) in execute_at(cluster, node, "SELECT value FROM kept ORDER BY value")]


def has_ended(process_id: int) -> bool:
    """Whether a process has ended; its parent may not have noticed."""
    command = Path(f"/proc/{process_id}/cmdline")
    return not command.exists() or not command.read_bytes()


def test_each_node_has_the_writes_of_the_others_also_after_it_was_killed(cluster: PrivateDatabase) -> None:
    for node in NODES:
        execute_at(cluster, node, f"INSERT INTO kept VALUES ({node})")
    assert [values_at(cluster, node) for node in NODES] == [[1, 2, 3]] * 3

    killed = process_id_of(cluster, 2)
    signal_node(cluster, 2, signal.SIGKILL)
    execute_at(cluster, 1, "INSERT INTO kept VALUES (4)")

    wait_until(lambda: is_synced(cluster, 2) and process_id_of(cluster, 2) != killed, within_seconds=60)
    assert values_at(cluster, 2) == [1, 2, 3, 4]


def test_a_node_that_was_suspended_is_synced_only_when_it_has_the_writes_of_the_others(
    cluster: PrivateDatabase,
) -> None:
    signal_node(cluster, 3, signal.SIGSTOP)
    # The others accept a write when they have excluded it.
    execute_at(cluster, 1, "INSERT INTO kept VALUES (1)")
    signal_node(cluster, 3, signal.SIGCONT)

    wait_until(lambda: is_synced(cluster, 3), within_seconds=60)
    assert values_at(cluster, 3) == [1]


def test_all_nodes_end_when_the_server_is_killed_and_then_start_with_all_writes(cluster: PrivateDatabase) -> None:
    for node in NODES:
        execute_at(cluster, node, f"INSERT INTO kept VALUES ({node})")
    processes = [process_id_of(cluster, node) for node in NODES]

    cluster.kill()
    assert all(has_ended(process) for process in processes)

    cluster.start()
    assert [values_at(cluster, node) for node in NODES] == [[1, 2, 3]] * 3
