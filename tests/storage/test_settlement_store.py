"""Outcomes in the database: the first one is kept, and what has none is claimed by one janitor at a time."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from server.domain.deadline import Deadline
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import NewCharge, NewPayment, NewRefund, Payment, PaymentMethod, Refund, Status
from server.domain.processing import Outcome
from server.storage.database.pool import Database
from server.storage.payments.store import MysqlPaymentStore
from server.storage.settlement.store import MysqlSettlementStore
from tests.support.databases import Accounts, DatabaseServer, settings_of

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10_000.0, 35_000.0

_numbers = itertools.count(1)

Execute = Callable[..., list[Any]]


class Stores:
    """What writes to a database."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Open the database."""
        self.database = Database(settings_of(environment))
        self.payments = MysqlPaymentStore(self.database, due_seconds=0)
        self.outcomes = MysqlSettlementStore(
            self.database, first_pause_seconds=FIRST_PAUSE_SECONDS, longest_pause_seconds=LONGEST_PAUSE_SECONDS
        )

    async def charge(self, status: Status = Status.PENDING) -> Payment:
        """Charge an order."""
        charge = NewCharge(7, Money("INR", 10_050), PaymentMethod.UPI, RequestKey.of("shop", None))
        new = NewPayment(charge, PaymentMethod.UPI, status, f"O{next(_numbers)}", NOW)
        return (await self.payments.insert(new, Deadline())).payment

    async def refund(self, payment: Payment, amount: int | None = None) -> tuple[Refund, Payment]:
        """Reserve a refund."""
        money = None if amount is None else Money("INR", amount)
        refund = NewRefund(payment.payment_id, money, "", RequestKey.of("shop", None))
        outcome = await self.payments.refund(refund, NOW, Deadline(), Status.PENDING)
        assert outcome.refund is not None
        return outcome.refund, outcome.payment


@pytest.fixture(scope="module")
def environment(make_migrated_database: Callable[[], dict[str, str]], accounts: Accounts) -> dict[str, str]:
    """Return the settings of a database that these tests share."""
    made = make_migrated_database()
    return accounts.as_service(made)


@pytest.fixture
def execute(database_server: DatabaseServer, environment: dict[str, str]) -> Execute:
    """Execute a statement, in a database where nothing is pending but what the test makes."""

    def run(text: str, *values: object) -> list[Any]:
        return database_server.execute(text, values, environment["MYSQL_DB"])

    run("DELETE FROM processor_requests")
    run("DELETE FROM payment_outbox")
    return run


@pytest_asyncio.fixture
async def stores(environment: dict[str, str]) -> AsyncIterator[Stores]:
    stores = Stores(environment)
    yield stores
    await stores.database.close(Deadline.after(10))


def told(execute: Execute) -> list[list[Any]]:
    """Return the changes that the outbox has, the oldest first."""
    rows = execute("SELECT changes FROM payment_outbox ORDER BY outbox_id")
    return [change for (changes,) in rows for change in json.loads(changes)]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(Status.SUCCEEDED, "pi_1"), "CHARGED"),
        (Outcome(Status.FAILED, "pi_1"), "FAILED"),
        (Outcome(Status.FAILED, None), "FAILED"),
    ],
)
async def test_a_charge_keeps_its_first_outcome(stores: Stores, execute: Execute, outcome: Outcome, kind: str) -> None:
    payment, other = await stores.charge(), await stores.charge()
    settled = replace(payment, status=outcome.status)
    assert await stores.outcomes.settle_charge(payment, outcome, NOW) == (settled, True)
    opposite = Status.FAILED if outcome.status is Status.SUCCEEDED else Status.SUCCEEDED
    assert await stores.outcomes.settle_charge(payment, Outcome(opposite, "pi_2"), NOW) == (settled, False)
    assert (await stores.payments.get(payment.payment_id, Deadline())).payment == settled
    assert await stores.outcomes.processor_id(payment.payment_id) == outcome.processor_id
    assert execute("SELECT payment_id FROM processor_requests") == [(other.payment_id,)]
    assert (await stores.payments.get(other.payment_id, Deadline())).payment == other
    assert told(execute)[2:] == [[kind, None, payment.payment_id, None, "0.00", "2026-01-02 03:04:05.678901"]]


