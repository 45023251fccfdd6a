"""Checks of options, and parsing of times and labels in them."""

import re
from datetime import UTC, datetime

import pytest
import typer
from typer.testing import CliRunner

from tools.cli import options
from tools.cli.main import app

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
FILTERS = ("reference", "external-reference", "customer", "caller", "processor-reference")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2025-02-07", "2025-02-07T00:00:00", "2025-02-07T23:59:59.999999"),
        (" 2025-02-07 ", "2025-02-07T00:00:00", "2025-02-07T23:59:59.999999"),
        ("9999-12-31", "9999-12-31T00:00:00", "9999-12-31T23:59:59.999999"),
        ("2025-02-07T05:28", "2025-02-07T05:28:00", "2025-02-07T05:28:00"),
        ("2025-02-07 00:00:00", "2025-02-07T00:00:00", "2025-02-07T00:00:00"),
        ("2025-02-07T05:28:54.25Z", "2025-02-07T05:28:54.250000", "2025-02-07T05:28:54.250000"),
        ("2025-02-07T05:28:54+05:30", "2025-02-06T23:58:54", "2025-02-06T23:58:54"),
        ("7d", "2026-02-25T12:00:00", "2026-02-25T12:00:00"),
    ],
)
def test_a_date_is_a_whole_day_and_a_time_is_exact(text: str, first: str, last: str) -> None:
    times = (options.parse_time("--since", text, NOW), options.parse_end_time("--until", text, NOW))

    assert times == (datetime.fromisoformat(first + "+00:00"), datetime.fromisoformat(last + "+00:00"))


def test_labels_are_split_at_the_first_equals_sign() -> None:
    assert options.parse_labels("--label", ["channel=web", "note=", "formula=a=b", " key = label "]) == {
        "channel": "web",
        "note": "",
        "formula": "a=b",
        " key ": " label ",
    }
    assert options.parse_labels("--label", []) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["web"], "must be KEY=VALUE"), (["channel=web", "channel=app"], "has the key channel twice")],
)
def test_a_label_without_a_value_and_a_repeated_label_are_rejected(texts: list[str], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        options.parse_labels("--label", texts)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["charge", "1", "5.00"], ["currency", "external-reference", "customer", "source", "return-url", "request-id"]),
        (["refund", "1"], ["currency", "reason", "request-id"]),
        (["get"], ["request-id", "caller"]),
        (["list"], ["request-id", *FILTERS]),
        (["watch"], ["resume-token", "external-reference", "customer", "caller"]),
        (["export"], ["request-id", *FILTERS]),
        (["forget", "--yes"], ["customer"]),
    ],
)
def test_text_must_be_utf8(command: list[str], options: list[str]) -> None:
    for option in options:
        _assert_not_utf8([*command, f"--{option}", "a\udcff"], f"--{option}")


def test_labels_must_be_utf8() -> None:
    _assert_not_utf8(["charge", "1", "5.00", "--label", "note=\udcff"], "--label")


@pytest.mark.parametrize("command", ["get", "events", "history"])
def test_the_reference_of_a_payment_must_be_utf8(command: str) -> None:
    _assert_not_utf8([command, "ECI\udcff"], "payment")


def _assert_not_utf8(arguments: list[str], name: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert f"{name}: must be UTF-8" in re.sub("[│'\\[\\]\\s]+", " ", result.output).replace(" :", ":")
