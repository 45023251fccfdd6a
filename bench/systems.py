"""Run the measured systems (this service and its peers, each with its own database), and load them over gRPC."""

import contextlib
import json
import math
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from bench.load import BenchError, Report
from server.config.settings import Settings
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase
from tools.dev.number_table import number_table

ROOT = Path(__file__).resolve().parent.parent
_LOADER = str(ROOT / ".bin" / "loader")
GO = "Go"
"""The name of the Go service in figures."""

GO_COMMAND = (str(ROOT / ".bin" / "peer-go"),)
_SERVICE_COMMAND = (sys.executable, "-m", "server")
_SERVICE_DEFAULTS = {"LOG_LEVEL": "warning", "SUCCESS_PROBABILITY": "1"}
_START_TIMEOUT_SECONDS = 30
_CALL_TIMEOUT_MS = 10_000
"""The load generator's default time limit of a call."""

_MAX_WARM_UP_SECONDS = 1
_MAX_REPEATED_SECONDS = 10
"""A measurement of this time or longer is not repeated, even if no call ended."""

_POLL_SECONDS = 0.005
_PORTS = range(18_100, 30_000)

PAGE_SIZE = 50
"""The number of payments in a page that the load generator lists: its default."""

_FILL_FROM = datetime(2025, 1, 1, tzinfo=UTC)
_FILL_INTERVAL = timedelta(microseconds=1_234_567)
_FILL = f"""
    INSERT INTO payments (order_id, amount, method, status, reference, created_at, refunded, caller, request_id)
    SELECT k, MOD(k * 7919, 500000) / 100 + 1, ELT(1 + MOD(k, 3), 'UPI', 'CARD', 'COD'), 1,
        CONCAT('ECI20250101-', LPAD(HEX(k), 20, '0')),
        '{_FILL_FROM:%Y-%m-%d}' + INTERVAL k * {_FILL_INTERVAL // timedelta(microseconds=1)} MICROSECOND, 0, 'filler',
        LPAD(HEX(k * 2654435761), 36, '0')
    FROM {{numbers}}
"""
"""Successful payments with ids from 1, created at even intervals."""


@dataclass(frozen=True, slots=True)
class System:
    """A running service: its ports and its process."""

    name: str
    port: int
    rest_port: int
    process_id: int


def new_database(database: PrivateDatabase, name: str, rows: int) -> dict[str, str]:
    """Create a database with the tables and ``rows`` payments, and return the settings that name it."""
    settings = {"MYSQL_SOCKET": str(database.socket_path), "MYSQL_USER": "root", "MYSQL_DB": f"bench_{name}"}
    execute(database, None, f"CREATE DATABASE {settings['MYSQL_DB']} CHARACTER SET utf8mb4")
    migrate(Settings.model_validate({key.lower(): value for key, value in settings.items()}), report=lambda _: None)
    if rows:
        execute(database, settings["MYSQL_DB"], _FILL.format(numbers=number_table(rows)))
    execute(database, settings["MYSQL_DB"], "ANALYZE TABLE payments")
    return settings


def page_times(rows: int) -> str:
    """Return the range of times at which a page of ``PAGE_SIZE`` payments can start, in seconds since 1970."""
    first, last = (_FILL_FROM + count * _FILL_INTERVAL for count in (PAGE_SIZE, rows))
    return f"{math.ceil(first.timestamp())}-{math.floor(last.timestamp())}"


@contextmanager
def running(
    name: str, settings: Mapping[str, str], folder: Path, command: tuple[str, ...] = _SERVICE_COMMAND
) -> Iterator[System]:
    """Run this service. By default it does not log calls, and all charges succeed.

    Raises:
        BenchError: the service did not start.
    """
    port, rest_port = free_port(), free_port()
    ports = {"GRPC_PORT": str(port), "REST_PORT": str(rest_port)}
    environment = {**_SERVICE_DEFAULTS, **ports, **settings}
    with running_program(name, command, environment, port, folder, rest_port) as system:
        yield system


@contextmanager
def running_peer(name: str, command: tuple[str, ...], settings: Mapping[str, str], folder: Path) -> Iterator[System]:
    """Run a peer that has only gRPC. All charges succeed.

    Raises:
        BenchError: the peer did not start.
    """
    port = free_port()
    environment = {"SUCCESS_PROBABILITY": "1", **settings, "GRPC_PORT": str(port)}
    with running_program(name, command, environment, port, folder) as system:
        yield system


