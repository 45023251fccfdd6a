"""``make profile``: sample the server under load with py-spy, and show where its time goes.

It writes a flame graph (SVG); with ``--parts``, it prints the share of each part of the program instead. py-spy reads
the memory of the server process, which requires permission to trace processes (root, or ptrace_scope 0). It finds no
Python inside Envoy, so the gRPC engine is grpcio.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.load import BenchError
from bench.systems import load, new_database, page_times, running
from tools.dev.devdb import PrivateDatabase

_FOLDER = Path(__file__).resolve().parent.parent / ".data"
_ROWS = 50_000
_SAMPLES_PER_SECOND = 200

_PARTS = {
    "server/transport/grpc": "the gRPC engine, and handing calls to it",
    "grpc": "the gRPC engine, and handing calls to it",
    "server/transport/pipeline": "admission, deadlines, authentication",
    "server/transport/service": "decoding requests, encoding responses",
    "payments_client": "decoding requests, encoding responses",
    "server/observability": "metrics and logs",
    "server/application": "use cases and domain",
    "server/domain": "use cases and domain",
    "server/storage/batching.py": "batches and the pool",
    "server/storage/database/pool.py": "batches and the pool",
    "server/storage/payments": "SQL values and rows",
    "server/storage/outbox.py": "SQL values and rows",
    "server/storage": "database sessions and driver",
    "aiomysql": "database sessions and driver",
    "pymysql": "database sessions and driver",
    "asyncio": "event loop and sockets",
    "uvloop": "event loop and sockets",
}
"""The part to which the time of a file or folder belongs, the longer paths first."""

_OTHER = "other"
_FILE = re.compile(r"\((?P<file>[^()]+):\d+\)$")


def main() -> None:
    """Profile the server under load, and write the flame graph or print the shares."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument(
        "--rpc",
        default="charge",
        help="RPC to call, by the names of bench/loader: charge, batch_charge, list, list_random_page, get or refund",
    )
    parser.add_argument("--seconds", type=int, default=10, help="duration of the profile")
    parser.add_argument("--parts", action="store_true", help="print the share of each part of the program")
    parser.add_argument("--output", type=Path, help="output file; the default is .data/profile-RPC.svg")
    arguments = parser.parse_args()
    suffix = "txt" if arguments.parts else "svg"
    output = arguments.output or _FOLDER / f"profile-{arguments.rpc}.{suffix}"
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        _record(arguments, output)
    except BenchError as error:
        sys.exit(str(error))
    print(f"{output}: {arguments.rpc}")
    if arguments.parts:
        print(_table(output.read_text().splitlines()))


def _record(arguments: argparse.Namespace, output: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        PrivateDatabase(Path(folder) / "db") as database,
        running("profiled", _settings(database), Path(folder)) as system,
    ):
        command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(system.process_id)]
        command += ["--rate", str(_SAMPLES_PER_SECOND), "--duration", str(arguments.seconds)]
        if arguments.parts:
            command += ["--gil", "--format", "raw"]
        with subprocess.Popen([*command, "--output", str(output)]) as profiler:
            options = (f"-payment-ids=1-{_ROWS}", f"-create-times={page_times(_ROWS)}", "-in-flight=64")
            load(system.port, arguments.rpc, arguments.seconds + 1, *options)
    if profiler.returncode:
        sys.exit(profiler.returncode)


def _settings(database: PrivateDatabase) -> dict[str, str]:
    return {**new_database(database, "profiled", _ROWS), "GRPC_ENGINE": "grpcio"}


def _table(stacks: Iterable[str]) -> str:
    """Return the share of each part as a Markdown table. A stack is a line of frames and its number of samples."""
    samples: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        samples[part_of(frames.split(";"))] += int(count)
    rows = (f"| {part} | {count / samples.total():.0%} |" for part, count in samples.most_common())
    return "\n".join(["| part | share |", "| --- | --- |", *rows])


def part_of(frames: Iterable[str]) -> str:
    """Return the part that was running: that of the innermost frame with a known file, because C code has no frames."""
    for frame in reversed(list(frames)):
        found = _FILE.search(frame)
        for path, part in _PARTS.items():
            if found is not None and (found["file"] == path or found["file"].startswith(f"{path}/")):
                return part
    return _OTHER


if __name__ == "__main__":
    main()
