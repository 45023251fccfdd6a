"""Compare REST with the legacy service (``bench/peers/legacy``), each with its own database."""

import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figures import ENGINES, Figure, Plan, in_turn, rates
from bench.load import BenchError, post_load
from bench.peers.legacy.table import TABLE
from bench.systems import System, execute, free_port, new_database, running, running_program
from tools.dev.devdb import PrivateDatabase
from tools.dev.number_table import number_table

_LEGACY = "legacy service"
_CONNECTIONS = 64
_CHARGE = {"order_id": 342, "amount": 561.00}
_PER_PAGE = 200
_LISTS = 7
_FILL = """
    INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded)
    SELECT k, k, MOD(k * 7919, 500000) / 100 + 1, ELT(1 + MOD(k, 3), 'UPI', 'CARD', 'COD'), MOD(k, 5) < 3,
        CONCAT('ECI20250101-', LPAD(HEX(k), 8, '0')), '2025-01-01' + INTERVAL k * 30 SECOND, 0
    FROM {numbers}
"""


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure charges over REST, and the last page of a large table."""
    return [_charges(database, plan, folder), _last_page(database, plan, folder)]


def _charges(database: PrivateDatabase, plan: Plan, folder: Path) -> Figure:
    seconds = max(1, round(plan.seconds))
    with _run_all(database, "charges", 0, folder) as systems:
        reports = in_turn(
            systems,
            plan.rounds,
            lambda system: post_load(
                f"http://127.0.0.1:{system.rest_port}/v1/payments/charge",
                _CHARGE,
                folder,
                connections=_CONNECTIONS,
                seconds=seconds,
            ),
        )
        what = f"POST /v1/payments/charge, {_CONNECTIONS} connections"
        return rates(what, reports, _LEGACY)


def _last_page(database: PrivateDatabase, plan: Plan, folder: Path) -> Figure:
    page = max(1, plan.listed_rows // _PER_PAGE)
    path = f"/v1/payments?page={page}&per_page={_PER_PAGE}"
    with _run_all(database, "pages", plan.listed_rows, folder) as systems:
        durations_ms: dict[str, list[float]] = {system.name: [] for system in systems}
        for _ in range(_LISTS):
            for system in systems:
                started = time.perf_counter()
                with urllib.request.urlopen(f"http://127.0.0.1:{system.rest_port}{path}") as response:
                    items = json.load(response)["items"]
                durations_ms[system.name].append((time.perf_counter() - started) * 1000)
                if len(items) != min(_PER_PAGE, plan.listed_rows):
                    raise BenchError(f"{system.name} returned {len(items)} items for {path}")
    values = {name: statistics.median(times) for name, times in durations_ms.items()}
    return Figure(f"GET {path} of {plan.listed_rows:,} rows", "ms", values, _LEGACY, is_less_better=True)


@contextmanager
def _run_all(database: PrivateDatabase, name: str, rows: int, folder: Path) -> Iterator[list[System]]:
    """Run the legacy service and both engines of this one, each on a new database with the same payments."""
    legacy = new_database(database, f"{name}_legacy", 0)
    execute(database, legacy["MYSQL_DB"], "DROP TABLE refunds, payments, schema_migrations")
    execute(database, legacy["MYSQL_DB"], TABLE)
    ours = {engine: {**new_database(database, f"{name}_{engine}", 0), "GRPC_ENGINE": engine} for engine in ENGINES}
    for settings in (legacy, *ours.values()):
        if rows:
            execute(database, settings["MYSQL_DB"], _FILL.format(numbers=number_table(rows)))
        execute(database, settings["MYSQL_DB"], "ANALYZE TABLE payments")
    port = free_port()
    command = (sys.executable, "-m", "bench.peers.legacy")
    with ExitStack() as stack:
        peer = running_program(_LEGACY, command, {**legacy, "PEER_PORT": str(port)}, port, folder, rest_port=port)
        systems = [stack.enter_context(peer)]
        systems += [stack.enter_context(running(engine, settings, folder)) for engine, settings in ours.items()]
        yield systems
