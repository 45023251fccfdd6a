"""The monitoring listener serves probes and metrics without TLS or certificates, and accepts no calls."""

import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.config.grpc import Engine
from tests.support.certificates import Authority
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

StartService = Callable[..., RunningService]

MONITORING = {"MONITORING_PORT": "0"}
OTHER_PATHS = ("/v1/payments", "/v2/payments", "/docs", "/openapi.json", "/", "/metrics/", "/healthz/", "//metrics")
"""Paths of the REST server, and paths that resemble those of the monitoring listener."""


@pytest.fixture
def monitored_service(start_service: StartService) -> RunningService:
    return start_service(**MONITORING)


@pytest.fixture
def mutual_tls_service(start_service: StartService, tmp_path: Path) -> RunningService:
    """A service with TLS that requires client certificates."""
    certificate, key = Authority().issue(dns=["localhost"]).write(tmp_path, "server")
    authorities = tmp_path / "clients.pem"
    authorities.write_bytes(Authority().certificate)
    tls = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key), "TLS_CLIENT_CA_FILE": str(authorities)}
    return start_service(**MONITORING, **tls, GRPC_ENGINE=Engine.GRPCIO)


def count_payments(database_server: DatabaseServer, environment: dict[str, str]) -> int:
    ((count,),) = database_server.execute("SELECT COUNT(*) FROM payments", (), environment["MYSQL_DB"])
    return int(count)


def ready_status(running: RunningService) -> int | None:
    """Return the status of ``/readyz``, or None when the port is closed."""
    try:
        return httpx.get(f"{running.monitoring_url}/readyz").status_code
    except httpx.TransportError:
        return None


def samples(response: httpx.Response) -> dict[str, float]:
    families = text_string_to_metric_families(response.raise_for_status().text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_probes_and_scrapes_need_neither_tls_nor_a_certificate(mutual_tls_service: RunningService) -> None:
    for path in ("/healthz", "/readyz"):
        response = httpx.get(mutual_tls_service.monitoring_url + path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert samples(httpx.get(f"{mutual_tls_service.monitoring_url}/metrics"))["payments_serving"] == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_has_the_headers_of_get_and_no_body(monitored_service: RunningService, path: str) -> None:
    with httpx.Client(base_url=monitored_service.monitoring_url) as http:
        head, get = http.head(path), http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_it_accepts_no_calls(
    monitored_service: RunningService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    with httpx.Client(base_url=monitored_service.monitoring_url) as http:
        assert http.post("/v1/payments/charge", json={"order_id": 1, "amount": 1}).status_code == 404
        assert http.post("/v2/payments:charge", json={"orderId": "1", "amount": {"units": "1"}}).status_code == 404
        for path in OTHER_PATHS:
            response = http.get(path)
            assert (response.status_code, response.json()) == (404, {"detail": "Not Found"}), path
        for path in ("/healthz", "/readyz", "/metrics"):
            response = http.post(path)
            assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    with grpc.insecure_channel(monitored_service.monitoring_url.removeprefix("http://")) as channel:
        with pytest.raises(grpc.RpcError) as failed:
            GrpcDriver(channel).stub.Charge(charge(), timeout=5)
        assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert count_payments(database_server, migrated_database) == 0
    assert not [event for event in monitored_service.events if event["event"] == "call"]


def test_metrics_have_no_labels_of_callers_or_payments(monitored_service: RunningService) -> None:
    with grpc.insecure_channel(monitored_service.target) as channel:
        GrpcDriver(channel).charge(charge())
    text = httpx.get(f"{monitored_service.monitoring_url}/metrics").text
    labels = {
        label for family in text_string_to_metric_families(text) for sample in family.samples for label in sample.labels
    }
    assert labels == {"rpc", "code", "reason", "method", "status", "kind", "problem", "state", "group", "outcome"} | {
        *("le", "generation", "result")
    }


def test_the_log_names_the_port(monitored_service: RunningService) -> None:
    listening = monitored_service.wait_for("listening", transport="monitoring")
    assert (listening["host"], listening["port"]) == ("127.0.0.1", monitored_service.monitoring_port)


def test_a_draining_service_is_alive_but_not_ready(
    monitored_service: RunningService, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    with (
        grpc.insecure_channel(monitored_service.target) as channel,
        ThreadPoolExecutor(1) as threads,
        lock_payments_table(),
    ):
        blocked_charge = threads.submit(GrpcDriver(channel).charge, charge())
        wait_until(
            lambda: samples(httpx.get(f"{monitored_service.monitoring_url}/metrics"))["payments_calls_in_progress"] == 1
        )
        monitored_service.send(signal.SIGTERM)
        monitored_service.wait_for("draining")
        wait_until(lambda: httpx.get(f"{monitored_service.monitoring_url}/readyz").status_code == 503)
        assert httpx.get(f"{monitored_service.monitoring_url}/healthz").status_code == 200
        assert httpx.get(f"{monitored_service.monitoring_url}/metrics").status_code == 200
    assert blocked_charge.result().payment.payment_id
    assert monitored_service.wait() == 0


def test_its_port_closes_after_the_ports_for_calls(monitored_service: RunningService) -> None:
    monitored_service.send(signal.SIGTERM)
    monitored_service.wait_for("draining")
    seen: set[int] = set()
    while (status := ready_status(monitored_service)) is not None:
        seen.add(status)
    for port in (monitored_service.port, monitored_service.rest_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
    assert monitored_service.wait() == 0
    assert seen <= {503}


def test_without_the_setting_there_is_no_listener_and_rest_serves_the_metrics(service: RunningService) -> None:
    assert {event["transport"] for event in service.events if event["event"] == "listening"} <= {"grpc", "rest"}
    assert httpx.get(f"{service.rest_url}/metrics").status_code == 200


@pytest.mark.parametrize(("setting", "status"), [({}, 404), ({"REST_METRICS": "true"}, 200)])
def test_with_the_setting_rest_serves_metrics_only_if_configured(
    start_service: StartService, setting: dict[str, str], status: int
) -> None:
    running = start_service(**MONITORING, **setting)
    assert httpx.get(f"{running.rest_url}/metrics").status_code == status
    assert httpx.get(f"{running.rest_url}/healthz").status_code == 200


def test_a_taken_port_is_reported_with_its_setting(
    migrated_database: dict[str, str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = RunningService(migrated_database | {"MONITORING_PORT": str(port)})
        running.spawn()
        assert running.wait() == 1
    assert f"MONITORING_PORT={port}: another process is listening there" in "".join(running.output)


def test_the_port_of_rest_is_rejected_with_both_settings(migrated_database: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    running = RunningService(migrated_database | {"REST_PORT": port, "MONITORING_PORT": port})
    running.spawn()
    assert running.wait() == 2
    assert "".join(running.output) == f"REST_PORT and MONITORING_PORT must differ: both are {port}\n"


def test_its_connections_are_limited(start_service: StartService) -> None:
    running = start_service(**MONITORING, REST_MAX_CONNECTIONS="1")
    with socket.create_connection(("127.0.0.1", running.monitoring_port)):
        wait_until(lambda: httpx.get(f"{running.monitoring_url}/healthz").status_code == 503)
    event = running.wait_for("connections_refused")
    assert (event["transport"], event["limit"]) == ("monitoring", 1)
