"""``make bench-import``: compare ``payments import`` with the database's ``LOAD DATA`` into the same table.

Both load one file in the format of the legacy service into a private database with durable commits and all indexes, on
this machine, in one run. Rounds alternate, so that other load on the machine affects both methods. Each figure is a
median, and only the ratio is meaningful. An import includes the whole program: startup, reading, checking and loading.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import pymysql

from bench.load import BenchError
from bench.machine import database_version, description
from server.config.settings import Settings
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "import.json"
_DATABASE = "imports"
_LOAD_DATA = """
    LOAD DATA LOCAL INFILE %s INTO TABLE payments FIELDS TERMINATED BY ',' IGNORE 1 LINES
    (payment_id, order_id, amount, method, @status, reference, created_at) SET status = @status = 'SUCCESS'
"""
_PROGRAM = (
    "import re, sys\n"
    "from pathlib import Path\n"
    "from tools.cli.main import app\n"
    "try:\n    app(sys.argv[1:])\n"
    "finally:\n    print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], file=sys.stderr)\n"
)
"""Run the command, then print its peak memory in KiB."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Rows per second, the ratio to LOAD DATA, and the peak memory of ``payments import``."""

    what: str
    rows_per_second: float
    ratio: float
    peak_mebibytes: float | None


def main() -> None:
    """Measure each method, print the table, and save the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds for each method")
    parser.add_argument("--rows", type=int, default=500_000, help="lines of the file")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder, PrivateDatabase(Path(folder) / "db") as database:
            bench = _Bench(database, Path(folder) / "payments.csv", arguments.rows)
            machine = description(database_version(database))
            results = bench.run(arguments.rounds)
    except BenchError as error:
        sys.exit(str(error))
    print(_table(machine, arguments.rows, results))
    arguments.results.write_text(
        json.dumps(
            {"machine": machine, "rows": arguments.rows, "results": [asdict(result) for result in results]}, indent=2
        )
        + "\n"
    )


class _Bench:
    """A database with an empty table, and a file to load into it."""

    def __init__(self, database: PrivateDatabase, file: Path, rows: int) -> None:
        self._database = database
        self._file = file
        self._rows = rows
        self._peaks: dict[str, float] = {}
        self._environment = {"MYSQL_SOCKET": str(database.socket_path), "MYSQL_USER": "root", "MYSQL_DB": _DATABASE}
        migrate(
            Settings.model_validate({key.lower(): value for key, value in self._environment.items()}),
            report=lambda _: None,
        )
        self._execute("SET GLOBAL local_infile = 1")
        _write(file, rows)

    def run(self, rounds: int) -> list[Measurement]:
        """Measure each method once in each round."""
        methods: dict[str, Callable[[], None]] = {
            "LOAD DATA LOCAL, in one statement": self._load_data,
            "payments import": lambda: self._import("payments import"),
            "payments import, second run": lambda: self._import("payments import, second run"),
        }
        seconds: dict[str, list[float]] = {what: [] for what in methods}
        for _ in range(rounds):
            for what, work in methods.items():
                if not what.endswith("second run"):
                    self._execute("DELETE FROM refunds")
                    self._execute("SET FOREIGN_KEY_CHECKS = 0; TRUNCATE payments")
                started = time.perf_counter()
                work()
                seconds[what].append(time.perf_counter() - started)
                if self._execute("SELECT COUNT(*) FROM payments") != self._rows:
                    raise BenchError(f"{what} did not load all rows")
        rates = {what: self._rows / statistics.median(durations) for what, durations in seconds.items()}
        first = next(iter(rates.values()))
        return [Measurement(what, rate, rate / first, self._peaks.get(what)) for what, rate in rates.items()]

    def _load_data(self) -> None:
        connection = pymysql.connect(
            unix_socket=str(self._database.socket_path),
            user="root",
            database=_DATABASE,
            local_infile=True,
            init_command="SET time_zone = '+00:00'",
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(_LOAD_DATA, (str(self._file),))
            connection.commit()

    def _import(self, what: str) -> None:
        run = subprocess.run(
            [sys.executable, "-c", _PROGRAM, "import", str(self._file)],
            env={"PATH": os.environ.get("PATH", os.defpath), **self._environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise BenchError(f"payments import failed: {run.stderr}")
        self._peaks[what] = max(self._peaks.get(what, 0), int(run.stderr.split()[-1]) / 1024)

    def _execute(self, text: str) -> int | None:
        with closing(self._database.connect(_DATABASE)) as connection, connection.cursor() as cursor:
            for statement in text.split(";"):
                cursor.execute(statement)
            row = cursor.fetchone()
        return None if row is None else int(row[0])


def _write(file: Path, rows: int) -> None:
    """Write payments in the format of the legacy service. Their references fall at random positions in the index."""
    with file.open("w", encoding="utf-8") as lines:
        lines.write("payment_id,order_id,amount,method,status,reference,created_at\n")
        for i in range(1, rows + 1):
            lines.write(
                f"{i},{i // 2 + 1},{i % 9000 + 1}.91,{('UPI', 'CARD', 'COD')[i % 3]},"
                f"{('FAILED', 'SUCCESS')[i % 5 > 1]},ECI20250910-{i * 2654435761 % 2**32:08X},"
                f"2025-{i % 12 + 1:02}-{i % 28 + 1:02} {i % 24:02}:{i % 60:02}:54\n"
            )


def _table(machine: str, rows: int, results: list[Measurement]) -> str:
    lines = [
        machine,
        "",
        f"| loading {rows:,} payments | rows/s | ratio to LOAD DATA | peak memory |",
        "|" + " --- |" * 4,
    ]
    lines += [
        f"| {result.what} | {result.rows_per_second:,.0f} | {result.ratio:.2f} x "
        f"| {'' if result.peak_mebibytes is None else f'{result.peak_mebibytes:.0f} MiB'} |"
        for result in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
