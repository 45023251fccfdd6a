"""Traces that a running service sends to an OTLP receiver, for every transport."""

import functools
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from payments_client import PaymentsClient
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support import waiting
from tests.support.databases import DatabaseServer, LockPaymentRows
from tests.support.drivers.calls import CallFailed, GrpcDriver, health_stub
from tests.support.drivers.requests import charge, refund
from tests.support.otlp_receiver import OtlpReceiver, running_otlp_receiver
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb

wait_until = functools.partial(waiting.wait_until, within_seconds=30)

StartService = Callable[..., RunningService]

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
EXPORT_SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""Send spans after 50 ms instead of 5 s."""


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with running_otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(params=list(Engine))
def traced_service(
    request: pytest.FixtureRequest, start_service: StartService, receiver: OtlpReceiver
) -> RunningService:
    return start_service(
        TRACING_ENDPOINT=receiver.url, TRACING_SAMPLE_RATIO="1", GRPC_ENGINE=request.param, **EXPORT_SOON
    )


@pytest.fixture
def traced_rest(start_service: StartService, receiver: OtlpReceiver) -> RunningService:
    return start_service(TRACING_ENDPOINT=receiver.url, TRACING_SAMPLE_RATIO="1", **EXPORT_SOON)


def call_with(running: RunningService, traceparent: str, request: pb.ChargeRequest) -> pb.ChargeResponse:
    with grpc.insecure_channel(running.target) as channel:
        metadata = (("traceparent", traceparent), ("x-request-id", "ticket-7"))
        response: pb.ChargeResponse = GrpcDriver(channel).stub.Charge(request, metadata=metadata, timeout=30)
        return response


def spans_with_insert(receiver: OtlpReceiver) -> list[str]:
    """Return the ids of the spans whose payments were inserted, alone or in a batch."""
    groups = {span.span_id: span.links for span in receiver.spans if span.name == "group charge"}
    parents = [span.parent_id for span in receiver.spans if span.name == "INSERT_PAYMENTS"]
    return [span_id for parent in parents for span_id in groups.get(parent, (parent,))]


def calls_of(running: RunningService) -> list[dict[str, Any]]:
    return [event for event in running.events if event["event"] == "call"]


def test_a_grpc_call_has_nested_spans_for_its_use_case_and_its_sql(
    traced_service: RunningService, receiver: OtlpReceiver
) -> None:
    call_with(traced_service, SAMPLED, charge())
    server = receiver.named("payments.v1.PaymentService/Charge")
    use_case = receiver.named("Payments.charge")
    sql = receiver.named("INSERT_PAYMENTS")
    assert [server.trace_id, use_case.trace_id, sql.trace_id] == [TRACE] * 3
    assert [server.parent_id, use_case.parent_id, sql.parent_id] == [PARENT, server.span_id, use_case.span_id]
    assert [server.kind, use_case.kind, sql.kind] == ["SERVER", "INTERNAL", "CLIENT"]
    assert server.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "payments.v1.PaymentService/Charge",
        "rpc.response.status_code": "OK",
        "payments.request_id": "ticket-7",
    }
    assert sql.attributes == {"db.system.name": "mysql", "db.query.summary": "INSERT_PAYMENTS"}
    assert server.start <= use_case.start <= sql.start <= sql.end <= use_case.end <= server.end
    assert not any(span.is_error for span in receiver.spans)


class TraceInterceptor(grpc.UnaryUnaryClientInterceptor):
    """Adds each call to a trace, as OpenTelemetry's client interceptors do."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        """Add the ``traceparent`` metadata."""
        metadata = [*(details.metadata or ()), ("traceparent", SAMPLED)]
        return continuation(details._replace(metadata=metadata), request)


def test_calls_of_the_python_client_join_the_trace_of_its_program(
    traced_service: RunningService, receiver: OtlpReceiver
) -> None:
    with PaymentsClient(traced_service.target, interceptors=[TraceInterceptor()]) as client:
        client.charge(order_id=342, amount=Decimal("561.00"))
    server = receiver.named("payments.v1.PaymentService/Charge")
    assert (server.trace_id, server.parent_id) == (TRACE, PARENT)


