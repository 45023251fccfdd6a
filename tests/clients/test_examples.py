"""The example in each client's README runs, and all clients have the contract's major version."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.programs import ROOT
from tests.support.running_service import RunningService

CLIENTS = ROOT / "clients"


@dataclass(frozen=True)
class Example:
    """A client's example: its path in the client's folder, and the command that runs the built program."""

    program: str
    command: tuple[str, ...]


EXAMPLES = {
    "python": Example("example/first_charge.py", (sys.executable, "clients/python/example/first_charge.py")),
    "typescript": Example("example/first_charge.ts", ("node", "clients/typescript/build/example/first_charge.js")),
    "go": Example("example/first_charge.go", (".bin/example-go",)),
    "java": Example(
        "example/src/main/java/FirstCharge.java", ("java", "-jar", "clients/java/example/target/example.jar")
    ),
}


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_first_example_of_a_readme_is_the_example_program_and_runs(language: str, service: RunningService) -> None:
    example = EXAMPLES[language]
    readme = (CLIENTS / language / "README.md").read_text("utf-8")
    first_block = re.search(rf"```{language}\n(.*?)```", readme, re.DOTALL)
    assert first_block is not None
    assert first_block[1] == (CLIENTS / language / example.program).read_text("utf-8")
    assert_charges_and_refunds(run(example.command, ROOT, service))


def test_the_commands_of_the_go_readme_build_and_run_its_program_in_an_empty_folder(
    service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("first-charge")
    quick_start = (CLIENTS / "go" / "README.md").read_text("utf-8").split("| call |")[0]
    output = ""
    for language, block in re.findall(r"```(.*?)\n(.*?)```", quick_start, re.DOTALL):
        if language == "go":
            (folder / "first_charge.go").write_text(block, "utf-8")
            continue
        for command in block.replace("../payments/", f"{ROOT}/").splitlines():
            output = run(command.split(), folder, service)
    assert_charges_and_refunds(output)


def run(command: Sequence[str], folder: Path, service: RunningService) -> str:
    """Run a command that may call the service, and return its output."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PAYMENTS_TARGET": service.target},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def assert_charges_and_refunds(output: str) -> None:
    """Check what the example printed."""
    assert re.search(r"^\d+ SUCCEEDED \S+\n100\.00 PARTIAL\n", output), output
    assert re.search(r" 561\.00 INR UPI SUCCEEDED$", output, re.MULTILINE), output


def test_all_clients_have_the_same_version_and_the_major_version_of_the_proto_package() -> None:
    pom = ET.parse(CLIENTS / "java" / "pom.xml").getroot()  # noqa: S314 (our own file)
    go_version = re.search(r'Version = "(.*)"', (CLIENTS / "go" / "doc.go").read_text("utf-8"))
    assert go_version is not None
    versions = {
        "python": tomllib.loads((CLIENTS / "python" / "pyproject.toml").read_text("utf-8"))["project"]["version"],
        "typescript": json.loads((CLIENTS / "typescript" / "package.json").read_text("utf-8"))["version"],
        "go": go_version[1],
        "java": pom.findtext("{*}version"),
    }
    (version,) = set(versions.values())
    package = re.search(
        r"^package payments\.v(\d+);$", (ROOT / "proto/payments/v1/payments.proto").read_text("utf-8"), re.MULTILINE
    )
    assert package is not None
    assert version is not None
    assert version.split(".")[0] == package[1]
