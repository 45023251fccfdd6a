"""``make bench-replicas``: charges per second of one, two and four replicas that share a database on this machine."""

import argparse
import json
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.load import BenchError
from bench.machine import database_version, description
from bench.systems import load, new_database, running
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "replicas.json"
_COUNTS = (1, 2, 4)
_IN_FLIGHT = 64
_ROWS = 10_000
_ENGINE = "envoy"


def main() -> None:
    """Measure each number of replicas, print the results, and save them."""
    parser = argparse.ArgumentParser(prog="python -m bench.replicas", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds for each count of replicas")
    parser.add_argument("--seconds", type=float, default=5, help="duration of a round")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            PrivateDatabase(Path(folder) / "db", options=["--innodb-buffer-pool-size=1G"]) as database,
            ExitStack() as stack,
            ThreadPoolExecutor(max(_COUNTS)) as threads,
        ):
            machine = description(database_version(database))
            settings = {**new_database(database, "replicas", _ROWS), "GRPC_ENGINE": _ENGINE}
            ports = [
                stack.enter_context(running(f"replica-{number}", settings, Path(folder))).port
                for number in range(max(_COUNTS))
            ]

            def charges_per_second(count: int) -> float:
                def charges_on(port: int) -> float:
                    return load(port, "charge", arguments.seconds, f"-in-flight={_IN_FLIGHT // count}").calls_per_second

                return sum(threads.map(charges_on, ports[:count]))

            rounds = [[charges_per_second(count) for count in _COUNTS] for _ in range(arguments.rounds)]
    except BenchError as error:
        sys.exit(str(error))
    values = [statistics.median(rates) for rates in zip(*rounds, strict=True)]
    print(machine)
    for count, value in zip(_COUNTS, values, strict=True):
        print(f"{count} {'replica' if count == 1 else 'replicas'}: {value:,.0f} charges/s, {value / values[0]:.2f} x")
    content = {"machine": machine, "charges_per_second": dict(zip(map(str, _COUNTS), values, strict=True))}
    arguments.results.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
