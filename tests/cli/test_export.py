"""``payments export``: the contents of the files, which an import turns into equal tables."""

import csv
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest

from server.domain.dispute import Dispute, DisputeStatus
from server.domain.listing import PaymentFilter
from server.domain.money import Money
from server.storage.payments.late_codec import dispute_to_json
from tests.cli.conftest import Payments, Table
from tests.support.databases import DatabaseServer, settings_of
from tools.database.migrations import migrate
from tools.progress import show_progress
from tools.transfer import export as export_csv

UNUSUAL_ROWS = (
    # order_id, amount, method, status, reference, created_at, refunded, refunded_amount
    (1, "10.00", "UPI", None, "ODD-1", "2025-02-07 05:28:54", 0, 0),
    (2, None, "CARD", 1, None, None, 0, 0),
    (-3, "-5.00", "net banking", 0, 'ODD,3;"x"', "2025-02-07 05:28:54.120000", 0, 0),
    (4, "0.00", "", 1, "ODD-4 ", "1999-01-01 00:00:00", 1, 0),
    (5, "20.00", "line\r\nbreak\ttab", 0, " ODD-5", "2031-01-01 00:00:00.000001", 1, 0),
    (6, "20.00", "ಯುಪಿಐ 💸", 1, "ODD-6", "2025-02-07 05:28:54", 0, "19.99"),
    (7, "20.00", "UPI ", 1, "ODD-6 ", "2025-02-07 05:28:54", 0, 0),
)
DISPUTES = (
    Dispute(DisputeStatus.OPEN, None, "=1+1", datetime(2025, 3, 1, 12, 0, 0, 500, tzinfo=UTC), None, "dp_1"),
    Dispute(
        DisputeStatus.LOST,
        Money("INR", 50),
        "product_not_received",
        datetime(2025, 3, 1, tzinfo=UTC),
        datetime(2025, 4, 1, tzinfo=UTC),
        "dp_2",
    ),
)


@pytest.fixture
def varied_payments(payments: Payments, table: Table) -> None:
    """Payments of this service with full and partial refunds, and adopted ones as unusual as the table allows."""
    assert payments("sample", "--count", "400").returncode == 0
    for row in UNUSUAL_ROWS:
        table(
            "INSERT INTO payments (order_id, amount, method, status, reference, created_at, refunded, refunded_amount) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            *row,
        )
    for number, dispute in enumerate(DISPUTES, start=1):
        table(
            "UPDATE payments SET source_mark = %s, dispute_status = %s, dispute = %s WHERE payment_id = %s",
            *(f"0a1b2c3d:{number:064x}", dispute.status.value, dispute_to_json(dispute), number),
        )
    table(
        "UPDATE payments SET external_reference = 'web ₹1', customer_id = 'c-77', caller = 'shop', "
        "request_id = CONCAT('key-', payment_id), processor_reference = 'pi_3' WHERE payment_id = 3"
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("varied_payments")
def test_importing_both_files_into_an_empty_database_produces_equal_tables(
    payments: Payments,
    table: Table,
    make_database: Callable[[], dict[str, str]],
    database_server: DatabaseServer,
) -> None:
    run = payments("export", "p.csv", "--refunds", "r.csv")
    assert run.returncode == 0, run.stderr
    other = make_database()
    migrate(settings_of(other), report=lambda _: None)

    first = payments("import", "p.csv", "r.csv", **other)
    second = payments("import", "p.csv", "r.csv", **other)

    assert first.returncode == second.returncode == 0, first.stdout + first.stderr
    assert second.stdout.count("nothing changed") == 2
    for name in ("payments", "refunds"):
        text = f"SELECT * FROM {name} ORDER BY 1"
        expected = table(text)
        assert expected == database_server.execute(text, (), other["MYSQL_DB"])
        assert expected
    assert table("SELECT COUNT(*) FROM payments WHERE refunded = 0 AND refunded_amount > 0 AND caller IS NOT NULL") > [
        (0,)
    ]


@pytest.mark.usefixtures("varied_payments")
@pytest.mark.parametrize(
    ("options", "condition"),
    [
        ((), "1 = 1"),
        (("--order-id", "5"), "order_id = 5"),
        (("--method", "upi", "--method", "CARD"), "method IN ('UPI', 'CARD')"),
        (("--method", "OTHER"), "method NOT IN ('UPI', 'CARD', 'COD')"),
        (("--status", "failed"), "status = 0"),
        (("--status", "PENDING"), "status IS NULL"),
        (("--refund-state", "PARTIAL"), "refunded = 0 AND refunded_amount > 0"),
        (("--reference", "ODD-6"), "reference = 'ODD-6'"),
        (("--external-reference", "web ₹1"), "external_reference = 'web ₹1'"),
        (("--customer", "c-77"), "customer_id = 'c-77'"),
        (("--caller", "shop"), "caller = 'shop'"),
        (("--request-id", "key-3"), "request_id = 'key-3'"),
        (("--processor-reference", "pi_3"), "processor_reference = 'pi_3'"),
        (("--min-amount", "100", "--max-amount", "500.5"), "amount BETWEEN 100 AND 500.5 AND currency = 'INR'"),
        (("--since", "2030-01-01", "--until", "2031-06-01T00:00:00Z"), "created_at >= '2030-01-01'"),
        (("--since", "30d"), "created_at >= UTC_TIMESTAMP() - INTERVAL 30 DAY"),
    ],
)
def test_every_filter_selects_payments_and_their_refunds(
    payments: Payments, table: Table, tmp_path: Path, options: tuple[str, ...], condition: str
) -> None:
    run = payments("export", "p.csv", "--refunds", "r.csv", *options)

    assert run.returncode == 0, run.stderr
    expected = table(f"SELECT payment_id FROM payments WHERE {condition} ORDER BY payment_id")
    assert [(int(row["payment_id"]),) for row in rows_of(tmp_path / "p.csv")] == expected
    assert expected
    refunds = table(
        "SELECT refund_id FROM refunds WHERE payment_id IN "
        f"(SELECT payment_id FROM payments WHERE {condition}) ORDER BY refund_id"
    )
    assert [(int(row["refund_id"]),) for row in rows_of(tmp_path / "r.csv")] == refunds


def test_a_payment_is_written_as_in_legacy_files(payments: Payments, table: Table, tmp_path: Path) -> None:
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at) "
        "VALUES (1, 355, 1757.91, 'UPI', 0, 'ECI20250910-ID9VVN', '2025-02-07 05:28:54')"
    )

    assert payments("export", "p.csv").returncode == 0

    lines = (tmp_path / "p.csv").read_bytes().split(b"\r\n")
    assert lines[0].startswith(b"payment_id,order_id,amount,method,status,reference,created_at,refunded,currency,")
    assert lines[1] == b"1,355,1757.91,UPI,FAILED,ECI20250910-ID9VVN,2025-02-07 05:28:54,0,INR,0.00" + b"," * 14
    assert lines[2:] == [b""]


