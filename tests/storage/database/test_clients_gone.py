"""A script whose client has closed the connection is executed completely or not at all.

When a suspended database continues, it executes the scripts of clients that have given up in the meantime. It cannot
send them results, and then the row count of a statement is unknown (-1).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pymysql
import pytest

from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.domain.events import EventKind
from server.domain.names import Names
from server.domain.payment import NewPayment, Payment, Refund, RefundOutcome, Status
from server.domain.processing import Outcome
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.payments import insert_queries, queries
from server.storage.payments.insert import insert_all
from server.storage.payments.refund import RefundToStore, store_refund
from server.storage.payments.refund_batch import store_refunds
from server.storage.payments.store import MysqlPaymentStore
from server.storage.settlement import queries as settlement_queries
from server.storage.settlement.store import MysqlSettlementStore
from tests.storage.payments.new_payments import NOW, new_payment, new_refund, numbers
from tests.support import galera, tidb
from tests.support.databases import DatabaseServer, open_database, settings_of
from tests.support.ports import free_port
from tests.support.suspension import suspended
from tests.support.waiting import wait_until
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

_SCRIPTS = 6
"""The number of clients that send each kind of script."""

SUCCEEDED, FAILED = Outcome(Status.SUCCEEDED, "pi_1"), Outcome(Status.FAILED, "pi_1")

_CONNECTIONS = 8 * _SCRIPTS
_PENDING = "pending"
"""The reason of the refunds that are pending at first. The external reference of some such payments begins with it."""

_PENDING_ORDER_ID = 1
"""The order of the other payments that are pending at first."""

_MIN_ORDER_ID = 1_000
"""The orders above this have one payment each."""

_IS_PENDING_AT_FIRST = f"order_id = {_PENDING_ORDER_ID} OR external_reference LIKE '{_PENDING}%'"


def new_pending_payment() -> NewPayment:
    return new_payment(status=Status.PENDING, order_id=_PENDING_ORDER_ID)


def of_new_order(new: NewPayment, order_id: int = 0) -> NewPayment:
    """Return a payment of a new order that must have no pending payment. Its external reference begins with _PENDING.

    An ``order_id`` of 0 means that only the external reference identifies the order.
    """
    names = Names(f"{_PENDING} {next(numbers)}" if new.decision.status is Status.PENDING else f"{next(numbers)}")
    return replace(new, charge=replace(new.charge, unless_pending=True, order_id=order_id, names=names))


def refund_to_store(payment: Payment, status: Status) -> RefundToStore:
    reason = _PENDING if status is Status.PENDING else ""
    return RefundToStore(new_refund(payment, 30, reason=reason), status, NOW, due_microseconds=0)


async def charge(store: MysqlPaymentStore, count: int) -> list[Payment]:
    outcomes = await store.insert_many([new_payment() for _ in range(count)], Deadline())
    return [one.payment for one in outcomes if not isinstance(one, Exception)]


async def pending_refund(database: Database, payment: Payment) -> Refund:
    outcome = await store_one(database, refund_to_store(payment, Status.PENDING))
    assert outcome.refund is not None
    return outcome.refund


async def insert(database: Database, payments: Sequence[NewPayment]) -> None:
    async def work(session: Session) -> None:
        async with session.transaction():
            await insert_all(session, payments, 1)

    await database.run(work, Deadline())


async def store_one(database: Database, refund: RefundToStore) -> RefundOutcome:
    return await database.run(partial(store_refund, new=refund), Deadline())


async def store_two(database: Database, refunds: Sequence[RefundToStore]) -> list[RefundOutcome | None]:
    return await database.run(partial(store_refunds, refunds=refunds), Deadline())


def assert_complete(query: Callable[[str], list[Any]]) -> None:
    """Assert that each payment and refund has its events, its pending request, and its effect on the other tables."""
    changes = query("SELECT changes FROM payment_outbox")
    kinds = Counter(kind for (text,) in changes for kind, *_ in json.loads(text))
    counts = {
        EventKind.PENDING: f"payments WHERE {_IS_PENDING_AT_FIRST}",
        EventKind.CHARGED: "payments WHERE status = 1",
        EventKind.REFUND_PENDING: f"refunds WHERE reason = '{_PENDING}'",
        EventKind.REFUNDED: "refunds WHERE status = 1",
        EventKind.REFUND_FAILED: "refunds WHERE status = 0",
    }
    # Unary plus leaves out the kinds without an event.
    assert +kinds == +Counter({kind: query(f"SELECT COUNT(*) FROM {rows}")[0][0] for kind, rows in counts.items()})
    equal_rows = {
        "SELECT payment_id FROM processor_requests WHERE refund_id IS NULL": (
            "SELECT payment_id FROM payments WHERE status IS NULL"
        ),
        "SELECT refund_id FROM processor_requests WHERE refund_id IS NOT NULL": (
            "SELECT refund_id FROM refunds WHERE status IS NULL"
        ),
        "SELECT payment_id FROM processor_payments": (
            f"SELECT payment_id FROM payments WHERE ({_IS_PENDING_AT_FIRST}) AND status IS NOT NULL"
        ),
        "SELECT payment_id, SUM(amount) FROM refunds WHERE COALESCE(status, 1) = 1 GROUP BY payment_id": (
            "SELECT payment_id, refunded_amount FROM payments WHERE refunded_amount > 0"
        ),
    }
    for one, other in equal_rows.items():
        assert sorted(query(one)) == sorted(query(other))
    assert query("SELECT COUNT(*) FROM order_locks") == [(0,)]


async def send_all_scripts_to_a_suspended_database(settings: Settings, process_id: int) -> None:
    """Send each script ``_SCRIPTS`` times while the database is suspended, give up, and let the database continue."""
    database = Database(settings)
    store = MysqlPaymentStore(database)
    settlements = MysqlSettlementStore(database, first_pause_seconds=1, longest_pause_seconds=1)
    pending = [(await store.insert(new_pending_payment(), Deadline())).payment for _ in range(_SCRIPTS)]
    pending_refunds = [await pending_refund(database, one) for one in await charge(store, 2 * _SCRIPTS)]
    statuses = (Status.SUCCEEDED, Status.PENDING)
    refunds = [refund_to_store(one, status) for status in statuses for one in await charge(store, _SCRIPTS)]
    pairs = [
        [refund_to_store(one, status) for one in await charge(store, 2)] for status in statuses for _ in range(_SCRIPTS)
    ]
    # Opens and prepares all connections, so that only the scripts are sent afterwards.
    await asyncio.gather(*(settlements.processor_id(1) for _ in range(_CONNECTIONS)))
    with suspended(process_id):
        calls: list[Awaitable[object]] = [
            *(settlements.settle_charge(one, SUCCEEDED, NOW) for one in pending),
            *(store.insert_many([new_pending_payment()], Deadline()) for _ in range(_SCRIPTS)),
            *(settlements.settle_refund(one, SUCCEEDED, NOW) for one in pending_refunds[:_SCRIPTS]),
            *(settlements.settle_refund(one, FAILED, NOW) for one in pending_refunds[_SCRIPTS:]),
            *(store_one(database, one) for one in refunds),
            *(store_two(database, pair) for pair in pairs),
        ]
        assert len(calls) == _CONNECTIONS
        for result in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(result, StoreUnavailable)
    await database.close(Deadline.after(10))


def test_the_script_of_a_client_that_is_gone_is_executed_completely_or_not_at_all(tmp_path: Path) -> None:
    port = free_port()

    with PrivateDatabase(tmp_path / "database", port=port) as private:

        def query(text: str) -> list[tuple[Any, ...]]:
            with private.connect(private.database) as connection, connection.cursor() as cursor:
                cursor.execute(text)
                return list(cursor.fetchall())

        migrate(settings_of(private.environment()), report=lambda _: None)
        query("CREATE USER clients")
        query("GRANT ALL ON *.* TO clients")
        process_id = galera.process_id_of(private, 1) if galera.IS_SELECTED else private.process_id
        settings = settings_of(
            {
                "MYSQL_HOST": "127.0.0.1",
                "MYSQL_PORT": str(port),
                "MYSQL_USER": "clients",
                "MYSQL_DB": private.database,
                "MYSQL_STATEMENT_TIMEOUT_SECONDS": "1",
                "MYSQL_POOL_MIN": str(_CONNECTIONS),
                "MYSQL_POOL_MAX": str(_CONNECTIONS),
            }
        )
        asyncio.run(send_all_scripts_to_a_suspended_database(settings, process_id))
        clients = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'clients'"
        wait_until(lambda: query(clients) == [(0,)])

        assert_complete(query)


WRITES = {
    insert_queries: (
        *("INSERT_PAYMENTS", "RESERVE_PAYMENTS", "INSERT_PAYMENT_OF_ORDER", "INSERT_PAYMENT_OF_REFERENCE"),
        *("RESERVE_PAYMENT_OF_ORDER", "RESERVE_PAYMENT_OF_REFERENCE"),
    ),
    queries: ("STORE_REFUND", "STORE_REFUNDS"),
    settlement_queries: ("SETTLE_CHARGE", "SETTLE_REFUND"),
}
ROW_COUNT = "ROW_COUNT()"


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCEEDED])
@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in WRITES.items() for name in names])
def test_a_script_is_executed_completely_or_not_at_all_if_a_row_count_is_unknown(
    migrated_database: dict[str, str],
    database_server: DatabaseServer,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
    status: Status,
) -> None:
    """The client may be gone at any of the statements, so each row count is unknown once."""
    constant = f"{name}_ON_TIDB" if tidb.IS_SELECTED and name.endswith("REFUNDS") else name
    text: str = getattr(module, constant)
    first, *others = text.split(ROW_COUNT)
    texts = [text] + [
        ROW_COUNT.join([first, *others[:number]]) + "-1" + ROW_COUNT.join(others[number:])
        for number in range(len(others))
    ]
    assert len(set(texts)) > 1, "the script uses no row count"

    async def work() -> None:
        # As an account that may also delete rows.
        async with open_database(database_server.environment(migrated_database["MYSQL_DB"])) as database:
            for changed in texts:
                monkeypatch.setattr(module, constant, changed)
                with suppress(pymysql.err.MySQLError, StoreUnavailable):
                    await write(database, name, status)

    asyncio.run(work())

    def query(text: str) -> list[Any]:
        return database_server.execute(text, database=migrated_database["MYSQL_DB"])

    assert query("SELECT COUNT(*) FROM payments") > [(0,)]
    assert_complete(query)


async def write(database: Database, name: str, status: Status) -> None:
    """Execute the script ``name``. A refund has ``status``."""
    store = MysqlPaymentStore(database)
    settlements = MysqlSettlementStore(database, first_pause_seconds=1, longest_pause_seconds=1)
    if name in WRITES[insert_queries]:
        new = new_pending_payment if name.startswith("RESERVE") else new_payment
        if name.endswith("PAYMENTS"):
            await insert(database, [new(), new()])
        else:
            order_id = _MIN_ORDER_ID + next(numbers) if name.endswith("ORDER") else 0
            await store.insert(of_new_order(new(), order_id), Deadline())
        return
    match name:
        case "STORE_REFUND":
            (payment,) = await charge(store, 1)
            await store_one(database, refund_to_store(payment, status))
        case "STORE_REFUNDS":
            await store_two(database, [refund_to_store(one, status) for one in await charge(store, 2)])
        case "SETTLE_CHARGE":
            payment = (await store.insert(new_pending_payment(), Deadline())).payment
            await settlements.settle_charge(payment, SUCCEEDED, NOW)
        case "SETTLE_REFUND":
            (payment,) = await charge(store, 1)
            await settlements.settle_refund(await pending_refund(database, payment), FAILED, NOW)
