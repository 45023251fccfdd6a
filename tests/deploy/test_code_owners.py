"""Who reviews a change: maintainers always, and nobody for a path that is no longer there."""

import pytest

from tests.support.programs import ROOT

LINES = [
    line.split() for line in (ROOT / ".github/CODEOWNERS").read_text().splitlines() if line and not line.startswith("#")
]


def test_maintainers_review_every_change() -> None:
    assert LINES[0][0] == "*"
    assert all("@payments/maintainers" in teams for _, *teams in LINES)


@pytest.mark.parametrize("path", [path for path, *_ in LINES[1:]])
def test_each_path_is_there(path: str) -> None:
    assert path.startswith("/")
    place = ROOT / path.removeprefix("/")
    assert place.is_dir() if path.endswith("/") else place.is_file()
