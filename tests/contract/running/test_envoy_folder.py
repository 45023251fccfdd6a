"""The folder that each Envoy keeps among the temporary files."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from server.config.grpc import Engine
from tests.support.running_service import RunningService

_LONG_AGO = (0, 0)


@pytest.fixture
def temporary_files() -> Iterator[Path]:
    """A folder for temporary files, whose name is short enough for the Unix sockets in it."""
    with tempfile.TemporaryDirectory(prefix="e-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def start(start_service: Callable[..., RunningService], temporary_files: Path) -> Callable[[], RunningService]:
    """A function that starts a service inside Envoy."""
    return lambda: start_service(GRPC_ENGINE=Engine.ENVOY, TMPDIR=str(temporary_files))


def test_a_service_that_stops_leaves_no_files(start: Callable[[], RunningService], temporary_files: Path) -> None:
    running = start()
    assert len(list(temporary_files.iterdir())) == 1
    assert running.stop() == 0
    assert not list(temporary_files.iterdir())


def test_the_files_of_a_killed_service_are_removed_at_the_next_start(
    start: Callable[[], RunningService], temporary_files: Path
) -> None:
    killed = start()
    (abandoned,) = temporary_files.iterdir()
    serving = start()
    killed.kill()
    (temporary_files / "another-program").mkdir()
    for folder in temporary_files.iterdir():
        os.utime(folder, _LONG_AGO)
    start()
    remaining = list(temporary_files.iterdir())
    assert abandoned not in remaining
    assert len(remaining) == 3
    assert serving.stop() == 0


def test_a_new_folder_is_not_removed_because_its_service_may_be_starting(
    start: Callable[[], RunningService], temporary_files: Path
) -> None:
    start().kill()
    httpx.get(f"{start().rest_url}/readyz").raise_for_status()
    assert len(list(temporary_files.iterdir())) == 2
