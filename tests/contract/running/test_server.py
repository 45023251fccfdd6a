"""The gRPC server: health, reflection, deadlines, limits, logs, startup and shutdown."""

import secrets
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from payments_client.v1 import payments_pb2 as pb

from tests.support.databases import LockPaymentRows
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed, health_stub
from tests.support.drivers.requests import charge, new_order_id, refund
from tests.support.metrics import metric
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

SERVICE = "payments.v1.PaymentService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def failure(call: Callable[[], object]) -> CallFailed:
    with pytest.raises(grpc.RpcError) as failed:
        call()
    return call_failed(failed.value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", SERVICE, "liveness"])
def test_health_is_serving_for_the_server_the_service_and_the_process(grpc_api: GrpcDriver, name: str) -> None:
    assert health_stub(grpc_api.channel).Check(health_pb2.HealthCheckRequest(service=name)).status == SERVING


def test_health_of_an_unknown_service_is_not_found(grpc_api: GrpcDriver) -> None:
    request = health_pb2.HealthCheckRequest(service="nobody.v1.Nothing")
    assert failure(lambda: health_stub(grpc_api.channel).Check(request)).code == "NOT_FOUND"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection_list_and_describe_the_services(grpc_api: GrpcDriver, version: str) -> None:
    call = grpc_api.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    symbols = (SERVICE, f"grpc.reflection.{version}.ServerReflection")
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol) for symbol in symbols),
    ]
    listed, *described = list(call(iter(requests), timeout=10))
    names = {service.name for service in listed.list_services_response.service}
    assert {*symbols, "grpc.health.v1.Health"} <= names
    for response in described:
        assert response.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize("rpc", ["Charge", "BatchCharge"])
def test_a_call_whose_deadline_passes_in_the_queue_stores_nothing(
    start_service: Callable[..., RunningService],
    lock_payment_rows: LockPaymentRows,
    rpc: str,
) -> None:
    order_id = new_order_id()
    request = charge(order_id) if rpc == "Charge" else pb.BatchChargeRequest(charges=[charge(order_id)] * 2)
    running = start_service(MYSQL_POOL_MIN="1", MYSQL_POOL_MAX="1", MYSQL_ACQUIRE_TIMEOUT_SECONDS="30")
    with grpc.insecure_channel(running.target) as channel, ThreadPoolExecutor(1) as threads:
        api = GrpcDriver(channel)
        payment = api.charge(charge()).payment
        with lock_payment_rows() as wait_until_blocked:
            refund_call = threads.submit(api.refund, refund(payment.payment_id))
            wait_until_blocked(refund_call)  # with the only connection
            assert failure(lambda: getattr(api.stub, rpc)(request, timeout=0.3)).code == "DEADLINE_EXCEEDED"
            wait_until(lambda: metric(running, "payments_calls_in_progress") == 1)
        assert refund_call.result().payment.refund_state == pb.REFUND_STATE_FULL
        assert not api.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id))).payments


