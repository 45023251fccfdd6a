"""The outbox rows and processor requests that are stored with payments and refunds, and how concurrent refunds wait."""

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
from tests.storage.payments.new_payments import NOW, new_payment, new_refund, new_request_id
from tests.support.databases import LOCK_WAITS_REFRESHED_SECONDS, DatabaseServer, settings_of

pytestmark = pytest.mark.asyncio

DUE_SECONDS = 5_000_000.0
"""Far from the default, and from the duration of a test."""


@pytest_asyncio.fixture
async def store(environment: dict[str, str]) -> AsyncIterator[MysqlPaymentStore]:
    database = Database(settings_of(environment))
    yield MysqlPaymentStore(database, DUE_SECONDS)
    await database.close(Deadline.after(10))


async def make_payment(store: MysqlPaymentStore, new: NewPayment | None = None) -> Payment:
    return (await store.insert(new or new_payment(), Deadline())).payment


async def make_refund(store: MysqlPaymentStore, refund: NewRefund) -> RefundOutcome:
    return await store.refund(refund, NOW, Deadline())


def changes_with(execute: Execute, text: str) -> list[list[Any]]:
    """Return the changes of the outbox rows that contain a text."""
    rows = execute("SELECT changes FROM payment_outbox WHERE changes LIKE %s ORDER BY outbox_id", f"%{text}%")
    return [change for (changes,) in rows for change in json.loads(changes)]


@pytest.mark.parametrize("count", [1, 3])
async def test_pending_charges_and_refunds_become_due_after_the_configured_time(
    store: MysqlPaymentStore, execute: Execute, count: int
) -> None:
    outcomes = await store.insert_many([new_payment(None, Status.PENDING) for _ in range(count)], Deadline())
    ids = [outcome.payment.payment_id for outcome in outcomes if isinstance(outcome, ChargeOutcome)]
    paid = await make_payment(store)
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


async def test_charges_and_refunds_that_are_not_pending_have_no_processor_request(
    store: MysqlPaymentStore, execute: Execute
) -> None:
    payment = await make_payment(store)
    await make_refund(store, new_refund(payment))
    assert not execute("SELECT * FROM processor_requests WHERE payment_id = %s", payment.payment_id)


async def test_a_refund_waits_for_a_concurrent_refund_with_the_same_key_and_is_rejected(
    store: MysqlPaymentStore, database_server: DatabaseServer, environment: dict[str, str]
) -> None:
    payment, other, key = await make_payment(store), await make_payment(store), new_request_id()
    insert = (
        "INSERT INTO refunds (payment_id, amount, status, reason, caller, request_id, created_at) "
        "VALUES (%s, 0.5, 1, 'damaged', 'shop', %s, UTC_TIMESTAMP(6))"
    )
    with database_server.connection(environment["MYSQL_DB"]) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute(insert, (other.payment_id, key))
        refund = asyncio.create_task(make_refund(store, new_refund(payment, 50, key)))
        while not database_server.has_lock_wait(environment["MYSQL_DB"]):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(LOCK_WAITS_REFRESHED_SECONDS)
        connection.commit()
    with pytest.raises(RequestIdReused):
        await refund
    assert (await store.get(payment.payment_id, Deadline())).payment == payment


@pytest.mark.parametrize("status", list(Status))
async def test_a_charge_stores_its_change_in_the_outbox(
    store: MysqlPaymentStore, execute: Execute, status: Status
) -> None:
    new = new_payment(None, status)
    await store.insert(new, Deadline())
    kind = {Status.PENDING: "PENDING", Status.SUCCEEDED: "CHARGED", Status.FAILED: "FAILED"}[status]
    assert changes_with(execute, f'"{new.reference}"') == [[kind, new.reference]]


@pytest.mark.parametrize(("amount", "refunded"), [(None, 10_050), (10_050, 10_050), (50, 50)])
@pytest.mark.parametrize(("status", "kind"), [(Status.SUCCEEDED, "REFUNDED"), (Status.PENDING, "REFUND_PENDING")])
async def test_a_refund_stores_its_change_in_the_outbox_and_its_requested_amount(
    store: MysqlPaymentStore, execute: Execute, amount: int | None, refunded: int, status: Status, kind: str
) -> None:
    payment = await make_payment(store)
    refund = (await store.refund(new_refund(payment, amount), NOW, Deadline(), status)).refund
    assert refund is not None
    row = execute("SELECT requested_amount FROM refunds WHERE refund_id = %s", refund.refund_id)
    assert row == [(None if amount is None else Decimal(amount) / 100,)]
    after = f"{Decimal(refunded) / 100:.4f}"
    assert changes_with(execute, f", {payment.payment_id}, {refund.refund_id}, ") == [
        [kind, None, payment.payment_id, refund.refund_id, after, "2026-01-02 03:04:05.678901"]
    ]
