"""``make bench-isolation``: how long other callers wait while four clients make the largest possible requests.

The service samples the delay of its event loop every 5 ms, and another client measures the latency of GetPayment. Each
kind of large request runs for some seconds, and so does a baseline without large requests.
"""

import argparse
import json
import re
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc
from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from bench.load import BenchError
from bench.machine import database_version, description
from bench.systems import System, execute, load, new_database, running
from server.domain import tokens
from tools.dev.devdb import PrivateDatabase
from tools.dev.number_table import number_table

_RESULTS = Path(__file__).parent / "results" / "isolation.json"
_CLIENTS = 4
_ROWS = 10_000
_REFUNDS = 100_000
_REFUNDED_ID = 1
_BODY_BYTES = 1_000_000
_BOUND_SECONDS = "0.05"
_PROBE_SECONDS = 0.005
_TIMEOUT_SECONDS = 120
_FILL_REFUNDS = """
    INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at)
    SELECT {payment_id}, 0.01, 1, '', 'filler', LPAD(HEX(k), 36, '0'), '2025-01-01' FROM {numbers}
"""

Client = Callable[[], object]
"""A function that makes one large request and reads its whole response."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The experience of other callers during one kind of large request.

    ``within`` is the share of event loop delays of at most 50 ms. ``get_p50_ms`` and ``get_p99_ms`` are latencies of
    another client's GetPayment calls. ``large_per_second`` is the rate of completed large requests.
    """

    beside: str
    samples: int
    within: float
    get_p50_ms: float
    get_p99_ms: float
    large_per_second: float


