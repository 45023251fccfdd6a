"""``payments import`` of files from a spreadsheet, and ``payments export --spreadsheet``."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import HEADER, Payments, Table, csv_of, payment_line

STORED = "SELECT payment_id, order_id, amount, method, status, reference, created_at FROM payments ORDER BY payment_id"
TIME = datetime(2025, 2, 7, 5, 28, 54)  # noqa: DTZ001 - naive, like the column
EXPECTED = [
    (1, 342, Decimal("561.00"), "UPI", 1, "R\u00e9f-1", TIME),
    (2, 342, Decimal("1234.50"), "net banking", 0, "R\u00e9f-2", TIME),
]
LINES = (
    HEADER,
    "1,342,561.00,UPI,SUCCESS,R\u00e9f-1,2025-02-07 05:28:54",
    '2,342,1234.50,"net banking",FAILED,R\u00e9f-2,2025-02-07 05:28:54',
)
EUROPEAN_LINES = (
    "Payment ID;Order ID;Amount;Method;Status;Reference;Created at",
    "1;342,0;561,00;UPI;success;R\u00e9f-1;2025-02-07 05:28:54",
    '2;342;1.234,50;"net banking";FAILED;R\u00e9f-2;2025-02-07 05:28:54',
)
COMMAS = ",,,,"


def joined(*lines: str, end: str = "\r\n") -> str:
    return end.join([*lines, ""])


FILES: dict[str, bytes] = {
    "Excel, CSV UTF-8": joined(*LINES).encode("utf-8-sig"),
    "Excel, Unicode text": joined(*(line.replace(",", "\t") for line in LINES)).encode("utf-16"),
    "UTF-16 without a mark": joined(*LINES).encode("utf-16-le"),
    "UTF-16, big endian": joined(*LINES).encode("utf-16-be"),
    "Excel for old Macs": joined(*LINES, end="\r").encode(),
    "mixed line ends": (joined(*LINES[:2]) + joined(LINES[2], end="\n")).encode(),
    "sep=": joined("sep=,", *LINES).encode(),
    "empty columns and rows": joined(*(line + COMMAS for line in LINES), COMMAS * 3, ' , ,"",').encode(),
    "Europe": joined("sep=;", *EUROPEAN_LINES, ";;;;;;").encode(),
    "gzip": gzip.compress(joined(*LINES).encode()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_from_a_spreadsheet_is_imported(payments: Payments, table: Table, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_bytes(FILES[name])

    first = payments("import", "a.csv")
    second = payments("import", "a.csv")

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + first.stderr
    assert first.stdout == "a.csv: 2 lines: 2 inserted, 0 updated, 0 unchanged, 0 kept, 0 rejected\n"
    assert "2 unchanged" in second.stdout
    assert table(STORED) == EXPECTED


def test_a_file_with_only_a_header_changes_nothing(payments: Payments, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of())

    run = payments("import", "a.csv")

    assert run.returncode == 0
    assert run.stdout == "a.csv: 0 lines: 0 inserted, 0 updated, 0 unchanged, 0 kept, 0 rejected; nothing changed\n"


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty; its first line must name the columns"),
        (
            workbook(),
            "the file is an Excel workbook (.xlsx), not CSV: open it in a spreadsheet and save it as CSV UTF-8",
        ),
        (
            csv_of(header=HEADER + ",,refunded").encode(),
            "column 8 of the header has no name: name it, or delete the column",
        ),
        (csv_of(header=HEADER + ",Order ID").encode(), "the header has duplicate columns: order_id"),
        (
            gzip.compress(csv_of().encode())[:20],
            "the gzip data is damaged or incomplete",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_read_is_rejected_by_name(
    payments: Payments, table: Table, tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "a.csv").write_bytes(data)

    run = payments("import", "a.csv")

    assert (run.returncode, run.stderr) == (1, f"a.csv: {message}\n")
    assert table(STORED) == []


def test_damage_in_the_middle_of_a_file_is_reported_and_complete_batches_stay(
    payments: Payments, table: Table, tmp_path: Path
) -> None:
    text = csv_of(*(payment_line(i) for i in range(1, 5001)))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode(), compresslevel=0)[:-1000])

    run = payments("import", "a.csv.gz", "--batch-rows", "100")

    assert run.returncode == 1
    assert run.stderr == (
        "a.csv.gz: the gzip data is damaged or incomplete; complete batches before the damage stay imported\n"
    )
    ((count,),) = table("SELECT COUNT(*) FROM payments")
    assert isinstance(count, int)
    assert 0 < count < 5000
    assert count % 100 == 0


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("amount", "1,234", "is ambiguous: it may be 1.234 or 1234; write it like 561.00"),
        ("amount", "\u20ac561.00", "must be a number such as 561.00, without a currency sign"),
        ("payment_id", "1.23E+12", "has lost digits, because a spreadsheet has rounded it"),
        ("reference", "1.23457E+15", "has lost digits, because a spreadsheet has rounded it"),
        ("created_at", "28.11.2026", "in a spreadsheet, format the column as yyyy-mm-dd hh:mm:ss"),
        ("created_at", "46354.5", "in a spreadsheet, format the column as yyyy-mm-dd hh:mm:ss"),
        ("reference", "caf\udce9", "is not in UTF-8: save the file as CSV UTF-8"),
    ],
)
def test_a_value_that_a_spreadsheet_changed_is_rejected_with_its_line_and_column(
    payments: Payments, table: Table, tmp_path: Path, column: str, value: str, reason: str
) -> None:
    fields = dict(zip(HEADER.split(","), payment_line(1).split(","), strict=True)) | {column: value}
    text = joined(HEADER.replace(",", ";"), payment_line(2).replace(",", ";"), ";".join(fields.values()))
    (tmp_path / "a.csv").write_bytes(text.encode(errors="surrogateescape"))

    run = payments("import", "a.csv")

    assert run.returncode == 3
    _, example, where = run.stdout.splitlines()
    assert example.startswith(f"for example, line 3, {column}: ")
    assert reason in example
    assert where == "rejected lines and their reasons: a.csv.rejects.csv"
    assert table("SELECT payment_id FROM payments") == [(2,)]


def test_rejected_lines_of_a_file_with_an_unusual_delimiter_can_be_corrected_and_imported(
    payments: Payments, table: Table, tmp_path: Path
) -> None:
    lines = (HEADER, payment_line(1), payment_line(2, "x"))
    (tmp_path / "a.csv").write_text(joined("sep=^", *(line.replace(",", "^") for line in lines)))
    assert payments("import", "a.csv").returncode == 3
    rejects = tmp_path / "a.csv.rejects.csv"
    rejects.write_text(rejects.read_text().replace("^x^", "^5.00^"))

    run = payments("import", rejects.name)

    assert run.returncode == 0, run.stdout + run.stderr
    assert table("SELECT payment_id, amount FROM payments") == [(1, Decimal("561.00")), (2, Decimal("5.00"))]


READING_ONLY = (
    "the file was written by `payments export --spreadsheet`, which is for reading only: export the payments again "
    "without --spreadsheet"
)
FORMULAS = ("=1+1", "@SUM(A1)", "-2+3", '"=1+1', "a;=1+1", "\t=1", "1234567890123456789")


@pytest.fixture
def formulas(table: Table) -> None:
    """Payments with formulas in text, and a refund with one as its reason."""
    for number, text in enumerate(FORMULAS, 9007199254740993):
        table(
            "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at) "
            "VALUES (%s, 1, 10, %s, 1, %s, '2025-02-07 05:28:54.5')",
            *(number, text, text),
        )
    table(
        "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
        "VALUES (9007199254740993, 1, 1, '=1+1', '@shop', '+1', '2025-03-01')"
    )


@pytest.mark.usefixtures("formulas")
def test_an_export_for_a_spreadsheet_has_no_formulas_and_loses_no_digits(payments: Payments, tmp_path: Path) -> None:
    run = payments("export", "p.csv", "--refunds", "r.csv", "--spreadsheet")

    assert run.returncode == 0, run.stderr
    data = (tmp_path / "p.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfpayment_id,order_id,amount,method,status,reference,created_at (UTC),refunded,")
    assert data.count(b"\n") == data.count(b"\r\n") == len(FORMULAS) + 1
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    expected = ["'=1+1", "'@SUM(A1)", "'-2+3", "'\"=1+1", "a;'=1+1", "'\t'=1", "'1234567890123456789"]
    assert [row["reference"] for row in rows] == [row["method"] for row in rows] == expected
    assert rows[0]["payment_id"] == "'9007199254740993"
    assert (rows[0]["amount"], rows[0]["created_at (UTC)"]) == ("10.00", "2025-02-07 05:28:54.500000")
    (refund,) = csv.DictReader((tmp_path / "r.csv").open(encoding="utf-8-sig", newline=""))
    assert [refund[column] for column in ("reason", "caller", "request_id")] == ["'=1+1", "'@shop", "'+1"]


@pytest.mark.usefixtures("formulas")
def test_an_export_for_a_spreadsheet_can_go_to_standard_output(payments: Payments, tmp_path: Path) -> None:
    assert payments("export", "p.csv", "--spreadsheet").returncode == 0

    run = payments("export", "-", "--spreadsheet")

    assert run.stdout.encode().replace(b"\r\n", b"\n") == (tmp_path / "p.csv").read_bytes().replace(b"\r\n", b"\n")


@pytest.mark.usefixtures("formulas")
@pytest.mark.parametrize("edit", [lambda text: text, lambda text: text.replace(",", ";")])
def test_an_export_for_a_spreadsheet_cannot_be_imported(
    payments: Payments, table: Table, tmp_path: Path, edit: Callable[[str], str]
) -> None:
    payments("export", "p.csv", "--refunds", "r.csv", "--spreadsheet")
    before = table("SELECT * FROM payments"), table("SELECT * FROM refunds")
    for name in ("p.csv", "r.csv"):
        path = tmp_path / name
        path.write_text(edit(path.read_text(encoding="utf-8-sig")))

        run = payments("import", name, "--overwrite")

        assert (run.returncode, run.stderr) == (
            1,
            f"{name}: {READING_ONLY}\n",
        )
    assert (table("SELECT * FROM payments"), table("SELECT * FROM refunds")) == before


@pytest.mark.parametrize(
    "arguments", [("p.parquet",), ("p.csv", "--format", "parquet"), ("p.csv", "--refunds", "r.PARQUET")]
)
def test_an_export_for_a_spreadsheet_is_not_parquet(payments: Payments, arguments: tuple[str, ...]) -> None:
    run = payments("export", *arguments, "--spreadsheet", COLUMNS="200")

    assert run.returncode == 2
    assert "--spreadsheet: is for CSV files only, not Parquet" in " ".join(run.stderr.split())