@pytest.mark.parametrize(
    ("verb", "path", "body", "route", "use_case"),
    [
        ("POST", "/v2/payments:charge", {"orderId": "3", "amount": {"units": "5"}}, "/v2/payments:charge", "charge"),
        ("POST", "/v1/payments/charge", {"order_id": 3, "amount": 5.0}, "/v1/payments/charge", "charge"),
        ("GET", "/v2/payments?pageSize=3", None, "/v2/payments", "list_payments"),
        ("GET", "/v1/payments", None, "/v1/payments", "list_numbered_page"),
        ("GET", "/v2/payments/by-reference/x", None, "/v2/payments/by-reference/{reference}", "get_payment"),
        ("POST", "/v1/payments/7/refund", None, "/v1/payments/{payment_id}/refund", "refund"),
    ],
)
def test_a_rest_request_has_a_span_named_after_its_route(
    traced_rest: RunningService,
    receiver: OtlpReceiver,
    verb: str,
    path: str,
    body: object,
    route: str,
    use_case: str,
) -> None:
    headers = {"traceparent": SAMPLED, "tracestate": "vendor=1", "x-request-id": "ticket-8"}
    response = httpx.request(verb, traced_rest.rest_url + path, json=body, headers=headers)
    server = receiver.named(f"{verb} {route}")
    assert (server.trace_id, server.parent_id, server.kind) == (TRACE, PARENT, "SERVER")
    assert server.attributes.items() >= {
        ("http.request.method", verb),
        ("http.route", route),
        ("http.response.status_code", response.status_code),
        ("url.scheme", "http"),
        ("payments.request_id", "ticket-8"),
    }
    assert not server.is_error
    use_case_span = receiver.named(f"Payments.{use_case}")
    assert (use_case_span.trace_id, use_case_span.parent_id) == (TRACE, server.span_id)
    statements = receiver.wait_for(lambda span: span.kind == "CLIENT")
    assert {(span.trace_id, span.parent_id) for span in statements} == {(TRACE, use_case_span.span_id)}


def test_a_statement_shared_by_many_calls_is_its_own_trace_with_links_both_ways(
    traced_service: RunningService,
    receiver: OtlpReceiver,
    lock_payments_table: Callable[[], AbstractContextManager[None]],
) -> None:
    with grpc.insecure_channel(traced_service.target) as channel, ThreadPoolExecutor(40) as threads:
        calls = GrpcDriver(channel)
        with lock_payments_table():
            charges = [threads.submit(calls.charge, charge()) for _ in range(40)]
            wait_until(
                lambda: "payments_calls_in_progress 40.0" in httpx.get(f"{traced_service.rest_url}/metrics").text
            )
        assert all(call.result().payment.payment_id for call in charges)
    use_cases = {span.span_id: span for span in receiver.wait_for(lambda span: span.name == "Payments.charge", 40)}
    wait_until(lambda: sorted(spans_with_insert(receiver)) == sorted(use_cases))
    groups = {span.span_id: span for span in receiver.spans if span.name == "group charge"}
    statements = receiver.wait_for(
        lambda span: span.name == "INSERT_PAYMENTS" and span.parent_id not in use_cases, len(groups)
    )
    assert len({span.trace_id for span in use_cases.values()}) == 40
    assert groups
    assert {span.parent_id for span in statements} == set(groups)
    for group in groups.values():
        assert group.parent_id == ""
        assert group.attributes == {"payments.group.items": len(group.links)}
        assert all(use_cases[link].links == (group.span_id,) for link in group.links)


