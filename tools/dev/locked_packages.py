"""The packages of others that the project's lock files name, in all its languages."""

import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_ARTIFACT = re.compile(
    r"^\s+([\w.-]+):([\w.-]+):jar:(?:[\w.-]+:)?([\w.-]+):(?:compile|runtime|test|provided)\b", re.MULTILINE
)

_GO_MODULES = {
    "bench": ("./...",),
    "clients/go": ("./...",),
    "clients/go/example": ("./...",),
    "tests/clients/openapi/go": ("tool", "./..."),
    "tools/go": ("tool", "./..."),
    "tools/go/actionlint": ("tool",),
}
"""What is built of each Go module."""

_REQUIREMENTS = ("tools/uv/requirements.txt", "tests/clients/openapi/python/requirements.txt")
_GO_FORMAT = "{{with .Module}}{{if and .Version (not .Replace)}}{{.Path}} {{.Version}}{{end}}{{end}}"
_MAVEN_LIST = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:list"
_OWN_GROUP = "payments.internal"


@dataclass(frozen=True, order=True, slots=True)
class Package:
    """A package of one version; the ecosystem is named as osv.dev names it."""

    ecosystem: str
    name: str
    version: str


def locked_packages(root: Path) -> set[Package]:
    """Return all packages that the lock files of the project at ``root`` name.

    Raises:
        subprocess.CalledProcessError: Go or Maven failed.
        FileNotFoundError: a lock file is missing, or Go or Maven is.
    """
    packages = set(uv_packages((root / "uv.lock").read_text()))
    for requirements in _REQUIREMENTS:
        packages |= set(pip_packages((root / requirements).read_text()))
    packages |= set(npm_packages((root / "clients/typescript/package-lock.json").read_text()))
    for folder, patterns in _GO_MODULES.items():
        packages |= set(go_packages(root / folder, patterns))
    return packages | set(maven_packages(_maven_list(root / "clients/java/pom.xml")))


def uv_packages(lock: str) -> Iterator[Package]:
    """Yield those of a ``uv.lock``."""
    for entry in tomllib.loads(lock)["package"]:
        if "registry" in entry["source"]:
            yield Package("PyPI", entry["name"], entry["version"])


def pip_packages(requirements: str) -> Iterator[Package]:
    """Yield those of a requirements file."""
    for name, version in _REQUIREMENT.findall(requirements):
        yield Package("PyPI", name, version)


def npm_packages(lock: str) -> Iterator[Package]:
    """Yield those of a ``package-lock.json``."""
    for place, entry in json.loads(lock)["packages"].items():
        _, is_dependency, name = place.rpartition("node_modules/")
        if is_dependency and not entry.get("link"):
            yield Package("npm", name, entry["version"])


def go_packages(folder: Path, patterns: Iterable[str]) -> Iterator[Package]:
    """Yield the modules of others that the packages ``patterns`` of the module in ``folder`` are built and tested with.

    Raises:
        subprocess.CalledProcessError: Go failed.
        FileNotFoundError: there is no Go.
    """
    command = ["go", "list", "-deps", "-test", "-f", _GO_FORMAT, *patterns]
    for line in subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        name, _, version = line.partition(" ")
        yield Package("Go", name, version.removeprefix("v"))


def maven_packages(listed: str) -> Iterator[Package]:
    """Yield those in what ``mvn dependency:list`` wrote."""
    for group, artifact, version in _ARTIFACT.findall(listed):
        if group != _OWN_GROUP:
            yield Package("Maven", f"{group}:{artifact}", version)


def _maven_list(pom: Path) -> str:
    """Return what Maven resolves the dependencies of ``pom`` and its modules to."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "dependencies.txt"
        # Compiled before, because the modules depend on one another.
        options = ["--quiet", "--batch-mode", "-f", str(pom), f"-DoutputFile={output}", "-DappendOutput=true"]
        subprocess.run(["mvn", *options, "compile", _MAVEN_LIST], check=True)
        return output.read_text()
