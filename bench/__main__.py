"""``make bench``: compare the service with its peers on this machine, in one run and one table.

All systems use one private database server with durable commits, and the load generators run on the same machine.
Rounds alternate between systems, so that other load on the machine affects all of them. Each figure is a median, and
only the ratios between systems are meaningful.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bench import beside_legacy, costs, protections, resources, rpcs
from bench.figures import Figure, Plan, save, table
from bench.load import BenchError, obtain_h2load
from bench.machine import database_version, description
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "bench.json"
_PARTS = {
    "rpcs": rpcs.measure,
    "replaced": beside_legacy.measure,
    "costs": costs.measure,
    "protections": protections.measure,
    "resources": resources.measure,
}


def main() -> None:
    """Measure the chosen parts, print the table, and save the results."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds for each system")
    parser.add_argument("--seconds", type=float, default=5, help="duration of a round")
    parser.add_argument(
        "--rows",
        type=int,
        default=300_000,
        help="payments in each table at the start; cold lists need far more than the 8,192 that the service caches",
    )
    parser.add_argument("--listed-rows", type=int, default=1_000_000, help="payments in the table for the last page")
    parser.add_argument("--charges", type=int, default=2_000_000, help="charges before memory is measured")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), help="parts to measure")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON, next to an SVG")
    arguments = parser.parse_args()
    plan = Plan(arguments.rounds, arguments.seconds, arguments.rows, arguments.listed_rows, charges=arguments.charges)
    figures: list[Figure] = []
    try:
        obtain_h2load()
        with (
            tempfile.TemporaryDirectory() as folder,
            PrivateDatabase(Path(folder) / "db", options=["--innodb-buffer-pool-size=2G"]) as database,
        ):
            machine = description(database_version(database))
            for part in arguments.parts:
                figures += _PARTS[part](database, plan, Path(folder))
    except BenchError as error:
        sys.exit(str(error))
    print(machine, table(figures), sep="\n\n")
    save(arguments.results, machine, figures)


if __name__ == "__main__":
    main()
