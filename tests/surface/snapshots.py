"""Compare the surface with the committed snapshot, or rewrite the snapshot (``make surface``)."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parent / "snapshot"

_ADVICE = "If this change is intended, run `make surface`, review the diff of tests/surface/snapshot, and commit it."

_CONTEXT_LINES = 6
"""Enough to show which item a changed line belongs to."""


class _Dumper(yaml.SafeDumper):
    """Writes a multi-line string as a block, so that a diff shows only the changed lines."""


def _represent_string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_string)


def as_yaml(value: object) -> str:
    """Return ``value`` as YAML with sorted keys and unfolded lines."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10_000)


def check(texts: Mapping[str, str]) -> None:
    """Compare texts with the committed files of these names, and fail with a diff. ``SURFACE=write`` writes the files.

    All files are compared before the test fails, so that one run shows every change.
    """
    if os.environ.get("SURFACE") == "write":
        for name, text in texts.items():
            (FOLDER / name).write_text(text, "utf-8")
        return
    changes = [line for name, text in texts.items() for line in _diff(name, text)]
    if changes:
        pytest.fail("\n".join(["the surface has changed:", *changes, _ADVICE]), pytrace=False)


def _diff(name: str, text: str) -> Iterator[str]:
    file = FOLDER / name
    committed = file.read_text("utf-8").splitlines() if file.exists() else []
    old, new = f"{name}, committed", f"{name}, current"
    return difflib.unified_diff(committed, text.splitlines(), old, new, n=_CONTEXT_LINES, lineterm="")