def test_a_batch_is_sampled_if_any_of_its_calls_is(
    start_service: StartService, receiver: OtlpReceiver, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    running = start_service(TRACING_ENDPOINT=receiver.url, TRACING_SAMPLE_RATIO="0", **EXPORT_SOON)
    with ThreadPoolExecutor(40) as threads, lock_payments_table():
        charges = [threads.submit(call_with, running, NOT_SAMPLED, charge()) for _ in range(10)]
        wait_until(lambda: "payments_calls_in_progress 10.0" in httpx.get(f"{running.rest_url}/metrics").text)
        charges += [threads.submit(call_with, running, SAMPLED, charge()) for _ in range(3)]
        wait_until(lambda: "payments_calls_in_progress 13.0" in httpx.get(f"{running.rest_url}/metrics").text)
    assert all(call.result().payment.payment_id for call in charges)
    sampled = receiver.wait_for(lambda span: span.name == "Payments.charge", 3)
    wait_until(lambda: {span.span_id for span in sampled} <= set(spans_with_insert(receiver)))
    assert len(sampled) == 3
    groups = receiver.wait_for(lambda span: span.name == "group charge")
    assert all(len(group.links) > 1 for group in groups)


def test_the_log_has_the_trace_id_and_the_request_id(traced_service: RunningService, receiver: OtlpReceiver) -> None:
    call_with(traced_service, SAMPLED, charge())
    traced_service.wait_for("call", request_id="ticket-7", trace_id=TRACE)
    httpx.get(f"{traced_service.rest_url}/v2/payments")
    event = traced_service.wait_for("call", rpc="ListPayments")
    assert receiver.named("GET /v2/payments").trace_id == event["trace_id"]
    with pytest.raises(grpc.RpcError):
        call_with(traced_service, NOT_SAMPLED, charge(order_id=0))
    assert traced_service.wait_for("call", code="INVALID_ARGUMENT")["trace_id"] == TRACE


def test_an_error_of_the_caller_is_not_an_error_of_the_span(
    traced_service: RunningService,
    receiver: OtlpReceiver,
    lock_payments_table: Callable[[], AbstractContextManager[None]],
) -> None:
    name = "payments.v1.PaymentService/Charge"
    with grpc.insecure_channel(traced_service.target) as channel:
        calls = GrpcDriver(channel)
        with pytest.raises(CallFailed):
            calls.charge(charge(order_id=0))
        (rejected_span,) = receiver.wait_for(lambda span: span.name == name)
        assert rejected_span.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
        assert not rejected_span.is_error
        with lock_payments_table():
            with pytest.raises(grpc.RpcError):
                calls.stub.Charge(charge(), timeout=0.5)
            # The insert is still blocked here. The service may notice the cancellation later than the client.
            _, abandoned_span = receiver.wait_for(lambda span: span.name == name, 2)
    assert abandoned_span.attributes["rpc.response.status_code"] in {"CANCELLED", "DEADLINE_EXCEEDED"}


def test_a_statement_that_times_out_is_an_error_of_its_span_and_its_calls_span(
    start_service: StartService, receiver: OtlpReceiver, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    settings = {"TRACING_SAMPLE_RATIO": "1", "MYSQL_STATEMENT_TIMEOUT_SECONDS": "1", **EXPORT_SOON}
    running = start_service(TRACING_ENDPOINT=receiver.url, **settings)
    with lock_payments_table():
        body = {"orderId": "3", "amount": {"units": "5"}}
        assert httpx.post(f"{running.rest_url}/v2/payments:charge", json=body, timeout=30).status_code == 503
    server = receiver.named("POST /v2/payments:charge")
    assert server.is_error
    assert server.attributes["error.type"] == "503"
    assert server.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert receiver.named("INSERT_PAYMENTS").is_error


@except_on_tidb("a killed session gets error 1317 first, which is not retried")
def test_each_attempt_of_a_statement_has_a_span_with_its_error_code(
    traced_service: RunningService,
    receiver: OtlpReceiver,
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
    lock_payment_rows: LockPaymentRows,
) -> None:
    database = migrated_database["MYSQL_DB"]
    with grpc.insecure_channel(traced_service.target) as channel, ThreadPoolExecutor(1) as threads:
        calls = GrpcDriver(channel)
        payment = calls.charge(charge()).payment
        with lock_payment_rows():
            refund_call = threads.submit(calls.refund, refund(payment.payment_id))
            wait_until(lambda: len(database_server.blocked_refunds(database)) == 1)
            (blocked,) = database_server.blocked_refunds(database)
            database_server.execute(f"KILL CONNECTION {blocked}")
        refund_call.result()
    failed, succeeded = receiver.wait_for(lambda span: span.name == "STORE_REFUND", 2)
    assert (failed.is_error, succeeded.is_error) == (True, False)
    assert int(failed.attributes["db.response.status_code"]) in {1927, 2013}
    assert not receiver.named("payments.v1.PaymentService/Refund").is_error


def test_health_metrics_and_documents_are_not_traced(traced_service: RunningService, receiver: OtlpReceiver) -> None:
    with grpc.insecure_channel(traced_service.target) as channel:
        health_stub(channel).Check(HealthCheckRequest())
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/nothing", "/v2/payments/x/y"):
        httpx.get(f"{traced_service.rest_url}{path}", headers={"traceparent": SAMPLED})
    time.sleep(2.5)  # long enough for the service to reload the API keys
    httpx.get(f"{traced_service.rest_url}/v2/payments/1")
    receiver.named("GET /v2/payments/{payment_id}")
    assert {span.name for span in receiver.spans} == {
        "GET /v2/payments/{payment_id}",
        "Payments.get_payment",
        "SELECT_DETAILS_OF_MANY",
        "SELECT_DETAILS_OF_MANY_ARCHIVED",
    }


@pytest.mark.parametrize("traceparent", ["", "00-xyz", f"00-{'0' * 32}-{PARENT}-01", "00-" + "a" * 4000])
def test_an_invalid_traceparent_starts_a_new_trace(
    traced_rest: RunningService, receiver: OtlpReceiver, traceparent: str
) -> None:
    httpx.get(f"{traced_rest.rest_url}/v2/payments/1", headers={"traceparent": traceparent})
    server = receiver.named("GET /v2/payments/{payment_id}")
    assert server.parent_id == ""
    assert server.trace_id not in {TRACE, "0" * 32}


def test_the_callers_sampling_decision_overrides_the_ratio(start_service: StartService, receiver: OtlpReceiver) -> None:
    running = start_service(TRACING_ENDPOINT=receiver.url, TRACING_SAMPLE_RATIO="0", **EXPORT_SOON)
    with httpx.Client(base_url=running.rest_url) as http:
        http.get("/v2/payments/1")
        http.get("/v2/payments/2", headers={"traceparent": NOT_SAMPLED})
        http.get("/v1/payments", headers={"traceparent": SAMPLED})
    receiver.named("GET /v1/payments")
    assert {span.trace_id for span in receiver.spans} == {TRACE}
    assert "Payments.get_payment" not in {span.name for span in receiver.spans}


def test_exports_have_the_service_attributes_and_the_configured_headers(
    start_service: StartService, receiver: OtlpReceiver
) -> None:
    headers = "x-api-key=sesame, Authorization=Basic%20Zm9v"
    ratio = {"TRACING_SAMPLE_RATIO": "1", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    running = start_service(TRACING_ENDPOINT=receiver.url, TRACING_HEADERS=headers, **ratio, **EXPORT_SOON)
    httpx.get(f"{running.rest_url}/v2/payments/1")
    receiver.named("GET /v2/payments/{payment_id}")
    assert receiver.headers[0].items() >= {("x-api-key", "sesame"), ("authorization", "Basic Zm9v")}
    assert receiver.resources[0].items() >= {
        ("service.name", "payments"),
        ("deployment.environment.name", "test"),
    }
    assert receiver.resources[0]["service.instance.id"]
    assert "sesame" not in "".join(running.output)


def test_spans_contain_no_values_of_requests_or_rows(traced_rest: RunningService, receiver: OtlpReceiver) -> None:
    with grpc.insecure_channel(traced_rest.target) as channel:
        calls = GrpcDriver(channel)
        payment = calls.charge(charge(order_id=987654321, request_id="secret-request-id")).payment
        calls.refund(refund(payment.payment_id, "1.00", reason="secret-reason"))
        by_reference = pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference=payment.reference))
        calls.list_payments(by_reference)
        httpx.get(f"{traced_rest.rest_url}/v2/payments/by-reference/{payment.reference}?x=secret-query")
        httpx.get(f"{traced_rest.rest_url}/v2/payments", params={"filter.reference": "secret-reference"})
    receiver.wait_for(lambda span: span.name == "GET /v2/payments")
    sent = b"".join(receiver.bodies)
    for text in ("987654321", "secret-", payment.reference):
        assert text.encode() not in sent


def test_remaining_spans_are_sent_at_shutdown(start_service: StartService, receiver: OtlpReceiver) -> None:
    running = start_service(TRACING_ENDPOINT=receiver.url, TRACING_SAMPLE_RATIO="1")
    httpx.get(f"{running.rest_url}/v2/payments/1")
    assert receiver.spans == []
    assert running.stop() == 0
    receiver.named("GET /v2/payments/{payment_id}")


@pytest.mark.parametrize("receiver_is", ["gone", "slow", "failing"])
def test_a_failing_receiver_delays_neither_calls_nor_shutdown(start_service: StartService, receiver_is: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        running_otlp_receiver(delay_seconds=60, status=503) as failing,
    ):
        port = silent.getsockname()[1]
        urls = {"gone": "http://127.0.0.1:1", "slow": f"http://127.0.0.1:{port}", "failing": failing.url}
        running = start_service(TRACING_ENDPOINT=urls[receiver_is], TRACING_SAMPLE_RATIO="1", **EXPORT_SOON)
        with httpx.Client(base_url=running.rest_url) as http:
            started = time.monotonic()
            for _ in range(200):
                assert http.get("/v2/payments/1").status_code == 404
            assert time.monotonic() - started < 30
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 15
    logged = [event["event"] for event in running.events if "spans" in event["event"]]
    assert 1 <= len(logged) <= 2, "once a minute, and at shutdown"
    assert len(calls_of(running)) == 200


def test_lost_spans_are_counted_and_exports_resume_with_the_receiver(
    start_service: StartService,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = start_service(TRACING_ENDPOINT=f"http://127.0.0.1:{port}", TRACING_SAMPLE_RATIO="1", **EXPORT_SOON)

    def spans(outcome: str) -> float:
        metrics = httpx.get(f"{running.rest_url}/metrics").text
        (line,) = (
            line for line in metrics.splitlines() if line.startswith(f'payments_spans_total{{outcome="{outcome}"')
        )
        return float(line.rpartition(" ")[2])

    httpx.get(f"{running.rest_url}/v2/payments/1")
    wait_until(lambda: spans("lost") == 4)
    assert spans("sent") == 0
    with running_otlp_receiver(port) as receiver:
        httpx.get(f"{running.rest_url}/v2/payments/2")
        receiver.named("GET /v2/payments/{payment_id}")
        wait_until(lambda: spans("sent") == 4)


def test_without_an_endpoint_nothing_is_traced(start_service: StartService) -> None:
    running = start_service()
    call_with(running, SAMPLED, charge())
    event = running.wait_for("call", request_id="ticket-7")
    assert "trace_id" not in json.dumps(event)
