"""Liveness depends on the process alone, so that an orchestrator does not restart replicas for a database outage.

Readiness depends on the database, so that a replica that loses its database soon reports that it cannot serve.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2

from server.config.grpc import Engine
from tests.conftest import PROBABILITIES
from tests.support.databases import settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver, health_stub
from tests.support.drivers.requests import charge
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tests.support.suspension import suspended
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "payments.v1.PaymentService"

PROBE_TIMEOUT_SECONDS = 15
"""Much longer than a probe takes on a busy machine, and much shorter than the timeout of a hanging database."""


@pytest.fixture(scope="module")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateDatabase]:
    """A database server that the tests of this module break."""
    with PrivateDatabase(tmp_path_factory.mktemp("liveness")) as private:
        migrate(settings_of(private.environment()), report=lambda _: None)
        yield private


@pytest.fixture(params=list(Engine))
def running(request: pytest.FixtureRequest, own_database: PrivateDatabase) -> Iterator[RunningService]:
    own_database.start()
    settings = {
        "GRPC_ENGINE": request.param,
        "HEALTH_CHECK_INTERVAL_SECONDS": "0.2",
        "MYSQL_CONNECT_TIMEOUT_SECONDS": "1",
        "MYSQL_STATEMENT_TIMEOUT_SECONDS": "60",
        "MYSQL_POOL_MAX": "4",
        "MONITORING_PORT": "0",
    }
    service = RunningService({**own_database.service_environment(), **PROBABILITIES, **settings}).start()
    yield service
    service.kill()


@contextmanager
def killed(database: PrivateDatabase) -> Iterator[None]:
    database.kill()
    yield
    database.start()


@contextmanager
def hanging(database: PrivateDatabase) -> Iterator[None]:
    with suspended(database.process_id):
        yield


@pytest.mark.parametrize("broken", [killed, hanging])
def test_a_replica_without_its_database_is_alive_but_not_ready_until_the_database_returns(
    own_database: PrivateDatabase,
    running: RunningService,
    broken: Callable[[PrivateDatabase], AbstractContextManager[None]],
) -> None:
    stopping = threading.Event()

    def keep_charging() -> None:
        with grpc.insecure_channel(running.target) as channel:
            while not stopping.is_set():
                try:
                    GrpcDriver(channel).charge(charge())
                except CallFailed:
                    stopping.wait(0.01)

    with ThreadPoolExecutor(16) as threads:
        for _ in range(16):
            threads.submit(keep_charging)
        try:
            with broken(own_database):
                running.wait_for("health", status="NOT_SERVING")
                for _ in range(10):
                    assert_alive(running)
                    assert_ready(running, is_ready=False)
        finally:
            stopping.set()
    wait_until_ready(running)
    assert_alive(running)


def wait_until_ready(service: RunningService) -> None:
    with httpx.Client(base_url=service.rest_url, timeout=PROBE_TIMEOUT_SECONDS) as http:
        for _ in range(300):
            if http.get("/readyz").status_code == 200:
                break
            time.sleep(0.1)
    assert_ready(service, is_ready=True)


def assert_alive(service: RunningService) -> None:
    assert grpc_health(service, "liveness") == SERVING
    for url in (service.rest_url, service.monitoring_url):
        assert httpx.get(f"{url}/healthz", timeout=PROBE_TIMEOUT_SECONDS).status_code == 200
    probe = [
        sys.executable,
        "-m",
        "tools.operations.health_probe",
        "--address",
        service.target,
        "--service",
        "liveness",
    ]
    assert subprocess.run(probe, cwd=ROOT, check=False, capture_output=True, timeout=60).returncode == 0


def assert_ready(service: RunningService, *, is_ready: bool) -> None:
    for name in ("", SERVICE):
        assert grpc_health(service, name) == (SERVING if is_ready else NOT_SERVING)
    for url in (service.rest_url, service.monitoring_url):
        response = httpx.get(f"{url}/readyz", timeout=PROBE_TIMEOUT_SECONDS)
        assert response.status_code == (200 if is_ready else 503)


def grpc_health(service: RunningService, name: str) -> int:
    with grpc.insecure_channel(service.target) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        return int(health_stub(channel).Check(request, timeout=PROBE_TIMEOUT_SECONDS).status)
