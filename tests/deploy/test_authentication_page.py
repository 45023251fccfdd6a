"""The walkthrough of ``docs/operations/authentication.md``, run as printed on a real database and a real service."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

from tests.support.databases import DatabaseServer
from tests.support.ports import free_port
from tests.support.programs import ROOT

PAGE = ROOT / "docs" / "operations" / "authentication.md"
GRPC_PORT, REST_PORT = "50051", "8001"
"""The ports on the page. The test uses free ones."""

RANDOM = {"reference", "create_time", "created_at", "createTime", "call_id"}
"""The names of values that differ from run to run."""

TIMEOUT_SECONDS = 120


class Step(NamedTuple):
    """A block of commands, and the output that the page prints below it: its language and its text."""

    commands: str
    output: tuple[str, str] | None


def walkthrough() -> list[Step]:
    """Return the steps of the walkthrough that need no preparation: all but the first block."""
    (section,) = re.findall(r"^## Walkthrough\n(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    steps: list[Step] = []
    for _, language, text in re.findall(r"^( *)```(\w+)\n(.*?)^\1```$", section, re.MULTILINE | re.DOTALL):
        if language == "sh":
            steps.append(Step(dedent(text), None))
        else:
            steps[-1] = steps[-1]._replace(output=(language, dedent(text)))
    preparation, *others = steps
    assert "tools.dev.devdb" in preparation.commands
    return others


def comparable(language: str, text: str) -> object:
    """Return an output without the values that differ from run to run."""
    if language != "json":
        return text.strip()

    def hide_random(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: "..." if name in RANDOM else value for name, value in pairs}

    return json.loads(text, object_pairs_hook=hide_random, parse_float=str)


def run_in_one_shell(blocks: list[str], environment: dict[str, str]) -> list[str]:
    """Run blocks of commands one after another in one shell, and return the output of each; all must succeed."""
    # If a command fails, the service would otherwise outlive the shell and hold its standard error open.
    script = "trap 'jobs -p | xargs --no-run-if-empty kill' EXIT\n"
    script += "".join(f"{block}\nprintf '\\0'\n" for block in blocks)
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        cwd=environment["TMPDIR"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            output, errors = shell.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    *outputs, rest = output.split("\0")
    assert shell.returncode == 0, f"{blocks[len(outputs)]}\n{rest}\n{errors}"
    return outputs


def test_the_walkthrough_works_as_printed(
    empty_database: dict[str, str], database_server: DatabaseServer, tmp_path: Path
) -> None:
    ports = {GRPC_PORT: str(free_port()), REST_PORT: str(free_port())}
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    environment = {
        **kept,
        **database_server.environment(empty_database["MYSQL_DB"]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(ROOT / ".bin"), os.environ["PATH"]]),
        "TMPDIR": str(tmp_path),
        "GRPC_PORT": ports[GRPC_PORT],
        "REST_PORT": ports[REST_PORT],
    }
    steps = walkthrough()
    blocks = [re.sub(rf":({GRPC_PORT}|{REST_PORT})\b", lambda port: f":{ports[port[1]]}", it.commands) for it in steps]

    outputs = run_in_one_shell(blocks, environment)

    printed = [(step, output) for step, output in zip(steps, outputs, strict=True) if step.output is not None]
    assert len(printed) > 1
    for step, output in printed:
        assert step.output is not None
        language, expected = step.output
        assert comparable(language, output) == comparable(language, expected), step.commands
