"""``payments import`` of payments that are already stored: its changes, and the lines that it rejects."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.cli.conftest import HEADER, Payments, Table, csv_of, payment_line
from tests.support.databases import settings_of
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, refund
from tests.support.running_service import RunningService
from tools.progress import show_progress
from tools.transfer.import_csv import ImportOptions, Report, import_csv

Load = Callable[..., Report]

ALL = "SELECT * FROM payments ORDER BY payment_id"
SAMPLE = str(Path("data/sample.csv").resolve())
EXPORT_HEADER = HEADER + ",refunded,currency,refunded_amount,requested_method,caller,request_id"
REFUND_HEADER = "refund_id,payment_id,amount,requested_amount,status,reason,caller,request_id,created_at"


@pytest.fixture
def calls(start_service: Callable[..., RunningService]) -> GrpcDriver:
    service = start_service(EVENT_RELAY_INTERVAL_SECONDS="0.05")
    return GrpcDriver(grpc.insecure_channel(service.target))


@pytest.fixture
def load(migrated_database: dict[str, str], tmp_path: Path) -> Load:
    """Import text as a file; rejected lines are in ``rejects.csv``."""

    def run(text: str, **options: bool) -> Report:
        path = tmp_path / "payments.csv"
        path.write_text(text)
        with path.open("rb") as file, show_progress("test", None) as progress:
            settings, rejects = settings_of(migrated_database), tmp_path / "rejects.csv"
            return import_csv(settings, file, rejects, ImportOptions(**options), progress=progress)  # type: ignore[arg-type]

    return run


@pytest.fixture
def import_lines(payments: Payments, tmp_path: Path) -> Callable[..., str]:
    """Import lines; return the output, and the field and reason of each rejected line."""

    def run(*lines: str, header: str = HEADER, options: tuple[str, ...] = ()) -> str:
        (tmp_path / "a.csv").write_text(csv_of(*lines, header=header))
        (tmp_path / "a.csv.rejects.csv").unlink(missing_ok=True)
        done = payments("import", "a.csv", *options)
        assert done.returncode in {0, 3}, done.stderr
        return done.stdout.splitlines()[0] + "".join(
            f"\n{row['reject_field']}: {row['reject_reason']}" for row in rejects_of(tmp_path / "a.csv.rejects.csv")
        )

    return run


def counts(report: Report) -> dict[str, int]:
    nonzero = {outcome.value: count for outcome, count in report.counts.items() if count}
    return nonzero | ({"rejected": report.rejected} if report.rejected else {})


def rejects_of(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_the_sample_file_does_not_change_an_acknowledged_charge(
    calls: GrpcDriver, payments: Payments, table: Table, options: tuple[str, ...]
) -> None:
    request = charge(777, "5.00", request_id="real-1")
    payment = calls.charge(request).payment
    assert payment.payment_id == 1
    history = payments("history", "1").stdout

    run = payments("import", SAMPLE, "--rejects", "rejects.csv", *options)

    assert run.returncode == 3
    assert "399 inserted, 0 updated, 0 unchanged, 0 kept, 1 rejected" in run.stdout
    assert calls.get_payment(pb.GetPaymentRequest(reference=payment.reference)).payment == payment
    assert calls.charge(request).payment == payment
    assert payments("history", "1").stdout == history
    assert table("SELECT COUNT(*) FROM payments") == [(400,)]


CHANGES = {
    "order_id": "778",
    "amount": "6.00",
    "method": "CARD",
    "status": "FAILED",
    "created_at": "2025-02-07 05:28:54",
    "refunded": "1",
    "refunded_amount": "1.00",
    "currency": "USD",
    "requested_method": "CARD",
    "caller": "somebody",
    "request_id": "another",
    "reference": "ANOTHER",
    "payment_id": "99",
}


@pytest.mark.parametrize("options", [{}, {"overwrite": True}])
def test_a_row_that_differs_from_a_charge_in_any_column_is_rejected(
    calls: GrpcDriver, payments: Payments, load: Load, table: Table, tmp_path: Path, options: dict[str, bool]
) -> None:
    calls.charge(charge(777, "5.00", request_id="real-1"))
    assert payments("export", "own.csv").returncode == 0
    with (tmp_path / "own.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    before = table(ALL)
    assert counts(load(csv_of(",".join(row.values()), header=EXPORT_HEADER), **options)) == {"unchanged": 1}

    changes = [{column: value} for column, value in CHANGES.items()]
    changes.append({"payment_id": "99", "reference": "ANOTHER"})
    changes.append({"reference": "ANOTHER", "caller": "", "request_id": "", "requested_method": ""})
    changes.append({"payment_id": "", "order_id": "778", "caller": "", "request_id": "", "requested_method": ""})
    for change in changes:
        line = ",".join((row | change).values())
        assert counts(load(csv_of(line, header=EXPORT_HEADER), **options)) == {"rejected": 1}, change
        assert table(ALL) == before, change


def test_an_older_export_of_a_charge_that_was_refunded_since_is_kept(
    calls: GrpcDriver, payments: Payments, table: Table
) -> None:
    ids = [calls.charge(charge(777, "5.00")).payment.payment_id for _ in range(2)]
    assert payments("export", "own.csv").returncode == 0
    calls.refund(refund(ids[0], "1.00"))
    calls.refund(refund(ids[1]))
    before = table(ALL)

    for options in ((), ("--overwrite",)):
        run = payments("import", "own.csv", *options)
        assert run.returncode == 0, run.stdout
        assert "0 inserted, 0 updated, 0 unchanged, 2 kept, 0 rejected" in run.stdout
        assert table(ALL) == before


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        (payment_line(1).replace("ECI20250910-000001", "OTHER"), "reference", "ECI20250910-000001"),
        (payment_line(1).replace("ECI20250910-000001", ""), "reference", "ECI20250910-000001"),
        (payment_line(1).replace("1,342", "77,342", 1), "payment_id", "payment 1 has this reference"),
        (payment_line(1).replace("1,342", ",342", 1).replace("342", "9"), "order_id", "342"),
        (payment_line(1, "7.00").replace("1,342", ",342", 1), "amount", "561.00"),
        (payment_line(1).replace("342", "9"), "order_id", "342"),
        (payment_line(1, "7.00"), "amount", "561.00"),
        (payment_line(1).replace("ECI20250910-000001", "ECI20250910-000002"), "reference", "payment 2 has this"),
    ],
)
def test_a_row_that_differs_from_an_imported_payment_in_an_identifying_column_is_rejected(
    import_lines: Callable[..., str],
    table: Table,
    line: str,
    field: str,
    reason: str,
    options: tuple[str, ...],
) -> None:
    import_lines(payment_line(1), payment_line(2))
    before = table(ALL)

    output = import_lines(line, options=options)

    assert "1 rejected" in output
    assert output.splitlines()[1].startswith(f"{field}: ")
    assert reason in output.splitlines()[1]
    assert table(ALL) == before


def test_a_legacy_file_that_lost_the_outer_spaces_of_a_reference_changes_nothing(load: Load, table: Table) -> None:
    load(csv_of(payment_line(1)))
    table("UPDATE payments SET reference = CONCAT(' ', reference, '  ')")
    before = table(ALL)

    assert counts(load(csv_of(payment_line(1)))) == {"unchanged": 1}
    assert table(ALL) == before


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_another_currency_or_a_caller_is_rejected_for_an_imported_payment(
    import_lines: Callable[..., str], table: Table, options: tuple[str, ...]
) -> None:
    import_lines(payment_line(1))
    before = table(ALL)

    for end in (",0,USD,0.00,,,", ",0,INR,0.00,,shop,key-1"):
        assert "1 rejected" in import_lines(payment_line(1) + end, header=EXPORT_HEADER, options=options)
        assert table(ALL) == before


def test_method_status_and_time_of_an_imported_payment_are_updated(
    import_lines: Callable[..., str], table: Table
) -> None:
    import_lines(payment_line(1), payment_line(2))

    output = import_lines("1,342,561.00,COD,FAILED,ECI20250910-000001,2025-03-01 00:00:00", payment_line(2))

    assert "0 inserted, 1 updated, 1 unchanged, 0 kept, 0 rejected" in output
    assert table("SELECT method, status, DATE(created_at) = '2025-03-01' FROM payments WHERE payment_id = 1") == [
        ("COD", 0, 1)
    ]


def test_overwriting_reports_the_number_of_changed_payments_and_leaves_charges_alone(
    calls: GrpcDriver, import_lines: Callable[..., str], table: Table
) -> None:
    payment = calls.charge(charge(777, "5.00")).payment
    import_lines(payment_line(2), payment_line(3), payment_line(4))
    table("UPDATE payments SET refunded_amount = 100 WHERE payment_id = 2")
    charge_line = f"{payment.payment_id},777,5.00,COD,SUCCESS,{payment.reference},2025-02-07"
    changed = [payment_line(i).replace("UPI", "COD") for i in (2, 3)]

    output = import_lines(charge_line, *changed, payment_line(4))
    assert "0 inserted, 1 updated, 1 unchanged, 1 kept, 1 rejected" in output
    assert "--overwrite" not in output

    output = import_lines(charge_line, *changed, payment_line(4), options=("--overwrite",))
    assert "0 inserted, 1 updated, 2 unchanged, 0 kept, 1 rejected" in output
    assert "--overwrite changed 1 payment" in output
    assert table("SELECT method FROM payments ORDER BY payment_id") == [("UPI",), ("COD",), ("COD",), ("UPI",)]


def test_overwriting_cannot_undo_a_full_refund_that_this_service_made(
    calls: GrpcDriver, import_lines: Callable[..., str], table: Table
) -> None:
    import_lines(payment_line(1))
    calls.refund(refund(1))
    before = table(ALL)

    for header, end in ((",refunded", ",0"), (",refunded,refunded_amount", ",0,0.00")):
        output = import_lines(payment_line(1) + end, header=HEADER + header, options=("--overwrite",))
        assert "1 rejected" in output
        assert table(ALL) == before


def test_no_refund_is_imported_for_a_charge(calls: GrpcDriver, load: Load, table: Table, tmp_path: Path) -> None:
    ids = [calls.charge(charge(777, "5.00")).payment.payment_id for _ in range(2)]
    calls.refund(refund(ids[1], "1.00"))
    while table("SELECT COUNT(*) FROM payment_outbox") != [(0,)]:
        time.sleep(0.02)
    before = [calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)) for payment_id in ids]

    for payment_id in ids:
        for status in ("SUCCESS", "FAILED", "PENDING"):
            line = f"50,{payment_id},1.00,,{status},,shop,key-1,2025-03-01"
            assert counts(load(csv_of(line, header=REFUND_HEADER))) == {"rejected": 1}
            (reject,) = rejects_of(tmp_path / "rejects.csv")
            assert "was made by this service" in reject["reject_reason"]

    assert [calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)) for payment_id in ids] == before
    assert table("SELECT COUNT(*) FROM refunds") == [(1,)]


@pytest.mark.parametrize(("payment_id", "inserted"), [(2**62, 1), (2**62 + 1, 0), (2**63 - 1, 0)])
def test_an_id_that_leaves_none_for_later_rows_is_rejected(
    load: Load, table: Table, payment_id: int, inserted: int
) -> None:
    report = load(csv_of(payment_line(payment_id=payment_id)))
    assert (len(table(ALL)), report.rejected) == (inserted, 1 - inserted)


def test_the_reject_file_must_not_be_the_imported_file(payments: Payments, tmp_path: Path) -> None:
    text = csv_of(payment_line(1), payment_line(2, amount="x"))
    (tmp_path / "a.csv").write_text(text)
    done = payments("import", "a.csv", "--rejects", "./a.csv")
    assert done.returncode == 2
    assert "must not be the imported file" in done.stderr
    assert (tmp_path / "a.csv").read_text() == text
