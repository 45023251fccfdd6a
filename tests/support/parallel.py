"""What many processes side by side need (pytest-xdist): one database server, and files that nobody waits for."""

import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.workermanage import WorkerController

from tools.dev.devdb import PrivateDatabase
from tools.dev.memory_folder import memory_folder

_ROOM_BYTES = 4 << 30
_MAX_CONNECTIONS = 1000
_SOCKET = "database_socket"


def keep_files_in_memory() -> None:
    """Have temporary files where no disk is waited for, if there is room and nobody asks for another place (TMPDIR).

    Most of what the tests waited for was a disk. Where data must be durable, processes are killed and not machines.
    """
    if "TMPDIR" not in os.environ and (folder := memory_folder(_ROOM_BYTES)):
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def private_database(folder: Path) -> PrivateDatabase:
    """Return a server for the tests, not started: with room for the services of many tests at the same time."""
    return PrivateDatabase(folder, options=[f"--max-connections={_MAX_CONNECTIONS}"])


def shared_socket(config: pytest.Config) -> str | None:
    """Return where the server listens that the processes of this run share; None in a run of one process."""
    socket: str | None = getattr(config, "workerinput", {}).get(_SOCKET)
    return socket


def long_tests_first(tests: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Return the tests in an order in which each process begins with some of the long ones.

    Tests are dealt in their order, as many to each, and whoever is done first takes over some of another's. A long test
    that came last would be waited for by all.
    """
    long = [test for test in tests if test.get_closest_marker("long")]
    short = [test for test in tests if not test.get_closest_marker("long")]
    share = math.ceil(len(short) / processes)
    return [
        test
        for process in range(processes)
        for test in (*long[process::processes], *short[process * share : (process + 1) * share])
    ]


class SharedDatabase:
    """A plugin of the process that starts the others: has one server for all of them, from the first to the last."""

    def __init__(self) -> None:
        """Start nothing yet: there may be one process only."""
        self._private: PrivateDatabase | None = None

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a process, which is about to be started, of the server."""
        if "TEST_MYSQL_URL" in os.environ:
            return
        if self._private is None:
            self._private = private_database(Path(tempfile.mkdtemp(prefix="payments-tests-")))
            self._private.start()
        node.workerinput[_SOCKET] = str(self._private.socket_path)

    def pytest_unconfigure(self) -> None:
        """Stop it, and keep nothing."""
        if self._private is not None:
            self._private.stop()
            shutil.rmtree(self._private.folder)
