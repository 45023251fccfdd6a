"""``make bench-scale``: calls on tables of ten thousand, a million and ten million payments on this machine.

Each size has its own database on one private server with durable commits, and its own service. Rounds alternate between
the sizes, so that other load on the machine affects all of them. Each figure is the p50 of all calls, and only the
ratio of the largest size to the smallest is meaningful.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from bench.load import BenchError, obtain_h2load, post_load
from bench.machine import database_version, description
from bench.systems import free_port
from server.config.settings import Settings
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

DEFAULT_ROWS = (10_000, 1_000_000, 10_000_000)
_RESULTS = Path(__file__).parent / "results" / "scale.json"
_BUFFER_POOL = "--innodb-buffer-pool-size=6G"
"""Large enough for the largest table and its indexes, so that the disk does not affect the results."""

_FILL_ROWS = 500_000
"""Rows per transaction while a table is filled."""

_PAGE_SIZE = 10
_FAR_PAGE = 1_000
_CALLS = 30
_SECONDS_PER_ROUND = 1.0
_START_TIMEOUT_SECONDS = 30
_FILL = """
    INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded,
        refunded_amount, caller, request_id)
    SELECT k, 1 + MOD(k * 7919, %s DIV 3), MOD(k * 7919, 500000) / 100 + 1,
        ELT(1 + MOD(k, 20) DIV 7, 'UPI', 'CARD', 'COD'), MOD(k, 5) < 3,
        CONCAT('ECI20250101-', LPAD(HEX(MOD(k * 2654435761, 4294967296)), 8, '0')),
        '2025-01-01' + INTERVAL k * 3 SECOND, MOD(k, 5) < 3 AND MOD(k, 50) = 0,
        IF(MOD(k, 5) < 3 AND MOD(k, 50) = 0, MOD(k * 7919, 500000) / 100 + 1, IF(MOD(k, 100) = 1, 0.50, 0)),
        'filler', LPAD(HEX(MOD(k * 2654435761, 4294967296)), 32, '0')
    FROM ({numbers}) numbers
"""
_FIRST_NUMBER = "SELECT 1 AS k"
_NEXT_NUMBERS = "SELECT payment_id + %s AS k FROM payments ORDER BY payment_id LIMIT %s"


@dataclass(frozen=True, slots=True)
class Measurement:
    """The value at each size (p50 in ms, or charges per second), and the ratio of the largest size to the smallest."""

    what: str
    values: tuple[float, ...]
    ratio: float


@dataclass(frozen=True, slots=True)
class _Service:
    """The service with a table of one size."""

    rows: int
    stub: PaymentServiceStub
    rest_url: str
    far_token: str


def main() -> None:
    """Measure every size, print the table, and save the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=DEFAULT_ROWS, help="payments in each table")
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds for each size")
    parser.add_argument("--seconds", type=int, default=4, help="duration of the charges in a round")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    try:
        obtain_h2load()
        with (
            tempfile.TemporaryDirectory() as folder,
            PrivateDatabase(Path(folder) / "db", options=[_BUFFER_POOL]) as database,
            ExitStack() as stack,
        ):
            machine = description(database_version(database))
            services = [stack.enter_context(_running_service(database, rows, Path(folder))) for rows in arguments.rows]
            results = [
                *_latencies(services, arguments.rounds),
                _charges(services, arguments.rounds, arguments.seconds, Path(folder)),
            ]
    except BenchError as error:
        sys.exit(str(error))
    print(_table(machine, arguments.rows, results))
    arguments.results.write_text(
        json.dumps(
            {"machine": machine, "rows": arguments.rows, "results": [asdict(result) for result in results]}, indent=2
        )
        + "\n"
    )


def _latencies(services: Sequence[_Service], rounds: int) -> list[Measurement]:
    durations_ms: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for what, call in _CALLS_BY_NAME.items():
            for service in services:
                deadline = time.perf_counter() + _SECONDS_PER_ROUND
                for index in range(_CALLS):
                    started = time.perf_counter()
                    call(service, index)
                    ended = time.perf_counter()
                    durations_ms[what, service.rows].append((ended - started) * 1000)
                    if ended > deadline:
                        break
    return [
        _measurement(f"{what} (ms)", [statistics.median(durations_ms[what, service.rows]) for service in services])
        for what in _CALLS_BY_NAME
    ]