def main() -> None:
    """Measure each kind of large request, print the results, and save them."""
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="duration of each kind of request")
    parser.add_argument(
        "--only", nargs="+", default=[], help="kinds of requests to measure, by prefixes of their names"
    )
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        PrivateDatabase(Path(folder) / "db", options=["--innodb-buffer-pool-size=1G"]) as database,
    ):
        machine = description(database_version(database))
        settings = new_database(database, "isolation", _ROWS)
        fill = _FILL_REFUNDS.format(payment_id=_REFUNDED_ID, numbers=number_table(_REFUNDS))
        execute(database, settings["MYSQL_DB"], fill)
        settings |= {"EVENT_LOOP_PROBE_INTERVAL_SECONDS": str(_PROBE_SECONDS), "CALL_TIMEOUT_SECONDS": "60"}
        try:
            with running("isolation", settings, Path(folder)) as system:
                print(machine)
                for _ in range(_EVENTS // len(_BATCH.charges)):
                    _grpc_client("BatchCharge", _BATCH)(system)()
                results = [
                    _measure(system, name, kind, arguments.seconds)
                    for name, kind in _KINDS.items()
                    if not arguments.only or name.startswith(tuple(arguments.only))
                ]
        except BenchError as error:
            sys.exit(str(error))
    if not arguments.only:
        content = {"machine": machine, "results": [asdict(result) for result in results]}
        arguments.results.write_text(json.dumps(content, indent=2) + "\n")


def _measure(system: System, name: str, kind: Callable[[System], Client], seconds: float) -> Measurement:
    with _clients(system, kind) as completed:
        time.sleep(1)
        before, completed_before, started = _delays(system), completed(), time.monotonic()
        report = load(system.port, "get", seconds, "-in-flight=1", "-connections=1", f"-payment-ids=2-{_ROWS}")
        after, completed_after, ended = _delays(system), completed(), time.monotonic()
    samples = after["+Inf"] - before["+Inf"]
    measurement = Measurement(
        beside=name,
        samples=round(samples),
        within=(after[_BOUND_SECONDS] - before[_BOUND_SECONDS]) / samples,
        get_p50_ms=report.p50_ms,
        get_p99_ms=report.p99_ms,
        large_per_second=(completed_after - completed_before) / (ended - started),
    )
    print(
        f"{name:40} {measurement.within:8.2%} of {measurement.samples:5,} samples within 50 ms; "
        f"GetPayment p50 {measurement.get_p50_ms:6.1f} ms, p99 {measurement.get_p99_ms:7.1f} ms; "
        f"{measurement.large_per_second:6.1f} large requests/s",
        flush=True,
    )
    return measurement


@contextmanager
def _clients(system: System, kind: Callable[[System], Client]) -> Iterator[Callable[[], int]]:
    """Run clients that make requests without a pause, and yield a function that counts completed requests."""
    stop = threading.Event()
    numbers = count()
    completed_count = [0]

    def run() -> None:
        request = kind(system)
        while not stop.is_set():
            request()
            completed_count[0] = next(numbers) + 1

    with ThreadPoolExecutor(_CLIENTS) as pool:
        running_clients = [pool.submit(run) for _ in range(_CLIENTS)]
        try:
            yield lambda: completed_count[0]
        finally:
            stop.set()
    for client in running_clients:
        client.result()


def _delays(system: System) -> dict[str, float]:
    """Return the number of event loop delays within each bound."""
    with urllib.request.urlopen(f"http://127.0.0.1:{system.rest_port}/metrics", timeout=_TIMEOUT_SECONDS) as response:
        text = response.read().decode()
    found = re.findall(r'payments_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\S+)', text)
    return {bound: float(value) for bound, value in found}


def _no_client(_system: System) -> Client:
    return lambda: time.sleep(0.1)


def _rest_client(path: str, body: bytes | None = None) -> Callable[[System], Client]:
    def client(system: System) -> Client:
        request = urllib.request.Request(f"http://127.0.0.1:{system.rest_port}{path}", body)
        if body is not None:
            request.add_header("Content-Type", "application/json")

        def make() -> None:
            with (
                suppress(urllib.error.HTTPError),
                urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response,
            ):
                response.read()

        return make

    return client


def _grpc_client(rpc: str, message: Any) -> Callable[[System], Client]:  # noqa: ANN401 - any request
    def client(system: System) -> Client:
        channel = grpc.insecure_channel(f"127.0.0.1:{system.port}", [("grpc.use_local_subchannel_pool", 1)])
        call = getattr(PaymentServiceStub(channel), rpc)

        def make() -> None:
            with suppress(grpc.RpcError):
                call(message, timeout=_TIMEOUT_SECONDS)

        return make

    return client


def _watch_from_start(system: System) -> Client:
    """Read the first 1,000 events of the stream."""
    url = f"http://127.0.0.1:{system.rest_port}/v2/payments:watch?resume_token={_STREAM_START}"

    def make() -> None:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            for _ in range(_EVENTS):
                response.readline()

    return make


def _body_of(item: bytes) -> bytes:
    """Return a body of the maximum size that repeats ``item``."""
    items = b",".join([item] * ((_BODY_BYTES - 20) // (len(item) + 1)))
    return b'{"charges":[%b]}' % items


_CHARGE = pb.ChargeRequest(order_id=7, amount=Money(currency_code="INR", units=499), method=pb.PAYMENT_METHOD_UPI)
_BATCH = pb.BatchChargeRequest(charges=[_CHARGE] * 1000)
_CHARGE_JSON = b'{"orderId":"7","amount":{"currencyCode":"INR","units":"499"},"method":"PAYMENT_METHOD_UPI"}'
_EVENTS = 1000
_STREAM_START = tokens.encode_resume_token(0)

_KINDS: dict[str, Callable[[System], Client]] = {
    "no large requests": _no_client,
    "GetPayment with 100,000 refunds": _rest_client(f"/v2/payments/{_REFUNDED_ID}"),
    "ListRefunds of 1,000, REST": _rest_client(f"/v2/payments/{_REFUNDED_ID}/refunds?page_size=1000"),
    "ListRefunds of 1,000, gRPC": _grpc_client(
        "ListRefunds", pb.ListRefundsRequest(payment_id=_REFUNDED_ID, page_size=1000)
    ),
    "ListPayments of 1,000, REST": _rest_client("/v2/payments?page_size=1000"),
    "ListPayments of 1,000, gRPC": _grpc_client("ListPayments", pb.ListPaymentsRequest(page_size=1000)),
    "list of 200, /v1": _rest_client("/v1/payments?per_page=200"),
    "BatchCharge of 1,000, REST": _rest_client(
        "/v2/payments:batchCharge", b'{"charges":[%b]}' % b",".join([_CHARGE_JSON] * 1000)
    ),
    "BatchCharge of 1,000, gRPC": _grpc_client("BatchCharge", _BATCH),
    "1 MB of empty charges, REST": _rest_client("/v2/payments:batchCharge", _body_of(b"{}")),
    "1 MB of numbers, REST": _rest_client("/v2/payments:batchCharge", _body_of(b"1")),
    "1 MB of empty charges, gRPC": _grpc_client(
        "BatchCharge", pb.BatchChargeRequest(charges=[pb.ChargeRequest()] * 500_000)
    ),
    "1 MB of objects, /v1": _rest_client("/v1/payments/charge", _body_of(b"{}")),
    "1 MB of numbers, /v1": _rest_client("/v1/payments/charge", _body_of(b"1")),
    "the first 1,000 events, REST": _watch_from_start,
}


if __name__ == "__main__":
    main()
