"""``make bench-migration``: how long writes wait while a table of the legacy service is migrated.

The table has a million rows in a private database with durable commits. A writer inserts a payment every few
milliseconds, as the legacy service does, and measures each write while ``payments migrate`` runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import pymysql

from bench.machine import database_version, description
from bench.peers.legacy.table import TABLE
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "migration.json"
_DATABASE = "adopted"
_PAUSE_SECONDS = 0.005
_FILL_ROWS = 250_000
_FILL = """
    INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded)
    SELECT k, k DIV 3 + 1, MOD(k * 7919, 500000) / 100 + 1, ELT(1 + MOD(k, 3), 'UPI', 'CARD', 'COD'), MOD(k, 5) < 3,
        CONCAT('ECI20250101-', LPAD(HEX(MOD(k * 2654435761, 4294967296)), 8, '0')),
        '2025-01-01' + INTERVAL k * 30 SECOND, 0
    FROM (SELECT payment_id + %s AS k FROM payments ORDER BY payment_id LIMIT %s) numbers
"""
_FIRST = "INSERT INTO payments VALUES (1, 1, 1, 'UPI', 1, 'ECI20250101-9E3779B1', '2025-01-01', 0)"
_WRITE = (
    "INSERT INTO payments (order_id, amount, method, status, reference, created_at) "
    "VALUES (1, 561, 'UPI', 1, CONCAT('ECI-', UUID()), NOW())"
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The duration of the migration, and its effect on concurrent writes."""

    machine: str
    rows: int
    migrate_seconds: float
    longest_write_seconds: float
    usual_write_milliseconds: float
    writes: int
    failed_writes: int
    said: list[str]


class _Writer(threading.Thread):
    """Inserts payments one after another until ``stopped`` is set."""

    def __init__(self, database: PrivateDatabase) -> None:
        super().__init__(daemon=True)
        self._database = database
        self.stopped = threading.Event()
        self.seconds: list[float] = []
        self.failed = 0

    def run(self) -> None:
        with closing(self._database.connect(_DATABASE)) as connection, connection.cursor() as cursor:
            while not self.stopped.wait(_PAUSE_SECONDS):
                started = time.perf_counter()
                try:
                    cursor.execute(_WRITE)
                except pymysql.err.MySQLError:
                    self.failed += 1
                self.seconds.append(time.perf_counter() - started)


def main() -> None:
    """Measure the migration, save the result, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="payments in the table")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateDatabase(Path(folder) / "db") as database:
        measurement = _measure(database, arguments.rows)
    arguments.results.write_text(json.dumps(asdict(measurement), indent=2) + "\n")
    print(
        f"{measurement.machine}\n{measurement.rows:,} rows migrated in {measurement.migrate_seconds:.1f} s; "
        f"the longest write waited {measurement.longest_write_seconds:.1f} s (usually "
        f"{measurement.usual_write_milliseconds:.1f} ms), {measurement.failed_writes} of {measurement.writes:,} failed"
    )


def _measure(database: PrivateDatabase, rows: int) -> Measurement:
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {_DATABASE} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {_DATABASE}")
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(TABLE)
        cursor.execute(_FIRST)
        count = 1
        while count < rows:
            batch_rows = min(count, rows - count, _FILL_ROWS)
            cursor.execute(_FILL, (count, batch_rows))
            count += batch_rows
        cursor.execute("ANALYZE TABLE payments")
    writer = _Writer(database)
    writer.start()
    time.sleep(1)
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "tools.cli.main", "migrate"],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "MYSQL_SOCKET": str(database.socket_path),
            "MYSQL_USER": "root",
            "MYSQL_DB": _DATABASE,
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - started
    time.sleep(1)
    writer.stopped.set()
    writer.join()
    return Measurement(
        description(database_version(database)),
        rows,
        seconds,
        max(writer.seconds),
        sorted(writer.seconds)[len(writer.seconds) // 2] * 1000,
        len(writer.seconds),
        writer.failed,
        run.stdout.splitlines(),
    )


if __name__ == "__main__":
    main()
