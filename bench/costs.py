"""Compare the service inside Envoy with variants that lack logging, metrics or group commit."""

import sys
from pathlib import Path

from bench.figures import ENVOY, Figure, Plan, in_turn, latencies, rates
from bench.systems import System, load, new_database, running
from tools.dev.devdb import PrivateDatabase

_IN_FLIGHT = "-in-flight=64"
_ROWS = 10_000


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure logging, metrics, and group commit (at 1 and 64 calls in flight)."""
    return [
        _logging(database, plan, folder),
        _metrics(database, plan, folder),
        *_group_commit(database, plan, folder),
    ]


def _logging(database: PrivateDatabase, plan: Plan, folder: Path) -> Figure:
    beside = "no call log"
    settings = {**new_database(database, "logging", _ROWS), "GRPC_ENGINE": ENVOY}
    with (
        running(beside, settings, folder) as silent,
        running(ENVOY, {**settings, "LOG_LEVEL": "info", "LOG_FORMAT": "json"}, folder) as logging,
    ):
        return _charges("Charge with a log line per call", [silent, logging], plan, beside)


def _metrics(database: PrivateDatabase, plan: Plan, folder: Path) -> Figure:
    beside = "no metrics"
    settings = {**new_database(database, "metrics", _ROWS), "GRPC_ENGINE": ENVOY}
    module = (sys.executable, "-m", "bench.peers.without_metrics")
    with (
        running(beside, settings, folder, command=module) as without_metrics,
        running(ENVOY, settings, folder) as with_metrics,
    ):
        return _charges("Charge with metrics", [without_metrics, with_metrics], plan, beside)


def _group_commit(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    beside = "one INSERT per charge"
    settings = {**new_database(database, "batching", _ROWS), "GRPC_ENGINE": ENVOY}
    module = (sys.executable, "-m", "bench.peers.direct")
    with (
        running(beside, settings, folder, command=module) as direct,
        running(ENVOY, settings, folder) as batching,
    ):
        systems = [direct, batching]
        options = ("-connections=1", "-in-flight=1")
        reports = in_turn(systems, plan.rounds, lambda system: load(system.port, "charge", plan.seconds, *options))
        return [
            latencies("p50 of Charge at one call in flight", reports, lambda report: report.p50_ms, beside),
            _charges("Charge with group commit", systems, plan, beside),
        ]


def _charges(what: str, systems: list[System], plan: Plan, beside: str) -> Figure:
    reports = in_turn(systems, plan.rounds, lambda system: load(system.port, "charge", plan.seconds, _IN_FLIGHT))
    return rates(what, reports, beside)
