"""``make bench``: REST beside the service that it replaces, on this machine, in one run.

Both run on one private database with durable commits, with the load generator on the same machine. Rounds alternate, so
that what else the machine does falls on both; medians of them are compared. What counts is the ratio.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load import BenchError, Load, obtain_h2load, post_load
from bench.machine import description
from bench.peers.replaced.table import TABLE
from server.config import Settings
from tools.devdb import PrivateDatabase
from tools.migrate import migrate

_CONNECTIONS = 64
_CHARGE = {"order_id": 342, "amount": 561.00}
_PAGE, _PER_PAGE = 5000, 200
_LISTS = 7
_START_TIMEOUT_SECONDS = 30
_OURS_PORT, _REPLACED_PORT, _GRPC_PORT = 18001, 18002, 18003
_RESULTS = Path(__file__).parent / "results" / "rest.json"
_FILL = """
    INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded)
    SELECT k, k, MOD(k * 7919, 500000) / 100 + 1, ELT(1 + MOD(k, 3), 'UPI', 'CARD', 'COD'), MOD(k, 5) < 3,
        CONCAT('ECI20250101-', LPAD(HEX(k), 8, '0')), '2025-01-01' + INTERVAL k * 30 SECOND, 0
    FROM (SELECT payment_id + %s AS k FROM payments ORDER BY payment_id LIMIT %s) numbers
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of ours, the same of the replaced service, and how many times better ours is."""

    what: str
    ours: float
    replaced: float
    ratio: float
    errors_ours: int = 0
    errors_replaced: int = 0


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m bench.rest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, alternating")
    parser.add_argument("--seconds", type=int, default=6, help="how long a round is")
    parser.add_argument("--rows", type=int, default=1_000_000, help="payments in the table that lists are read from")
    arguments = parser.parse_args()
    try:
        obtain_h2load()
        with tempfile.TemporaryDirectory() as folder, PrivateDatabase(Path(folder) / "db") as database:
            bench = _Bench(database, Path(folder))
            machine = description(bench.database_version())
            results = [
                bench.charges(arguments.rounds, arguments.seconds),
                bench.deep_pages(arguments.rows),
            ]
    except BenchError as error:
        sys.exit(str(error))
    print(_table(machine, results))
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps({"machine": machine, "results": [asdict(one) for one in results]}, indent=2) + "\n")


class _Bench:
    """Both services, on databases of their own."""

    def __init__(self, database: PrivateDatabase, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def database_version(self) -> str:
        with closing(self._database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            row = cursor.fetchone()
        assert row is not None
        return str(row[0])

    def charges(self, rounds: int, seconds: int) -> Comparison:
        """Compare charges a second."""
        ours: list[Load] = []
        replaced: list[Load] = []
        with self._running("charges") as (our_url, replaced_url):
            for _ in range(rounds):
                for url, loads in ((our_url, ours), (replaced_url, replaced)):
                    path = f"{url}/v1/payments/charge"
                    loads.append(post_load(path, _CHARGE, self._folder, connections=_CONNECTIONS, seconds=seconds))
        our_rate, replaced_rate = (
            statistics.median(load.requests_per_second for load in loads) for loads in (ours, replaced)
        )
        return Comparison(
            f"POST /v1/payments/charge, {_CONNECTIONS} connections (charges/s)",
            our_rate,
            replaced_rate,
            ratio=our_rate / replaced_rate,
            errors_ours=sum(load.errors for load in ours),
            errors_replaced=sum(load.errors for load in replaced),
        )

    def deep_pages(self, rows: int) -> Comparison:
        """Compare how long a page far down a large table takes."""
        path = f"/v1/payments?page={_PAGE}&per_page={_PER_PAGE}"
        with self._running("pages", rows) as urls:
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(_LISTS):
                for url, taken in zip(urls, times, strict=True):
                    started = time.perf_counter()
                    with urllib.request.urlopen(url + path) as reply:
                        items = json.load(reply)["items"]
                    taken.append((time.perf_counter() - started) * 1000)
                    if len(items) != min(_PER_PAGE, max(0, rows - (_PAGE - 1) * _PER_PAGE)):
                        raise BenchError(f"{url}{path} gave {len(items)} items")
        ours, replaced = map(statistics.median, times)
        return Comparison(f"GET {path} of {rows:,} rows (ms)", ours, replaced, ratio=replaced / ours)

    @contextmanager
    def _running(self, name: str, rows: int = 0) -> Iterator[tuple[str, str]]:
        """Run both services on new databases with as many payments."""
        ours, replaced = self._new_database(f"{name}_ours"), self._new_database(f"{name}_replaced")
        migrate(Settings.model_validate({key.lower(): value for key, value in ours.items()}), say=lambda _: None)
        self._execute(replaced["MYSQL_DB"], TABLE)
        for environment in (ours, replaced):
            self._fill(environment["MYSQL_DB"], rows)
        with ExitStack() as stack:
            ports = {"REST_PORT": str(_OURS_PORT), "GRPC_PORT": str(_GRPC_PORT), "LOG_LEVEL": "warning"}
            stack.enter_context(
                _program("server", {**ours, **ports}, f"http://127.0.0.1:{_OURS_PORT}/readyz", self._folder)
            )
            url = f"http://127.0.0.1:{_REPLACED_PORT}"
            port = {"PEER_PORT": str(_REPLACED_PORT)}
            stack.enter_context(
                _program("bench.peers.replaced", {**replaced, **port}, f"{url}/v1/payments?per_page=1", self._folder)
            )
            yield f"http://127.0.0.1:{_OURS_PORT}", url

    def _new_database(self, name: str) -> dict[str, str]:
        self._execute(None, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return {"MYSQL_SOCKET": str(self._database.socket_path), "MYSQL_USER": "root", "MYSQL_DB": name}

    def _fill(self, database: str, rows: int) -> None:
        made = min(rows, 1)
        if made:
            first = _FILL[: _FILL.index("FROM (")] + "FROM (SELECT 1 AS k) numbers"
            self._execute(database, first)
        while made < rows:
            more = min(made, rows - made)
            self._execute(database, _FILL, (made, more))
            made += more
        self._execute(database, "ANALYZE TABLE payments")

    def _execute(self, database: str | None, text: str, values: tuple[object, ...] = ()) -> None:
        with closing(self._database.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(text, values)


@contextmanager
def _program(module: str, settings: Mapping[str, str], url: str, folder: Path) -> Iterator[None]:
    """Run ``python -m module`` until it is no longer needed; it is ready when ``url`` answers."""
    with (folder / f"{module}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={"PATH": os.environ.get("PATH", os.defpath), **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until(lambda: _answers(url) or process.poll() is not None)
            if process.poll() is not None:
                raise BenchError(f"python -m {module} did not start: {Path(log.name).read_text()}")
            yield
        finally:
            process.terminate()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise BenchError(f"a service did not start within {_START_TIMEOUT_SECONDS} s")
        time.sleep(0.1)


def _table(machine: str, results: list[Comparison]) -> str:
    lines = [
        machine,
        "",
        "| what | this service | the replaced one | ratio | errors, ours / replaced |",
        "|" + " --- |" * 5,
    ]
    lines += [
        f"| {one.what} | {one.ours:,.1f} | {one.replaced:,.1f} | {one.ratio:.1f} x "
        f"| {one.errors_ours} / {one.errors_replaced} |"
        for one in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
