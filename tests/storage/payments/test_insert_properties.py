"""Batches give what one INSERT for each charge would give: the same table and answers, in any interleaving."""

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
from server.domain.payment import ChargeOutcome, NewCharge, NewPayment, PaymentMethod, Status
from server.storage.batching import BatchLimits
from server.storage.database.pool import Database
from server.storage.payments.insert import insert_one
from server.storage.payments.store import MysqlPaymentStore
from tests.support.databases import DatabaseServer, settings_of

REFUSED_ORDER = 13
"""An order that the tests' table refuses."""


@dataclass(frozen=True)
class Call:
    """One call: what it asks, by which replica it comes, when, and whether its caller goes away."""

    request_id: int | None
    order_id: int
    replica: int
    delay_milliseconds: int
    goes_away: bool
    in_batch: bool


calls = st.lists(
    st.builds(
        Call,
        request_id=st.none() | st.integers(1, 5),
        order_id=st.sampled_from([1, 2, REFUSED_ORDER]),
        replica=st.integers(0, 1),
        delay_milliseconds=st.integers(0, 8),
        goes_away=st.sampled_from([False, False, False, True]),
        in_batch=st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=40,
)


class OneInsertEach:
    """The plain store: one INSERT for each charge."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment."""
        return await self._database.run(partial(insert_one, payment=payment, due_microseconds=1), deadline)

    async def insert_many(self, payments: list[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store payments one after the other."""

        async def told(payment: NewPayment) -> ChargeOutcome | Exception:
            try:
                return await self.insert(payment, deadline)
            except Exception as error:  # noqa: BLE001 - it is the answer
                return error

        return [await told(payment) for payment in payments]


Store = MysqlPaymentStore | OneInsertEach
Answer = ChargeOutcome | BaseException


@pytest.fixture(scope="module")
def environment(
    make_migrated_database: Callable[[], dict[str, str]], database_server: DatabaseServer
) -> dict[str, str]:
    made = make_migrated_database()
    refuses = f"ALTER TABLE payments ADD CONSTRAINT refused CHECK (order_id <> {REFUSED_ORDER})"
    database_server.execute(refuses, database=made["MYSQL_DB"])
    return made


def small_batches(database: Database) -> MysqlPaymentStore:
    """Return the store with limits so small that every kind of batch comes about."""
    return MysqlPaymentStore(database, insert_limits=BatchLimits(max_items=4, max_batches=3, max_waiting=1000))


@settings(
    max_examples=40,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(made=calls)
def test_group_commit_gives_the_table_and_the_answers_of_one_insert_each(
    environment: dict[str, str], database_server: DatabaseServer, made: list[Call]
) -> None:
    for store in (OneInsertEach, small_batches):
        caller = secrets.token_hex(8)
        answers = asyncio.run(answers_of(environment, store, caller, made))
        select = "SELECT payment_id, request_id, order_id, reference FROM payments WHERE caller = %s"
        rows = database_server.execute(select, (caller.encode(),), environment["MYSQL_DB"])
        check(made, answers, rows)


async def answers_of(
    environment: dict[str, str], store: Callable[[Database], Store], caller: str, made: list[Call]
) -> list[Answer]:
    """Make the calls, over two replicas, and return what each was answered."""
    databases = [Database(settings_of({**environment, "MYSQL_POOL_MAX": "4"})) for _ in range(2)]
    stores = [store(database) for database in databases]
    try:
        return await asyncio.gather(
            *(answer(stores[call.replica], new_payment(caller, call), call) for call in made), return_exceptions=True
        )
    finally:
        for database in databases:
            await database.close(Deadline.after(10))


async def answer(store: Store, payment: NewPayment, call: Call) -> ChargeOutcome:
    await asyncio.sleep(call.delay_milliseconds / 1000)
    if call.in_batch:
        (outcome,) = await store.insert_many([payment], Deadline())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
    insert = asyncio.create_task(store.insert(payment, Deadline()))
    if call.goes_away:
        await asyncio.sleep(0)
        insert.cancel()
    return await insert


def new_payment(caller: str, call: Call) -> NewPayment:
    request_id = None if call.request_id is None else f"r{call.request_id}"
    charge = NewCharge(call.order_id, Money("INR", 56_100), None, RequestKey.of(caller, request_id))
    reference = f"P-{secrets.token_hex(10)}"
    return NewPayment(charge, PaymentMethod.UPI, Status.SUCCEEDED, reference, datetime.now(UTC))


def check(made: list[Call], answers: list[Answer], rows: list[tuple[int, bytes, int, str]]) -> None:
    """Check what must hold of any interleaving; from it follows that two stores which both hold it are alike."""
    by_request = {request_id.decode(): (payment_id, order_id) for payment_id, request_id, order_id, _ in rows}
    assert len(by_request) == len(rows), "a request_id has one payment at most"
    not_replayed: Counter[int] = Counter()
    for call, answer_ in zip(made, answers, strict=True):
        stored = by_request.get(f"r{call.request_id}")
        match answer_:
            case ChargeOutcome():
                assert call.order_id != REFUSED_ORDER or stored is None or stored[1] == call.order_id
                assert answer_.payment.order_id == call.order_id
                assert any(answer_.payment.payment_id == payment_id for payment_id, *_ in rows)
                if call.request_id is not None:
                    assert stored == (answer_.payment.payment_id, call.order_id), "all answers of a request_id agree"
                not_replayed[answer_.payment.payment_id] += not answer_.replayed
            case RequestIdReused():
                assert stored is not None
                assert stored[1] != call.order_id
            case pymysql.err.MySQLError():
                assert call.order_id == REFUSED_ORDER, "what the database refuses fails alone"
            case asyncio.CancelledError():
                assert call.goes_away
            case _:
                raise answer_
    assert all(count <= 1 for count in not_replayed.values()), "one call at most made a payment"
    answered = {outcome.payment.payment_id for outcome in answers if isinstance(outcome, ChargeOutcome)}
    gone = sum(call.goes_away for call in made)
    assert len(rows) - len(answered) <= gone, "a payment that nobody was told of is one whose caller went away"
