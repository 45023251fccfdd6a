"""Replay the session of a page: its commands, in order, against a fresh ``make run``, must print what it shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.databases import DatabaseServer
from tests.support.ports import free_port
from tests.support.programs import ROOT

README = "README.md"
PAGES = {README: {}, "docs/testing-against-payments.md": {"PROCESSOR_DEADLINE_MARGIN_SECONDS": "2"}}
"""The pages, each with the settings of its service.

On a busy machine, the default margin might be too short for the response to a call that waits until its deadline.
"""

SESSION = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
ELLIPSIS = "..."
"""A line that stands for any number of lines."""

DIFFERS_BY_RUN = {
    r"ECI\d{8}-[0-9A-F]{20}": "ECI20261128-3CE9AD94869B3789FBCC",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z": "2026-11-28T18:00:33.660519Z",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "2026-11-28 18:00:33",
}
"""References and times: patterns, each with the value that replaces its matches before outputs are compared."""

MAX_LINES = 150


@dataclass(frozen=True)
class Step:
    """A command of a page, and the output that it shows."""

    command: str
    output: str


def session(page: str) -> list[Step]:
    """Return the steps of all sessions in a page, in order."""
    steps = []
    for block in SESSION.findall((ROOT / page).read_text(encoding="utf-8")):
        _, *parts = COMMAND.split(block)
        steps += [Step(command, output) for command, output in zip(parts[::2], parts[1::2], strict=True)]
    return steps


@dataclass(frozen=True)
class Ports:
    """Where ``make run`` listens in this test, because the ports of the pages may be taken."""

    grpc: int
    rest: int

    def in_command(self, command: str) -> str:
        """Return a command of a page with these ports in place of its own."""
        return command.replace(":50051", f":{self.grpc}").replace(":8001", f":{self.rest}")


@contextmanager
def make_run(environment: dict[str, str], ports: Ports) -> Iterator[None]:
    """Run what ``make run`` runs until the block ends."""
    command = [sys.executable, "-m", "tools.dev.run"]
    environment = {**environment, "GRPC_PORT": str(ports.grpc), "REST_PORT": str(ports.rest)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            assert any("The payment service listens" in line for line in running.stdout), "make run failed"
            yield
        finally:
            running.terminate()
            running.stdout.read()


def comparable(output: str) -> list[str]:
    """Return the lines of an output without blank ones, trailing spaces, and values that differ from run to run."""
    for pattern, value in DIFFERS_BY_RUN.items():
        output = re.sub(pattern, value, output)
    return [line.rstrip() for line in output.splitlines() if line.strip()]


def matches(printed: list[str], shown: list[str]) -> bool:
    """Return whether the printed lines are those that the page shows."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == ELLIPSIS else re.escape(line) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


@pytest.mark.parametrize("page", PAGES)
def test_the_session_replays_as_printed(
    page: str, database_server: DatabaseServer, empty_database: dict[str, str]
) -> None:
    ports = Ports(free_port(), free_port())
    database = database_server.environment(empty_database["MYSQL_DB"])
    client = {**os.environ, "PAYMENTS_TARGET": f"127.0.0.1:{ports.grpc}", "COLUMNS": "130"}
    steps = session(page)
    assert len(steps) > 3
    with make_run({"PATH": os.environ["PATH"], **PAGES[page], **database}, ports):
        for step in steps:
            command = ["bash", "-euo", "pipefail", "-c", ports.in_command(step.command)]
            done = subprocess.run(command, cwd=ROOT, env=client, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{step.command}\n{done.stdout}\n{done.stderr}"
            printed, shown = comparable(done.stdout), comparable(step.output)
            assert matches(printed, shown), f"{step.command}\nprinted:\n{done.stdout}\nshown:\n{step.output}"


def test_an_ellipsis_stands_for_any_lines_and_other_lines_for_themselves() -> None:
    shown = ["{", "    ...", "}"]
    assert matches(["{", "a", "b", "}"], shown)
    assert matches(["{", "}"], shown)
    assert not matches(["{", "a"], shown)
    assert not matches(["x", "{", "}"], shown)


def test_the_readme_is_short() -> None:
    assert len((ROOT / README).read_text(encoding="utf-8").splitlines()) <= MAX_LINES
