"""Code owners: maintainers review every change, and every listed path exists."""

import pytest

from tests.support.programs import ROOT

LINES = [
    line.split() for line in (ROOT / ".github/CODEOWNERS").read_text().splitlines() if line and not line.startswith("#")
]


def test_maintainers_review_every_change() -> None:
    assert LINES[0][0] == "*"
    assert all("@payments/maintainers" in teams for _, *teams in LINES)


@pytest.mark.parametrize("path", [path for path, *_ in LINES[1:]])
def test_each_path_exists(path: str) -> None:
    assert path.startswith("/")
    local_path = ROOT / path.removeprefix("/")
    assert local_path.is_dir() if path.endswith("/") else local_path.is_file()
