"""The stores that the contract tests run against: the in-memory stores and the MySQL stores."""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from server.application.ports import EventStore, HistoryStore, LateStore, PaymentStore, PendingStore, SettlementStore
from server.application.relay import Relay
from server.domain.deadline import Deadline
from server.domain.payment import Payment
from server.storage.database.pool import Database
from server.storage.events.store import MysqlEventStore, MysqlOutbox
from server.storage.payments.store import MysqlPaymentStore
from server.storage.settlement.late_store import MysqlLateStore
from server.storage.settlement.store import MysqlSettlementStore
from tests.storage.listed_statements import ListedSession
from tests.support.databases import Accounts, DatabaseServer, settings_of
from tests.support.memory import Memory, MemoryEventStore, MemoryLateStore, MemoryPaymentStore, MemorySettlementStore

Execute = Callable[..., list[Any]]

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10_000.0, 35_000.0


class Stores(ABC):
    """The stores of one database, and operations that change their data directly."""

    payments: PaymentStore
    settlements: SettlementStore
    pending: PendingStore
    late: LateStore
    events: EventStore
    history: HistoryStore

    @abstractmethod
    async def relay(self) -> None:
        """Move all committed changes into the event stream."""

    @abstractmethod
    def archive(self, payment: Payment) -> None:
        """Move a payment and its refunds into the archive, like ``payments archive``."""

    @abstractmethod
    def drop_events(self, until: int) -> None:
        """Remove the events up to and including this sequence, like ``payments archive``."""

    @abstractmethod
    def remove_time(self, payment: Payment) -> None:
        """Make a payment look like one that an earlier system stored without a time."""

    @abstractmethod
    def mark_refunded(self, payment: Payment) -> None:
        """Make a payment look like one that an earlier system refunded without storing a refund."""

    @abstractmethod
    def advance(self, seconds: float) -> None:
        """Make every pending request and check ``seconds`` older, and these and the poll due that much sooner."""


class MemoryStores(Stores):
    """The in-memory stores."""

    def __init__(self) -> None:
        """Create empty stores."""
        self.memory = Memory(due_seconds=0)
        self.payments = MemoryPaymentStore(self.memory)
        self.settlements = self.pending = MemorySettlementStore(
            self.memory, first_pause_seconds=FIRST_PAUSE_SECONDS, longest_pause_seconds=LONGEST_PAUSE_SECONDS
        )
        self._seconds = 0.0
        self.memory.now_seconds = lambda: time.monotonic() + self._seconds
        self.late = MemoryLateStore(
            self.memory, first_pause_seconds=FIRST_PAUSE_SECONDS, longest_pause_seconds=LONGEST_PAUSE_SECONDS
        )
        self.events = self.history = MemoryEventStore(self.memory)

    async def relay(self) -> None:
        """Do nothing: events are added to the stream directly."""

    def archive(self, payment: Payment) -> None:
        """Mark the payment as archived."""
        self.memory.archived.add(payment.payment_id)

    def drop_events(self, until: int) -> None:
        """Remove events."""
        self.memory.events = [event for event in self.memory.events if event.sequence > until]

    def remove_time(self, payment: Payment) -> None:
        """Remove the time of the payment."""
        self.memory.payments[payment.payment_id] = replace(payment, create_time=None)

    def mark_refunded(self, payment: Payment) -> None:
        """Mark the payment as refunded."""
        refunded = replace(payment, refunded_amount=payment.amount, is_refunded=True)
        self.memory.payments[payment.payment_id] = refunded

    def advance(self, seconds: float) -> None:
        """Advance the clock of the stores."""
        self._seconds += seconds


class MysqlStores(Stores):
    """The stores on a real database."""

    def __init__(self, database: Database, execute: Execute) -> None:
        """Create stores on ``database``. ``execute`` bypasses the stores to execute statements there."""
        self._database = database
        self._execute = execute
        self._relay = Relay(MysqlOutbox(database), lambda: None)
        self.payments = MysqlPaymentStore(database, due_seconds=0)
        self.settlements = self.pending = MysqlSettlementStore(
            database, first_pause_seconds=FIRST_PAUSE_SECONDS, longest_pause_seconds=LONGEST_PAUSE_SECONDS
        )
        self.late = MysqlLateStore(
            database, first_pause_seconds=FIRST_PAUSE_SECONDS, longest_pause_seconds=LONGEST_PAUSE_SECONDS
        )
        self.events = self.history = MysqlEventStore(database)

    async def relay(self) -> None:
        """Run the relay until the outbox is empty."""
        while self._execute("SELECT 1 FROM payment_outbox LIMIT 1"):
            await self._relay.relay()

    def archive(self, payment: Payment) -> None:
        """Copy the rows to the archive and delete them."""
        for table in ("refunds", "payments"):
            columns = self._execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
                "AND table_name = %s AND column_name <> 'archived_at'",
                f"{table}_archive",
            )
            names = ", ".join(name for (name,) in columns)
            self._execute(
                f"INSERT INTO {table}_archive ({names}, archived_at) SELECT {names}, UTC_TIMESTAMP(6) FROM {table} "
                "WHERE payment_id = %s",
                payment.payment_id,
            )
            self._execute(f"DELETE FROM {table} WHERE payment_id = %s", payment.payment_id)

    def drop_events(self, until: int) -> None:
        """Delete rows."""
        self._execute("DELETE FROM payment_events WHERE sequence <= %s", until)

    def remove_time(self, payment: Payment) -> None:
        """Remove the time of the payment."""
        self._execute("UPDATE payments SET created_at = NULL WHERE payment_id = %s", payment.payment_id)

    def mark_refunded(self, payment: Payment) -> None:
        """Mark the payment as refunded."""
        self._execute("UPDATE payments SET refunded = 1 WHERE payment_id = %s", payment.payment_id)

    def advance(self, seconds: float) -> None:
        """Change the times of all requests, checks and polls."""
        microseconds = round(seconds * 1e6)
        for table, start in (("processor_requests", "created_at"), ("processor_checks", "waits_since")):
            self._execute(
                f"UPDATE {table} SET {start} = {start} - INTERVAL %s MICROSECOND, "
                "due_at = due_at - INTERVAL %s MICROSECOND",
                microseconds,
                microseconds,
            )
        self._execute("UPDATE processor_polls SET due_at = due_at - INTERVAL %s MICROSECOND", microseconds)


@pytest.fixture(scope="module")
def environment(make_migrated_database: Callable[[], dict[str, str]], accounts: Accounts) -> dict[str, str]:
    """Return the service's settings for a database that the tests of a module share."""
    return accounts.as_service(make_migrated_database())


@pytest.fixture
def execute(database_server: DatabaseServer, environment: dict[str, str]) -> Execute:
    """Return a function that executes a statement in the module's database, with all privileges."""
    return lambda text, *values: database_server.execute(text, values, environment["MYSQL_DB"])


@pytest_asyncio.fixture(params=["memory", "mysql"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Yield stores without pending requests and checks; they may contain payments of other tests of the module."""
    if request.param == "memory":
        yield MemoryStores()
        return
    execute = request.getfixturevalue("execute")
    execute("DELETE FROM processor_requests")
    execute("DELETE FROM processor_checks")
    execute("UPDATE processor_polls SET last_event_id = NULL, due_at = '2000-01-01'")
    database = Database(settings_of(request.getfixturevalue("environment")), ListedSession)
    yield MysqlStores(database, execute)
    await database.close(Deadline.after(10))