def test_a_started_refund_completes_after_its_caller_is_gone(
    start_service: Callable[..., RunningService], lock_payment_rows: LockPaymentRows
) -> None:
    running = start_service()
    with grpc.insecure_channel(running.target) as channel:
        api = GrpcDriver(channel)
        payment = api.charge(charge()).payment
        with lock_payment_rows():
            assert failure(lambda: api.stub.Refund(refund(payment.payment_id), timeout=0.5)).code == "DEADLINE_EXCEEDED"
        deadline = time.monotonic() + 10
        request = pb.GetPaymentRequest(payment_id=payment.payment_id)
        while api.get_payment(request).payment.refund_state != pb.REFUND_STATE_FULL:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def call_event(service: RunningService, request_id: str) -> dict[str, Any]:
    """Return the log event of this call, which can be written a moment after the response."""
    deadline = time.monotonic() + 10
    while True:
        events = [event for event in service.events if event.get("request_id") == request_id]
        if events:
            assert [event["event"] for event in events] == ["call"]
            return events[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_caller_can_set_the_call_id_and_the_log_has_it(grpc_api: GrpcDriver, service: RunningService) -> None:
    name = secrets.token_hex(8)
    _, call = grpc_api.stub.Charge.with_call(charge(), metadata=(("x-request-id", name),))
    assert ("x-request-id", name) in call.trailing_metadata()
    event = call_event(service, name)
    assert (event["rpc"], event["code"], event["level"]) == ("Charge", "OK", "info")
    assert event["duration_ms"] > 0
    assert event["timestamp"].endswith("Z")


def test_a_call_without_an_id_gets_one(grpc_api: GrpcDriver, service: RunningService) -> None:
    failed = failure(lambda: grpc_api.stub.Charge(pb.ChargeRequest()))
    name = failed.trailers["x-request-id"]
    assert isinstance(name, str)
    assert call_event(service, name)["code"] == "INVALID_ARGUMENT"


def test_a_message_above_the_limit_is_rejected_without_harm(grpc_api: GrpcDriver) -> None:
    request = pb.RefundRequest(payment_id=1, reason="x" * (1 << 20))
    assert failure(lambda: grpc_api.stub.Refund(request)).code == "RESOURCE_EXHAUSTED"
    assert grpc_api.charge(charge()).payment.payment_id


@pytest.mark.parametrize("payload", [b"\xff" * 100, b"\x08", b"\x22\x02\xff\xfe"], ids=["junk", "cut", "not UTF-8"])
def test_bytes_that_are_not_a_message_are_an_invalid_request(grpc_api: GrpcDriver, payload: bytes) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = grpc_api.channel.unary_unary(f"/{SERVICE}/Charge")
    failed = failure(lambda: call(payload))
    assert (failed.code, failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


def test_an_unknown_rpc_is_unimplemented(grpc_api: GrpcDriver) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = grpc_api.channel.unary_unary(f"/{SERVICE}/Capture")
    assert failure(lambda: call(b"")).code == "UNIMPLEMENTED"


def test_ten_megabytes_of_random_bytes_on_the_port_do_no_harm(grpc_api: GrpcDriver, service: RunningService) -> None:
    for prefix in (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.settimeout(10)
            with suppress(OSError):  # the server may close the connection
                connection.sendall(prefix + secrets.token_bytes(10_000_000))
        assert grpc_api.charge(charge()).payment.payment_id
    assert health_stub(grpc_api.channel).Check(health_pb2.HealthCheckRequest()).status == SERVING


def test_calls_above_the_concurrency_limit_are_rejected_with_a_retry_delay(
    start_service: Callable[..., RunningService], lock_payment_rows: LockPaymentRows
) -> None:
    running = start_service(MAX_CONCURRENT_CALLS="1")
    with grpc.insecure_channel(running.target) as channel, ThreadPoolExecutor(1) as threads:
        api = GrpcDriver(channel)
        payment = api.charge(charge()).payment
        with lock_payment_rows() as wait_until_blocked:
            refund_call = threads.submit(api.refund, refund(payment.payment_id))
            wait_until_blocked(refund_call)
            failed = failure(lambda: api.stub.Charge(charge()))
            assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
            assert failed.retry_after_seconds is not None
            pushback = failed.trailers.get("grpc-retry-pushback-ms")
            assert pushback == str(round(failed.retry_after_seconds * 1000))
            assert health_stub(channel).Check(health_pb2.HealthCheckRequest()).status == SERVING
        refund_call.result()
        api.charge(charge())


def test_on_sigterm_calls_in_flight_complete_new_ones_are_rejected_and_the_exit_code_is_zero(
    start_service: Callable[..., RunningService], lock_payment_rows: LockPaymentRows
) -> None:
    running = start_service()
    with grpc.insecure_channel(running.target) as channel, ThreadPoolExecutor(2) as threads:
        api = GrpcDriver(channel)
        payment = api.charge(charge()).payment
        states = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert next(states).status == SERVING
        with lock_payment_rows() as wait_until_blocked:
            refund_call = threads.submit(api.refund, refund(payment.payment_id))
            wait_until_blocked(refund_call)
            running.send(signal.SIGTERM)
            running.wait_for("draining")
            assert next(states).status == NOT_SERVING
            with grpc.insecure_channel(running.target) as late:
                rejection = failure(lambda: GrpcDriver(late).stub.Charge(charge(), timeout=5))
                assert (rejection.code, rejection.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
                assert rejection.retry_after_seconds is not None
            assert running.is_running
        assert refund_call.result().payment.refund_state == pb.REFUND_STATE_FULL
        assert list(states) == []
        assert running.wait() == 0
        running.wait_for("stopped")
        assert all(event["level"] == "info" for event in running.events)


def test_calls_right_after_sigterm_are_rejected_as_unavailable(
    start_service: Callable[..., RunningService],
) -> None:
    running = start_service()
    with grpc.insecure_channel(running.target) as channel:
        api = GrpcDriver(channel)
        api.charge(charge())
        running.send(signal.SIGTERM)
        running.wait_for("draining")
        rejection = failure(lambda: api.stub.Charge(charge(), timeout=5))
        assert (rejection.code, rejection.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
        assert running.wait() == 0


def test_the_drain_has_a_time_limit(
    start_service: Callable[..., RunningService], lock_payment_rows: LockPaymentRows
) -> None:
    running = start_service(DRAIN_TIMEOUT_SECONDS="1")
    with (
        grpc.insecure_channel(running.target) as channel,
        httpx.Client(base_url=running.rest_url) as http,
        ThreadPoolExecutor(2) as threads,
    ):
        api = GrpcDriver(channel)
        payment_id = api.charge(charge()).payment.payment_id
        with lock_payment_rows():
            refund_call = threads.submit(failure, lambda: api.stub.Refund(refund(payment_id)))
            rest_refund_call = threads.submit(http.post, f"/v2/payments/{payment_id}:refund", json={})
            wait_until(lambda: metric(running, "payments_calls_in_progress") == 2)
            started = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - started < 20
        assert (refund_call.result().code, refund_call.result().reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
        response = rest_refund_call.result()
        assert (response.status_code, response.json()["details"][0]["reason"]) == (503, "SHUTTING_DOWN")
        assert not [event for event in running.events if event["level"] == "error"]


def test_two_servers_cannot_share_a_port(service: RunningService, start_service: Callable[..., RunningService]) -> None:
    with pytest.raises(AssertionError, match="GRPC_PORT"):
        start_service(GRPC_PORT=str(service.port))


def test_the_reference_prefix_is_a_setting(start_service: Callable[..., RunningService]) -> None:
    with grpc.insecure_channel(start_service(REFERENCE_PREFIX="SHOP").target) as channel:
        assert GrpcDriver(channel).charge(charge()).payment.reference.startswith("SHOP-")


def test_the_default_currency_is_a_setting(start_service: Callable[..., RunningService]) -> None:
    running = start_service(DEFAULT_CURRENCY="EUR", ALLOWED_CURRENCIES="USD, GBP")
    with grpc.insecure_channel(running.target) as channel:
        api = GrpcDriver(channel)
        assert api.charge(charge()).payment.amount.currency_code == "EUR"
        assert api.charge(charge(currency="GBP")).payment.amount.currency_code == "GBP"
        with pytest.raises(CallFailed) as failed:
            api.charge(charge(currency="INR"))
        assert failed.value.descriptions == ["must be one of EUR, GBP, USD, or empty"]


def test_a_seeded_processor_repeats_its_decisions(start_service: Callable[..., RunningService]) -> None:
    def outcomes() -> list[tuple[int, int]]:
        running = start_service(PROCESSOR_SEED="7", SUCCESS_PROBABILITY="0.5", SUCCESS_PROBABILITY_CARD="0.5")
        with grpc.insecure_channel(running.target) as channel:
            responses = [GrpcDriver(channel).charge(charge(method=pb.PAYMENT_METHOD_UNSPECIFIED)) for _ in range(30)]
        return [(response.payment.method, response.payment.status) for response in responses]

    first = outcomes()
    assert len(set(first)) > 3
    assert outcomes() == first


def test_old_connections_are_replaced_without_failed_calls(
    start_service: Callable[..., RunningService],
) -> None:
    running = start_service(GRPC_MAX_CONNECTION_AGE_SECONDS="0.2")
    peers: set[str] = set()
    with grpc.insecure_channel(running.target) as channel:
        calls = GrpcDriver(channel)
        for _ in range(2000):
            calls.list_payments(pb.ListPaymentsRequest(page_size=1))
            peers = {event["peer"] for event in running.events if event["event"] == "call"}
            if len(peers) >= 3:
                break
    assert len(peers) >= 3
