"""``make smoke``, on a service that runs here, and ``make smoke-image``, with a program in the place of docker."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.programs import ROOT
from tests.support.running_service import RunningService

DOCKER = """\
#!/bin/sh
test "$1 $2 $3" = "compose --project-name payments-smoke" || exit 1
shift 3
echo "$*" >> "$DOCKER_LOG"
printf '%s\\n' "$MYSQL_ROOT_PASSWORD" "$MYSQL_MIGRATOR_PASSWORD" "$MYSQL_PASSWORD" > "$DOCKER_PASSWORDS"
test "$1" != "$DOCKER_FAILS"
"""

UP, LOGS, DOWN = "up --build --wait --wait-timeout 600", "logs", "down --volumes"


def make(target: str, grpc: str, rest: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", target, f"GRPC={grpc}", f"REST={rest}"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, check=False, capture_output=True, text=True
    )


def test_it_passes_where_a_charge_reads_the_same_everywhere(service: RunningService) -> None:
    run = make("smoke", service.target, service.rest_url)

    assert run.returncode == 0, run.stderr
    assert "smoke test passed: payment " in run.stdout


def test_it_passes_where_the_charge_is_declined(start_service: Callable[..., RunningService]) -> None:
    declining = start_service(SUCCESS_PROBABILITY="0")

    assert make("smoke", declining.target, declining.rest_url).returncode == 0


def test_it_fails_where_rest_shows_other_payments(
    service: RunningService, start_service: Callable[..., RunningService]
) -> None:
    run = make("smoke", service.target, start_service().rest_url)

    assert run.returncode != 0
    assert "smoke test failed: REST at " in run.stderr
    assert "404" in run.stderr


def test_it_fails_where_nothing_serves(service: RunningService) -> None:
    run = make("smoke", "127.0.0.1:1", service.rest_url)

    assert run.returncode != 0
    assert "smoke test failed: the server at 127.0.0.1:1 does not report its health: UNAVAILABLE" in run.stderr


class FakeDocker:
    """A program called docker, and what it was asked for."""

    def __init__(self, folder: Path, fails: str = "") -> None:
        """Put it on a path of its own; ``fails`` is the command that fails."""
        program = folder / "docker"
        program.write_text(DOCKER)
        program.chmod(0o755)
        self._log, self._passwords = folder / "log", folder / "passwords"
        self.environment = {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "DOCKER_LOG": str(self._log),
            "DOCKER_PASSWORDS": str(self._passwords),
            "DOCKER_FAILS": fails,
        }

    @property
    def commands(self) -> list[str]:
        """The commands of compose, in the order that they came."""
        return self._log.read_text().splitlines()

    @property
    def passwords(self) -> list[str]:
        """Those that the last command had."""
        return self._passwords.read_text().splitlines()


def test_the_image_is_built_brought_up_tested_and_taken_down(service: RunningService, tmp_path: Path) -> None:
    docker = FakeDocker(tmp_path)
    run = make("smoke-image", service.target, service.rest_url, **docker.environment)

    assert run.returncode == 0, run.stderr
    assert "smoke test passed" in run.stdout
    assert docker.commands == [UP, DOWN]
    assert len(set(docker.passwords)) == 3
    assert all(len(password) >= 32 for password in docker.passwords)


@pytest.mark.parametrize("fails", ["up", "smoke test"])
def test_a_failure_shows_the_logs_and_takes_everything_down(
    fails: str, service: RunningService, tmp_path: Path
) -> None:
    docker = FakeDocker(tmp_path, fails)
    run = make("smoke-image", "127.0.0.1:1", service.rest_url, **docker.environment)

    assert run.returncode != 0
    assert ("smoke test failed" in run.stderr) == (fails == "smoke test")
    assert docker.commands == [UP, LOGS, DOWN]
