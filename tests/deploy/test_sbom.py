"""``make sbom``: what a release says is in the image is what its lock file installs."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.programs import ROOT
from tools.locked_packages import python_packages

LOCK = ROOT / "requirements/server.txt"


def make_sbom(path: Path) -> bytes:
    command = ["make", "--no-print-directory", "sbom", f"SBOM={path}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return path.read_bytes()


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(make_sbom(tmp_path_factory.mktemp("sbom") / "one.cdx.json"))
    return read


def test_each_locked_package_is_in_it_with_its_version_and_nothing_else(sbom: dict[str, Any]) -> None:
    listed = {(each["name"], each["version"], each["purl"].partition("?")[0]) for each in sbom["components"]}
    locked = {
        (one.name, one.version, f"pkg:pypi/{one.name}@{one.version}") for one in python_packages(LOCK.read_text())
    }
    assert listed == locked


def test_each_has_the_hashes_by_which_it_is_installed(sbom: dict[str, Any]) -> None:
    text = LOCK.read_text()
    for each in sbom["components"]:
        (distribution,) = each["externalReferences"]
        _, _, rest = text.partition(f"{each['name']}==")
        assert {one["content"] for one in distribution["hashes"]} == set(hashes(rest)), each["name"]


def hashes(text: str) -> list[str]:
    """Return the hashes of the requirement that ``text`` begins in the middle of."""
    found: list[str] = []
    for line in text.splitlines()[1:]:
        if not line.startswith("    --hash=sha256:"):
            break
        found.append(line.removeprefix("    --hash=sha256:").removesuffix(" \\"))
    return found


def test_it_is_of_this_version_of_the_service(sbom: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    component = sbom["metadata"]["component"]
    assert (sbom["bomFormat"], component["type"]) == ("CycloneDX", "application")
    assert (component["name"], component["version"]) == (project["name"], project["version"])


def test_the_same_lock_file_gives_the_same_bytes(tmp_path: Path) -> None:
    assert make_sbom(tmp_path / "one.cdx.json") == make_sbom(tmp_path / "another.cdx.json")


def test_the_image_installs_the_lock_file_that_it_is_made_from() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (install,) = re.findall(r"pip --python /opt/payments/bin/python install .*? -r (\S+)", dockerfile)
    assert ROOT / install == LOCK
