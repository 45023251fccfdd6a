"""``make bench-cpu``: the CPU time that each process spends on one call of each RPC.

CPU time shows what limits the rate of calls, and depends less on other work on the machine than the rate itself. All
processes share the cores of one machine, so the rate cannot exceed the number of cores divided by the sum of the times.
"""

import argparse
import json
import os
import resource
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import ENGINES
from bench.machine import database_version, description
from bench.systems import GO, System, load, new_database, page_times, running_beside_go
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "cpu.json"
_RPCS = ("charge", "get", "list", "list_random_page", "refund")


@dataclass(frozen=True, slots=True)
class Result:
    """The CPU times of one call, in microseconds, and the rate at which they were measured."""

    rpc: str
    system: str
    calls_per_second: float
    service_microseconds: float
    database_microseconds: float
    load_generator_microseconds: float


def main() -> None:
    """Measure every RPC of the Go service and of both engines, save the results, and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m bench.cpu", description=__doc__)
    parser.add_argument("--systems", nargs="+", default=[GO, *ENGINES], choices=[GO, *ENGINES])
    parser.add_argument("--seconds", type=float, default=10, help="duration of the measurement of an RPC")
    parser.add_argument("--rows", type=int, default=300_000, help="payments in the table")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder, PrivateDatabase(Path(folder) / "db") as database:
        machine = description(database_version(database))
        for name in arguments.systems:
            settings = new_database(database, name, arguments.rows)
            with running_beside_go(name, settings, Path(folder)) as system:
                results += [measure(rpc, system, database.process_id, arguments) for rpc in _RPCS]
    results.sort(key=lambda result: _RPCS.index(result.rpc))
    found = {"machine": machine, "results": [asdict(result) for result in results]}
    arguments.results.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{machine}\n\n{_table(results)}")


def measure(rpc: str, system: System, database_process_id: int, arguments: argparse.Namespace) -> Result:
    """Warm the service up, then measure one RPC."""
    rows = arguments.rows
    options = ("-in-flight=64", f"-create-times={page_times(rows)}")
    # A payment can be refunded only once, so the warm-up uses other payments.
    load(system.port, rpc, 1, *options, f"-payment-ids=1-{rows // 2}")
    service, database, loader = cpu_seconds(system.process_id), cpu_seconds(database_process_id), _children_seconds()
    payment_ids = f"-payment-ids={rows // 2 + 1}-{rows}"
    report = load(system.port, rpc, arguments.seconds, *options, payment_ids, warm_up_seconds=0)
    calls = report.calls_per_second * arguments.seconds + report.errors
    return Result(
        rpc,
        system.name,
        report.calls_per_second,
        (cpu_seconds(system.process_id) - service) / calls * 1_000_000,
        (cpu_seconds(database_process_id) - database) / calls * 1_000_000,
        (_children_seconds() - loader) / calls * 1_000_000,
    )


def cpu_seconds(process_id: int) -> float:
    """Return the CPU time that a process has used: the fields utime and stime of proc(5)."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children_seconds() -> float:
    """Return the CPU time of the child processes that have ended, which are the load generators."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(results: list[Result]) -> str:
    lines = [
        "| RPC | system | calls per second | service (us) | database (us) | load generator (us) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {it.rpc} | {it.system} | {it.calls_per_second:,.0f} | {it.service_microseconds:,.0f} "
        f"| {it.database_microseconds:,.0f} | {it.load_generator_microseconds:,.0f} |"
        for it in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
