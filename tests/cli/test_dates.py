"""Dates and times as options and in files: whole days, and hours that the clocks of a zone skip or show twice."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from server.domain.errors import InvalidValue
from tests.cli.conftest import Payments, Table, csv_of, payment_line
from tools.cli import options
from tools.transfer.csv_values import time_in

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TIMES = (
    "2025-02-06 23:59:59.999999",
    "2025-02-07 00:00:00",
    "2025-02-07 23:59:59.999999",
    "2025-02-08 00:00:00",
)


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
    found = (options.time("--since", text, NOW), options.last_time("--until", text, NOW))

    assert found == (datetime.fromisoformat(first + "+00:00"), datetime.fromisoformat(last + "+00:00"))


def test_an_export_until_a_date_has_that_whole_day(payments: Payments, table: Table, tmp_path: Path) -> None:
    for number, time in enumerate(TIMES, 1):
        table(
            "INSERT INTO payments (payment_id, order_id, amount, method, status, created_at) "
            "VALUES (%s, 1, 1, 'UPI', 1, %s)",
            number,
            time,
        )

    def exported(*options: str) -> list[int]:
        run = payments("export", "p.csv", *options)
        assert run.returncode == 0, run.stderr
        with (tmp_path / "p.csv").open(newline="") as file:
            return [int(row["payment_id"]) for row in csv.DictReader(file)]

    assert exported("--until", "2025-02-07") == [1, 2, 3]
    assert exported("--since", "2025-02-07", "--until", "2025-02-07") == [2, 3]
    assert exported("--until", "2025-02-07T00:00:00") == [1, 2]


@pytest.mark.parametrize(
    ("zone", "text", "reason"),
    [
        ("Europe/Berlin", "2025-03-30 02:00:00", "does not exist in Europe/Berlin"),
        ("Europe/Berlin", "2025-03-30T02:59:59.999999", "does not exist in Europe/Berlin"),
        ("Europe/Berlin", "2025-10-26 02:00", "happens twice in Europe/Berlin"),
        ("Europe/Berlin", "2025-10-26 02:59:59.5", "happens twice in Europe/Berlin"),
        ("America/New_York", "2025-03-09 02:30:00", "does not exist in America/New_York"),
        ("America/New_York", "2025-11-02 01:30:00", "happens twice in America/New_York"),
        ("Australia/Lord_Howe", "2025-10-05 02:15:00", "does not exist in Australia/Lord_Howe"),
        ("Australia/Lord_Howe", "2025-04-06 01:45:00", "happens twice in Australia/Lord_Howe"),
        ("America/Sao_Paulo", "2018-11-04 00:00:00", "does not exist in America/Sao_Paulo"),
        ("Pacific/Apia", "2011-12-30", "is a day that Pacific/Apia skipped"),
        ("Pacific/Apia", "2011-12-30 12:00:00", "does not exist in Pacific/Apia"),
    ],
)
def test_a_local_time_that_does_not_exist_or_exists_twice_is_rejected(zone: str, text: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as error:
        time_in(ZoneInfo(zone))(text)

    assert error.value.description.startswith(reason)


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("Europe/Berlin", "2025-03-30 01:59:59.999999", "2025-03-30 00:59:59.999999"),
        ("Europe/Berlin", "2025-03-30 03:00:00", "2025-03-30 01:00:00"),
        ("Europe/Berlin", "2025-10-26 01:59:59", "2025-10-25 23:59:59"),
        ("Europe/Berlin", "2025-10-26 03:00:00", "2025-10-26 02:00:00"),
        ("Europe/Berlin", "2025-03-30T02:30:00+01:00", "2025-03-30 01:30:00"),
        ("Europe/Berlin", "2025-10-26T02:30:00+02:00", "2025-10-26 00:30:00"),
        ("Europe/Berlin", "2025-10-26T02:30:00Z", "2025-10-26 02:30:00"),
        ("Europe/Berlin", "2025-03-30", "2025-03-29 23:00:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00:00"),
        ("America/Havana", "2024-11-03", "2024-11-03 04:00:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31 04:30:00"),
        ("America/St_Johns", "2006-10-29", "2006-10-29 02:30:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30 10:00:00"),
        ("UTC", "2025-03-30", "2025-03-30 00:00:00"),
    ],
)
def test_a_local_time_is_its_instant_and_a_date_the_first_instant_of_its_day(zone: str, text: str, utc: str) -> None:
    assert time_in(ZoneInfo(zone))(text) == datetime.fromisoformat(utc)


def test_an_import_rejects_such_a_line_with_the_field_and_the_reason(
    payments: Payments, table: Table, tmp_path: Path
) -> None:
    times = ("2025-03-30 02:30:00", "2025-10-26 02:30:00", "2025-10-26T02:30:00+01:00")
    lines = [payment_line(i).replace("2025-02-07 05:28:54", time) for i, time in enumerate(times, 1)]
    (tmp_path / "a.csv").write_text(csv_of(*lines))

    run = payments("import", "a.csv", "--time-zone", "Europe/Berlin")

    assert run.returncode == 3
    with (tmp_path / "a.csv.rejects.csv").open(newline="") as file:
        rejects = [(row["reject_field"], row["reject_reason"][:14]) for row in csv.DictReader(file)]
    assert rejects == [("created_at", "does not exist"), ("created_at", "happens twice ")]
    assert table("SELECT payment_id FROM payments") == [(3,)]
