"""``make sbom``: a release's package list has the packages of the lock file (and of the image: see test_image.py)."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.sbom import make_sbom
from tests.support.programs import ROOT

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
LOCKED: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in LOCK["package"]}


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return make_sbom(tmp_path_factory.mktemp("sbom") / "one.cdx.json")


def test_each_package_has_its_locked_version(sbom: dict[str, Any]) -> None:
    for component in sbom["components"]:
        name, version = component["name"], LOCKED[component["name"]]["version"]
        assert (component["version"], component["purl"]) == (version, f"pkg:pypi/{name}@{version}")


def test_each_package_has_its_locked_hashes(sbom: dict[str, Any]) -> None:
    for component in sbom["components"]:
        (distribution,) = component["externalReferences"]
        name = component["name"]
        assert {found["content"] for found in distribution["hashes"]} == hashes(LOCKED[name]), name


def hashes(entry: dict[str, Any]) -> set[str]:
    """Return the hashes of all files of a locked package."""
    files = [*entry.get("wheels", ()), *([entry["sdist"]] if "sdist" in entry else [])]
    return {file["hash"].removeprefix("sha256:") for file in files}


def test_the_list_has_the_dependencies_of_the_service_but_no_development_dependencies(sbom: dict[str, Any]) -> None:
    listed = {component["name"] for component in sbom["components"]}
    required = {dependency["name"] for dependency in LOCKED["payments-server"]["dependencies"]} - {"payments-client"}
    assert required < listed
    assert listed.isdisjoint({"django", "hatchling", "payments-client", "payments-server", "pyarrow", "pytest"})


def test_the_list_names_the_service_and_its_version(sbom: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    component = sbom["metadata"]["component"]
    assert (sbom["bomFormat"], component["type"]) == ("CycloneDX", "application")
    assert (component["name"], component["version"]) == (project["name"], project["version"])


def test_the_same_lock_file_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "one.cdx.json", tmp_path / "another.cdx.json"
    make_sbom(first)
    make_sbom(second)
    assert first.read_bytes() == second.read_bytes()


def test_make_fails_if_the_packages_cannot_be_listed(tmp_path: Path) -> None:
    path = tmp_path / "one.cdx.json"
    command = ["make", "--no-print-directory", "sbom", f"SBOM={path}", "IN_IMAGE=--no-such-option"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode != 0
