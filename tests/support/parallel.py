"""Support for tests in parallel processes (pytest-xdist): one shared database server, and temporary files in memory."""

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

_NEEDED_BYTES = 4 << 30
_SOCKET_KEY = "database_socket"


def keep_files_in_memory() -> None:
    """Put temporary files in memory, if there is enough of it and TMPDIR is not set.

    On a disk, the tests would spend most of their time waiting for it. Tests of durability do not need a disk, because
    they kill processes, not machines.
    """
    if "TMPDIR" not in os.environ and (folder := memory_folder(_NEEDED_BYTES)):
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def shared_socket(config: pytest.Config) -> str | None:
    """Return the socket of the server that the worker processes share, or None if the run has no worker processes."""
    socket: str | None = getattr(config, "workerinput", {}).get(_SOCKET_KEY)
    return socket


def long_tests_first(tests: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """Return the tests in an order in which each process begins with some of the long ones.

    xdist gives each process the same number of consecutive tests, and a process that finishes early takes over tests
    of another. A long test at the end would make the whole run wait.
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
    """A plugin of the controller process, which runs one database server for all worker processes."""

    def __init__(self) -> None:
        """Start no server yet, because there may be no worker processes."""
        self._server: PrivateDatabase | None = None

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Pass the server's socket to a worker process that is about to start; start the server for the first one."""
        if "TEST_MYSQL_URL" in os.environ:
            return
        if self._server is None:
            self._server = PrivateDatabase(Path(tempfile.mkdtemp(prefix="payments-tests-")))
            self._server.start()
        node.workerinput[_SOCKET_KEY] = str(self._server.socket_path)

    def pytest_unconfigure(self) -> None:
        """Stop the server and delete its files."""
        if self._server is not None:
            self._server.stop()
            shutil.rmtree(self._server.folder)
