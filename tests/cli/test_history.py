"""``payments history``: everything that happened to a payment."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.cli.conftest import Payments, Table
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, refund
from tests.support.running_service import RunningService

Wait = Callable[[], None]


@pytest.fixture
def api(start_service: Callable[..., RunningService]) -> Any:  # noqa: ANN401 - a generator of one driver
    with grpc.insecure_channel(start_service().target) as channel:
        yield GrpcDriver(channel)


def lines(payments: Payments, key: object, count: int) -> list[dict[str, Any]]:
    """Return the history once it has so many entries with their place in the stream."""
    while True:
        ran = payments("history", str(key), "--json")
        assert (ran.returncode, ran.stderr) == (0, "")
        found = [json.loads(line) for line in ran.stdout.splitlines()]
        if sum(it["sequence"] is not None for it in found) == count:
            return found


def test_each_event_tells_when_what_how_much_and_who(payments: Payments, api: GrpcDriver) -> None:
    made = api.charge(charge(request_id="order-1")).payment
    part = api.refund(refund(made.payment_id, "61.00", request_id="refund-1")).refund
    rest = api.refund(refund(made.payment_id, request_id="refund-2")).refund
    found = lines(payments, made.payment_id, 3)
    assert [(it["type"], it["amount"], it["refunded_amount"], it["refund_id"], it["request_id"]) for it in found] == [
        ("CHARGED", "561.00", "0.00", None, "order-1"),
        ("REFUNDED", "61.00", "61.00", part.refund_id, "refund-1"),
        ("REFUNDED", "500.00", "561.00", rest.refund_id, "refund-2"),
    ]
    assert {(it["payment_id"], it["currency"], it["caller"]) for it in found} == {(made.payment_id, "INR", "anonymous")}
    assert found[0]["event_time"] == made.create_time.ToJsonString()
    shown = payments("history", made.reference)
    assert shown.returncode == 0
    for text in ("CHARGED", "REFUNDED", "561.00 INR", "61.00 INR", "anonymous", "refund-2"):
        assert text in shown.stdout
    assert "what is stored" not in shown.stdout


def test_what_has_no_event_is_told_as_it_is_stored_and_said_so(
    payments: Payments, api: GrpcDriver, table: Table
) -> None:
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded) VALUES "
        "(1, 7, 561.00, 'UPI', 1, 'R-1', '2025-02-07 05:28:54', 0), (2, 7, 5, 'UPI', 1, NULL, NULL, 1)"
    )
    (only,) = lines(payments, 1, 0)
    assert (only["type"], only["event_time"], only["caller"]) == ("CHARGED", "2025-02-07T05:28:54Z", None)
    assert [it["type"] for it in lines(payments, 2, 0)] == ["CHARGED", "REFUNDED"]
    assert "what is stored" in payments("history", "R-1").stdout
    api.refund(refund(1, "61.00"))
    charged, refunded = lines(payments, 1, 1)
    assert (charged["type"], charged["sequence"]) == ("CHARGED", None)
    assert (refunded["type"], refunded["caller"], refunded["refunded_amount"]) == ("REFUNDED", "anonymous", "61.00")


def test_a_payment_that_there_is_not_is_said_so(payments: Payments) -> None:
    for key in ("7", "R-7"):
        ran = payments("history", key)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert f"there is no payment {key}" in ran.stderr
