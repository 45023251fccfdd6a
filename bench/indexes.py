"""``make bench-indexes``: what each index of payments costs on every charge, and which list needs it.

The same charges are stored in tables that each lack one of the indexes, and the lists that read that index are run with
and without it. The cost of a charge is the CPU time of the database, so other work on the machine hardly affects it.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.cpu import cpu_seconds
from bench.machine import database_version, description
from bench.systems import execute, new_database
from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.domain.identifiers import RequestKey
from server.domain.listing import Order, PaymentFilter
from server.domain.money import Money
from server.domain.payment import Decision, NewCharge, NewPayment, PaymentMethod, Status
from server.storage.database.pool import Database
from server.storage.payments.listing import page_parts
from server.storage.payments.store import MysqlPaymentStore
from tools.dev.devdb import PrivateDatabase

_RESULTS = Path(__file__).parent / "results" / "indexes.json"
_BATCH_SIZE = 16
_PAGE_SIZE = 51
_PAGES = 5
_NO_INDEX = "none"

LISTS: Mapping[str, PaymentFilter] = {
    "payments_by_time": PaymentFilter(),
    "payments_by_order": PaymentFilter(order_id=7),
    "payments_by_method": PaymentFilter(methods=frozenset({PaymentMethod.UPI})),
    "payments_by_status": PaymentFilter(statuses=frozenset({Status.FAILED})),
}
"""The indexes that only lists use, each with a list that reads it. No payment of the table failed."""


@dataclass(frozen=True, slots=True)
class Result:
    """The cost of a charge without an index, and the times of a page with and without it."""

    missing_index: str
    database_microseconds_per_charge: float
    page_milliseconds: float | None
    page_milliseconds_without: float | None


def main() -> None:
    """Measure every index, save the results, and print them as a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m bench.indexes", description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="payments in each table")
    parser.add_argument("--charges", type=int, default=16_000, help="charges per table and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=_RESULTS, help="output file for JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PrivateDatabase(Path(folder) / "db") as database:
        machine = description(database_version(database))
        results = _measure(database, arguments.rows, arguments.charges, arguments.rounds)
    found = {"machine": machine, "rows": arguments.rows, "results": [asdict(result) for result in results]}
    arguments.results.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{machine}\n\n{_table(results)}")


def _measure(database: PrivateDatabase, rows: int, charges: int, rounds: int) -> list[Result]:
    settings = {name: new_database(database, f"without_{name}", rows) for name in (_NO_INDEX, *LISTS)}
    for name in LISTS:
        execute(database, settings[name]["MYSQL_DB"], f"ALTER TABLE payments DROP INDEX {name}")
    process_id = database.process_id
    costs: dict[str, list[float]] = {name: [] for name in settings}
    for _ in range(rounds):
        for name, values in settings.items():
            started = cpu_seconds(process_id)
            asyncio.run(_charge(values, charges))
            costs[name].append((cpu_seconds(process_id) - started) / charges * 1_000_000)
    return [
        Result(
            name,
            statistics.median(costs[name]),
            None if name == _NO_INDEX else _page_milliseconds(database, settings[_NO_INDEX]["MYSQL_DB"], name),
            None if name == _NO_INDEX else _page_milliseconds(database, settings[name]["MYSQL_DB"], name),
        )
        for name in settings
    ]


async def _charge(settings: Mapping[str, str], count: int) -> None:
    """Store ``count`` charges, in batches, one batch after another."""
    database = Database(Settings.model_validate({key.lower(): value for key, value in settings.items()}))
    try:
        store = MysqlPaymentStore(database)
        for _ in range(count // _BATCH_SIZE):
            await store.insert_many([_new_payment() for _ in range(_BATCH_SIZE)], Deadline())
    finally:
        await database.close(Deadline.after(10))


def _new_payment() -> NewPayment:
    charge = NewCharge(secrets.randbelow(10**6) + 1, Money("INR", 56_100), None, RequestKey.of("bench", None))
    reference = f"BENCH-{secrets.token_hex(10)}"
    return NewPayment(charge, Decision(PaymentMethod.CARD, Status.SUCCEEDED), reference, datetime.now(UTC))


def _page_milliseconds(database: PrivateDatabase, name: str, index: str) -> float:
    """Return the median time of the first page of the list that reads ``index``, even if the table lacks it."""
    # The second part, for payments without a time, only fills up a page.
    part, *_ = page_parts(LISTS[index], Order.NEWEST_FIRST, None)
    times = []
    with closing(database.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW INDEX FROM payments")
        has_index = index in {row[2] for row in cursor.fetchall()}
        text = part.text if has_index else part.text.replace(f"FORCE INDEX ({index})", "")
        for _ in range(_PAGES):
            started = time.perf_counter()
            cursor.execute(text, (*part.values, _PAGE_SIZE))
            cursor.fetchall()
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _table(results: list[Result]) -> str:
    base = results[0].database_microseconds_per_charge
    lines = [
        "| without | database CPU per charge (us) | saved | its list with it (ms) | without it (ms) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for result in results:
        cost = result.database_microseconds_per_charge
        times = (
            "" if value is None else f"{value:,.1f}"
            for value in (result.page_milliseconds, result.page_milliseconds_without)
        )
        lines.append(f"| {result.missing_index} | {cost:.1f} | {1 - cost / base:.0%} | {' | '.join(times)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
