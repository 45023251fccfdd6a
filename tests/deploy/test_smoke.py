"""``make smoke``, against a running service, and ``make smoke-image``, with a fake docker program."""

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


def test_it_passes_if_grpc_and_rest_show_the_same_charge(service: RunningService) -> None:
    run = make("smoke", service.target, service.rest_url)

    assert run.returncode == 0, run.stderr
    assert "smoke test passed: payment " in run.stdout


def test_it_passes_if_the_charge_is_declined(start_service: Callable[..., RunningService]) -> None:
    declining = start_service(SUCCESS_PROBABILITY="0")

    assert make("smoke", declining.target, declining.rest_url).returncode == 0


def test_it_fails_if_rest_shows_other_payments(
    service: RunningService, start_service: Callable[..., RunningService]
) -> None:
    run = make("smoke", service.target, start_service().rest_url)

    assert run.returncode != 0
    assert "smoke test failed: REST at " in run.stderr
    assert "404" in run.stderr


def test_it_fails_if_nothing_is_serving(service: RunningService) -> None:
    run = make("smoke", "127.0.0.1:1", service.rest_url)

    assert run.returncode != 0
    assert "smoke test failed: the server at 127.0.0.1:1 does not report its health: UNAVAILABLE" in run.stderr


class FakeDocker:
    """A program called docker that records its commands and passwords."""

    def __init__(self, folder: Path, fails: str = "") -> None:
        """Create the program in ``folder``; ``fails`` is the command that fails."""
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
        """The commands of docker compose, in order."""
        return self._log.read_text().splitlines()

    @property
    def passwords(self) -> list[str]:
        """The passwords of the last command."""
        return self._passwords.read_text().splitlines()


def test_the_image_is_built_started_tested_and_removed(service: RunningService, tmp_path: Path) -> None:
    docker = FakeDocker(tmp_path)
    run = make("smoke-image", service.target, service.rest_url, **docker.environment)

    assert run.returncode == 0, run.stderr
    assert "smoke test passed" in run.stdout
    assert docker.commands == [UP, DOWN]
    assert len(set(docker.passwords)) == 3
    assert all(len(password) >= 32 for password in docker.passwords)


@pytest.mark.parametrize("fails", ["up", "smoke test"])
def test_a_failure_shows_the_logs_and_removes_everything(fails: str, service: RunningService, tmp_path: Path) -> None:
    docker = FakeDocker(tmp_path, fails)
    run = make("smoke-image", "127.0.0.1:1", service.rest_url, **docker.environment)

    assert run.returncode != 0
    assert ("smoke test failed" in run.stderr) == (fails == "smoke test")
    assert docker.commands == [UP, LOGS, DOWN]
