"""Compare the RPCs with those of an idiomatic Go service (``bench/peers/go``), each with its own database."""

import statistics
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.figures import GRPCIO, NATIVE, Figure, Plan, in_turn, latencies, rates
from bench.load import Report
from bench.systems import System, load, new_database, running, running_go, seconds_to_serving
from tools.dev.devdb import PrivateDatabase

_GO = "Go"
_IN_FLIGHT = "-in-flight=64"
_BATCH_SIZE = 1000
_BATCHES_IN_FLIGHT = 4
_STARTS = 3


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure every RPC at 64 calls in flight, the latency at half of Go's maximum rate, and the startup time."""
    with ExitStack() as stack:
        systems = [stack.enter_context(running_go(_GO, new_database(database, "go", plan.rows), folder))]
        for engine in (NATIVE, GRPCIO):
            settings = {**new_database(database, engine, plan.rows), "GRPC_ENGINE": engine}
            systems.append(stack.enter_context(running(engine, settings, folder)))
        return _measure(systems, plan)


def _measure(systems: list[System], plan: Plan) -> list[Figure]:
    refunds = plan.rows // plan.rounds
    not_refunded = {system.name: iter(range(1, plan.rows + 1, refunds)) for system in systems}

    def refund(system: System) -> Report:
        first = next(not_refunded[system.name])
        return load(system.port, "refund", plan.seconds, _IN_FLIGHT, f"-payment-ids={first}-{first + refunds - 1}")

    def compare(what: str, rpc: str, *options: str) -> Figure:
        reports = in_turn(
            systems, plan.rounds, lambda system: load(system.port, rpc, plan.seconds, _IN_FLIGHT, *options)
        )
        return rates(what, reports, _GO)

    charges = compare("Charge with a request_id", "charge")
    go_charges = charges.values[_GO]
    return [
        charges,
        compare("Charge without a request_id", "charge_without_request_id"),
        compare("ListPayments, 50 payments", "list"),
        compare("GetPayment", "get", f"-payment-ids=1-{plan.rows}"),
        rates("Refund", in_turn(systems, plan.rounds, refund), _GO),
        _batches([system for system in systems if system.name != _GO], plan, go_charges),
        _latency_at_half_rate(systems, plan, round(go_charges / 2)),
        Figure(
            "startup until SERVING",
            "ms",
            {
                system.name: statistics.median(seconds_to_serving(system) for _ in range(_STARTS)) * 1000
                for system in systems
                if system.name != _GO
            },
        ),
    ]


def _batches(systems: list[System], plan: Plan, go_charges: float) -> Figure:
    """Compare payments per second through BatchCharge with Go's through Charge, because Go has no BatchCharge."""
    options = (f"-in-flight={_BATCHES_IN_FLIGHT}", f"-batch-size={_BATCH_SIZE}")
    reports = in_turn(systems, plan.rounds, lambda system: load(system.port, "batch_charge", plan.seconds, *options))
    batches = rates(f"BatchCharge of {_BATCH_SIZE:,}", reports, beside="Go's Charge")
    payments = {name: _BATCH_SIZE * value for name, value in batches.values.items()}
    return replace(batches, unit="payments per second", values={batches.beside: go_charges, **payments})


def _latency_at_half_rate(systems: list[System], plan: Plan, rate: int) -> Figure:
    """Measure the p99 latency of charges that arrive at a fixed rate, independent of the responses."""
    options = (f"-rate={rate}", "-in-flight=1000")
    reports = in_turn(systems, plan.rounds, lambda system: load(system.port, "charge", plan.seconds, *options))
    what = f"p99 of Charge at {rate:,} per second, half of Go's maximum"
    return latencies(what, reports, lambda report: report.p99_ms, _GO)
