"""Streams of the health and reflection services: their content, and limits on open streams."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from server.config.grpc import Engine
from tests.contract.rpcs.test_watch_payments import STEP_TIMEOUT_SECONDS, wait_until
from tests.support.drivers.calls import CallFailed, call_failed, health_stub
from tests.support.drivers.http2_peer import INITIAL_WINDOW_SIZE, Http2Peer
from tests.support.metrics import metric
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
SERVICE = "payments.v1.PaymentService"
HEALTH, REFLECTION = '{kind="health"}', '{kind="reflection"}'


@pytest.fixture(params=list(Engine))
def start(start_service: StartService, request: pytest.FixtureRequest) -> StartService:
    """A function that starts servers of one engine."""
    return lambda **settings: start_service(GRPC_ENGINE=str(request.param), **settings)


@contextmanager
def open_channel(running: RunningService) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(running.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


def watch_health(channel: grpc.Channel, name: str = SERVICE) -> Any:  # noqa: ANN401 - generic in its type stubs only
    return health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=name), timeout=STEP_TIMEOUT_SECONDS)


def reflect(channel: grpc.Channel, stack: ExitStack) -> Any:  # noqa: ANN401 - generic in its type stubs only
    """Request the list of services, and keep the stream open until the stack exits."""
    done = threading.Event()
    stack.callback(done.set)

    def requests() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        done.wait(STEP_TIMEOUT_SECONDS)

    stub: Any = ServerReflectionStub
    return stub(channel).ServerReflectionInfo(requests(), timeout=STEP_TIMEOUT_SECONDS)


def error_of(stream: Any) -> CallFailed:  # noqa: ANN401 - generic in its type stubs only
    with pytest.raises(grpc.RpcError) as failed:
        next(stream)
    return call_failed(failed.value)  # type: ignore[arg-type]


def test_health_watches_are_limited_in_total_and_for_each_address(start: StartService) -> None:
    running = start(GRPC_MAX_HEALTH_WATCHES="8")
    with open_channel(running) as channel, open_channel(running) as other:
        streams = [watch_health(each) for each in (channel, other)]
        assert [next(stream).status for stream in streams] == [health_pb2.HealthCheckResponse.SERVING] * 2
        failed = error_of(watch_health(channel))
        assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        assert "this caller has 2 open streams" in failed.message
        assert metric(running, f"payments_grpc_streams{HEALTH}") == 2
        assert metric(running, f"payments_grpc_streams_refused_total{HEALTH}") == 1
        event = running.wait_for("grpc_streams_refused")
        assert (event["kind"], event["address"], event["count"], event["limit"]) == ("health", "127.0.0.1", 1, 8)
        check = health_stub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE))
        assert check.status == health_pb2.HealthCheckResponse.SERVING
        streams[0].cancel()
        wait_until(lambda: metric(running, f"payments_grpc_streams{HEALTH}") == 1)
        next(watch_health(channel))


def test_reflection_streams_are_limited(start: StartService) -> None:
    running = start(GRPC_MAX_REFLECTION_STREAMS="1")
    with open_channel(running) as channel, open_channel(running) as other, ExitStack() as stack:
        stream = reflect(channel, stack)
        names = [service.name for service in next(stream).list_services_response.service]
        assert SERVICE in names
        failed = error_of(reflect(other, stack))
        assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        assert metric(running, f"payments_grpc_streams{REFLECTION}") == 1
        stream.cancel()
        wait_until(lambda: metric(running, f"payments_grpc_streams{REFLECTION}") == 0)
        next(reflect(other, stack))


def test_an_unknown_service_name_can_be_watched_and_a_very_long_one_is_rejected(start: StartService) -> None:
    with open_channel(start()) as channel:
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert next(watch_health(channel, "nobody.v1.Nothing")).status == unknown
        assert next(watch_health(channel, "n" * 1000)).status == unknown
        failed = error_of(watch_health(channel, "n" * 1001))
    assert (failed.code, failed.message) == ("INVALID_ARGUMENT", "service: must be at most 1000 characters")


def test_a_health_watch_ends_when_its_client_does_not_read(start_service: StartService) -> None:
    # Envoy takes the few responses of a health watch, whether its client reads or not.
    running = start_service(GRPC_ENGINE="grpcio", GRPC_WRITE_TIMEOUT_SECONDS="1")
    request = health_pb2.HealthCheckRequest(service=SERVICE).SerializeToString()
    with Http2Peer(running.port, {INITIAL_WINDOW_SIZE: 0}) as peer:
        for stream in range(1, 9, 2):
            peer.request("/grpc.health.v1.Health/Watch", request, stream=stream)
        wait_until(lambda: metric(running, f"payments_grpc_streams{HEALTH}") > 0)
        wait_until(lambda: metric(running, f"payments_grpc_streams{HEALTH}") == 0)
