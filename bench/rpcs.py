"""``make bench-rpcs``: the RPCs beside the natural Go service (``bench/peers/go``), on this machine, in one run.

Each system has a database of its own on one private server with durable commits; the load generator (``bench/loader``)
is on the same machine. Rounds go over the systems in turn, so that what else the machine does falls on all; medians of
them are compared. What counts is the ratio.
"""

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import database_version, description
from bench.picture import bars
from bench.systems import BenchError, Report, System, load, new_database, running, seconds_to_serving
from tools.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "rpcs.json"

GO = "Go"
_SYSTEMS = {GO: "", "native": "native", "grpcio": "grpcio"}
"""What is compared, and the engine of each that is ours."""

_IN_FLIGHT = 64
_BATCH_SIZE = 1000
_BATCHES_IN_FLIGHT = 4
_STARTS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of each system: the median of the rounds, and how often it is Go's (for a latency: Go is it)."""

    what: str
    unit: str
    values: dict[str, float]
    ratios: dict[str, float]
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Plan:
    rounds: int
    seconds: float
    rows: int


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m bench.rpcs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, in turn")
    parser.add_argument("--seconds", type=float, default=5, help="how long a round is")
    parser.add_argument("--rows", type=int, default=300_000, help="payments in each table at the start")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="where the figures are kept, as JSON and SVG")
    arguments = parser.parse_args()
    plan = _Plan(arguments.rounds, arguments.seconds, arguments.rows)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            PrivateDatabase(Path(folder) / "db", options=["--innodb-buffer-pool-size=2G"]) as database,
            ExitStack() as stack,
        ):
            machine = description(database_version(database))
            systems = [
                stack.enter_context(running(name, engine, new_database(database, name, plan.rows), Path(folder)))
                for name, engine in _SYSTEMS.items()
            ]
            results = _measure(systems, plan)
            results.append(_starts(systems))
    except BenchError as error:
        sys.exit(str(error))
    print(_table(machine, results))
    kept = {"machine": machine, "results": [asdict(one) for one in results]}
    arguments.results.write_text(json.dumps(kept, indent=2) + "\n")
    arguments.results.with_suffix(".svg").write_text(
        bars(f"Ratio to the Go peer, one run: {machine}", {one.what: one.ratios for one in results if one.ratios})
    )


def _measure(systems: list[System], plan: _Plan) -> list[Measured]:
    refunds = plan.rows // plan.rounds
    ids = {system.name: iter(range(1, plan.rows + 1, refunds)) for system in systems}

    def in_turn(what: str, rpc: str, *options: str, unit: str = "a second", times: int = 1) -> Measured:
        reports: dict[str, list[Report]] = {system.name: [] for system in systems}
        for _ in range(plan.rounds):
            for system in systems:
                if _BATCH in rpc and system.name == GO:
                    continue
                more = list(options)
                if rpc == "refund":
                    first = next(ids[system.name])
                    more.append(f"-payment-ids={first}-{first + refunds - 1}")
                reports[system.name].append(load(system.port, rpc, plan.seconds, *more))
        values = {
            name: times * statistics.median(report.calls_per_second for report in found)
            for name, found in reports.items()
            if found
        }
        return _compared(what, unit, values, reports)

    every_id = f"-payment-ids=1-{plan.rows}"
    charges = in_turn("Charge with a request_id", "charge", f"-in-flight={_IN_FLIGHT}")
    results = [
        charges,
        in_turn("Charge without one", "charge_without_request_id", f"-in-flight={_IN_FLIGHT}"),
        in_turn("ListPayments, 50 payments", "list", f"-in-flight={_IN_FLIGHT}"),
        in_turn("GetPayment", "get", f"-in-flight={_IN_FLIGHT}", every_id),
        in_turn("Refund", "refund", f"-in-flight={_IN_FLIGHT}"),
    ]
    batches = in_turn(
        f"BatchCharge of {_BATCH_SIZE:,} (payments)",
        _BATCH,
        f"-in-flight={_BATCHES_IN_FLIGHT}",
        f"-batch-size={_BATCH_SIZE}",
        times=_BATCH_SIZE,
    )
    by_charge = {name: value / charges.values[GO] for name, value in batches.values.items()}
    results.append(Measured(batches.what, batches.unit, batches.values, by_charge, batches.errors))
    results.append(_latencies(systems, plan, rate=round(charges.values[GO] / 2)))
    return results


_BATCH = "batch_charge"


def _latencies(systems: list[System], plan: _Plan, rate: int) -> Measured:
    """Measure the p99 of charges that come at a given rate, however fast those before are answered."""
    reports: dict[str, list[Report]] = {system.name: [] for system in systems}
    for _ in range(plan.rounds):
        for system in systems:
            report = load(system.port, "charge", plan.seconds, f"-rate={rate}", "-in-flight=1000")
            reports[system.name].append(report)
    values = {name: statistics.median(one.p99_ms for one in found) for name, found in reports.items()}
    found = _compared(f"p99 of Charge at {rate:,} a second, half of Go's most", "ms", values, reports)
    ratios = {name: values[GO] / value for name, value in values.items()}
    return Measured(found.what, found.unit, values, ratios, found.errors)


def _starts(systems: list[System]) -> Measured:
    """Measure how long a start takes until health says SERVING, with a migrated database."""
    ours = [system for system in systems if system.name != GO]
    values = {
        system.name: statistics.median(seconds_to_serving(system) for _ in range(_STARTS)) * 1000 for system in ours
    }
    return Measured("start to SERVING", "ms", values, {}, {})


def _compared(what: str, unit: str, values: dict[str, float], reports: dict[str, list[Report]]) -> Measured:
    errors = {name: sum(report.errors for report in found) for name, found in reports.items() if found}
    ratios = {name: value / values[GO] for name, value in values.items()} if GO in values else {}
    return Measured(what, unit, values, ratios, errors)


def _table(machine: str, results: list[Measured]) -> str:
    lines = [
        machine,
        "",
        "| what | " + " | ".join(_SYSTEMS) + " | native : Go | grpcio : Go | errors |",
        "|" + " --- |" * (len(_SYSTEMS) + 4),
    ]
    for one in results:
        figures = [f"{one.values[name]:,.1f}" if name in one.values else "" for name in _SYSTEMS]
        ratios = [f"{one.ratios[name]:.2f} x" if name in one.ratios else "" for name in ("native", "grpcio")]
        lines.append(
            f"| {one.what} ({one.unit}) | {' | '.join(figures)} | {' | '.join(ratios)} | {sum(one.errors.values())} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
