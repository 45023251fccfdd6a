"""A script whose client has closed the connection is executed completely or not at all.

When a suspended database continues, it executes the scripts of clients that have given up in the meantime. It cannot
send them results, and then the row count of a statement is unknown (-1).
"""

import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pymysql
import pytest

from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import NewCharge, NewPayment, PaymentMethod, Status
from server.domain.processing import Outcome
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.payments import queries
from server.storage.payments.insert import insert_all
from server.storage.payments.store import MysqlPaymentStore
from server.storage.settlement.store import MysqlSettlementStore
from tests.support import galera
from tests.support.databases import DatabaseServer, settings_of
from tests.support.ports import free_port
from tests.support.waiting import wait_until
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

_WAIT_SECONDS = 60


def new_payment(reference: str, status: Status) -> NewPayment:
    charge = NewCharge(1, Money("INR", 100), PaymentMethod.UPI, RequestKey.of("anyone", None))
    return NewPayment(charge, PaymentMethod.UPI, status, reference, datetime.now(UTC))


def all_threads_are_stopped(process_id: int) -> bool:
    """Return whether SIGSTOP has stopped all threads of a process, which takes a moment on a busy machine."""
    states = [
        path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{process_id}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


def test_the_script_of_a_client_that_is_gone_is_executed_completely_or_not_at_all(tmp_path: Path) -> None:
    port = free_port()
    with PrivateDatabase(tmp_path / "database", port=port, options=["--skip-name-resolve"]) as private:

        def query(text: str) -> list[tuple[int, ...]]:
            with private.connect(private.database) as connection, connection.cursor() as cursor:
                cursor.execute(text)
                return list(cursor.fetchall())

        migrate(settings_of(private.environment()), report=lambda _: None)
        query("CREATE USER clients@'127.0.0.1'")
        query("GRANT ALL ON *.* TO clients@'127.0.0.1'")
        process_file = "data/node1.pid" if galera.IS_SELECTED else "server.pid"
        process_id = int((private.folder / process_file).read_text(encoding="ascii"))
        settings = settings_of(
            {
                "MYSQL_HOST": "127.0.0.1",
                "MYSQL_PORT": str(port),
                "MYSQL_USER": "clients",
                "MYSQL_DB": private.database,
                "MYSQL_STATEMENT_TIMEOUT_SECONDS": "1",
                "MYSQL_POOL_MIN": "16",
            }
        )

        async def work() -> None:
            database = Database(settings)
            store = MysqlPaymentStore(database)
            settlements = MysqlSettlementStore(database, first_pause_seconds=1, longest_pause_seconds=1)
            pending = [await store.insert(new_payment(f"before-{it}", Status.PENDING), Deadline()) for it in range(6)]
            # Opens and prepares all connections, so that only the scripts are sent afterwards.
            await asyncio.gather(*(settlements.processor_id(1) for _ in range(16)))
            os.kill(process_id, signal.SIGSTOP)
            wait_until(lambda: all_threads_are_stopped(process_id))
            try:
                outcome = Outcome(Status.SUCCEEDED, "pi_1")
                new_payments = [new_payment(f"after-{it}", Status.PENDING) for it in range(6)]
                calls = [
                    *(settlements.settle_charge(one.payment, outcome, datetime.now(UTC)) for one in pending),
                    *(store.insert_many([one], Deadline()) for one in new_payments),
                ]
                for result in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(result, StoreUnavailable)
            finally:
                os.kill(process_id, signal.SIGCONT)
            await database.close(Deadline.after(10))

        asyncio.run(work())
        deadline = time.monotonic() + _WAIT_SECONDS
        clients = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'clients'"
        while query(clients) != [(0,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

        pending = "SELECT payment_id FROM payments WHERE status IS NULL ORDER BY 1"
        settled = "SELECT payment_id FROM payments WHERE status IS NOT NULL ORDER BY 1"
        changes = "SELECT COUNT(*) FROM payment_outbox WHERE changes LIKE '%{}%'"
        assert query(pending) == query("SELECT payment_id FROM processor_requests ORDER BY 1")
        assert query(settled) == query("SELECT payment_id FROM processor_payments ORDER BY 1")
        assert query(changes.format("PENDING")) == query("SELECT COUNT(*) FROM payments")
        assert query(changes.format("CHARGED")) == [(len(query(settled)),)]


@pytest.mark.parametrize("name", ["INSERT_PAYMENTS", "RESERVE_PAYMENTS"])
def test_a_script_is_rolled_back_if_a_row_count_that_it_depends_on_is_unknown(
    migrated_database: dict[str, str], database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    status = Status.SUCCEEDED if name == "INSERT_PAYMENTS" else Status.PENDING
    text: str = getattr(queries, name)
    assert "ROW_COUNT()" in text
    monkeypatch.setattr(queries, name, text.replace("ROW_COUNT()", "-1"))

    async def write(session: Session) -> None:
        async with session.transaction():
            await insert_all(session, [new_payment("one", status), new_payment("two", status)], 1)

    async def work() -> None:
        database = Database(settings_of(migrated_database))
        try:
            with pytest.raises(pymysql.err.MySQLError, match="cannot be null"):
                await database.run(write, Deadline())
        finally:
            await database.close(Deadline.after(10))

    asyncio.run(work())
    counts = " UNION ALL ".join(f"SELECT COUNT(*) FROM {it}" for it in ("payments", "payment_outbox"))
    assert database_server.execute(counts, database=migrated_database["MYSQL_DB"]) == [(0,), (0,)]
