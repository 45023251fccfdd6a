"""The fake passes the conformance cases, and the tests in the README of the client pass."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.programs import ROOT

CASES = ROOT / "clients" / "conformance" / "cases.json"
RUNNER = ROOT / "clients" / "python" / "conformance" / "runner.py"
README = ROOT / "clients" / "python" / "README.md"


def readme_tests() -> dict[str, Callable[[], None]]:
    """Return the tests in the README, by their names."""
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    tests: dict[str, Callable[[], None]] = {}
    for block in blocks:
        if "def test_" in block:
            names: dict[str, Any] = {}
            exec(compile(block, str(README), "exec"), names)  # noqa: S102 - our own README
            tests |= {name: value for name, value in names.items() if name.startswith("test_")}
    return tests


def test_the_fake_passes_all_cases() -> None:
    result = subprocess.run(
        [sys.executable, RUNNER, "fake", CASES], capture_output=True, text=True, check=False, timeout=120
    )

    count = len(json.loads(CASES.read_text("utf-8")))
    assert (result.returncode, result.stdout) == (0, f"{count} passed, 0 failed\n"), result.stdout + result.stderr


def test_the_readme_shows_a_declined_payment() -> None:
    assert "test_a_customer_whose_payment_is_declined_sees_a_message" in readme_tests()


@pytest.mark.parametrize("name", readme_tests())
def test_the_tests_in_the_readme_pass(name: str) -> None:
    readme_tests()[name]()


def test_the_client_does_not_import_the_fake() -> None:
    program = "import sys, payments_client; print([name for name in sys.modules if 'testing' in name])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
