"""The devcontainer: development uses the base of the image and the language versions of CI."""

import json
import re
from typing import Any

import yaml

from tests.support.programs import ROOT

FOLDER = ROOT / ".devcontainer"
CONTAINER: dict[str, Any] = json.loads((FOLDER / "devcontainer.json").read_text())


def test_it_builds_on_the_base_of_the_image() -> None:
    build = CONTAINER["build"]
    dockerfile = (FOLDER / build["dockerfile"]).resolve()
    assert dockerfile == ROOT / "Dockerfile"
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert re.search(rf"^FROM python:3\.11\.\S+ AS {build['target']}$", dockerfile.read_text(), re.MULTILINE)


def test_each_feature_has_a_full_version() -> None:
    for name in CONTAINER["features"]:
        assert re.fullmatch(r"ghcr\.io/devcontainers/features/[\w-]+:\d+\.\d+\.\d+", name)


def test_its_language_versions_are_those_of_ci() -> None:
    options = {name.split("/")[-1].partition(":")[0]: value for name, value in CONTAINER["features"].items()}
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["make"]["steps"]
    ci_versions = {step["uses"].partition("@")[0]: step["with"] for step in steps if "uses" in step}

    assert options["node"]["version"] == ci_versions["actions/setup-node"]["node-version"]
    assert options["java"]["version"] == ci_versions["actions/setup-java"]["java-version"]
    module = (ROOT / ci_versions["actions/setup-go"]["go-version-file"]).read_text()
    assert re.search(rf"^go {re.escape(options['go']['version'])}\.\d+$", module, re.MULTILINE)


def test_it_creates_the_environment_that_its_editor_uses() -> None:
    assert ".venv/.ready" in CONTAINER["postCreateCommand"].split()
    assert CONTAINER["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"].endswith(
        "/.venv/bin/python"
    )
