"""The service beside other tools that people and clusters use: a health probe, and a page in a browser."""

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
"""What grpc_health_probe exits with when its call gets an error."""


def probe(target: str, name: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / ".bin" / "grpc_health_probe"), f"-addr={target}", f"-service={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("name", ["", SERVICE, "liveness"])
def test_grpc_health_probe_finds_each_name_serving(service: RunningService, name: str) -> None:
    done = probe(service.target, name)
    assert (done.returncode, done.stderr.strip()) == (0, "status: SERVING")


def test_grpc_health_probe_fails_for_a_name_that_there_is_not(service: RunningService) -> None:
    done = probe(service.target, "payments.v2.PaymentService")
    assert done.returncode == _CALL_FAILED
    assert "NotFound" in done.stderr


@pytest.fixture
def page_url(service: RunningService, tmp_path: Path) -> Iterator[str]:
    """Where grpcui serves its page of the service."""
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


def test_a_charge_can_be_made_on_the_page_of_grpcui(page_url: str) -> None:
    with httpx.Client(base_url=page_url, timeout=30) as browser:
        page = browser.get("/")
        for rpc in ("Charge", "Refund", "GetPayment", "ListPayments"):
            assert f"{SERVICE}.{rpc}" in page.text
        browser.headers["x-grpcui-csrf-token"] = browser.cookies["_grpcui_csrf_token"]
        request = {"orderId": str(new_order_id()), "amount": {"units": "561"}, "method": "PAYMENT_METHOD_UPI"}
        charged = browser.post(f"/invoke/{SERVICE}.Charge", json={"metadata": [], "data": [request]}).json()
        assert charged["responses"][0]["message"]["payment"]["status"] == "PAYMENT_STATUS_SUCCEEDED"
        refused = browser.post(f"/invoke/{SERVICE}.Charge", json={"metadata": [], "data": [{"orderId": "1"}]}).json()
        assert refused["error"]["name"] == "InvalidArgument"
        assert "is required" in json.dumps(refused["error"]["details"])
