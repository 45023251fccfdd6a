"""The progress of long runs."""

import re
import time

import pytest

from tools.progress import meter


def test_without_a_terminal_it_prints_plain_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.progress._LINE_EVERY_SECONDS", 0)
    with meter("a.csv", 1000) as show:
        time.sleep(0.01)
        show.show(20_000, 250)

    assert re.fullmatch(r"a\.csv: 20,000 rows, [\d,]+ rows/s, 25%, about \d+ s left\n", capfd.readouterr().err)
