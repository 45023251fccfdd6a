"""Measure the memory of both engines and of the Go service, and the startup time of both engines."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import ENGINES, GRPCIO, Figure, Plan
from bench.systems import GO, System, load, new_database, resident_mebibytes, running_beside_go, seconds_to_serving
from tools.dev.devdb import PrivateDatabase

_REST_SECONDS = 2
_ROUND_SECONDS = 10
_STARTS = 5


@dataclass(frozen=True, slots=True)
class _Memory:
    """The resident memory of a system in MiB, and the number of charges that failed."""

    at_rest: float
    after_first_round: float
    after_all: float
    errors: int


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure the resident memory at rest and after many charges, and the startup time."""
    memory = {}
    for name in (GO, *ENGINES):
        with running_beside_go(name, new_database(database, f"memory_{name}", 0), folder) as system:
            memory[name] = _measure_memory(system, plan)
    return [*_memory_figures(memory, plan.charges), _startup(database)]


def _measure_memory(system: System, plan: Plan) -> _Memory:
    """Charge until there are ``plan.charges``, and measure the memory before, after the first round, and at the end."""
    time.sleep(_REST_SECONDS)
    at_rest, after_first_round = resident_mebibytes(system), 0.0
    charge_count, errors = 0.0, 0
    seconds = min(_ROUND_SECONDS, plan.seconds)
    while charge_count < plan.charges:
        report = load(system.port, "charge", seconds, "-in-flight=64")
        charge_count += report.calls_per_second * seconds
        errors += report.errors
        after_first_round = after_first_round or resident_mebibytes(system)
    return _Memory(at_rest, after_first_round, resident_mebibytes(system), errors)


def _memory_figures(memory: Mapping[str, _Memory], charges: int) -> list[Figure]:
    """Compare the engines with Go, and each engine with itself after its first round, which shows a leak."""
    errors = {name: used.errors for name, used in memory.items()}
    after = f"memory after {charges:,} charges"
    figures = [
        _mebibytes("memory after the start", {name: used.at_rest for name, used in memory.items()}, GO),
        _mebibytes(after, {name: used.after_all for name, used in memory.items()}, GO, errors),
    ]
    for engine in ENGINES:
        beside = f"{engine} after the first round"
        values = {beside: memory[engine].after_first_round, engine: memory[engine].after_all}
        figures.append(_mebibytes(after, values, beside))
    return figures


def _mebibytes(what: str, values: Mapping[str, float], beside: str, errors: Mapping[str, int] | None = None) -> Figure:
    return Figure(what, "MiB", values, beside, is_less_better=True, errors=errors or {})


def _startup(database: PrivateDatabase) -> Figure:
    """Compare the startup times of the engines, which start in turn."""
    settings = new_database(database, "startup", 0)
    seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for _ in range(_STARTS):
        for engine in ENGINES:
            seconds[engine].append(seconds_to_serving(engine, {**settings, "GRPC_ENGINE": engine}))
    values = {engine: statistics.median(durations) * 1000 for engine, durations in seconds.items()}
    return Figure("startup until SERVING", "ms", values, GRPCIO, is_less_better=True)
