"""Dates and times in options and files: whole days, and hours that a time zone skips or repeats."""

import csv
from pathlib import Path

from tests.cli.conftest import Payments, Table, csv_of, payment_line

TIMES = (
    "2025-02-06 23:59:59.999999",
    "2025-02-07 00:00:00",
    "2025-02-07 23:59:59.999999",
    "2025-02-08 00:00:00",
)


def test_an_export_until_a_date_includes_the_whole_day(payments: Payments, table: Table, tmp_path: Path) -> None:
    for number, time in enumerate(TIMES, 1):
        table(
            "INSERT INTO payments (payment_id, order_id, amount, method, status, created_at) "
            "VALUES (%s, 1, 1, 'UPI', 1, %s)",
            number,
            time,
        )

    def exported_ids(*options: str) -> list[int]:
        run = payments("export", "p.csv", *options)
        assert run.returncode == 0, run.stderr
        with (tmp_path / "p.csv").open(newline="") as file:
            return [int(row["payment_id"]) for row in csv.DictReader(file)]

    assert exported_ids("--until", "2025-02-07") == [1, 2, 3]
    assert exported_ids("--since", "2025-02-07", "--until", "2025-02-07") == [2, 3]
    assert exported_ids("--until", "2025-02-07T00:00:00") == [1, 2]


def test_an_import_rejects_local_times_that_are_skipped_or_repeated(
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
