"""gRPC calls of a browser page of another origin, which a proxy in front of the service could forward."""

from collections.abc import Callable, Iterator

import grpc
import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.requests import charge, new_request_id
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
Metadata = tuple[tuple[str, str], ...]

SHOP = "https://shop.example.com"
EVIL = "https://evil.example"


@pytest.fixture(params=list(Engine))
def running(request: pytest.FixtureRequest, start_service: StartService) -> RunningService:
    return start_service(GRPC_ENGINE=str(request.param), CORS_ALLOWED_ORIGINS=SHOP)


@pytest.fixture
def calls(running: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(running.target) as channel:
        yield GrpcDriver(channel)


def charge_as(calls: GrpcDriver, metadata: Metadata) -> CallFailed | None:
    """Charge with the headers of a browser, and return the error, if any."""
    try:
        calls.stub.Charge(charge(), timeout=30, metadata=metadata)
    except grpc.RpcError as error:
        return call_failed(error)  # type: ignore[arg-type]
    return None


def count_payments(running: RunningService) -> int:
    return int(httpx.get(f"{running.rest_url}/v1/payments").json()["total"])


@pytest.mark.parametrize(
    "metadata",
    [
        (("origin", EVIL),),
        (("origin", EVIL), ("sec-fetch-site", "cross-site")),
        (("sec-fetch-site", "same-site"),),
        (("origin", "null"),),
    ],
)
def test_a_grpc_call_of_a_page_of_another_origin_is_rejected(
    running: RunningService, calls: GrpcDriver, metadata: Metadata
) -> None:
    name = new_request_id()
    failed = charge_as(calls, (*metadata, ("x-request-id", name)))
    assert failed is not None
    assert (failed.code, failed.reason) == ("PERMISSION_DENIED", "ORIGIN_NOT_ALLOWED")
    assert "CORS_ALLOWED_ORIGINS" in failed.message
    assert count_payments(running) == 0
    event = running.wait_for("cross_site_refused", request_id=name, rpc="Charge")
    assert event["origin"] == dict(metadata).get("origin", "")
    assert running.wait_for("call", request_id=name)["code"] == "PERMISSION_DENIED"
    counted = 'payments_call_errors_total{reason="ORIGIN_NOT_ALLOWED",rpc="Charge"} 1.0'
    assert counted in httpx.get(f"{running.rest_url}/metrics").text


def test_a_page_of_another_origin_cannot_watch(calls: GrpcDriver) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        next(calls.stub.WatchPayments(pb.WatchPaymentsRequest(), timeout=30, metadata=(("origin", EVIL),)))
    assert call_failed(failed.value).reason == "ORIGIN_NOT_ALLOWED"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("origin", SHOP),),
        (("origin", SHOP), ("sec-fetch-site", "cross-site")),
        (("sec-fetch-site", "same-origin"),),
    ],
)
def test_other_callers_and_allowed_pages_can_charge(calls: GrpcDriver, metadata: Metadata) -> None:
    assert charge_as(calls, metadata) is None
