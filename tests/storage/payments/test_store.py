"""Payments and refunds in the database: what is written besides them, and how calls wait for one another."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from server.domain.deadline import Deadline
from server.domain.errors import (
    RequestIdReused,
)
from server.domain.payment import (
    ChargeOutcome,
    NewPayment,
    NewRefund,
    Payment,
    RefundOutcome,
    Status,
)
from server.storage.database.pool import Database
from server.storage.payments.store import MysqlPaymentStore
from tests.storage.conftest import Execute
from tests.storage.payments.new_payments import NOW, new_payment, new_refund, own_key
from tests.support.databases import DatabaseServer, settings_of

pytestmark = pytest.mark.asyncio

DUE_SECONDS = 5_000_000.0
"""When what is pending is due: far from the default, and from how long a test takes."""


@pytest_asyncio.fixture
async def store(environment: dict[str, str]) -> AsyncIterator[MysqlPaymentStore]:
    database = Database(settings_of(environment))
    yield MysqlPaymentStore(database, DUE_SECONDS)
    await database.close(Deadline.after(10))


async def charged(store: MysqlPaymentStore, new: NewPayment | None = None) -> Payment:
    return (await store.insert(new or new_payment(), Deadline())).payment


async def refunded(store: MysqlPaymentStore, refund: NewRefund) -> RefundOutcome:
    return await store.refund(refund, NOW, Deadline())


def told_of(execute: Execute, text: str) -> list[list[Any]]:
    """Return the changes that the outbox has in which a text occurs."""
    rows = execute("SELECT changes FROM payment_outbox WHERE changes LIKE %s ORDER BY outbox_id", f"%{text}%")
    return [change for (changes,) in rows for change in json.loads(changes)]


@pytest.mark.parametrize("count", [1, 3])
async def test_pending_charges_and_refunds_are_due_after_the_stores_time(
    store: MysqlPaymentStore, execute: Execute, count: int
) -> None:
    outcomes = await store.insert_many([new_payment(None, Status.PENDING) for _ in range(count)], Deadline())
    ids = [outcome.payment.payment_id for outcome in outcomes if isinstance(outcome, ChargeOutcome)]
    paid = await charged(store)
    refund = (await store.refund(new_refund(paid), NOW, Deadline(), Status.PENDING)).refund
    assert refund is not None
    rows = execute(
        "SELECT kind, payment_id, refund_id, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), due_at) FROM processor_requests "
        "WHERE payment_id IN %s ORDER BY processor_request_id",
        (*ids, paid.payment_id),
    )
    assert [row[:3] for row in rows] == [
        *(("charge", payment_id, None) for payment_id in ids),
        ("refund", paid.payment_id, refund.refund_id),
    ]
    assert all(DUE_SECONDS / 2 < seconds <= DUE_SECONDS for *_, seconds in rows)


async def test_what_has_its_outcome_is_not_asked_of_a_processor(store: MysqlPaymentStore, execute: Execute) -> None:
    payment = await charged(store)
    await refunded(store, new_refund(payment))
    assert not execute("SELECT * FROM processor_requests WHERE payment_id = %s", payment.payment_id)


async def test_a_refund_waits_for_one_of_another_payment_with_its_key_and_is_told_of_that(
    store: MysqlPaymentStore, execute: Execute, database_server: DatabaseServer, environment: dict[str, str]
) -> None:
    payment, other, key = await charged(store), await charged(store), own_key()
    insert = (
        "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
        "VALUES (%s, 0.5, 1, 'damaged', 'shop', %s, UTC_TIMESTAMP(6))"
    )
    waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    with database_server.connection(environment["MYSQL_DB"]) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute(insert, (other.payment_id, key))
        refund = asyncio.create_task(refunded(store, new_refund(payment, 50, key)))
        while execute(waiting) == [(0,)]:  # noqa: ASYNC110 - nothing tells that it waits
            await asyncio.sleep(0.2)  # the database looks no more often
        connection.commit()
    with pytest.raises(RequestIdReused):
        await refund
    assert (await store.get(payment.payment_id, Deadline())).payment == payment


@pytest.mark.parametrize("status", list(Status))
async def test_a_charge_is_told_to_the_stream(store: MysqlPaymentStore, execute: Execute, status: Status) -> None:
    new = new_payment(None, status)
    await store.insert(new, Deadline())
    kind = {Status.PENDING: "PENDING", Status.SUCCEEDED: "CHARGED", Status.FAILED: "FAILED"}[status]
    assert told_of(execute, f'"{new.reference}"') == [[kind, new.reference]]


@pytest.mark.parametrize(("amount", "of_payment"), [(None, 10_050), (10_050, 10_050), (50, 50)])
@pytest.mark.parametrize(("status", "kind"), [(Status.SUCCEEDED, "REFUNDED"), (Status.PENDING, "REFUND_PENDING")])
async def test_a_refund_is_told_to_the_stream_and_keeps_the_amount_that_was_asked_for(
    store: MysqlPaymentStore, execute: Execute, amount: int | None, of_payment: int, status: Status, kind: str
) -> None:
    payment = await charged(store)
    refund = (await store.refund(new_refund(payment, amount), NOW, Deadline(), status)).refund
    assert refund is not None
    row = execute("SELECT requested_amount FROM refunds WHERE refund_id = %s", refund.refund_id)
    assert row == [(None if amount is None else Decimal(amount) / 100,)]
    after = f"{Decimal(of_payment) / 100:.2f}"
    assert told_of(execute, f", {payment.payment_id}, {refund.refund_id}, ") == [
        [kind, None, payment.payment_id, refund.refund_id, after, "2026-01-02 03:04:05.678901"]
    ]
