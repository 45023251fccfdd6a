"""The previous release: its commit, and its installation from the history of this repository."""

import fcntl
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import ROOT

BEFORE_FIRST_RELEASE = "14c2c9901bc2f4fbfe11516c9a27e05f0cdbaca5"
"""The commit that takes the place of the previous release until there is a tag.

It is the first one that reads amounts with four decimals, to which migrations 0022 to 0027 change the columns.
"""

_RELEASE_TAG = re.compile(r"v\d+\.\d+\.\d+")
_FOLDER = ROOT / ".cache" / "previous-release"
_UV = Path(sys.executable).with_name("uv")


class PreviousReleaseError(Exception):
    """The previous release cannot be installed. The message says why, and what to do."""


class HistoryMissing(Exception):
    """The checkout has no history. The message says what to do."""


@dataclass(frozen=True, slots=True)
class PreviousRelease:
    """The previous release, installed in an environment of its own with the packages that it locks."""

    name: str
    """Its tag or commit."""
    folder: Path
    """Its source, with the environment in ``.venv``."""

    @property
    def program(self) -> Path:
        """Its ``payments`` command."""
        return self.folder / ".venv" / "bin" / "payments"


def install_previous_release(repository: Path = ROOT, folder: Path = _FOLDER) -> PreviousRelease:
    """Install the previous release in ``folder``, unless it is already there.

    Raises:
        HistoryMissing: the repository is a shallow clone, or not a clone.
        PreviousReleaseError: the installation failed.
    """
    name = previous_release(repository)
    commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
    release = PreviousRelease(name, folder / commit)
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "lock"):
        is_complete = release.folder / ".installed"
        if not is_complete.exists():
            source = _git(repository, "archive", "--format", "tar", commit)
            with tarfile.open(fileobj=io.BytesIO(source)) as archive:
                archive.extractall(release.folder, filter="data")
            _install(release.folder)
            is_complete.touch()
    return release


def previous_release(repository: Path) -> str:
    """Return the latest release tag before the checked-out commit, or the commit that takes its place.

    Raises:
        HistoryMissing: the repository is a shallow clone, or not a clone.
    """
    if not (repository / ".git").exists():
        raise HistoryMissing(f"{repository} is not a clone, so it lacks the previous release. Use `git clone`")
    if _git(repository, "rev-parse", "--is-shallow-repository").strip() == b"true":
        msg = (
            f"{repository} is a shallow clone, which lacks the previous release. "
            "Run `git fetch --unshallow --tags`, or set `fetch-depth: 0` for actions/checkout"
        )
        raise HistoryMissing(msg)
    tags = _git(
        repository, "tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort", "-version:refname"
    )
    releases = filter(_RELEASE_TAG.fullmatch, tags.decode().split())
    return next(releases, BEFORE_FIRST_RELEASE)


def _install(folder: Path) -> None:
    """Install the packages that the release locks, then the release and its client."""
    python = folder / ".venv" / "bin" / "python"
    _uv(folder, "sync", "--locked", "--no-default-groups", "--group", "build", "--no-install-local")
    _uv(folder, "pip", "install", f"--python={python}", "--no-deps", "--no-build-isolation", ".", "./clients/python")


def _uv(folder: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    _run(_UV, *arguments, folder=folder, environment=environment | {"UV_PYTHON": sys.executable})


def _git(repository: Path, *arguments: str) -> bytes:
    return _run(Path("git"), *arguments, folder=repository, environment=os.environ)


def _run(program: Path, *arguments: str, folder: Path, environment: Mapping[str, str]) -> bytes:
    done = subprocess.run([program, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode:
        msg = f"cannot install the previous release: {program.name} {' '.join(arguments)}: {done.stderr.decode()}"
        raise PreviousReleaseError(msg)
    return done.stdout


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one process at a time install the release."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
