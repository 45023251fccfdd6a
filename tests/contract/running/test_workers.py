"""With ``WORKERS``, several processes serve like one: together, under one supervisor."""

import itertools
import os
import secrets
import signal
import socket
import ssl
import subprocess
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509
from payments_client.v1 import payments_pb2 as pb
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from server.config.grpc import Engine
from tests.support import programs
from tests.support.certificates import Authority
from tests.support.databases import LockPaymentRows
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, refund
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until
from tools.operations.addresses import reachable_address

StartService = Callable[..., RunningService]
Samples = dict[tuple[str, str], float]

ENGINES = list(Engine)
MANY_CONNECTIONS = 32
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.param
    return engine


@pytest.fixture
def start_workers(start_service: StartService, engine: Engine) -> StartService:
    """Return a function that starts two workers, and waits until both listen."""

    def start(**settings: str) -> RunningService:
        workers = {"WORKERS": "2", "MONITORING_PORT": "0", "GRPC_ENGINE": engine}
        running = start_service(**{**workers, **settings})
        for number in (1, 2):
            running.wait_for("listening", transport="rest", worker=number)
        wait_until(lambda: set(samples(running, "payments_serving").values()) == {1.0})
        wait_until(lambda: len(samples(running, "payments_serving")) == 2)
        return running

    return start


def metrics_text(running: RunningService) -> str:
    return httpx.get(f"{running.monitoring_url}/metrics", timeout=30).raise_for_status().text


def samples(running: RunningService, name: str, **labels: str) -> dict[str, float]:
    """Return the sum of the samples with these labels, by worker."""
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(metrics_text(running)):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                found[sample.labels["worker"]] += sample.value
    return dict(found)


def new_channel(running: RunningService, stack: ExitStack) -> GrpcDriver:
    """Return a driver with a connection of its own, which another one would share otherwise."""
    channel = grpc.insecure_channel(running.target, options=[("grpc.use_local_subchannel_pool", 1)])
    return GrpcDriver(stack.enter_context(channel))


def charge_over_many_connections(running: RunningService) -> None:
    with ExitStack() as stack:
        for _ in range(MANY_CONNECTIONS):
            new_channel(running, stack).charge(charge())


def pid_of(running: RunningService, worker: int) -> int:
    """Return the process of a worker: the last one that was started."""
    pids = [
        event["pid"] for event in running.events if event["event"] == "worker_started" and event["worker"] == worker
    ]
    return int(pids[-1])


def ready_status(running: RunningService) -> int:
    return httpx.get(f"{running.monitoring_url}/readyz", timeout=30).status_code


def is_alive(pid: int) -> bool:
    try:
        return "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_workers_share_the_connections_and_each_has_its_share_of_the_limits(start_workers: StartService) -> None:
    running = start_workers(MAX_CONCURRENT_CALLS="101", MYSQL_POOL_MAX="5")

    charge_over_many_connections(running)
    with httpx.Client(base_url=running.rest_url) as http:
        assert http.get("/readyz").status_code == 200

    calls = samples(running, "payments_call_duration_seconds_count", rpc="Charge", code="OK")
    assert calls.keys() == {"1", "2"}
    assert sum(calls.values()) == MANY_CONNECTIONS
    assert samples(running, "payments_calls_limit") == {"1": 51, "2": 50}
    assert samples(running, "payments_database_connections_max") == {"1": 3, "2": 2}
    assert {event["worker"] for event in running.events if event["event"] == "call"} == {1, 2}
    assert running.stop() == 0


