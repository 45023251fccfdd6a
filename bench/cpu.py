"""``make bench-cpu``: the CPU time that the service and the database spend on one call of each RPC.

CPU time shows what limits the rate of calls, and depends less on other work on the machine than the rate itself.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import ENGINES, ENVOY
from bench.machine import database_version, description
from bench.systems import load, new_database, page_times, running
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "cpu.json"
_RPCS = ("charge", "get", "list", "list_random_page", "refund")


@dataclass(frozen=True, slots=True)
class Result:
    """The CPU time of one call, in microseconds, and the rate at which it was measured."""

    rpc: str
    calls_per_second: float
    service_microseconds: float
    database_microseconds: float


def main() -> None:
    """Measure every RPC, save the results, and print them as a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m bench.cpu", description=__doc__)
    parser.add_argument("--engine", default=ENVOY, choices=ENGINES)
    parser.add_argument("--seconds", type=float, default=10, help="duration of the measurement of an RPC")
    parser.add_argument("--rows", type=int, default=300_000, help="payments in the table")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateDatabase(Path(folder) / "db") as database:
        machine = description(database_version(database))
        settings = {**new_database(database, "cpu", arguments.rows), "GRPC_ENGINE": arguments.engine}
        with running("cpu", settings, Path(folder)) as system:
            results = [measure(rpc, system.port, system.process_id, database.process_id, arguments) for rpc in _RPCS]
    found = {"machine": machine, "engine": arguments.engine, "results": [asdict(result) for result in results]}
    arguments.results.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{machine}, {arguments.engine}\n\n{_table(results)}")


def measure(
    rpc: str, port: int, service_process_id: int, database_process_id: int, arguments: argparse.Namespace
) -> Result:
    """Warm the service up, then measure one RPC."""
    rows = arguments.rows
    options = ("-in-flight=64", f"-create-times={page_times(rows)}")
    # A payment can be refunded only once, so the warm-up uses other payments.
    load(port, rpc, 1, *options, f"-payment-ids=1-{rows // 2}")
    service, database = cpu_seconds(service_process_id), cpu_seconds(database_process_id)
    payment_ids = f"-payment-ids={rows // 2 + 1}-{rows}"
    report = load(port, rpc, arguments.seconds, *options, payment_ids, warm_up_seconds=0)
    calls = report.calls_per_second * arguments.seconds + report.errors
    return Result(
        rpc,
        report.calls_per_second,
        (cpu_seconds(service_process_id) - service) / calls * 1_000_000,
        (cpu_seconds(database_process_id) - database) / calls * 1_000_000,
    )


def cpu_seconds(process_id: int) -> float:
    """Return the CPU time that a process has used: the fields utime and stime of proc(5)."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _table(results: list[Result]) -> str:
    lines = ["| RPC | calls per second | service (us) | database (us) |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {it.rpc} | {it.calls_per_second:,.0f} | {it.service_microseconds:,.0f} | {it.database_microseconds:,.0f} |"
        for it in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
