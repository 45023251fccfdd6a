"""A transaction that the database silently aborts between two statements changes nothing.

Galera on MariaDB does that if another node commits first; the remaining statements run in a new transaction. These
tests roll each script back after each of its statements in turn, and continue it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from server.application.relay import Relay
from server.domain.deadline import Deadline
from server.domain.errors import ReferenceTaken, StoreUnavailable
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
    Decision,
    NewCharge,
    NewPayment,
    NewRefund,
    Payment,
    PaymentMethod,
    Refund,
    Status,
)
from server.domain.processing import Outcome
from server.storage.database.pool import Database
from server.storage.database.session import Session, StatementResult
from server.storage.events.store import MysqlOutbox
from server.storage.payments.store import MysqlPaymentStore
from server.storage.settlement.store import MysqlSettlementStore
from tests.support.databases import DatabaseServer, settings_of

MAX_STATEMENTS = 12
NOW = datetime(2026, 1, 2, tzinfo=UTC)

INCONSISTENT_REFUNDS = """
    SELECT p.payment_id FROM payments p
    LEFT JOIN refunds r ON r.payment_id = p.payment_id AND (r.status IS NULL OR r.status <> 0)
    GROUP BY p.payment_id, p.refunded_amount, p.refunded, p.amount
    HAVING p.refunded_amount <> COALESCE(SUM(r.amount), 0) OR p.refunded <> (p.refunded_amount = p.amount)
"""
PENDING = """
    SELECT payment_id, NULL AS refund_id FROM payments WHERE status IS NULL
    UNION ALL SELECT payment_id, refund_id FROM refunds WHERE status IS NULL ORDER BY 1, 2
