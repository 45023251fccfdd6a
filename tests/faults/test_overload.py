"""Overload: a thousand clients offer five times what the service can do. It does that, and refuses the rest.

What it can do is bounded by its database here, which is made slow, so that the test says the same anywhere: a machine
that does the work of a thousand clients too would tell of those.
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
_SECONDS_OF_A_PAYMENT = 0.008
"""Four statements at a time insert payments, so that some 500 a second can be made."""

_CLIENTS = 1000
_TIMES = 5
_MAX_GROWTH_KIB = 300 * 1024


@dataclass
class Seen:
    """What one more client saw meanwhile, whose calls all ended in time."""

    refusals: list[CallFailed] = field(default_factory=list)
    other_codes: list[str] = field(default_factory=list)


@pytest.fixture
def slow_database(database_server: DatabaseServer, migrated_database: dict[str, str]) -> None:
    """Make each payment take its time to be written."""
    trigger = "CREATE TRIGGER slowly BEFORE INSERT ON payments FOR EACH ROW SET @slept = SLEEP(%s)"
    database_server.execute(trigger, (_SECONDS_OF_A_PAYMENT,), migrated_database["MYSQL_DB"])


def load(service: RunningService, **options: object) -> dict[str, Any]:
    """Make charges, and return what the load generator says of them."""
    arguments = [text for name, value in options.items() for text in (f"-{name.replace('_', '-')}", str(value))]
    command = [str(_LOADER), "-target", service.target, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def memory_kib(service: RunningService) -> int:
    """Return how much memory the server has."""
    status = Path(f"/proc/{service.process_id}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@contextmanager
def another_client(service: RunningService) -> Iterator[Seen]:
    """Be one more client, of charges and of health, for as long as this lasts."""
    seen, stop = Seen(), threading.Event()

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
                        seen.refusals.append(failed)
                    else:
                        seen.other_codes.append(failed.code)

    with ThreadPoolExecutor(1) as threads:
        calling = threads.submit(call)
        try:
            yield seen
        finally:
            stop.set()
        calling.result()


@pytest.mark.long
@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.usefixtures("slow_database")
def test_at_five_times_its_capacity_the_service_does_what_it_can_and_refuses_the_rest(
    start_service: StartService, engine: Engine
) -> None:
    service = start_service(GRPC_ENGINE=engine)
    peak = load(service, connections=8, in_flight=64, seconds=4, warm_up=1)["calls_per_second"]
    memory_before_kib = memory_kib(service)
    rate = round(peak * _TIMES)
    with another_client(service) as seen:
        report = load(service, connections=_CLIENTS, in_flight=4 * _CLIENTS, rate=rate, seconds=6, warm_up=5)
    memory_after_kib = memory_kib(service)
    # A service that broke down under the load would do next to nothing.
    assert report["calls_per_second"] >= 0.05 * peak
    # On a busy machine calls also wait in grpcio for Python, and it ends those beyond its own bound so.
    beside = {"CANCELLED"} if engine is Engine.GRPCIO else set()
    # What the network did not deliver in time is no answer of the service's.
    answers = {error for error in report["errors"] if not error.startswith("transport: ")}
    assert answers
    assert answers <= {"RESOURCE_EXHAUSTED", *beside}
    for failed in seen.refusals:
        assert failed.reason == "OVERLOADED"
        assert failed.retry_after_seconds
    assert set(seen.other_codes) <= beside
    assert memory_after_kib - memory_before_kib < _MAX_GROWTH_KIB
    refused = [event for event in service.events if event["event"] == "calls_refused"]
    assert bool(refused) == ("RESOURCE_EXHAUSTED" in answers or bool(seen.refusals))
    assert load(service, connections=8, in_flight=64, seconds=2, warm_up=1)["errors"] == {}
