"""The display of progress."""

import re

import pytest

from tools.progress import show_progress


def test_without_a_terminal_progress_is_printed_as_plain_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with show_progress("a.csv", 1000, line_interval_seconds=0) as progress:
        progress.update(20_000, 250)

    assert re.fullmatch(r"a\.csv: 20,000 rows, [\d,]+ rows/s, 25%, about \d+ s left\n", capfd.readouterr().err)
