"""``payments import``: how lines become payments, and how rejected lines are reported."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
import pytest

from server.config.settings import Settings
from tests.cli.conftest import HEADER, Payments, Table, csv_of, payment_line
from tests.support import programs
from tests.support.databases import DatabaseServer, settings_of
from tests.support.tidb import except_on_tidb
from tools.database.connection import execute
from tools.database.empty_tables import TablesNotEmpty
from tools.progress import show_progress
from tools.transfer.files.errors import CsvError
from tools.transfer.import_csv import ImportOptions, Report, import_csv
from tools.transfer.tables.payment_loader import PaymentLoader

Load = Callable[..., Report]

ALL = "SELECT * FROM payments ORDER BY payment_id"
SHORT = "SELECT payment_id, amount, status, reference, refunded FROM payments ORDER BY payment_id"


@pytest.fixture
def settings(migrated_database: dict[str, str]) -> Settings:
    return settings_of(migrated_database)


@pytest.fixture
def load(settings: Settings, tmp_path: Path) -> Load:
    """Import text as a file; rejected lines are in ``rejects.csv``."""

    def run(text: str | bytes, **options: Any) -> Report:  # noqa: ANN401
        path = tmp_path / "payments.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with path.open("rb") as file, show_progress("test", None) as progress:
            return import_csv(settings, file, tmp_path / "rejects.csv", ImportOptions(**options), progress=progress)

    return run


def rejects_of(folder: Path, name: str = "rejects.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def counts(report: Report) -> dict[str, int]:
    nonzero = {outcome.value: count for outcome, count in report.counts.items() if count}
    return nonzero | ({"rejected": report.rejected} if report.rejected else {})


def test_a_line_of_a_legacy_file_becomes_a_payment(load: Load, table: Table) -> None:
    report = load(csv_of("1,355,1757.91,UPI,FAILED,ECI20250910-ID9VVN,2025-02-07 05:28:54"))

    assert counts(report) == {"inserted": 1}
    columns = "order_id, amount, currency, method, status, reference, created_at, refunded, caller"
    assert table(f"SELECT {columns} FROM payments WHERE payment_id = 1") == [
        (
            355,
            Decimal("1757.91"),
            "INR",
            "UPI",
            0,
            "ECI20250910-ID9VVN",
            datetime(2025, 2, 7, 5, 28, 54),  # noqa: DTZ001 - naive, like the column
            0,
            None,
        )
    ]


def test_columns_can_be_in_any_order_with_any_delimiter_and_optional_ones(load: Load, table: Table) -> None:
    header = "currency;reference;status;amount;method;created_at;refunded;order_id;payment_id"

    report = load(csv_of("USD;R-1;SUCCESS;5.50;CARD;2025-02-07T05:28:54+05:30;1;3;9", header=header))

    assert counts(report) == {"inserted": 1}
    assert table("SELECT payment_id, amount, currency, refunded, created_at FROM payments") == [
        (9, Decimal("5.50"), "USD", 1, datetime(2025, 2, 6, 23, 58, 54))  # noqa: DTZ001
    ]


def test_a_second_run_changes_nothing_and_says_so(payments: Payments, table: Table, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(*(payment_line(i) for i in range(1, 2001))))

    first = payments("import", "a.csv", "--batch-rows", "300")
    before = table(ALL)
    second = payments("import", "a.csv", "--batch-rows", "300")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == "a.csv: 2,000 lines: 2,000 inserted, 0 updated, 0 unchanged, 0 kept, 0 rejected\n"
    assert second.stdout == (
        "a.csv: 2,000 lines: 0 inserted, 0 updated, 2,000 unchanged, 0 kept, 0 rejected; nothing changed\n"
    )
    assert table(ALL) == before
    assert len(before) == 2000


def test_a_stored_payment_is_updated_by_its_id(load: Load, table: Table) -> None:
    load(csv_of(payment_line(1), payment_line(2)))

    report = load(csv_of(payment_line(1, status="FAILED"), payment_line(2), payment_line(3)))

    assert counts(report) == {"inserted": 1, "updated": 1, "unchanged": 1}
    assert [row[2] for row in table(SHORT)] == [0, 1, 1]


def test_a_payment_without_an_id_is_identified_by_its_reference(load: Load, table: Table) -> None:
    header = "order_id,amount,method,status,reference,created_at"
    lines = [f"3,{i}.00,COD,SUCCESS,REF-{i},2025-02-07" for i in range(1, 50)]
    assert counts(load(csv_of(*lines, header=header))) == {"inserted": 49}
    lines[4] = lines[4].replace("COD", "UPI")

    report = load(csv_of(*lines, header=header))

    assert counts(report) == {"updated": 1, "unchanged": 48}
    assert table("SELECT reference FROM payments WHERE method = 'UPI'") == [("REF-5",)]


def test_a_reference_of_another_payment_is_rejected(load: Load, table: Table, tmp_path: Path) -> None:
    load(csv_of(payment_line(1), payment_line(2)))
    before = table(ALL)

    report = load(csv_of(payment_line(1).replace("000001", "000002")))

    assert counts(report) == {"rejected": 1}
    (reject,) = rejects_of(tmp_path)
    assert (reject["reject_line"], reject["reject_field"]) == ("2", "reference")
    assert reject["reject_reason"] == "payment 2 has this reference"
    assert table(ALL) == before


@pytest.mark.parametrize("batch_rows", [1, 2, 5000])
def test_a_payment_twice_in_a_file_is_imported_once(load: Load, table: Table, tmp_path: Path, batch_rows: int) -> None:
    text = csv_of(payment_line(1), payment_line(2), payment_line(1), payment_line(2, "9.99"), payment_line(3))

    first = load(text, batch_rows=batch_rows)
    again = load(text, batch_rows=batch_rows)

    assert counts(first) == {"inserted": 3, "unchanged": 1, "rejected": 1}
    assert counts(again) == {"unchanged": 4, "rejected": 1}
    assert table("SELECT amount FROM payments WHERE payment_id = 2") == [(Decimal("561.00"),)]
    (reject,) = rejects_of(tmp_path)
    assert (reject["reject_line"], reject["reject_field"]) == ("5", "amount")
    assert "earlier line" in reject["reject_reason"]


@pytest.mark.parametrize("batch_rows", [1, 5000])
def test_a_reference_twice_in_a_file_without_ids_is_imported_once(load: Load, table: Table, batch_rows: int) -> None:
    header = "order_id,amount,method,status,reference,created_at"
    lines = ("3,1.00,COD,SUCCESS,A,2025-02-07", "3,2.00,COD,SUCCESS,A,2025-02-07", "3,1.00,COD,SUCCESS,A,2025-02-07")

    report = load(csv_of(*lines, header=header), batch_rows=batch_rows)

    assert counts(report) == {"inserted": 1, "unchanged": 1, "rejected": 1}
    assert table("SELECT amount FROM payments") == [(Decimal("1.00"),)]


def test_a_payment_refunded_since_is_kept_unless_overwriting(load: Load, table: Table) -> None:
    load(csv_of(payment_line(1), payment_line(2), payment_line(3)))
    table("UPDATE payments SET refunded_amount = 100 WHERE payment_id = 1")
    table("UPDATE payments SET refunded = 1 WHERE payment_id = 2")
    before = table(ALL)
    text = csv_of(*(payment_line(i).replace("UPI", "COD") for i in (1, 2)), payment_line(3))

    report = load(text)
    assert counts(report) == {"kept": 2, "unchanged": 1}
    assert table(ALL) == before

    assert counts(load(text, overwrite=True)) == {"updated": 2, "unchanged": 1}
    assert table("SELECT method, refunded_amount, refunded FROM payments WHERE payment_id < 3") == [
        ("COD", Decimal("100.00"), 0),
        ("COD", Decimal("0.00"), 1),
    ]


def test_overwriting_cannot_make_a_payment_smaller_than_its_refunds(load: Load, table: Table, tmp_path: Path) -> None:
    load(csv_of(payment_line(1), payment_line(2), payment_line(3)))
    table("UPDATE payments SET refunded_amount = 100")
    for i in (1, 2, 3):
        table(
            "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
            "VALUES (%s, 100, 1, '', 'a', %s, '2025-03-01')",
            i,
            str(i),
        )
    before = table(ALL)
    header = HEADER + ",refunded,refunded_amount"
    lines = (
        payment_line(1, "99.00") + ",1,0.00",
        payment_line(2, "561.00", "FAILED") + ",0,0.00",
        payment_line(3, "561.00") + ",0,50.00",
    )

    report = load(csv_of(*lines, header=header), overwrite=True)

    assert counts(report) == {"rejected": 3}
    assert [reject["reject_field"] for reject in rejects_of(tmp_path)] == ["amount", "status", "refunded"]
    assert table(ALL) == before


INVALID_LINES = [
    ("x,342,1.00,UPI,SUCCESS,R,2025-02-07", "payment_id", "must be a whole number"),
    ("0,342,1.00,UPI,SUCCESS,R,2025-02-07", "payment_id", "must be 1 or more"),
    ("9223372036854775808,342,1.00,UPI,SUCCESS,R,2025-02-07", "payment_id", "must be a whole number"),
    (",342,1.00,UPI,SUCCESS,,2025-02-07", "payment_id", "must not be empty unless there is a reference"),
    ("1,0,1.00,UPI,SUCCESS,R,2025-02-07", "order_id", "must be 1 or more"),
    ("1,3.5,1.00,UPI,SUCCESS,R,2025-02-07", "order_id", "must be a whole number"),
    ("1,342,,UPI,SUCCESS,R,2025-02-07", "amount", "must be a number such as 561.00"),
    ("1,342,-1.00,UPI,SUCCESS,R,2025-02-07", "amount", "more than 0|more than zero|positive"),
    ("1,342,0,UPI,SUCCESS,R,2025-02-07", "amount", "more than 0|more than zero|positive"),
    ("1,342,1e3,UPI,SUCCESS,R,2025-02-07", "amount", "must be a number such as 561.00"),
    ("1,342,nan,UPI,SUCCESS,R,2025-02-07", "amount", "must be a number such as 561.00"),
    ("1,342,0.005,UPI,SUCCESS,R,2025-02-07", "amount", "must have at most 2 decimals"),
    ("1,342,1.005,UPI,SUCCESS,R,2025-02-07", "amount", "is ambiguous: it may be 1.005 or 1005"),
    ("1,342,10000000000000.00,UPI,SUCCESS,R,2025-02-07", "amount", "must be at most 9999999999999.99 in INR"),
    ("1,342,1.00,,SUCCESS,R,2025-02-07", "method", "must be 1 to 255 characters"),
    ("1,342,1.00," + "U" * 256 + ",SUCCESS,R,2025-02-07", "method", "must be 1 to 255 characters"),
    ("1,342,1.00,UPI,MAYBE,R,2025-02-07", "status", "must be SUCCESS, FAILED or PENDING"),
    ("1,342,1.00,UPI,SUCCESS," + "R" * 101 + ",2025-02-07", "reference", "must be 1 to 100 characters"),
    ("1,342,1.00,UPI,SUCCESS,R\x07,2025-02-07", "reference", "without control characters"),
    ("1,342,1.00,UPI,SUCCESS,R,", "created_at", "must be a time such as"),
    ("1,342,1.00,UPI,SUCCESS,R,2025-02-30", "created_at", "must be a time such as"),
    ("1,342,1.00,UPI,SUCCESS,R,2025-W06-5 05:28:54", "created_at", "must be a time such as"),
    ("1,342,1.00,UPI,SUCCESS,R", "", "6 fields; the header has 7"),
    ('1,342,1.00,UPI,SUCCESS,"R"x,2025-02-07', "", "invalid quotes"),
]


@pytest.mark.parametrize(("line", "field", "reason"), INVALID_LINES)
def test_an_invalid_line_is_rejected_with_field_and_reason(
    load: Load, table: Table, tmp_path: Path, line: str, field: str, reason: str
) -> None:
    report = load(csv_of(payment_line(8), line, payment_line(9)))

    assert counts(report) == {"inserted": 2, "rejected": 1}
    assert [row[0] for row in table(SHORT)] == [8, 9]
    (reject,) = rejects_of(tmp_path)
    assert (reject["reject_line"], reject["reject_field"]) == ("3", field)
    assert any(words in reject["reject_reason"] for words in reason.split("|")), reject["reject_reason"]


def test_bytes_that_are_not_utf_8_are_rejected_and_written_unchanged(load: Load, tmp_path: Path) -> None:
    report = load(
        csv_of("1,342,1.00,UPI,SUCCESS,", payment_line(2)).encode().replace(b"SUCCESS,\n", b"SUCCESS,\xe9,2025-02-07\n")
    )

    assert counts(report) == {"inserted": 1, "rejected": 1}
    assert b",\xe9," in (tmp_path / "rejects.csv").read_bytes()


def test_all_problems_of_a_line_are_reported(load: Load, tmp_path: Path) -> None:
    load(csv_of("0,0,1.00,UPI,MAYBE,R,2025-02-07"))

    (reject,) = rejects_of(tmp_path)
    assert reject["reject_field"] == "payment_id, order_id, status"
    assert reject["reject_reason"].count(";") == 2


def test_a_reject_file_can_be_corrected_and_imported(payments: Payments, table: Table, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1), payment_line(2, status="MAYBE")))

    first = payments("import", "a.csv")
    assert first.returncode == 3
    assert first.stdout.endswith("rejected lines and their reasons: a.csv.rejects.csv\n")
    rejects = tmp_path / "a.csv.rejects.csv"
    rejects.write_text(rejects.read_text().replace("MAYBE", "FAILED"))
    second = payments("import", "a.csv.rejects.csv")

    assert second.returncode == 0, second.stderr
    assert [(row[0], row[2]) for row in table(SHORT)] == [(1, 1), (2, 0)]


@except_on_tidb("it ignores CHECK constraints")
def test_only_the_line_that_the_database_rejects_is_rejected(load: Load, table: Table, tmp_path: Path) -> None:
    table("ALTER TABLE payments ADD CONSTRAINT odd CHECK (order_id <> 666)")
    lines = [payment_line(i) for i in range(1, 40)]
    lines[20] = lines[20].replace("342", "666", 1)

    report = load(csv_of(*lines))

    assert counts(report) == {"inserted": 38, "rejected": 1}
    (reject,) = rejects_of(tmp_path)
    assert reject["reject_line"] == "22"
    assert reject["reject_reason"].startswith("the database rejected the row (error ")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("payment_id,order_id,amount,method,status,reference", "lacks columns: created_at"),
        ("order_id,amount,method,status,created_at", "payment_id or reference"),
        (HEADER + ",color", "unknown columns .'color'."),
        (HEADER + ",amount", "duplicate columns: amount"),
        (HEADER + ",caller", "both of the columns caller and request_id"),
    ],
)
def test_an_invalid_header_is_rejected(load: Load, table: Table, header: str, reason: str) -> None:
    with pytest.raises(CsvError, match=reason):
        load(csv_of(payment_line(1), header=header))
    assert table(SHORT) == []


def test_a_dry_run_reports_the_outcomes_and_changes_nothing(payments: Payments, table: Table, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1), payment_line(2)))
    assert payments("import", "a.csv").returncode == 0
    before = table(ALL)
    (tmp_path / "b.csv").write_text(csv_of(payment_line(1, status="FAILED"), payment_line(2), payment_line(3), "x"))

    run = payments("import", "--dry-run", "b.csv")

    assert run.returncode == 3
    assert "b.csv (dry run): 4 lines: 1 inserted, 1 updated, 1 unchanged, 0 kept, 1 rejected" in run.stdout
    assert table(ALL) == before
    assert payments("import", "b.csv").returncode == 3
    assert table("SELECT MAX(payment_id) FROM payments") == [(3,)]


def test_if_empty_imports_all_files_into_an_empty_database_and_nothing_otherwise(
    payments: Payments, table: Table, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1), payment_line(2), payment_line(1)))
    (tmp_path / "b.csv").write_text(csv_of(payment_line(3)))
    (tmp_path / "none.csv").write_text(csv_of())

    first = payments("import", "--if-empty", "--batch-rows", "2", "a.csv", "b.csv")
    assert (first.returncode, table("SELECT COUNT(*) FROM payments")) == (0, [(3,)]), first.stderr
    before = table(ALL)
    (tmp_path / "b.csv").write_text(csv_of(payment_line(3, status="FAILED"), payment_line(4)))
    second = payments("import", "--if-empty", "none.csv", "b.csv")

    assert second.returncode == 0, second.stderr
    assert second.stdout == "none.csv: the database already has payments; nothing was loaded\n"
    assert table(ALL) == before


def test_if_empty_imports_nothing_if_payments_were_archived(payments: Payments, table: Table, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1)))
    table(
        "INSERT INTO payments_archive (payment_id, order_id, method, refunded, currency, refunded_amount, archived_at)"
        " VALUES (9, 1, 'UPI', 0, 'INR', 0, UTC_TIMESTAMP(6))"
    )

    run = payments("import", "--if-empty", "a.csv")

    assert (run.returncode, table(SHORT)) == (0, [])
    assert "the database already has payments" in run.stdout


def test_if_empty_imports_nothing_if_a_charge_commits_while_it_waits(
    load: Load, table: Table, database_server: DatabaseServer, settings: Settings
) -> None:
    """The charge gets the first id in the file, so that the import waits for it."""
    with database_server.connection(settings.mysql_db) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute("INSERT INTO payments (order_id, amount, method, status) VALUES (777, 5, 'UPI', 1)")
        with ThreadPoolExecutor(1) as threads:
            importing = threads.submit(load, csv_of(payment_line(1), payment_line(2)), if_empty=True)
            database_server.wait_for_lock_wait(settings.mysql_db, importing)
            connection.commit()
            with pytest.raises(TablesNotEmpty):
                importing.result()

    assert table("SELECT payment_id, order_id FROM payments") == [(1, 777)]


def test_times_without_an_offset_are_in_the_given_time_zone(load: Load, table: Table) -> None:
    load(csv_of(payment_line(1)), zone=ZoneInfo("Asia/Kolkata"))

    assert table("SELECT created_at FROM payments") == [(datetime(2025, 2, 6, 23, 58, 54),)]  # noqa: DTZ001


def test_standard_input_can_be_imported(migrated_database: dict[str, str], table: Table, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tools.cli.main", "import", "-"],
        input=csv_of(payment_line(1)),
        env=dict(os.environ) | migrated_database | {"PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert len(table(SHORT)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("missing.csv",), 1, "missing.csv: No such file or directory"),
        (("--rejects", "missing/r.csv", "bad.csv"), 1, "missing/r.csv: No such file or directory"),
        (("--delimiter", "ab", "a.csv"), 2, "--delimiter"),
        (("--time-zone", "Mars/Base", "a.csv"), 2, "IANA"),
        (("--batch-rows", "0", "a.csv"), 2, "--batch-rows"),
        (("--batch-rows", "5001", "a.csv"), 2, "--batch-rows"),
        (("--rejects", "r.csv", "a.csv", "a.csv"), 2, "single FILE only"),
        ((), 2, "FILE"),
    ],
)
def test_invalid_arguments_and_missing_files_fail_with_a_message(
    payments: Payments, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1)))
    (tmp_path / "bad.csv").write_text(csv_of("x"))

    run = payments("import", *arguments)

    assert run.returncode == code
    assert words in run.stderr


def test_the_message_for_an_unmigrated_database_says_what_to_do(empty_database: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1)))
    environment = dict(os.environ) | empty_database
    run = programs.run("tools.cli.main", "import", "a.csv", environment=environment, folder=tmp_path)

    assert run.returncode == 1
    assert "run `payments migrate`" in run.stderr


def test_a_killed_run_is_completed_by_the_next(
    migrated_database: dict[str, str], payments: Payments, table: Table, tmp_path: Path
) -> None:
    lines = [payment_line(i) for i in range(1, 60_001)]
    lines[30_000] = "bad"
    (tmp_path / "a.csv").write_text(csv_of(*lines))
    environment = dict(os.environ) | migrated_database | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "tools.cli.main", "import", "--batch-rows", "200", "a.csv"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None and table("SELECT COUNT(*) FROM payments") < [(1000,)]:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    ((loaded,),) = table("SELECT COUNT(*) FROM payments")
    assert isinstance(loaded, int)
    assert 1000 <= loaded < 59_999
    assert loaded % 200 == 0

    again = payments("import", "a.csv")

    assert again.returncode == 3
    assert f"{59_999 - loaded:,} inserted, 0 updated, {loaded:,} unchanged, 0 kept, 1 rejected" in again.stdout
    assert table("SELECT COUNT(*), SUM(amount), MAX(payment_id) FROM payments") == [
        (59_999, Decimal("561.00") * 59_999, 60_000)
    ]


def test_an_interrupted_run_leaves_complete_batches_and_says_how_to_continue(
    migrated_database: dict[str, str], table: Table, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(csv_of(*(payment_line(i) for i in range(1, 300_001))))
    environment = dict(os.environ) | migrated_database | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "tools.cli.main", "import", "--batch-rows", "200", "a.csv"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and table("SELECT COUNT(*) FROM payments") < [(1000,)]:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate()

    assert run.returncode == 130
    assert "run the command again to continue" in errors
    ((loaded,),) = table("SELECT COUNT(*) FROM payments")
    assert isinstance(loaded, int)
    assert loaded % 200 == 0


def test_a_lost_connection_is_reopened(
    load: Load, table: Table, database_server: DatabaseServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = PaymentLoader.load, 0

    def load_after_kill(self: PaymentLoader, *arguments: Any) -> Any:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == 3:
            database_server.kill_connections(settings.mysql_db)
        return original(self, *arguments)

    monkeypatch.setattr(PaymentLoader, "load", load_after_kill)

    report = load(csv_of(*(payment_line(i) for i in range(1, 1001))), batch_rows=100)

    assert counts(report) == {"inserted": 1000}
    assert len(table(SHORT)) == 1000


@except_on_tidb("its next id is not one more than the largest id that was inserted explicitly")
def test_a_payment_inserted_by_another_session_in_the_meantime_is_found_by_the_retry(
    load: Load, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = PaymentLoader._write, 0

    def write_after_other(self: PaymentLoader, *arguments: Any) -> None:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == 1:
            table(
                "INSERT INTO payments (order_id, amount, method, status, reference) "
                "VALUES (1, 1, 'UPI', 1, 'ECI20250910-000005')"
            )
        original(self, *arguments)

    load(csv_of(payment_line(1)))
    monkeypatch.setattr(PaymentLoader, "_write", write_after_other)
    report = load(csv_of(*(payment_line(i) for i in range(1, 9))))

    # That payment has the id of line 3 and the reference of line 6, so both lines are rejected.
    assert counts(report) == {"inserted": 5, "unchanged": 1, "rejected": 2}
    assert table("SELECT COUNT(*) FROM payments WHERE order_id = 1") == [(1,)]


def test_a_long_file_takes_little_memory(migrated_database: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w") as file:
        file.write(HEADER + "\n")
        file.writelines(payment_line(i) + "\n" for i in range(1, 400_001))
    program = (
        "import re\n"
        "from pathlib import Path\n"
        "from tools.cli.main import app\n"
        "try:\n    app(['import', '--dry-run', 'a.csv'])\n"
        "finally:\n    print('peak', re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ) | migrated_database | {"PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    peak_mebibytes = int(run.stdout.rpartition("peak ")[2]) / 1024
    # Keeping all lines in memory would take about 400 MiB.
    assert peak_mebibytes < 150


def test_a_terminal_shows_a_bar_with_rows_per_second_and_the_time_left(
    migrated_database: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(csv_of(*(payment_line(i) for i in range(1, 20_001))))
    reader, terminal = os.openpty()
    environment = (
        dict(os.environ) | migrated_database | {"PYTHONPATH": str(Path.cwd()), "TERM": "xterm", "COLUMNS": "120"}
    )
    command = [sys.executable, "-m", "tools.cli.main", "import", "a.csv"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=terminal, stdout=subprocess.DEVNULL) as run:
        os.close(terminal)
        screen = b""
        with suppress(OSError):  # reading ends with an error once the other end is closed
            while data := os.read(reader, 65_536):
                screen += data
    os.close(reader)

    assert run.returncode == 0
    assert re.search(rb"a\.csv .*100%.* 20,000 rows [\d,]+ rows/s .*\d:\d\d:\d\d", screen)


def test_a_payment_cannot_be_refunded_between_look_up_and_update(
    load: Load, database_server: DatabaseServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, blocked_refunds = PaymentLoader._write, []

    def write_after_refund(self: PaymentLoader, *arguments: Any) -> None:  # noqa: ANN401
        with database_server.connection(settings.mysql_db) as connection:
            execute(connection, "SET SESSION innodb_lock_wait_timeout = 1")
            connection.begin()  # with autocommit, TiDB would wait for longer
            with pytest.raises(pymysql.err.OperationalError, match=r"[Ll]ock wait timeout") as waited:
                execute(connection, "UPDATE payments SET refunded = 1 WHERE payment_id = 1")
        blocked_refunds.append(waited)
        original(self, *arguments)

    load(csv_of(payment_line(1)))
    monkeypatch.setattr(PaymentLoader, "_write", write_after_refund)

    assert counts(load(csv_of(payment_line(1, status="FAILED")))) == {"updated": 1}
    assert len(blocked_refunds) == 1