def test_the_metrics_of_the_whole_are_valid_in_both_formats(start_workers: StartService) -> None:
    running = start_workers()
    charge_over_many_connections(running)

    text = metrics_text(running)
    headings = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(set(headings)) == len(headings)
    assert 'payments_worker_restarts_total{worker="1"} 0.0' in text
    promtool = subprocess.run(
        [ROOT / ".bin/promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    problems = [line for line in promtool.stderr.splitlines() if line.startswith("payments_") or "error" in line]
    assert problems == []
    openmetrics = httpx.get(f"{running.monitoring_url}/metrics", headers=OPENMETRICS)
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    families = list(openmetrics_parser.text_string_to_metric_families(openmetrics.text))  # type: ignore[no-untyped-call]
    workers = {sample.labels.get("worker") for family in families for sample in family.samples}
    assert workers == {"1", "2", "supervisor"}
    envoy = httpx.get(f"{running.monitoring_url}/metrics/envoy")
    if running.engine is Engine.ENVOY:
        assert envoy.text.count("# TYPE envoy_http_downstream_cx_active ") == 1
        for number in (1, 2):
            assert f'worker="{number}"' in envoy.text
        list(text_string_to_metric_families(envoy.text))
    else:
        assert envoy.status_code == 404


def test_rest_serves_the_metrics_of_the_whole_if_there_is_no_monitoring_port(
    start_service: StartService, engine: Engine
) -> None:
    running = start_service(WORKERS="2", GRPC_ENGINE=engine)
    running.wait_for("listening", transport="rest", worker=2)
    wait_until(lambda: 'payments_serving{worker="2"} 1.0' in httpx.get(f"{running.rest_url}/metrics").text)
    for _ in range(8):
        text = httpx.get(f"{running.rest_url}/metrics").raise_for_status().text
        assert 'payments_serving{worker="1"} 1.0' in text
    assert running.stop() == 0


def test_the_workers_listen_on_every_address_of_the_host(start_workers: StartService) -> None:
    running = start_workers(GRPC_HOST="localhost", REST_HOST="::", LISTEN_WITHOUT="tls,authentication")
    for address in ("127.0.0.1", "::1"):
        for _ in range(MANY_CONNECTIONS // 2):
            assert httpx.get(f"http://{reachable_address(address, running.rest_port)}/readyz").status_code == 200
    for grpc_address in {found[4][0] for found in socket.getaddrinfo("localhost", 0)}:
        with grpc.insecure_channel(reachable_address(str(grpc_address), running.port)) as channel:
            GrpcDriver(channel).charge(charge())


def test_a_worker_that_is_killed_is_restarted_while_the_others_serve(start_workers: StartService) -> None:
    running = start_workers()
    killed = pid_of(running, 2)

    os.kill(killed, signal.SIGKILL)
    ended = running.wait_for("worker_ended", worker=2)
    charge_over_many_connections(running)
    assert ready_status(running) == 200

    assert (ended["pid"], ended["signal"], ended["exit_code"]) == (killed, "SIGKILL", None)
    wait_until(lambda: samples(running, "payments_serving") == {"1": 1, "2": 1})
    assert pid_of(running, 2) != killed
    assert samples(running, "payments_worker_restarts_total") == {"1": 0, "2": 1}
    assert running.stop() == 0


def test_a_suspended_worker_makes_the_whole_unready_and_does_not_stop_the_others(start_workers: StartService) -> None:
    running = start_workers(RATE_LIMIT_CALLS_PER_SECOND="1000")
    suspended = pid_of(running, 2)
    os.kill(suspended, signal.SIGSTOP)
    try:
        assert ready_status(running) == 503
        assert httpx.get(f"{running.monitoring_url}/healthz", timeout=30).status_code == 503
        assert samples(running, "payments_serving") == {"1": 1}
        with ExitStack() as stack:
            assert "OK" in {code_of(new_channel(running, stack), timeout_seconds=5) for _ in range(8)}
    finally:
        os.kill(suspended, signal.SIGCONT)
    wait_until(lambda: ready_status(running) == 200)
    assert pid_of(running, 2) == suspended


def test_a_drain_completes_the_calls_in_flight_of_all_workers(
    start_workers: StartService, lock_payment_rows: LockPaymentRows
) -> None:
    # The kernel may give all connections to one worker, whose refunds then all wait for the lock.
    running = start_workers(MYSQL_POOL_MAX="20")
    with ExitStack() as stack, ThreadPoolExecutor(MANY_CONNECTIONS) as threads:
        drivers = [new_channel(running, stack) for _ in range(8)]
        payments = [driver.charge(charge()).payment for driver in drivers]
        with lock_payment_rows():
            refunds = [
                threads.submit(driver.refund, refund(payment.payment_id))
                for driver, payment in zip(drivers, payments, strict=True)
            ]
            wait_until(lambda: sum(samples(running, "payments_calls_in_progress").values()) == len(refunds))
            running.send(signal.SIGTERM)
            for number in (1, 2):
                running.wait_for("draining", worker=number)
            assert ready_status(running) == 503
            assert httpx.get(f"{running.monitoring_url}/healthz").status_code == 200
        for each in refunds:
            assert each.result().payment.payment_id
    assert running.wait() == 0


def test_an_invalid_setting_is_reported_once_with_exit_code_2(migrated_database: dict[str, str]) -> None:
    running = RunningService({**migrated_database, "WORKERS": "4", "MYSQL_POOL_MIN": "1", "MYSQL_POOL_MAX": "3"})
    running.spawn()
    assert running.wait() == 2
    assert running.output == ["MYSQL_POOL_MAX=3 must be at least WORKERS=4, as the workers share it\n"]


def test_the_option_of_payments_serve_takes_precedence(migrated_database: dict[str, str]) -> None:
    environment = {**migrated_database, "WORKERS": "1", "MYSQL_POOL_MAX": "2"}
    run = programs.run("tools.cli.main", "serve", "--workers", "3", environment=environment)
    assert (run.returncode, run.stderr) == (2, "MYSQL_POOL_MAX=2 must be at least WORKERS=3, as the workers share it\n")


def test_an_unreachable_database_is_reported_once_with_exit_code_1(short_folder: Path, engine: Engine) -> None:
    address = {"MYSQL_SOCKET": str(short_folder / "none.sock"), "MYSQL_STARTUP_TIMEOUT_SECONDS": "1"}
    running = RunningService({**address, "WORKERS": "2", "GRPC_ENGINE": engine})
    running.spawn()
    assert running.wait() == 1
    (line,) = (line for line in running.output if not line.startswith("{"))
    assert line.startswith(f"no database at {short_folder}/none.sock within 1 s")
    assert len([event for event in running.events if event["event"] == "worker_started"]) == 1


def test_a_second_service_on_the_same_port_does_not_start(
    start_workers: StartService, migrated_database: dict[str, str]
) -> None:
    first = start_workers()
    ports = {"GRPC_PORT": first.port, "REST_PORT": first.rest_port}
    for workers, (setting, port) in itertools.product(("1", "2"), ports.items()):
        second = RunningService({**migrated_database, "WORKERS": workers, setting: str(port)})
        second.spawn()
        assert second.wait() == 1
        assert f"{setting}={port}: another process is listening there" in "".join(second.output)
    charge_over_many_connections(first)


def test_the_rate_of_a_caller_holds_for_all_workers_and_one_connection_may_use_it_all(
    start_workers: StartService,
) -> None:
    burst = 20
    rate = {"RATE_LIMIT_CALLS_PER_SECOND": "0.001", "RATE_LIMIT_BURST_CALLS": str(burst)}
    running = start_workers(**rate)
    with ExitStack() as stack:
        driver = new_channel(running, stack)
        for _ in range(burst):
            driver.charge(charge())
        assert code_of(driver) == "RESOURCE_EXHAUSTED"
        assert {code_of(new_channel(running, stack)) for _ in range(MANY_CONNECTIONS)} == {"RESOURCE_EXHAUSTED"}
    rejected = samples(running, "payments_call_errors_total", rpc="Charge", reason="RATE_LIMITED")
    assert sum(rejected.values()) == 1 + MANY_CONNECTIONS
    assert all(rejected.values())


def code_of(driver: GrpcDriver, timeout_seconds: float = 60) -> str:
    """Return the status of a charge."""
    try:
        driver.stub.Charge(charge(request_id=secrets.token_hex(8)), timeout=timeout_seconds)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_the_streams_of_a_caller_are_limited_for_all_workers(start_workers: StartService) -> None:
    running = start_workers(MAX_WATCHES="8", MAX_WATCHES_PER_CALLER="3", EVENT_HEARTBEAT_INTERVAL_SECONDS="0.1")
    with ExitStack() as stack:
        outcomes = [_open_watch(new_channel(running, stack), stack) for _ in range(MANY_CONNECTIONS)]
        assert outcomes.count("OK") == 3
        assert set(outcomes) == {"OK", "RESOURCE_EXHAUSTED"}
        assert sum(samples(running, "payments_watches").values()) == 3
    wait_until(lambda: sum(samples(running, "payments_watches").values()) == 0)


def _open_watch(driver: GrpcDriver, stack: ExitStack) -> str:
    """Open a watch until the end of ``stack``, and return its status so far."""
    watch = driver.stub.WatchPayments(pb.WatchPaymentsRequest())
    stack.callback(watch.cancel)
    try:
        next(watch)  # a heartbeat
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_every_worker_uses_changed_tls_files(start_workers: StartService, tmp_path: Path) -> None:
    certificate, key = Authority().issue(dns=["localhost"]).write(tmp_path, "server")
    files = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key), "TLS_RELOAD_INTERVAL_SECONDS": "0.1"}
    running = start_workers(**files)
    changed = Authority().issue(dns=["localhost"])

    changed.write(tmp_path, "server")

    for port in (running.port, running.rest_port):
        wait_until(lambda port=port: served_serials(port) == {changed.serial_number}, poll_seconds=1)  # type: ignore[misc]


def served_serials(port: int) -> set[int]:
    """Return the serial numbers of the certificates that a client gets over many connections."""
    pems = (ssl.get_server_certificate(("127.0.0.1", port)) for _ in range(MANY_CONNECTIONS))
    return {x509.load_pem_x509_certificate(pem.encode()).serial_number for pem in pems}


def test_when_the_supervisor_is_killed_the_workers_end_and_leave_no_files(
    start_workers: StartService, short_folder: Path
) -> None:
    running = start_workers(TMPDIR=str(short_folder))
    (folder,) = short_folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    pids = [pid_of(running, number) for number in (1, 2)]

    running.kill()

    wait_until(lambda: not any(map(is_alive, pids)))
    assert list(short_folder.iterdir()) == []


def test_after_a_stop_no_process_and_no_file_is_left(start_workers: StartService, short_folder: Path) -> None:
    running = start_workers(TMPDIR=str(short_folder))
    pids = [pid_of(running, number) for number in (1, 2)]
    assert running.stop() == 0
    assert not any(map(is_alive, pids))
    assert list(short_folder.iterdir()) == []