@pytest.mark.parametrize(
    ("status", "amount", "refunded", "kind"),
    [
        (Status.SUCCEEDED, None, "100.50", "REFUNDED"),
        (Status.SUCCEEDED, 50, "0.50", "REFUNDED"),
        (Status.FAILED, None, "0.00", "REFUND_FAILED"),
        (Status.FAILED, 50, "0.00", "REFUND_FAILED"),
    ],
)
async def test_a_refund_keeps_its_first_outcome_and_its_payment_what_that_makes_of_it(
    stores: Stores, execute: Execute, status: Status, amount: int | None, refunded: str, kind: str
) -> None:
    payment = await stores.charge(Status.SUCCEEDED)
    refund, reserved = await stores.refund(payment, amount)
    settled = replace(refund, status=status)
    after = reserved if status is Status.SUCCEEDED else payment
    assert await stores.outcomes.settle_refund(refund, Outcome(status, "re_1"), NOW) == (settled, after, True)
    opposite = Status.FAILED if status is Status.SUCCEEDED else Status.SUCCEEDED
    assert await stores.outcomes.settle_refund(refund, Outcome(opposite, None), NOW) == (settled, after, False)
    details = await stores.payments.get(payment.payment_id, Deadline())
    assert (details.payment, details.refunds) == (after, (settled,))
    assert not execute("SELECT * FROM processor_requests")
    change = [kind, None, payment.payment_id, refund.refund_id, refunded, "2026-01-02 03:04:05.678901"]
    assert told(execute)[2:] == [change]


async def test_a_refund_that_failed_takes_nothing_of_another_of_its_payment(stores: Stores, execute: Execute) -> None:
    payment = await stores.charge(Status.SUCCEEDED)
    failing, _ = await stores.refund(payment, 50)
    other, _ = await stores.refund(payment, 70)
    _, after, _ = await stores.outcomes.settle_refund(failing, Outcome(Status.FAILED, None), NOW)
    assert after.refunded_amount == Money("INR", 70)
    assert execute("SELECT refund_id FROM processor_requests") == [(other.refund_id,)]


async def test_a_payment_that_no_processor_named_has_no_processor_id(stores: Stores) -> None:
    payment = await stores.charge()
    assert await stores.outcomes.processor_id(payment.payment_id) is None


async def test_what_is_claimed_is_put_off_twice_as_long_each_time(stores: Stores, execute: Execute) -> None:
    payment = await stores.charge()
    for attempts, pause_seconds in ((1, 10_000), (2, 20_000), (3, 35_000), (4, 35_000)):
        (claimed,) = await stores.outcomes.claim(10)
        assert (claimed.payment, claimed.refund, claimed.attempts) == (payment, None, attempts)
        assert await stores.outcomes.claim(10) == []
        ((left_seconds,),) = execute(
            "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), due_at) FROM processor_requests WHERE payment_id = %s",
            payment.payment_id,
        )
        assert pause_seconds - 1000 < left_seconds <= pause_seconds
        execute("UPDATE processor_requests SET due_at = UTC_TIMESTAMP(6)")


async def test_as_many_as_are_asked_for_are_claimed_with_all_that_is_known_of_them(
    stores: Stores, execute: Execute
) -> None:
    charges = [await stores.charge() for _ in range(3)]
    paid = await stores.charge()
    await stores.outcomes.settle_charge(paid, Outcome(Status.SUCCEEDED, "pi_7"), NOW)
    refund, reserved = await stores.refund(paid, 50)
    execute("UPDATE processor_requests SET created_at = created_at - INTERVAL 5000 SECOND")
    claimed = [*await stores.outcomes.claim(3), *await stores.outcomes.claim(3)]
    assert len(claimed) == 4
    assert {request.payment.payment_id: request.refund for request in claimed} == {
        **{payment.payment_id: None for payment in charges},
        paid.payment_id: refund,
    }
    (of_refund,) = (request for request in claimed if request.refund is not None)
    assert (of_refund.payment, of_refund.processor_id, of_refund.attempts) == (reserved, "pi_7", 1)
    assert all(5000 <= request.age_seconds < 6000 for request in claimed)


async def test_what_is_pending_is_counted_by_kind_with_the_age_of_the_oldest(stores: Stores, execute: Execute) -> None:
    assert await stores.outcomes.pending() == ({}, 0)
    oldest, _ = [await stores.charge() for _ in range(2)]
    await stores.refund(await stores.charge(Status.SUCCEEDED))
    execute(
        "UPDATE processor_requests SET created_at = created_at - INTERVAL 5000 SECOND WHERE payment_id = %s",
        oldest.payment_id,
    )
    counts, age_seconds = await stores.outcomes.pending()
    assert counts == {"charge": 2, "refund": 1}
    assert 5000 <= age_seconds < 6000
