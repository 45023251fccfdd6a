"""Compare the RPCs with those of an idiomatic Go service and of a plain Python service (``bench/peers``).

Each has its own database. One figure for each peer compares both engines of this service with it.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.figures import ENGINES, ENVOY, GRPCIO, Figure, Plan, in_turn, latencies, rates
from bench.load import Report
from bench.systems import (
    GO,
    GO_COMMAND,
    PAGE_SIZE,
    System,
    load,
    new_database,
    page_times,
    running,
    running_peer,
)
from tools.dev.devdb import PrivateDatabase

_PLAIN_PYTHON = "plain Python"
_PEERS = {
    GO: GO_COMMAND,
    _PLAIN_PYTHON: (sys.executable, "-m", "bench.peers.plain_python"),
}
_IN_FLIGHT = "-in-flight=64"
_BATCH_SIZE = 1000
_BATCHES_IN_FLIGHT = 4

_Goals = Mapping[str, Mapping[str, float]]
"""The ratios that the engines should reach, by the peer that they are compared with."""

_CHARGE_GOALS: _Goals = {GO: {ENVOY: 1.25}, _PLAIN_PYTHON: {GRPCIO: 2.5}}
_COLD_LIST_GOALS: _Goals = {GO: {ENVOY: 0.6}, _PLAIN_PYTHON: {GRPCIO: 2.5}}
_OTHER_GOALS: _Goals = {GO: {ENVOY: 1.0}, _PLAIN_PYTHON: {GRPCIO: 2.5}}
_LATENCY_GOALS: _Goals = {GO: {ENVOY: 1.0}, _PLAIN_PYTHON: {}}


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure the RPCs at 64 calls in flight, and the latency at half of the maximum rate."""
    with ExitStack() as stack:
        systems = []
        for name, command in _PEERS.items():
            settings = new_database(database, name.replace(" ", "_"), plan.rows)
            systems.append(stack.enter_context(running_peer(name, command, settings, folder)))
        for engine in ENGINES:
            settings = {**new_database(database, engine, plan.rows), "GRPC_ENGINE": engine}
            systems.append(stack.enter_context(running(engine, settings, folder)))
        return _measure(systems, plan)


def _measure(systems: list[System], plan: Plan) -> list[Figure]:
    refunds = plan.rows // plan.rounds
    not_refunded = {system.name: iter(range(1, plan.rows + 1, refunds)) for system in systems}

    def refund(system: System) -> Report:
        first = next(not_refunded[system.name])
        return load(system.port, "refund", plan.seconds, _IN_FLIGHT, f"-payment-ids={first}-{first + refunds - 1}")

    def compare(what: str, goals: _Goals, measure_one: Callable[[System], Report]) -> list[Figure]:
        reports = in_turn(systems, plan.rounds, measure_one)
        return [
            rates(what, {name: reports[name] for name in reports if _belongs(name, peer)}, peer, goals[peer])
            for peer in _PEERS
        ]

    def calls(rpc: str, *options: str) -> Callable[[System], Report]:
        return lambda system: load(system.port, rpc, plan.seconds, _IN_FLIGHT, *options)

    charges = compare("Charge with a request_id", _CHARGE_GOALS, calls("charge"))
    peer_charges = {figure.beside: figure.values[figure.beside] for figure in charges}
    maxima = {name: rate for figure in charges for name, rate in figure.values.items()}
    create_times = f"-create-times={page_times(plan.rows)}"
    service = [system for system in systems if system.name not in _PEERS]
    return [
        *charges,
        *compare("Charge without a request_id", _CHARGE_GOALS, calls("charge_without_request_id")),
        *compare(f"ListPayments, {PAGE_SIZE} payments, hot", _OTHER_GOALS, calls("list")),
        *compare(
            f"ListPayments, {PAGE_SIZE} payments, cold", _COLD_LIST_GOALS, calls("list_random_page", create_times)
        ),
        *compare("GetPayment", _OTHER_GOALS, calls("get", f"-payment-ids=1-{plan.rows}")),
        *compare("Refund", _OTHER_GOALS, refund),
        *(_latency_at_half_of_peer(systems, plan, peer, rate) for peer, rate in peer_charges.items()),
        _latency_at_half_of_own(systems, plan, maxima),
        # After the latencies, because these batches leave the relay with a backlog of events.
        *_batches(service, plan, peer_charges),
    ]


def _belongs(name: str, peer: str) -> bool:
    """Say whether a system belongs in the figure for ``peer``: the peer itself, or an engine of this service."""
    return name == peer or name not in _PEERS


def _batches(service: list[System], plan: Plan, peer_charges: Mapping[str, float]) -> list[Figure]:
    """Compare payments per second through BatchCharge with Charge of each peer, which have no BatchCharge."""
    options = (f"-in-flight={_BATCHES_IN_FLIGHT}", f"-batch-size={_BATCH_SIZE}")
    reports = in_turn(service, plan.rounds, lambda system: load(system.port, "batch_charge", plan.seconds, *options))
    batches = rates(f"BatchCharge of {_BATCH_SIZE:,}", reports, beside="")
    payments = {name: _BATCH_SIZE * value for name, value in batches.values.items()}
    return [
        replace(batches, unit="payments per second", values={beside: rate, **payments}, beside=beside)
        for beside, rate in ((f"{peer}'s Charge", rate) for peer, rate in peer_charges.items())
    ]


def _latency_at_half_of_peer(systems: list[System], plan: Plan, peer: str, maximum: float) -> Figure:
    """Measure the p99 latency of all systems at half of the maximum rate of ``peer``."""
    rate = round(maximum / 2)
    compared = {system.name: rate for system in systems if _belongs(system.name, peer)}
    what = f"p99 of Charge at {rate:,} per second, half of {peer}'s maximum"
    return _latency(what, systems, plan, peer, compared)


def _latency_at_half_of_own(systems: list[System], plan: Plan, maxima: Mapping[str, float]) -> Figure:
    """Measure the p99 latency of each system at half of its own maximum rate, compared with Go."""
    compared = {name: round(rate / 2) for name, rate in maxima.items() if _belongs(name, GO)}
    return _latency("p99 of Charge at half of each system's own maximum", systems, plan, GO, compared)


def _latency(what: str, systems: list[System], plan: Plan, peer: str, per_second: Mapping[str, int]) -> Figure:
    """Measure the p99 latency of charges that arrive at a fixed rate, independent of the responses."""
    reports = in_turn(
        [system for system in systems if system.name in per_second],
        plan.rounds,
        lambda system: load(
            system.port,
            "charge",
            plan.seconds,
            f"-rate={per_second[system.name]}",
            "-in-flight=1000",
            may_be_overloaded=True,
        ),
    )
    return latencies(what, reports, lambda report: report.p99_ms, peer, _LATENCY_GOALS[peer])
