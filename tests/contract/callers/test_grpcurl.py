"""The service as called with grpcurl, which learns the schema by reflection."""

import json
import subprocess
from typing import Any

import pytest

from tests.support.drivers.requests import new_order_id
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

SERVICE = "payments.v1.PaymentService"


class Grpcurl:
    """Runs grpcurl against a server."""

    def __init__(self, target: str) -> None:
        """Call the server at ``target``."""
        self._target = target

    def run(self, *arguments: str, data: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Run grpcurl, and return its exit code and output."""
        command = [
            str(ROOT / ".bin" / "grpcurl"),
            "-plaintext",
            *(["-d", json.dumps(data)] if data is not None else []),
        ]
        return subprocess.run(
            [*command, self._target, *arguments], capture_output=True, text=True, timeout=30, check=False
        )

    def call(self, rpc: str, data: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Call an RPC, and return the response."""
        result = self.run(f"{SERVICE}/{rpc}", data=data)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def grpcurl(service: RunningService) -> Grpcurl:
    return Grpcurl(service.target)


def test_grpcurl_lists_the_services(grpcurl: Grpcurl) -> None:
    services = grpcurl.run("list").stdout.split()
    assert {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= set(services)


def test_grpcurl_describes_the_service_and_its_messages(grpcurl: Grpcurl) -> None:
    description = grpcurl.run("describe", SERVICE).stdout
    for rpc in ("Charge", "Refund", "GetPayment", "ListPayments"):
        assert f"rpc {rpc}" in description
    assert "/v2/payments:charge" in description
    assert "optional string request_id = 4" in grpcurl.run("describe", "payments.v1.ChargeRequest").stdout


def test_grpcurl_describes_a_single_rpc(grpcurl: Grpcurl) -> None:
    for name in (f"{SERVICE}.Charge", "grpc.reflection.v1.ServerReflection.ServerReflectionInfo"):
        assert " is a method:\nrpc " in grpcurl.run("describe", name).stdout
    assert "not found" in grpcurl.run("describe", f"{SERVICE}.Chargeback").stderr


def test_grpcurl_charges_refunds_gets_and_lists(grpcurl: Grpcurl) -> None:
    order_id = str(new_order_id())
    charge = {"order_id": order_id, "amount": {"units": 561}, "method": "PAYMENT_METHOD_UPI"}
    payment = grpcurl.call("Charge", charge)["payment"]
    assert (payment["order_id"], payment["status"]) == (order_id, "PAYMENT_STATUS_SUCCEEDED")
    refunded = grpcurl.call("Refund", {"payment_id": payment["payment_id"], "amount": {"units": 61}})
    assert refunded["payment"]["refund_state"] == "REFUND_STATE_PARTIAL"
    details = grpcurl.call("GetPayment", {"reference": payment["reference"]})
    assert details == {"payment": refunded["payment"], "refunds": [refunded["refund"]]}
    listed = grpcurl.call("ListPayments", {"filter": {"order_id": order_id}})
    assert listed == {"payments": [refunded["payment"]]}


def test_grpcurl_shows_why_a_request_is_invalid(grpcurl: Grpcurl) -> None:
    result = grpcurl.run(f"{SERVICE}/Charge", data={"amount": {"units": -1}})
    assert result.returncode != 0
    for shown in ("InvalidArgument", "order_id", "must be more than zero", "INVALID_REQUEST"):
        assert shown in result.stderr


def test_grpcurl_checks_health(grpcurl: Grpcurl) -> None:
    result = grpcurl.run("grpc.health.v1.Health/Check", data={"service": SERVICE})
    assert json.loads(result.stdout) == {"status": "SERVING"}
