"""Overload: when 1,000 clients offer five times its capacity, the service serves what it can and rejects the rest.

A slow database limits the capacity, so that the result does not depend on the speed of the machine, which also runs the
1,000 clients.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from server.config.grpc import Engine
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed, health_stub
from tests.support.drivers.requests import charge
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]

SERVING = health_pb2.HealthCheckResponse.SERVING
_LOADER = ROOT / ".bin" / "loader"
_SECONDS_PER_INSERT = 0.008
"""Four concurrent statements insert payments, so the capacity is about 500 payments a second."""

_CLIENTS = 1000
_OVERLOAD_FACTOR = 5
_MAX_GROWTH_KIB = 300 * 1024


@dataclass
class ClientErrors:
    """The errors of an additional client, whose calls must all end in time."""

    rejections: list[CallFailed] = field(default_factory=list)
    other_codes: list[str] = field(default_factory=list)


@pytest.fixture
def slow_database(database_server: DatabaseServer, migrated_database: dict[str, str]) -> None:
    """Slow down each INSERT of a payment."""
    trigger = "CREATE TRIGGER slowly BEFORE INSERT ON payments FOR EACH ROW SET @slept = SLEEP(%s)"
    database_server.execute(trigger, (_SECONDS_PER_INSERT,), migrated_database["MYSQL_DB"])


def load(service: RunningService, **options: object) -> dict[str, Any]:
    """Run the load generator, and return its report."""
    arguments = [text for name, value in options.items() for text in (f"-{name.replace('_', '-')}", str(value))]
    command = [str(_LOADER), "-target", service.target, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def memory_kib(service: RunningService) -> int:
    """Return the resident memory of the server."""
    status = Path(f"/proc/{service.process_id}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@contextmanager
def another_client(service: RunningService) -> Iterator[ClientErrors]:
    """Run an additional client, which charges and checks health, within the context."""
    errors, stop = ClientErrors(), threading.Event()

    def call() -> None:
        with grpc.insecure_channel(service.target) as channel:
            api, health = GrpcDriver(channel), health_stub(channel)
            while not stop.wait(0.05):
                assert health.Check(health_pb2.HealthCheckRequest(), timeout=30).status == SERVING
                try:
                    api.stub.Charge(charge(), timeout=30)
                except grpc.RpcError as error:
                    failed = call_failed(error)  # type: ignore[arg-type]
                    if failed.code == "RESOURCE_EXHAUSTED":
                        errors.rejections.append(failed)
                    else:
                        errors.other_codes.append(failed.code)

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(call)
        try:
            yield errors
        finally:
            stop.set()
        future.result()


@pytest.mark.long
@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.usefixtures("slow_database")
def test_at_five_times_its_capacity_the_service_serves_what_it_can_and_rejects_the_rest(
    start_service: StartService, engine: Engine
) -> None:
    service = start_service(GRPC_ENGINE=engine)
    peak = load(service, connections=8, in_flight=64, seconds=4, warm_up=1)["calls_per_second"]
    memory_before_kib = memory_kib(service)
    rate = round(peak * _OVERLOAD_FACTOR)
    with another_client(service) as errors:
        report = load(service, connections=_CLIENTS, in_flight=4 * _CLIENTS, rate=rate, seconds=6, warm_up=5)
    memory_after_kib = memory_kib(service)
    # A service that collapses under the load would complete almost no calls.
    assert report["calls_per_second"] >= 0.05 * peak
    # On a busy machine, calls also queue in grpcio before Python sees them, and grpcio cancels those above its limit.
    also_allowed = {"CANCELLED"} if engine is Engine.GRPCIO else set()
    # Transport errors are not responses of the service.
    responses = {error for error in report["errors"] if not error.startswith("transport: ")}
    assert responses
    assert responses <= {"RESOURCE_EXHAUSTED", *also_allowed}
    for failed in errors.rejections:
        assert failed.reason == "OVERLOADED"
        assert failed.retry_after_seconds
    assert set(errors.other_codes) <= also_allowed
    assert memory_after_kib - memory_before_kib < _MAX_GROWTH_KIB
    rejection_events = [event for event in service.events if event["event"] == "calls_refused"]
    assert bool(rejection_events) == ("RESOURCE_EXHAUSTED" in responses or bool(errors.rejections))
    assert load(service, connections=8, in_flight=64, seconds=2, warm_up=1)["errors"] == {}
