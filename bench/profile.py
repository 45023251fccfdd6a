"""``make profile``: sample the server under load with py-spy, and write a flame graph (SVG).

py-spy reads the memory of the server process, which requires permission to trace processes (root, or ptrace_scope 0).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.load import BenchError
from bench.systems import load, new_database, page_times, running
from tools.dev.devdb import PrivateDatabase

_FOLDER = Path(__file__).resolve().parent.parent / ".data"
_ROWS = 50_000
_SAMPLES_PER_SECOND = 200


def main() -> None:
    """Profile the server under load, and write the flame graph."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument(
        "--rpc",
        default="charge",
        help="RPC to call, by the names of bench/loader: charge, batch_charge, list, list_random_page, get or refund",
    )
    parser.add_argument("--engine", default="native", choices=["native", "grpcio"])
    parser.add_argument("--seconds", type=int, default=10, help="duration of the profile")
    parser.add_argument("--output", type=Path, help="output file; the default is .data/profile-RPC-ENGINE.svg")
    arguments = parser.parse_args()
    output = arguments.output or _FOLDER / f"profile-{arguments.rpc}-{arguments.engine}.svg"
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            PrivateDatabase(Path(folder) / "db") as database,
            running("profiled", _settings(database, arguments.engine), Path(folder)) as system,
        ):
            command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(system.process_id)]
            command += ["--rate", str(_SAMPLES_PER_SECOND), "--duration", str(arguments.seconds)]
            with subprocess.Popen([*command, "--output", str(output)]) as profiler:
                options = (f"-payment-ids=1-{_ROWS}", f"-create-times={page_times(_ROWS)}", "-in-flight=64")
                load(system.port, arguments.rpc, arguments.seconds + 1, *options)
    except BenchError as error:
        sys.exit(str(error))
    if profiler.returncode:
        sys.exit(profiler.returncode)
    print(f"{output}: {arguments.rpc} with {arguments.engine}")


def _settings(database: PrivateDatabase, engine: str) -> dict[str, str]:
    return {**new_database(database, "profiled", _ROWS), "GRPC_ENGINE": engine}


if __name__ == "__main__":
    main()