def _charges(services: Sequence[_Service], rounds: int, seconds: int, folder: Path) -> Measurement:
    """Measure charges. Call this last, because charges grow the tables."""
    body = {"order_id": 342, "amount": 561.00}
    rates: dict[int, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for service in services:
            load = post_load(f"{service.rest_url}/v1/payments/charge", body, folder, connections=64, seconds=seconds)
            if load.errors:
                raise BenchError(f"{load.errors} charges failed at {service.rows:,} rows")
            rates[service.rows].append(load.calls_per_second)
    return _measurement(
        "charges over REST, 64 connections (per second)",
        [statistics.median(rates[service.rows]) for service in services],
    )


def _measurement(what: str, values: Sequence[float]) -> Measurement:
    return Measurement(what, tuple(values), values[-1] / values[0])


def _list(**filters: Any) -> Callable[[_Service, int], None]:  # noqa: ANN401 - fields of the filter
    request = pb.ListPaymentsRequest(page_size=_PAGE_SIZE, filter=pb.PaymentFilter(**filters))

    def call(service: _Service, _index: int) -> None:
        service.stub.ListPayments(request)

    return call


def _list_with(**fields: Any) -> Callable[[_Service, int], None]:  # noqa: ANN401 - fields of the request
    request = pb.ListPaymentsRequest(page_size=_PAGE_SIZE, **fields)

    def call(service: _Service, _index: int) -> None:
        service.stub.ListPayments(request)

    return call


def _far_page(service: _Service, _index: int) -> None:
    service.stub.ListPayments(pb.ListPaymentsRequest(page_size=_PAGE_SIZE, page_token=service.far_token))


def _get(service: _Service, index: int) -> None:
    service.stub.GetPayment(pb.GetPaymentRequest(payment_id=_some_id(service, index)))


def _by_order(service: _Service, index: int) -> None:
    order_id = 1 + _some_id(service, index) * 7919 % (service.rows // 3)
    response = service.stub.ListPayments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id)))
    if not response.payments:
        raise BenchError(f"no payments of order {order_id} at {service.rows:,} rows")


def _by_order_and_status(service: _Service, index: int) -> None:
    order_id = 1 + _some_id(service, index) * 7919 % (service.rows // 3)
    succeeded_only = pb.PaymentFilter(order_id=order_id, statuses=[pb.PAYMENT_STATUS_SUCCEEDED])
    service.stub.ListPayments(pb.ListPaymentsRequest(filter=succeeded_only))


def _by_reference(service: _Service, index: int) -> None:
    reference = f"ECI20250101-{_some_id(service, index) * 2654435761 % 2**32:08X}"
    response = service.stub.ListPayments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference=reference)))
    if len(response.payments) != 1:
        raise BenchError(f"no payment {reference} at {service.rows:,} rows")


def _some_id(service: _Service, index: int) -> int:
    return 1 + (index + 1) * 6_700_417 % service.rows


def _legacy(query: str) -> Callable[[_Service, int], None]:
    def call(service: _Service, _index: int) -> None:
        with urllib.request.urlopen(f"{service.rest_url}/v1/payments?{query}") as response:
            json.load(response)

    return call


def _money(units: int) -> Money:
    return Money(currency_code="INR", units=units)


