"""Projects of other teams: each installs a client from ``dist`` into an empty folder, and compiles a program with it.

The caches of Go and Maven are reused, so that third-party packages are not downloaded and compiled again. Only the
project's own packages are left out, because an older build with the same version may be there.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.programs import ROOT

CLIENTS = ROOT / "clients"
DIST = ROOT / "dist"
WHEEL = "python/payments_client-*.whl"
SDIST = "python/payments_client-*.tar.gz"
NPM_TARBALL = "npm/payments-client-*.tgz"
_UV = Path(sys.executable).with_name("uv")
_GO_MODULE = "payments.internal/payments"
_COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>shop</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <repositories>
    <repository>
      <id>payments</id>
      <url>file://{repository}</url>
    </repository>
  </repositories>
  <dependencies>
    {dependency}
  </dependencies>
</project>
"""

Command = Sequence[str | Path]


def package(pattern: str) -> Path:
    """Return the file in ``dist`` with this pattern."""
    files = list(DIST.glob(pattern))
    assert files, f"There is no dist/{pattern}: run `make dist`"
    (file,) = files
    return file


def first_block(language: str, kind: str, containing: str = "") -> str:
    """Return the first code block of this kind in the README of a client, of those that contain a text."""
    readme = (CLIENTS / language / "README.md").read_text("utf-8")
    blocks: list[str] = re.findall(rf"^```{kind}\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if containing in block)


def run(*command: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in ``folder`` and return its output."""
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def install_python(folder: Path, distribution: Path, *others: str) -> Path:
    """Create a virtual environment with the client and other packages, and return its Python.

    All packages have their locked versions, even the one that builds the sdist.
    """
    python, constraints = folder / "venv" / "bin" / "python", folder / "constraints.txt"
    options = ("--locked", "--no-emit-local", "--no-hashes", "--output-file", constraints)
    run(_UV, "export", *options, folder=ROOT)
    run(_UV, "venv", "--python", sys.executable, "venv", folder=folder)
    locked = ("--constraint", constraints, "--build-constraint", constraints)
    run(_UV, "pip", "install", "--python", python, *locked, distribution, *others, folder=folder)
    return python


def python_from_wheel(folder: Path) -> Command:
    """Install the wheel, and return the command of the program."""
    return _python_program(folder, package(WHEEL))


def python_from_sdist(folder: Path) -> Command:
    """Install the sdist, and return the command of the program."""
    return _python_program(folder, package(SDIST))


def _python_program(folder: Path, distribution: Path) -> Command:
    (folder / "program.py").write_text(first_block("python", "python"), "utf-8")
    return [install_python(folder, distribution), "-I", "program.py"]


def typescript(folder: Path) -> Command:
    """Install the npm tarball, compile the program, and return its command."""
    manifest = json.loads((CLIENTS / "typescript" / "package.json").read_text("utf-8"))
    compiler = f"typescript@{manifest['devDependencies']['typescript']}"
    (folder / "program.ts").write_text(first_block("typescript", "typescript"), "utf-8")
    run("npm", "init", "--yes", folder=folder)
    run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", package(NPM_TARBALL), compiler, folder=folder)
    run("node_modules/.bin/tsc", "--init", folder=folder)
    run("node_modules/.bin/tsc", folder=folder)
    return ["node", "program.js"]


def go(folder: Path) -> Command:
    """Follow the README with a proxy that serves the module, and return the command of the program."""
    cache = Path(run("go", "env", "GOMODCACHE", folder=folder).strip())
    own_cache = folder / "modules"
    _share_cache(cache, own_cache, without="cache")
    _share_cache(cache / "cache" / "download", own_cache / "cache" / "download", without=_GO_MODULE.partition("/")[0])
    environment = {
        "GOMODCACHE": str(own_cache),
        "GOPROXY": f"file://{DIST / 'go'},{run('go', 'env', 'GOPROXY', folder=folder).strip()}",
        "GONOSUMDB": _GO_MODULE.partition("/")[0],
        # The build cache is shared too: see the Makefile.
        "GOFLAGS": "-trimpath -modcacherw",
    }
    quick_start = (CLIENTS / "go" / "README.md").read_text("utf-8").partition("| call |")[0]
    for language, block in re.findall(r"^```(.*?)\n(.*?)^```", quick_start, re.DOTALL | re.MULTILINE):
        if language == "go":
            (folder / "first_charge.go").write_text(block, "utf-8")
            continue
        for command in block.splitlines():
            # `env -w` would change this user's settings. A built program runs without the environment of the build.
            if not command.startswith("go env -w"):
                build = command.replace("go run .", "go build -o first-charge .")
                run(*build.split(), folder=folder, environment=environment)
    return [folder / "first-charge"]


def java(folder: Path) -> Command:
    """Depend on the Maven artifact, compile the program, and return its command."""
    own_cache = folder / "repository"
    _share_cache(Path.home() / ".m2" / "repository", own_cache, without="payments")
    sources = folder / "src" / "main" / "java"
    sources.mkdir(parents=True)
    (sources / "FirstCharge.java").write_text(first_block("java", "java"), "utf-8")
    pom = _POM.format(repository=DIST / "maven", dependency=first_block("java", "xml"))
    (folder / "pom.xml").write_text(pom, "utf-8")
    options = ["--quiet", "--batch-mode", f"-Dmaven.repo.local={own_cache}"]
    run("mvn", *options, "compile", _COPY_DEPENDENCIES, folder=folder)
    return ["java", "-cp", "target/classes:target/dependency/*", "FirstCharge"]


def _share_cache(cache: Path, own_cache: Path, *, without: str) -> None:
    """Link to the entries of a cache, except for one of them."""
    own_cache.mkdir(parents=True)
    if cache.exists():
        for entry in cache.iterdir():
            if entry.name != without:
                (own_cache / entry.name).symlink_to(entry)
