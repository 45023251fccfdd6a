"""The third-party packages in the project's lock files, in all its languages."""

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
    "clients/go/conformance": ("./...",),
    "clients/go/example": ("./...",),
    "tests/clients/openapi/go": ("tool", "./..."),
    "tools/go": ("tool", "./..."),
    "tools/go/actionlint": ("tool",),
}
"""The patterns of the packages that are built in each Go module."""

_REQUIREMENTS = ("tools/uv/requirements.txt", "tests/clients/openapi/python/requirements.txt")
_GO_FORMAT = "{{with .Module}}{{if and .Version (not .Replace)}}{{.Path}} {{.Version}}{{end}}{{end}}"
_MAVEN_LIST = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:list"
_OWN_GROUP = "payments.internal"


@dataclass(frozen=True, order=True, slots=True)
class Package:
    """A package with its version. The ecosystem is one of osv.dev's names."""

    ecosystem: str
    name: str
    version: str


def locked_packages(root: Path) -> set[Package]:
    """Return all packages in the lock files of the project at ``root``.

    Raises:
        subprocess.CalledProcessError: Go or Maven failed.
        FileNotFoundError: a lock file, Go or Maven is missing.
    """
    packages = set(uv_packages((root / "uv.lock").read_text()))
    for requirements in _REQUIREMENTS:
        packages |= set(pip_packages((root / requirements).read_text()))
    packages |= set(npm_packages((root / "clients/typescript/package-lock.json").read_text()))
    for folder, patterns in _GO_MODULES.items():
        packages |= set(go_packages(root / folder, patterns))
    return packages | set(maven_packages(_maven_list(root / "clients/java/pom.xml")))


def uv_packages(lock: str) -> Iterator[Package]:
    """Yield the packages in a ``uv.lock``."""
    for entry in tomllib.loads(lock)["package"]:
        if "registry" in entry["source"]:
            yield Package("PyPI", entry["name"], entry["version"])


def pip_packages(requirements: str) -> Iterator[Package]:
    """Yield the packages in a requirements file."""
    for name, version in _REQUIREMENT.findall(requirements):
        yield Package("PyPI", name, version)


def npm_packages(lock: str) -> Iterator[Package]:
    """Yield the packages in a ``package-lock.json``."""
    for path, entry in json.loads(lock)["packages"].items():
        _, is_dependency, name = path.rpartition("node_modules/")
        if is_dependency and not entry.get("link"):
            yield Package("npm", name, entry["version"])


def go_packages(folder: Path, patterns: Iterable[str]) -> Iterator[Package]:
    """Yield the third-party modules that are needed to build and test ``patterns`` in the module in ``folder``.

    Raises:
        subprocess.CalledProcessError: Go failed.
        FileNotFoundError: Go is missing.
    """
    command = ["go", "list", "-deps", "-test", "-f", _GO_FORMAT, *patterns]
    for line in subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        name, _, version = line.partition(" ")
        yield Package("Go", name, version.removeprefix("v"))


def maven_packages(listing: str) -> Iterator[Package]:
    """Yield the packages in the output of ``mvn dependency:list``."""
    for group, artifact, version in _ARTIFACT.findall(listing):
        if group != _OWN_GROUP:
            yield Package("Maven", f"{group}:{artifact}", version)


def _maven_list(pom: Path) -> str:
    """Return Maven's list of the resolved dependencies of ``pom`` and its modules."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "dependencies.txt"
        # Compile first, because the modules depend on one another.
        options = ["--quiet", "--batch-mode", "-f", str(pom), f"-DoutputFile={output}", "-DappendOutput=true"]
        subprocess.run(["mvn", *options, "compile", _MAVEN_LIST], check=True)
        return output.read_text()
