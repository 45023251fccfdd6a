"""The service as called by grpc_health_probe, which clusters use, and by grpcui, a gRPC client in the browser."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.drivers.requests import new_order_id
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

SERVICE = "payments.v1.PaymentService"
_CALL_FAILED = 3
"""The exit code of grpc_health_probe when its RPC fails."""


def probe(target: str, name: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / ".bin" / "grpc_health_probe"), f"-addr={target}", f"-service={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("name", ["", SERVICE, "liveness"])
def test_grpc_health_probe_finds_each_name_serving(service: RunningService, name: str) -> None:
    result = probe(service.target, name)
    assert (result.returncode, result.stderr.strip()) == (0, "status: SERVING")


def test_grpc_health_probe_fails_for_an_unknown_service_name(service: RunningService) -> None:
    result = probe(service.target, "payments.v2.PaymentService")
    assert result.returncode == _CALL_FAILED
    assert "NotFound" in result.stderr


@pytest.fixture
def page_url(service: RunningService, tmp_path: Path) -> Iterator[str]:
    """The address at which grpcui serves its page."""
    command = [str(ROOT / ".bin" / "grpcui"), "-plaintext", "-port=0", "-open-browser=false", service.target]
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None, (tmp_path / "errors").read_text()
        yield address[0]
        process.terminate()


def test_grpcui_can_charge(page_url: str) -> None:
    with httpx.Client(base_url=page_url, timeout=30) as browser:
        page = browser.get("/")
        for rpc in ("Charge", "Refund", "GetPayment", "ListPayments"):
            assert f"{SERVICE}.{rpc}" in page.text
        browser.headers["x-grpcui-csrf-token"] = browser.cookies["_grpcui_csrf_token"]
        request = {"orderId": str(new_order_id()), "amount": {"units": "561"}, "method": "PAYMENT_METHOD_UPI"}
        charged = browser.post(f"/invoke/{SERVICE}.Charge", json={"metadata": [], "data": [request]}).json()
        assert charged["responses"][0]["message"]["payment"]["status"] == "PAYMENT_STATUS_SUCCEEDED"
        rejected = browser.post(f"/invoke/{SERVICE}.Charge", json={"metadata": [], "data": [{"orderId": "1"}]}).json()
        assert rejected["error"]["name"] == "InvalidArgument"
        assert "is required" in json.dumps(rejected["error"]["details"])
