"""The example in each client's README runs, and all clients have the contract's major version."""

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
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
    result = subprocess.run(
        example.command,
        cwd=ROOT,
        env={**os.environ, "PAYMENTS_TARGET": service.target},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^\d+ SUCCEEDED \S+\n100\.00 PARTIAL\n", result.stdout), result.stdout
    assert re.search(r" 561\.00 INR UPI SUCCEEDED$", result.stdout, re.MULTILINE), result.stdout


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
