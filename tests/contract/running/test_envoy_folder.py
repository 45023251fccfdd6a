"""The folder that each Envoy keeps among the temporary files."""

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from server.config.grpc import Engine
from tests.support.running_service import RunningService

_LONG_AGO = (0, 0)


@pytest.fixture
def start(start_service: Callable[..., RunningService], short_folder: Path) -> Callable[[], RunningService]:
    """A function that starts a service inside Envoy."""
    return lambda: start_service(GRPC_ENGINE=Engine.ENVOY, TMPDIR=str(short_folder))


def test_a_service_that_stops_leaves_no_files(start: Callable[[], RunningService], short_folder: Path) -> None:
    running = start()
    assert len(list(short_folder.iterdir())) == 1
    assert running.stop() == 0
    assert not list(short_folder.iterdir())


def test_the_files_of_a_killed_service_are_removed_at_the_next_start(
    start: Callable[[], RunningService], short_folder: Path
) -> None:
    killed = start()
    (abandoned,) = short_folder.iterdir()
    serving = start()
    killed.kill()
    (short_folder / "another-program").mkdir()
    for folder in short_folder.iterdir():
        os.utime(folder, _LONG_AGO)
    start()
    remaining = list(short_folder.iterdir())
    assert abandoned not in remaining
    assert len(remaining) == 3
    assert serving.stop() == 0


def test_a_new_folder_is_not_removed_because_its_service_may_be_starting(
    start: Callable[[], RunningService], short_folder: Path
) -> None:
    start().kill()
    httpx.get(f"{start().rest_url}/readyz").raise_for_status()
    assert len(list(short_folder.iterdir())) == 2