_DAY = {
    "min_create_time": Timestamp(seconds=1_735_700_000),
    "max_create_time": Timestamp(seconds=1_735_786_400),
}
_CALLS_BY_NAME: dict[str, Callable[[_Service, int], None]] = {
    "first page": _list(),
    f"page {_FAR_PAGE:,} by token": _far_page,
    "payments of an order": _by_order,
    "GetPayment": _get,
    "first page, oldest first": _list_with(order_by="create_time asc"),
    "a reference": _by_reference,
    "an order and a status": _by_order_and_status,
    "a method": _list(methods=[pb.PAYMENT_METHOD_UPI]),
    "a status": _list(statuses=[pb.PAYMENT_STATUS_FAILED]),
    "a method and a status": _list(methods=[pb.PAYMENT_METHOD_COD], statuses=[pb.PAYMENT_STATUS_FAILED]),
    "a day": _list(**_DAY),
    "a common range of amounts": _list(min_amount=_money(100), max_amount=_money(2_000)),
    "refunded in full (one in 50)": _list(refund_states=[pb.REFUND_STATE_FULL]),
    "refunded in part (one in 100)": _list(refund_states=[pb.REFUND_STATE_PARTIAL]),
    "a range of amounts without payments": _list(min_amount=_money(9_000_000)),
    "a method without payments": _list(methods=[pb.PAYMENT_METHOD_OTHER]),
    "total_size of all": _list_with(include_total_size=True),
    "/v1 first page and total": _legacy("page=1"),
    "/v1 of an order": _legacy("order_id=7"),
    "/v1 of a method": _legacy("method=UPI"),
    "/v1 of a status": _legacy("status=true"),
    "/v1 of a method and a status": _legacy("method=UPI&status=true"),
    "/v1 of a day": _legacy("start_date=2025-01-01&end_date=2025-01-02"),
    "/v1 of amounts": _legacy("amount_gt=100&amount_lt=2000"),
}


@contextmanager
def _running_service(database: PrivateDatabase, rows: int, folder: Path) -> Iterator[_Service]:
    """Fill a table, and run the service with it."""
    name = f"scale_{rows}"
    _execute(database, None, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    environment = {"MYSQL_SOCKET": str(database.socket_path), "MYSQL_USER": "root", "MYSQL_DB": name}
    settings = Settings.model_validate({key.lower(): value for key, value in environment.items()})
    migrate(settings, report=lambda _: None)
    started = time.monotonic()
    _fill(database, name, rows)
    print(f"{rows:,} payments inserted in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    grpc_port, rest_port = free_port(), free_port()
    environment |= {
        "GRPC_PORT": str(grpc_port),
        "REST_PORT": str(rest_port),
        "LOG_LEVEL": "warning",
        "MYSQL_STATEMENT_TIMEOUT_SECONDS": "120",
        "PATH": os.environ.get("PATH", os.defpath),
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "server"], env=environment, stdout=log, stderr=log)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(_START_TIMEOUT_SECONDS)
            except grpc.FutureTimeoutError:
                raise BenchError(f"the service did not start: {Path(log.name).read_text()}") from None
            assert process.poll() is None, "another service listens on this port"
            stub = PaymentServiceStub(channel)
            token = ""
            for _ in range(min(_FAR_PAGE, rows // _PAGE_SIZE) - 1):
                token = stub.ListPayments(
                    pb.ListPaymentsRequest(page_size=_PAGE_SIZE, page_token=token)
                ).next_page_token
            yield _Service(rows, stub, f"http://127.0.0.1:{rest_port}", token)
    finally:
        process.terminate()
        process.wait()


def _fill(database: PrivateDatabase, name: str, rows: int) -> None:
    _execute(database, name, _FILL.format(numbers=_FIRST_NUMBER), (rows,))
    count = 1
    while count < rows:
        batch_rows = min(count, rows - count, _FILL_ROWS)
        _execute(database, name, _FILL.format(numbers=_NEXT_NUMBERS), (rows, count, batch_rows))
        count += batch_rows
    _execute(database, name, "ANALYZE TABLE payments")


def _execute(database: PrivateDatabase, name: str | None, text: str, values: tuple[object, ...] = ()) -> None:
    with closing(database.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(text, values)


def _table(machine: str, rows: Sequence[int], results: Sequence[Measurement]) -> str:
    sizes = " | ".join(f"{size:,} rows" for size in rows)
    lines = [machine, "", f"| measurement | {sizes} | ratio |", "|" + " --- |" * (len(rows) + 2)]
    lines += [
        f"| {result.what} | {' | '.join(f'{value:,.1f}' for value in result.values)} | {result.ratio:.2f} |"
        for result in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
