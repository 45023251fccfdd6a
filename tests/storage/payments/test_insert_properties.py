"""In any interleaving, batches produce the same table and outcomes as one INSERT for each charge."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pymysql
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.domain.deadline import Deadline
from server.domain.errors import RequestIdReused
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, Decision, NewCharge, NewPayment, PaymentMethod, Status
from server.storage.batching import BatchLimits
from server.storage.database.pool import Database
from server.storage.payments.insert import insert_each
from server.storage.payments.store import MysqlPaymentStore
from tests.support.databases import DatabaseServer, settings_of

REJECTED_ORDER = 13
"""An order_id that the table of these tests rejects."""


@dataclass(frozen=True)
class Call:
    """A charge: its parameters, the replica that receives it, its delay, and whether its caller is cancelled."""

    request_id: int | None
    order_id: int
    replica: int
    delay_milliseconds: int
    is_cancelled: bool
    in_batch: bool


calls = st.lists(
    st.builds(
        Call,
        request_id=st.none() | st.integers(1, 5),
        order_id=st.sampled_from([1, 2, REJECTED_ORDER]),
        replica=st.integers(0, 1),
        delay_milliseconds=st.integers(0, 8),
        is_cancelled=st.sampled_from([False, False, False, True]),
        in_batch=st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=40,
)


class OneInsertEach:
    """A store that executes one INSERT for each charge."""

    def __init__(self, database: Database) -> None:
        """Store payments in ``database``."""
        self._database = database

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment."""
        (outcome,) = await self.insert_many([payment], deadline)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def insert_many(self, payments: list[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store payments one after another."""
        return [
            outcome
            for payment in payments
            for outcome in await self._database.run(
                partial(insert_each, payments=[payment], due_microseconds=1), deadline
            )
        ]


Store = MysqlPaymentStore | OneInsertEach
Result = ChargeOutcome | BaseException


@pytest.fixture(scope="module")
def environment(
    make_migrated_database: Callable[[], dict[str, str]], database_server: DatabaseServer
) -> dict[str, str]:
    environment = make_migrated_database()
    constraint = f"ALTER TABLE payments ADD CONSTRAINT rejected CHECK (order_id <> {REJECTED_ORDER})"
    database_server.execute(constraint, database=environment["MYSQL_DB"])
    return environment


def small_batches(database: Database) -> MysqlPaymentStore:
    """Return a store with limits that are small enough for every kind of batch to occur."""
    return MysqlPaymentStore(database, insert_limits=BatchLimits(max_items=4, max_batches=3, max_queued=1000))


@settings(
    max_examples=40,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(example=calls)
def test_batches_produce_the_same_table_and_outcomes_as_one_insert_each(
    environment: dict[str, str], database_server: DatabaseServer, example: list[Call]
) -> None:
    for make_store in (OneInsertEach, small_batches):
        caller = secrets.token_hex(8)
        results = asyncio.run(run_calls(environment, make_store, caller, example))
        select = "SELECT payment_id, request_id, order_id, reference FROM payments WHERE caller = %s"
        rows = database_server.execute(select, (caller.encode(),), environment["MYSQL_DB"])
        check(example, results, rows)


async def run_calls(
    environment: dict[str, str], make_store: Callable[[Database], Store], caller: str, example: list[Call]
) -> list[Result]:
    """Make the calls on two replicas, and return the result of each."""
    databases = [Database(settings_of({**environment, "MYSQL_POOL_MAX": "4"})) for _ in range(2)]
    stores = [make_store(database) for database in databases]
    try:
        return await asyncio.gather(
            *(run_call(stores[call.replica], new_payment(caller, call), call) for call in example),
            return_exceptions=True,
        )
    finally:
        for database in databases:
            await database.close(Deadline.after(10))


async def run_call(store: Store, payment: NewPayment, call: Call) -> ChargeOutcome:
    await asyncio.sleep(call.delay_milliseconds / 1000)
    if call.in_batch:
        (outcome,) = await store.insert_many([payment], Deadline())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
    insert = asyncio.create_task(store.insert(payment, Deadline()))
    if call.is_cancelled:
        await asyncio.sleep(0)
        insert.cancel()
    return await insert


def new_payment(caller: str, call: Call) -> NewPayment:
    request_id = None if call.request_id is None else f"r{call.request_id}"
    charge = NewCharge(call.order_id, Money("INR", 56_100), None, RequestKey.of(caller, request_id))
    reference = f"P-{secrets.token_hex(10)}"
    return NewPayment(charge, Decision(PaymentMethod.UPI, Status.SUCCEEDED), reference, datetime.now(UTC))


def check(example: list[Call], results: list[Result], rows: list[tuple[int, bytes, int, str]]) -> None:
    """Check the invariants of any interleaving. Two stores that both satisfy them are equivalent."""
    by_request = {request_id.decode(): (payment_id, order_id) for payment_id, request_id, order_id, _ in rows}
    assert len(by_request) == len(rows), "a request_id has at most one payment"
    not_replayed: Counter[int] = Counter()
    for call, result in zip(example, results, strict=True):
        stored = by_request.get(f"r{call.request_id}")
        match result:
            case ChargeOutcome():
                assert call.order_id != REJECTED_ORDER or stored is None or stored[1] == call.order_id
                assert result.payment.order_id == call.order_id
                assert any(result.payment.payment_id == payment_id for payment_id, *_ in rows)
                if call.request_id is not None:
                    assert stored == (result.payment.payment_id, call.order_id), "all results of a request_id agree"
                not_replayed[result.payment.payment_id] += not result.replayed
            case RequestIdReused():
                assert stored is not None
                assert stored[1] != call.order_id
            case pymysql.err.MySQLError():
                assert call.order_id == REJECTED_ORDER, "only the rejected payment fails"
            case asyncio.CancelledError():
                assert call.is_cancelled
            case _:
                raise result
    assert all(count <= 1 for count in not_replayed.values()), "at most one call made the payment"
    returned = {outcome.payment.payment_id for outcome in results if isinstance(outcome, ChargeOutcome)}
    cancelled = sum(call.is_cancelled for call in example)
    assert len(rows) - len(returned) <= cancelled, "a payment that was not returned belongs to a cancelled caller"
