"""``make bench-migration``: how long writes wait while a large table is migrated.

The table has a million rows in a private database with durable commits. A writer inserts or updates a payment every few
milliseconds, and measures each write while ``payments migrate`` runs: first when it adopts the table of the legacy
service, and then when a migration widens the amounts.
"""

import argparse
import json
import os
import random
import shutil
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
from tools.database.migration_files import MIGRATIONS, latest_version
from tools.database.private_database import SELECTED_DATABASE
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / f"{'_'.join(filter(None, ['migration', SELECTED_DATABASE]))}.json"
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


_REFUND = "UPDATE payments SET refunded = 1 - refunded WHERE payment_id = %s"
_WIDEN = """
ALTER TABLE payments
    MODIFY amount DECIMAL(24, 4) NULL,
    MODIFY refunded_amount DECIMAL(24, 4) NOT NULL DEFAULT 0;
"""
_MIGRATE = """
import sys
from pathlib import Path
from tools.database.migrations import migrate
from tools.database.settings import load_tool_settings
migrate(load_tool_settings(), folder=Path(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The duration of a migration, and its effect on concurrent writes."""

    migration: str
    migrate_seconds: float
    longest_write_seconds: float
    usual_write_milliseconds: float
    writes: int
    failed_writes: int
    said: list[str]


class _Writer(threading.Thread):
    """Inserts a payment and updates one of the others, in turn, until ``stopped`` is set."""

    def __init__(self, database: PrivateDatabase, rows: int) -> None:
        super().__init__(daemon=True)
        self._rows = rows
        self._random = random.Random(1)  # noqa: S311 - not a secret
        self._database = database
        self.stopped = threading.Event()
        self.seconds: list[float] = []
        self.failed = 0

    def run(self) -> None:
        with closing(self._database.connect(_DATABASE)) as connection, connection.cursor() as cursor:
            while not self.stopped.wait(_PAUSE_SECONDS):
                started = time.perf_counter()
                try:
                    if len(self.seconds) % 2:
                        cursor.execute(_REFUND, [self._random.randint(1, self._rows)])
                    else:
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
    with tempfile.TemporaryDirectory() as name, PrivateDatabase(Path(name) / "db") as database:
        machine = description(database_version(database))
        _fill(database, arguments.rows)
        measurements = [_measure(database, arguments.rows, "adoption", MIGRATIONS)]
        widening = Path(name) / "migrations"
        shutil.copytree(MIGRATIONS, widening)
        (widening / f"{latest_version() + 1:04d}_widen_amounts.sql").write_text(_WIDEN)
        measurements.append(_measure(database, arguments.rows, "wider amounts", widening))
    result = {"machine": machine, "rows": arguments.rows, "migrations": [asdict(each) for each in measurements]}
    arguments.results.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{machine}, {arguments.rows:,} rows")
    for each in measurements:
        print(
            f"{each.migration}: {each.migrate_seconds:.1f} s; the longest write waited "
            f"{each.longest_write_seconds:.2f} s (usually {each.usual_write_milliseconds:.1f} ms), "
            f"{each.failed_writes} of {each.writes:,} failed"
        )


def _fill(database: PrivateDatabase, rows: int) -> None:
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


def _measure(database: PrivateDatabase, rows: int, migration: str, folder: Path) -> Measurement:
    """Run the migrations of a folder while a writer inserts payments."""
    writer = _Writer(database, rows)
    writer.start()
    time.sleep(1)
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", _MIGRATE, str(folder)],
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
        migration,
        seconds,
        max(writer.seconds),
        sorted(writer.seconds)[len(writer.seconds) // 2] * 1000,
        len(writer.seconds),
        writer.failed,
        run.stdout.splitlines(),
    )


if __name__ == "__main__":
    main()
