"""Which commit is the previous release."""

import subprocess
from pathlib import Path

import pytest

from tests.upgrades.previous_release import BEFORE_FIRST_RELEASE, HistoryMissing, previous_release


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with one commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "--message", "first")
    return folder


def test_it_is_the_latest_release_before_the_checked_out_commit(repository: Path) -> None:
    for tag in ("v0.9.0", "v0.10.0", "v0.11.0-rc1", "v1.0.0"):
        git(repository, "commit", "--allow-empty", "--message", tag)
        git(repository, "tag", tag)

    assert previous_release(repository) == "v0.10.0"
    git(repository, "commit", "--allow-empty", "--message", "after the release")
    assert previous_release(repository) == "v1.0.0"


def test_before_the_first_release_it_is_an_earlier_build(repository: Path) -> None:
    assert previous_release(repository) == BEFORE_FIRST_RELEASE


def test_a_shallow_clone_is_an_error_that_says_what_to_do(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "--allow-empty", "--message", "second")
    git(tmp_path, "clone", "--depth", "1", repository.as_uri(), "shallow")

    with pytest.raises(HistoryMissing, match=r"shallow clone.*Run `git fetch --unshallow --tags`"):
        previous_release(tmp_path / "shallow")


def test_a_folder_that_is_no_clone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HistoryMissing, match="is not a clone"):
        previous_release(tmp_path)