@contextmanager
def running_beside_go(name: str, settings: Mapping[str, str], folder: Path) -> Iterator[System]:
    """Run the Go service, if ``name`` is ``GO``, or this service on the engine with this name.

    Raises:
        BenchError: it did not start.
    """
    start = (
        running_peer(name, GO_COMMAND, settings, folder)
        if name == GO
        else running(name, {**settings, "GRPC_ENGINE": name}, folder)
    )
    with start as system:
        yield system


@contextmanager
def running_program(  # noqa: PLR0913, PLR0917
    name: str,
    command: tuple[str, ...],
    settings: Mapping[str, str],
    port: int,
    folder: Path,
    rest_port: int = 0,
) -> Iterator[System]:
    """Run a program within the context, and wait until it listens on ``port``.

    Raises:
        BenchError: the program did not start.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), **settings}
    log_path = folder / f"{name.replace(' ', '-')}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + _START_TIMEOUT_SECONDS
            while not _accepts(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"{name} did not start: {log_path.read_text()}")
                time.sleep(0.1)
            yield System(name, port, rest_port, process.pid)
        finally:
            process.terminate()
            process.wait()


def load(
    port: int,
    rpc: str,
    seconds: float,
    *options: str,
    warm_up_seconds: float | None = None,
    may_be_overloaded: bool = False,
) -> Report:
    """Make calls for ``seconds``, after a warm-up: by default one of the same duration, but at most one second.

    If no call ends in that time, because the machine is busy, repeat with a longer time. If the service
    ``may_be_overloaded`` and no call succeeds, the latencies are the time limit of a call.

    Raises:
        BenchError: no call succeeded.
    """
    command = [_LOADER, "-target", f"127.0.0.1:{port}", "-rpc", rpc, "-connections", "4", *options]
    warm_up = min(_MAX_WARM_UP_SECONDS, seconds) if warm_up_seconds is None else warm_up_seconds
    command += ["-seconds", str(seconds), "-warm-up", str(warm_up)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(run.stdout) if run.stdout else {}
    if report and not (report["calls"] or report["errors"] or may_be_overloaded) and seconds < _MAX_REPEATED_SECONDS:
        return load(port, rpc, 4 * seconds, *options, warm_up_seconds=0)
    if run.returncode and not (may_be_overloaded and report):
        raise BenchError(f"no {rpc} succeeded: {run.stdout}{run.stderr}")
    errors, latency_ms = sum(report["errors"].values()), report["latency_ms"]
    if not report["calls"]:
        return Report(0, errors, _CALL_TIMEOUT_MS, _CALL_TIMEOUT_MS)
    return Report(report["calls_per_second"], errors, latency_ms["p50"], latency_ms["p99"])


def seconds_to_serving(name: str, settings: Mapping[str, str]) -> float:
    """Start this service, and return the seconds until its health is SERVING."""
    port = free_port()
    path = os.environ.get("PATH", os.defpath)
    environment = {"PATH": path, **_SERVICE_DEFAULTS, **settings, "GRPC_PORT": str(port), "REST_PORT": "0"}
    started = time.perf_counter()
    process = subprocess.Popen(_SERVICE_COMMAND, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not _accepts(port):
            if process.poll() is not None or time.perf_counter() - started > _START_TIMEOUT_SECONDS:
                raise BenchError(f"{name} did not start")
            time.sleep(_POLL_SECONDS)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = HealthStub(channel)  # its type stubs lack the methods
            response = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert response.status == health_pb2.HealthCheckResponse.SERVING
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def resident_mebibytes(system: System) -> float:
    """Return the resident memory of a system in MiB."""
    status = Path(f"/proc/{system.process_id}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def execute(database: PrivateDatabase, name: str | None, text: str) -> None:
    """Execute and commit a statement in the named database, with the session time zone UTC."""
    with closing(database.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(text)
        connection.commit()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a free port below the ephemeral ports."""
    # Random, so that two benchmarks that start together choose different ports.
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise BenchError("no port is free")