@pytest.mark.usefixtures("varied_payments")
def test_parquet_has_typed_values(payments: Payments, table: Table, tmp_path: Path) -> None:
    run = payments("export", "p.parquet", "--refunds", "r.out", "--format", "parquet")

    assert run.returncode == 0, run.stderr
    exported = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    types = {field.name: str(field.type) for field in exported.schema}
    assert types["payment_id"] == "int64"
    assert types["amount"] == types["refunded_amount"] == "decimal128(19, 4)"
    assert types["created_at"] == "timestamp[us, tz=UTC]"
    assert types["refunded"] == "bool"
    columns = ("payment_id", "amount", "method", "reference", "caller")
    rows = [tuple(row[column] for column in columns) for row in exported.to_pylist()]
    expected = table(
        "SELECT payment_id, amount, method, reference, CONVERT(caller USING utf8mb4) FROM payments ORDER BY 1"
    )
    assert rows == expected
    times = [row["created_at"] and row["created_at"].replace(tzinfo=None) for row in exported.to_pylist()]
    assert [(time,) for time in times] == table("SELECT created_at FROM payments ORDER BY payment_id")
    assert pyarrow.parquet.read_table(tmp_path / "r.out").num_rows == table("SELECT COUNT(*) FROM refunds")[0][0]


def test_a_parquet_file_without_rows_still_has_its_columns(payments: Payments, tmp_path: Path) -> None:
    assert payments("export", "p.parquet").returncode == 0

    exported = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    assert (exported.num_rows, exported.schema.names[0]) == (0, "payment_id")


@pytest.mark.usefixtures("varied_payments")
def test_both_files_come_from_one_snapshot(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_database: dict[str, str]
) -> None:
    expected = table("SELECT payment_id, refunded_amount FROM payments ORDER BY payment_id")
    refunds = table("SELECT COUNT(*) FROM refunds")
    original = export_csv._chunks

    def chunks_after_change(*arguments: object) -> object:
        table("INSERT INTO payments (order_id, amount, method, status) VALUES (9, 9, 'UPI', 1)")
        table(
            "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
            "VALUES (LAST_INSERT_ID() + 1, 1, 1, '', 'late', UUID(), '2026-01-01')"
        )
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(export_csv, "_chunks", chunks_after_change)
    with show_progress("test", None) as progress:
        counts = export_csv.export(
            settings_of(migrated_database),
            PaymentFilter(),
            tmp_path / "p.csv",
            refunds=tmp_path / "r.csv",
            progress=progress,
        )

    assert counts == (len(expected), refunds[0][0])
    assert len(rows_of(tmp_path / "p.csv")) == len(expected)


