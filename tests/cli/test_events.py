"""The events that ``payments import`` and ``payments sample`` add to the event stream."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.domain.events import EventKind, PaymentEvent
from tests.cli.conftest import Payments, Table, csv_of, payment_line
from tests.storage.test_relay import open_stores
from tests.support.databases import Accounts

Events = Callable[[], list[PaymentEvent]]


@pytest.fixture
def events(accounts: Accounts, migrated_database: dict[str, str]) -> Events:
    """Relay all changes, as a service would, and return the whole event stream."""

    async def read() -> list[PaymentEvent]:
        async with open_stores(accounts.as_service(migrated_database)) as stores:
            await stores.relay_all()
            return await stores.events.events_after(0, 10_000)

    return lambda: asyncio.run(read())


def test_each_imported_payment_has_one_event(payments: Payments, events: Events, tmp_path: Path) -> None:
    lines = [payment_line(number, status="FAILED" if number % 3 == 0 else "SUCCESS") for number in range(1, 1001)]
    (tmp_path / "a.csv").write_text(csv_of(*lines))
    assert payments("import", "a.csv", "--batch-rows", "300").returncode == 0
    assert payments("import", "a.csv").returncode == 0, "nothing in it is new"
    stream = events()
    assert [it.payment.payment_id for it in stream] == list(range(1, 1001))
    assert {it.kind for it in stream} == {EventKind.IMPORTED}
    assert [it.payment.status for it in stream[:3]] == ["SUCCEEDED", "SUCCEEDED", "FAILED"]
    for it in stream:
        assert it.occurred_at is not None
        assert abs(datetime.now(UTC) - it.occurred_at) < timedelta(hours=1), "when it was imported"
        assert (it.caller, it.request_id, it.refund) == ("", "", None)


def test_events_of_payments_without_ids_and_of_refunded_payments_match_the_stored_payments(
    payments: Payments, events: Events, tmp_path: Path, table: Table
) -> None:
    header = "order_id,amount,method,status,reference,created_at,refunded"
    text = csv_of(
        "7,561.00,UPI,SUCCESS,R-1,2025-02-07 05:28:54,1", "8,5.00,UPI,SUCCESS,R-2,2025-02-07 05:28:54,0", header=header
    )
    (tmp_path / "a.csv").write_text(text)
    assert payments("import", "a.csv").returncode == 0
    one, other = events()
    assert [str(it.payment.refunded_amount) for it in (one, other)] == ["561.00 INR", "0.00 INR"]
    assert [it.payment.is_refunded for it in (one, other)] == [True, False]
    assert [it.payment.payment_id for it in (one, other)] == [
        row[0] for row in table("SELECT payment_id FROM payments ORDER BY reference")
    ]


def test_a_payment_changed_by_a_second_import_has_another_event(
    payments: Payments, events: Events, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1), payment_line(2)))
    assert payments("import", "a.csv").returncode == 0
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1), payment_line(2, status="FAILED"), payment_line(3)))
    assert payments("import", "a.csv").returncode == 0
    first = [it.payment.payment_id for it in events()[:2]]
    assert first == [1, 2]
    assert sorted(it.payment.payment_id for it in events()[2:]) == [2, 3]


def test_rejected_lines_and_dry_runs_have_no_events(payments: Payments, events: Events, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_of(payment_line(1), "2,0,nothing,UPI,SUCCESS,R,2025-02-07"))
    assert payments("import", "a.csv", "--dry-run").returncode == 3
    assert events() == []
    assert payments("import", "a.csv").returncode == 3
    assert [it.payment.payment_id for it in events()] == [1]


def test_imported_refunds_have_events_with_their_payments(
    payments: Payments, events: Events, tmp_path: Path, table: Table
) -> None:
    header = "payment_id,order_id,amount,method,status,reference,created_at,refunded,refunded_amount,currency"
    line = "1,7,10.00,UPI,SUCCESS,R-1,2025-02-07 05:28:54,0,4.00,INR"
    (tmp_path / "a.csv").write_text(csv_of(line, header=header))
    refunds = "refund_id,payment_id,amount,requested_amount,status,reason,caller,request_id,created_at"
    (tmp_path / "b.csv").write_text(csv_of("5,1,4.00,,SUCCESS,late,shop,r-1,2025-02-08 05:28:54", header=refunds))
    run = payments("import", "a.csv", "b.csv")
    assert run.returncode == 0, run.stdout + run.stderr
    payment, refund = events()
    assert (payment.kind, payment.refund, str(payment.payment.refunded_amount)) == ("IMPORTED", None, "4.00 INR")
    assert refund.refund is not None
    assert (refund.kind, refund.refund.refund_id, refund.refund.status) == ("IMPORTED", 5, "SUCCEEDED")
    assert (refund.caller, refund.request_id) == ("shop", "r-1")
    assert table("SELECT COUNT(*) FROM payment_outbox") == [(0,)]


def test_sample_payments_have_the_events_of_charges_and_refunds(
    payments: Payments, events: Events, table: Table
) -> None:
    assert payments("sample", "--count", "500").returncode == 0
    stream = events()
    assert [it.occurred_at for it in stream] == sorted(it.occurred_at for it in stream if it.occurred_at)
    kinds = Counter(it.kind.value for it in stream)
    (stored,) = table("SELECT COUNT(*), SUM(status), (SELECT COUNT(*) FROM refunds) FROM payments")
    assert (kinds["CHARGED"] + kinds["FAILED"], kinds["CHARGED"], kinds["REFUNDED"]) == stored
    last = {it.payment.payment_id: it.payment for it in stream}
    refunded = table("SELECT payment_id, CAST(ROUND(refunded_amount, 2) AS CHAR) FROM payments")
    assert {key: f"{amount} INR" for key, amount in refunded} == {
        key: str(payment.refunded_amount) for key, payment in last.items()
    }
