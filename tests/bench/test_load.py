"""A measurement in which no call ended is repeated for longer."""

from pathlib import Path

import pytest

from bench import systems
from bench.load import BenchError
from bench.systems import load

LOADER = """\
#!/bin/sh
echo "$*" >> {calls}
while test "$1" != -seconds; do shift; done
if test "$2" = {enough_seconds}; then
    echo '{{"calls": 3, "calls_per_second": 1.5, "errors": {{}}, "latency_ms": {{"p50": 1, "p99": 2}}}}'
else
    echo '{{"calls": 0, "errors": {{}}, "latency_ms": {{}}}}'
    exit 1
fi
"""


def use_loader(folder: Path, monkeypatch: pytest.MonkeyPatch, *, enough_seconds: str) -> Path:
    """Replace the load generator by one whose calls take ``enough_seconds``; return the file with its arguments."""
    loader, calls = folder / "loader", folder / "calls"
    loader.write_text(LOADER.format(calls=calls, enough_seconds=enough_seconds), encoding="utf-8")
    loader.chmod(0o755)
    monkeypatch.setattr(systems, "_LOADER", str(loader))
    return calls


def test_a_measurement_without_an_ended_call_is_repeated_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = use_loader(tmp_path, monkeypatch, enough_seconds="2.0")
    assert load(1, "charge", 0.5).calls_per_second == 1.5
    assert len(calls.read_text(encoding="utf-8").splitlines()) == 2


def test_a_system_that_answers_no_call_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = use_loader(tmp_path, monkeypatch, enough_seconds="never")
    with pytest.raises(BenchError, match="no charge succeeded"):
        load(1, "charge", 0.5)
    assert len(calls.read_text(encoding="utf-8").splitlines()) == 4
