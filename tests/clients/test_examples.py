"""What each client's README promises: its example is a program that runs, and its version that of the contract."""

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
    """A client's example: where it stands, below the client's folder, and how the built program is run."""

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
def test_the_first_example_of_a_readme_is_a_program_that_runs(language: str, service: RunningService) -> None:
    example = EXAMPLES[language]
    readme = (CLIENTS / language / "README.md").read_text("utf-8")
    shown = re.search(rf"```{language}\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    assert shown[1] == (CLIENTS / language / example.program).read_text("utf-8")
    ran = subprocess.run(
        example.command,
        cwd=ROOT,
        env={**os.environ, "PAYMENTS_TARGET": service.target},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^\d+ SUCCEEDED \S+\n100\.00 PARTIAL\n", ran.stdout), ran.stdout
    assert re.search(r" 561\.00 INR UPI SUCCEEDED$", ran.stdout, re.MULTILINE), ran.stdout


def test_all_clients_have_one_version_whose_first_number_is_that_of_the_proto_package() -> None:
    pom = ET.parse(CLIENTS / "java" / "pom.xml").getroot()  # noqa: S314 (our own file)
    go = re.search(r'Version = "(.*)"', "".join(path.read_text("utf-8") for path in (CLIENTS / "go").glob("*.go")))
    assert go is not None
    versions = {
        "python": tomllib.loads((CLIENTS / "python" / "pyproject.toml").read_text("utf-8"))["project"]["version"],
        "typescript": json.loads((CLIENTS / "typescript" / "package.json").read_text("utf-8"))["version"],
        "go": go[1],
        "java": pom.findtext("{*}version"),
    }
    (version,) = set(versions.values())
    package = re.search(
        r"^package payments\.v(\d+);$", (ROOT / "proto/payments/v1/payments.proto").read_text("utf-8"), re.MULTILINE
    )
    assert package is not None
    assert version is not None
    assert version.split(".")[0] == package[1]
