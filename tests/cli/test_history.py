"""``payments history``: each charge and refund of a payment, in order."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from tests.cli.conftest import Payments, Table
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, refund
from tests.support.running_service import RunningService


@pytest.fixture
def api(start_service: Callable[..., RunningService]) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(start_service().target) as channel:
        yield GrpcDriver(channel)


def history(payments: Payments, key: object, event_count: int) -> list[dict[str, Any]]:
    """Return the history once ``event_count`` of its entries are in the event stream."""
    while True:
        run = payments("history", str(key), "--json")
        assert (run.returncode, run.stderr) == (0, "")
        entries = [json.loads(line) for line in run.stdout.splitlines()]
        if sum(it["sequence"] is not None for it in entries) == event_count:
            return entries


@contextmanager
def stopped_relay(database_server: DatabaseServer, database: str) -> Iterator[None]:
    """Keep the relay from numbering changes until the context ends, by taking its lease."""
    lease = "UPDATE payment_stream SET lease_number = lease_number + 1, leased_until = "
    database_server.execute(f"{lease} '2100-01-01'", database=database)
    yield
    database_server.execute(f"{lease} NULL", database=database)


def test_each_entry_has_its_time_type_amount_and_caller(payments: Payments, api: GrpcDriver) -> None:
    payment = api.charge(charge(request_id="order-1")).payment
    part = api.refund(refund(payment.payment_id, "61.00", request_id="refund-1")).refund
    rest = api.refund(refund(payment.payment_id, request_id="refund-2")).refund
    entries = history(payments, payment.payment_id, 3)
    assert [(it["type"], it["amount"], it["refunded_amount"], it["refund_id"], it["request_id"]) for it in entries] == [
        ("CHARGED", "561.00", "0.00", None, "order-1"),
        ("REFUNDED", "61.00", "61.00", part.refund_id, "refund-1"),
        ("REFUNDED", "500.00", "561.00", rest.refund_id, "refund-2"),
    ]
    assert {(it["payment_id"], it["currency"], it["caller"]) for it in entries} == {
        (payment.payment_id, "INR", "anonymous")
    }
    assert entries[0]["event_time"] == payment.create_time.ToJsonString()
    run = payments("history", payment.reference)
    assert run.returncode == 0
    for text in ("CHARGED", "REFUNDED", "561.00 INR", "61.00 INR", "anonymous", "refund-2"):
        assert text in run.stdout
    assert "derived from the stored payment" not in run.stdout


def test_entries_without_events_are_derived_from_the_stored_payment_with_a_note(
    payments: Payments, api: GrpcDriver, table: Table
) -> None:
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded) VALUES "
        "(1, 7, 561.00, 'UPI', 1, 'R-1', '2025-02-07 05:28:54', 0), (2, 7, 5, 'UPI', 1, NULL, NULL, 1)"
    )
    (only,) = history(payments, 1, 0)
    assert (only["type"], only["event_time"], only["caller"]) == ("CHARGED", "2025-02-07T05:28:54Z", None)
    assert [it["type"] for it in history(payments, 2, 0)] == ["CHARGED", "REFUNDED"]
    assert "derived from the stored payment" in payments("history", "R-1").stdout
    api.refund(refund(1, "61.00"))
    charged, refunded = history(payments, 1, 1)
    assert (charged["type"], charged["sequence"]) == ("CHARGED", None)
    assert (refunded["type"], refunded["caller"], refunded["refunded_amount"]) == ("REFUNDED", "anonymous", "61.00")


def test_entries_that_the_relay_has_not_numbered_have_their_callers_and_are_in_order(
    payments: Payments, api: GrpcDriver, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    payment_id = api.charge(charge(request_id="order-1")).payment.payment_id
    history(payments, payment_id, 1)
    with stopped_relay(database_server, migrated_database["MYSQL_DB"]):
        api.refund(refund(payment_id, "61.00", request_id="refund-1"))
        new_payment_id = api.charge(charge(request_id="order-2")).payment.payment_id
        entries = history(payments, payment_id, 1)
        (new_charge,) = history(payments, new_payment_id, 0)
        tables = [payments("history", str(key)).stdout for key in (payment_id, new_payment_id)]
    assert [(it["type"], it["caller"], it["request_id"]) for it in (*entries, new_charge)] == [
        ("CHARGED", "anonymous", "order-1"),
        ("REFUNDED", "anonymous", "refund-1"),
        ("CHARGED", "anonymous", "order-2"),
    ]
    assert not any("earlier system" in table for table in tables)


def test_a_missing_payment_is_an_error(payments: Payments) -> None:
    for key in ("7", "R-7"):
        run = payments("history", key)
        assert (run.returncode, run.stdout) == (1, "")
        assert f"there is no payment {key}" in run.stderr