@pytest.mark.usefixtures("varied_payments")
def test_a_failed_export_leaves_existing_files_unchanged(payments: Payments, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("before")

    run = payments("export", "p.csv", "--refunds", "missing/r.csv")

    assert run.returncode == 1
    assert "No such file or directory" in run.stderr
    assert (tmp_path / "p.csv").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv"]


@pytest.mark.usefixtures("varied_payments")
def test_an_export_can_go_to_standard_output(payments: Payments) -> None:
    run = payments("export", "-")

    assert run.returncode == 0
    assert len(list(csv.reader(run.stdout.splitlines(keepends=True)))) == 408
    assert run.stderr == "standard output: 407 payments\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a file"),
        (("a.csv", "--refunds", "a.csv"), "must not be the file for the payments"),
        (("a.csv", "--since", "yesterday"), "--since"),
        (("a.csv", "--min-amount", "x"), "--min-amount"),
        (("a.csv", "--min-amount", "1.005"), "at most 2 decimals"),
        (("a.csv", "--min-amount", "5", "--max-amount", "1"), "max_amount"),
        (("a.csv", "--currency", "XXQ", "--min-amount", "5"), "ISO 4217"),
        (("a.csv", "--method", "cheque"), "--method"),
        (("a.csv", "--since", "2d", "--until", "3d"), "max_create_time"),
    ],
)
def test_incorrect_usage_is_rejected(payments: Payments, arguments: tuple[str, ...], words: str) -> None:
    run: subprocess.CompletedProcess[str] = payments("export", *arguments)

    assert run.returncode == 2
    assert words in " ".join(run.stderr.replace("│", "").split())


@pytest.mark.parametrize(
    ("status", "dispute", "field"),
    [
        ("OPEN", "", "dispute"),
        ("", dispute_to_json(DISPUTES[0]), "dispute"),
        ("LOST", dispute_to_json(DISPUTES[0]), "dispute"),
        ("OPEN", dispute_to_json(DISPUTES[1]), "dispute"),
        ("CLOSED", dispute_to_json(DISPUTES[1]), "dispute_status"),
        ("LOST", dispute_to_json(DISPUTES[1]).replace("+00:00", ""), "dispute"),
        ("LOST", dispute_to_json(DISPUTES[1]).replace('"amount_minor":50', '"amount_minor":1.5'), "dispute"),
        ("LOST", dispute_to_json(DISPUTES[1]).replace('"reason":"product_not_received"', '"reason":7'), "dispute"),
        ("LOST", dispute_to_json(DISPUTES[1]).replace('"reason"', '"cause"'), "dispute"),
        ("LOST", "[]", "dispute"),
        ("LOST", "fraudulent", "dispute"),
    ],
)
def test_a_dispute_that_no_export_wrote_is_rejected(
    payments: Payments, table: Table, tmp_path: Path, status: str, dispute: str, field: str
) -> None:
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("payment_id", "order_id", "amount", "method", "status", "created_at", "dispute_status", "dispute")
        )
        writer.writerow((1, 1, "5.00", "CARD", "SUCCESS", "2025-02-07 05:28:54", status, dispute))

    assert payments("import", "p.csv").returncode == 3

    assert [row["reject_field"] for row in rows_of(tmp_path / "p.csv.rejects.csv")] == [field]
    assert table("SELECT COUNT(*) FROM payments") == [(0,)]


def test_imported_refunds_are_checked_against_their_payments(payments: Payments, table: Table, tmp_path: Path) -> None:
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, refunded_amount, refunded) "
        "VALUES (1, 1, 10, 'UPI', 1, 'A', 4, 0), (2, 1, 10, 'UPI', 1, 'B', 0, 1), (3, 1, 10, 'UPI', 1, 'C', 0, 0)"
    )
    header = "refund_id,payment_id,amount,requested_amount,status,reason,caller,request_id,created_at"
    lines = (
        "1,1,3.00,3.00,SUCCESS,,a,k1,2025-03-01 00:00:00",
        "2,1,1.01,,SUCCESS,,a,k2,2025-03-01 00:00:00",
        "3,1,1.00,,PENDING,,a,k3,2025-03-01 00:00:00",
        "4,2,10.00,,SUCCESS,,a,k4,2025-03-01 00:00:00",
        "5,3,1.00,,SUCCESS,,a,k5,2025-03-01 00:00:00",
        "6,3,1.00,,FAILED,,a,k6,2025-03-01 00:00:00",
        "7,99,1.00,,SUCCESS,,a,k7,2025-03-01 00:00:00",
        "8,2,1.00,,FAILED,,a,k1,2025-03-01 00:00:00",
        "1,1,2.00,2.00,SUCCESS,,a,k1,2025-03-01 00:00:00",
        "9,1,0.00,,SUCCESS,,a,k9,2025-03-01 00:00:00",
        "10,1,1.00,,SUCCESS,,a,,2025-03-01 00:00:00",
    )
    (tmp_path / "r.csv").write_text("\n".join([header, *lines, ""]))

    run = payments("import", "r.csv")

    assert run.returncode == 3
    assert table("SELECT refund_id FROM refunds ORDER BY 1") == [(1,), (3,), (4,), (6,)]
    rejects = {row["reject_line"]: row["reject_field"] for row in rows_of(tmp_path / "r.csv.rejects.csv")}
    assert rejects == {
        "3": "amount",
        "6": "amount",
        "8": "payment_id",
        "9": "request_id",
        "10": "amount",
        "11": "amount",
        "12": "request_id",
    }
    again = payments("import", "r.csv")
    assert "0 inserted, 0 updated, 4 unchanged, 0 kept, 7 rejected; nothing changed" in again.stdout