"""
REQUESTS = "SELECT payment_id, refund_id FROM processor_requests ORDER BY 1, 2"
PAYMENT_STATES = "SELECT payment_id, NULL, status, request_id LIKE 'unsettled%' FROM payments"
REFUND_STATES = "SELECT payment_id, refund_id, status, request_id = 'unsettled' FROM refunds"
PAYMENT_IDS = "SELECT payment_id FROM payments"
EVENTS = "SELECT payment_id, refund_id, kind FROM payment_events ORDER BY 1, 2, 3"


def aborting_session(after: int) -> type[Session]:
    """Return a session class whose transactions are rolled back after ``after`` of their statements."""

    class AbortingSession(Session):
        async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
            statements = text.split(";")
            stripped = [statement.strip() for statement in statements]
            if "SET autocommit = 0" not in stripped:
                return await super().script(text, values)
            index = min(stripped.index("SET autocommit = 0") + 1 + after, stripped.index("COMMIT"))
            results = await super().script(";".join([*statements[:index], "ROLLBACK", *statements[index:]]), values)
            return results[:index] + results[index + 1 :]

    return AbortingSession


class Stores:
    """The stores and the relay of one database, on sessions of the given class."""

    def __init__(self, environment: dict[str, str], session: type[Session] = Session) -> None:
        """Create the stores."""
        self.database = Database(settings_of(environment), session)
        self.payments = MysqlPaymentStore(self.database)
        self.settlements = MysqlSettlementStore(self.database, first_pause_seconds=1, longest_pause_seconds=1)
        self.relay = Relay(MysqlOutbox(self.database), lambda: None)

    async def charge(self, request_id: str, status: Status, count: int = 1) -> list[Payment]:
        """Store ``count`` charges."""
        new = [
            NewPayment(
                NewCharge(7, Money("INR", 10_000), PaymentMethod.UPI, RequestKey.of("a", f"{request_id}-{number}")),
                Decision(PaymentMethod.UPI, status),
                # A new reference for each attempt, as in the use case.
                f"R{id(self)}-{request_id}-{number}",
                NOW,
            )
            for number in range(count)
        ]
        outcomes = await self.payments.insert_many(new, Deadline())
        for one in outcomes:
            if isinstance(one, Exception):
                raise one
        return [one.payment for one in outcomes if isinstance(one, ChargeOutcome)]

    async def refund(
        self, payment: Payment, status: Status, amount: Money | None = None, request_id: str = "refund"
    ) -> Refund:
        """Refund a payment."""
        refund = NewRefund(payment.payment_id, amount, "", RequestKey.of("a", request_id))
        outcome = await self.payments.refund(refund, NOW, Deadline(), status)
        assert outcome.refund is not None
        return outcome.refund


Operation = Callable[[Stores, Payment, Payment, Refund], Awaitable[Any]]

OPERATIONS: dict[str, Operation] = {
    "charge": lambda stores, *_: stores.charge("new", Status.SUCCEEDED),
    "charges": lambda stores, *_: stores.charge("new", Status.SUCCEEDED, 3),
    "pending charge": lambda stores, *_: stores.charge("new", Status.PENDING),
    "pending charges": lambda stores, *_: stores.charge("new", Status.PENDING, 3),
    "refund": lambda stores, paid, *_: stores.refund(paid, Status.SUCCEEDED),
    "refund of a part": lambda stores, paid, *_: stores.refund(paid, Status.SUCCEEDED, Money("INR", 100)),
    "pending refund": lambda stores, paid, *_: stores.refund(paid, Status.PENDING),
    "charge that succeeded": lambda stores, _, unsettled, __: stores.settlements.settle_charge(
        unsettled, Outcome(Status.SUCCEEDED, "pi_1"), NOW
    ),
    "charge that failed": lambda stores, _, unsettled, __: stores.settlements.settle_charge(
        unsettled, Outcome(Status.FAILED, None), NOW
    ),
    "refund that succeeded": lambda stores, _, __, refund: stores.settlements.settle_refund(
        refund, Outcome(Status.SUCCEEDED, "re_1"), NOW
    ),
    "refund that failed": lambda stores, _, __, refund: stores.settlements.settle_refund(
        refund, Outcome(Status.FAILED, None), NOW
    ),
    "relay": lambda stores, *_: stores.relay.relay(),
}


class Tables:
    """The tables of a database, and checks of their consistency."""

    def __init__(self, server: DatabaseServer, database: str) -> None:
        """Use a database on ``server``."""
        self._server = server
        self._database = database

    def query(self, text: str) -> list[Any]:
        """Return the rows of a query."""
        return self._server.execute(text, database=self._database)

    def empty(self) -> None:
        """Delete all rows except the position of the event stream."""
        for table in ("refunds", "payments", "payment_outbox", "payment_events"):
            self.query(f"DELETE FROM {table}")
        for table in ("processor_requests", "processor_payments"):
            self.query(f"DELETE FROM {table}")

    def assert_consistent(self, when: str) -> None:
        """Fail unless refunded amounts match the refunds, and pending rows match the processor requests."""
        assert self.query(INCONSISTENT_REFUNDS) == [], when
        assert self.query(PENDING) == self.query(REQUESTS), when

    def assert_events_match(self, when: str) -> None:
        """Fail unless there is one event for each status that a payment or refund has had."""
        expected = [
            *self._expected(PAYMENT_STATES, {1: "CHARGED", 0: "FAILED", None: "PENDING"}),
            *self._expected(REFUND_STATES, {1: "REFUNDED", 0: "REFUND_FAILED", None: "REFUND_PENDING"}),
        ]
        assert self.query(EVENTS) == sorted(expected, key=lambda event: (event[0], event[1] or 0, event[2])), when

    def _expected(self, text: str, kinds: dict[int | None, str]) -> list[tuple[int, int | None, str]]:
        rows = self.query(text)
        events = [(payment_id, refund_id, kinds[status]) for payment_id, refund_id, status, _ in rows]
        return events + [
            (payment_id, refund_id, kinds[None])
            for payment_id, refund_id, status, was_pending in rows
            if was_pending and status is not None
        ]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_aborted_operation_is_done_completely_or_not_at_all_and_can_be_retried(
    migrated_database: dict[str, str], database_server: DatabaseServer, name: str
) -> None:
    database = migrated_database["MYSQL_DB"]
    environment = database_server.environment(database)
    tables = Tables(database_server, database)

    async def attempt(after: int) -> None:
        stores, aborting = Stores(environment), Stores(environment, aborting_session(after))
        try:
            paid, refunded = await stores.charge("paid", Status.SUCCEEDED, 2)
            (unsettled,) = await stores.charge("unsettled", Status.PENDING)
            refund = await stores.refund(refunded, Status.PENDING, Money("INR", 300), "unsettled")
            with suppress(StoreUnavailable, ReferenceTaken):
                await OPERATIONS[name](aborting, paid, unsettled, refund)
            await aborting.relay.release()
            tables.assert_consistent(f"aborted after {after}")
            await OPERATIONS[name](stores, paid, unsettled, refund)
            tables.assert_consistent(f"aborted after {after}, and retried")
            while (await stores.relay.relay())[0]:
                pass
            await stores.relay.release()
            tables.assert_events_match(f"aborted after {after}, and retried")
        finally:
            await stores.database.close(Deadline.after(10))
            await aborting.database.close(Deadline.after(10))

    for after in range(MAX_STATEMENTS):
        tables.empty()
        asyncio.run(attempt(after))


@pytest.mark.parametrize("name", ["charge", "charges", "refund"])
def test_a_reported_success_is_stored(
    migrated_database: dict[str, str], database_server: DatabaseServer, name: str
) -> None:
    database = migrated_database["MYSQL_DB"]
    environment = database_server.environment(database)
    tables = Tables(database_server, database)

    async def attempt(after: int) -> None:
        stores, aborting = Stores(environment), Stores(environment, aborting_session(after))
        try:
            (paid,) = await stores.charge("paid", Status.SUCCEEDED)
            with suppress(StoreUnavailable, ReferenceTaken):
                result = await OPERATIONS[name](aborting, paid, paid, None)  # type: ignore[arg-type]
                stored = tables.query("SELECT payment_id FROM refunds" if name == "refund" else PAYMENT_IDS)
                reported = [(result.payment_id,)] if name == "refund" else [(one.payment_id,) for one in result]
                assert set(reported) <= set(stored), f"aborted after {after}"
        finally:
            await stores.database.close(Deadline.after(10))
            await aborting.database.close(Deadline.after(10))

    for after in range(MAX_STATEMENTS):
        tables.empty()
        asyncio.run(attempt(after))
