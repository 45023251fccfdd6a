"""The in-memory stores and the MySQL stores return the same results for any sequence of operations."""

import asyncio
import itertools
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.domain.deadline import Deadline
from server.domain.errors import OrderHasPendingPayment
from server.domain.events import PaymentEvent
from server.domain.identifiers import RequestKey
from server.domain.listing import Order, Page, PageQuery, PaymentFilter
from server.domain.money import Money
from server.domain.names import NO_NAMES, Names
from server.domain.payment import (
    ChargeOutcome,
    Decision,
    NewCharge,
    NewPayment,
    NewRefund,
    Payment,
    PaymentDetails,
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.domain.processing import Outcome
from server.domain.simulation import SimulatedSource
from server.storage.database.pool import Database
from tests.storage.conftest import Execute, MemoryStores, MysqlStores, Stores
from tests.storage.listed_statements import ListedSession
from tests.support.databases import settings_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
OUTCOMES = st.sampled_from([Status.SUCCEEDED, Status.FAILED])


@dataclass(frozen=True)
class Charge:
    """Store a charge; ``key`` and ``reference`` are numbers from which the request_id and reference are made."""

    key: int | None
    reference: int
    amount: int
    status: Status
    method: PaymentMethod | None
    names: Names = NO_NAMES
    source: SimulatedSource | None = None
    unless_pending: bool = False


@dataclass(frozen=True)
class MakeRefund:
    """Refund the payment with this index."""

    index: int
    key: int | None
    amount: int | None
    status: Status


@dataclass(frozen=True)
class SettleCharge:
    """Settle the payment with this index."""

    index: int
    status: Status


@dataclass(frozen=True)
class SettleRefund:
    """Settle the refund with this index."""

    index: int
    status: Status


@dataclass(frozen=True)
class Archive:
    """Archive the payment with this index."""

    index: int


@dataclass(frozen=True)
class Get:
    """Get the payment with this index, and a page of its refunds."""

    index: int


@dataclass(frozen=True)
class ListAll:
    """List all payments in pages of this size."""

    order: Order
    size: int


FIRST = [
    Charge(None, 1, 200, Status.SUCCEEDED, PaymentMethod.UPI),
    Charge(1, 2, 200, Status.SUCCEEDED, None),
    Charge(2, 3, 200, Status.PENDING, None),
]
"""The first steps of every example, so that there are payments to refund, to settle and to repeat."""

INDEXES = st.integers(0, 3)
KEYS = st.sampled_from([None, 1, 1, 2])
CHARGES = st.builds(
    Charge,
    key=KEYS,
    reference=st.integers(1, 40),
    amount=st.sampled_from([100, 200]),
    status=st.sampled_from([Status.SUCCEEDED, Status.PENDING, Status.FAILED]),
    method=st.sampled_from([None, PaymentMethod.UPI]),
    names=st.sampled_from([NO_NAMES, NO_NAMES, Names(" ORD ", "customer", (("a", ""), ("b", "2")))]),
    source=st.sampled_from([None, None, SimulatedSource.REFUND_FAILS]),
    unless_pending=st.booleans(),
)
REFUNDS = st.builds(
    MakeRefund,
    index=st.integers(0, 1),
    key=KEYS,
    amount=st.sampled_from([None, None, 50, 150]),
    status=st.sampled_from([Status.SUCCEEDED, Status.PENDING]),
)
OTHERS = (
    st.builds(SettleCharge, index=INDEXES, status=OUTCOMES)
    | st.builds(SettleRefund, index=INDEXES, status=OUTCOMES)
    | st.builds(Get, index=INDEXES)
    | st.builds(ListAll, order=st.sampled_from(list(Order)), size=st.integers(1, 3))
)
STEPS = st.lists(
    CHARGES | REFUNDS | REFUNDS | OTHERS | OTHERS | st.builds(Archive, index=st.integers(1, 9)),
    min_size=15,
    max_size=40,
)


class Runner:
    """Runs steps on some stores, and returns the results with indexes instead of ids."""

    def __init__(self, stores: Stores, caller: str, order_id: int) -> None:
        """Start without payments. All of them get this caller and order_id."""
        self._stores = stores
        self._caller = caller
        self._order_id = order_id
        self._payments: dict[int, Payment] = {}
        self._refunds: dict[int, Refund] = {}
        self._archived: set[int] = set()
        self._archived_references: set[str | None] = set()
        self._clock = itertools.count()

    async def run(self, steps: list[Any]) -> list[Any]:
        """Run all steps, and return the result of each, followed by all events."""
        await self._stores.relay()
        start = await self._stores.events.last_sequence()
        results = [await self._result(step) for step in steps]
        await self._stores.relay()
        events = await self._stores.events.events_after(start, 1000)
        # The stream has events of live payments only.
        live = [event for event in events if event.payment.payment_id not in self._archived]
        return results + [self._with_indexes(replace(event, sequence=event.sequence - start)) for event in live]

    async def _result(self, step: object) -> Any:  # noqa: ANN401 - of any type
        try:
            return self._with_indexes(await self._run_step(step))
        except OrderHasPendingPayment as error:
            return type(error), list(self._payments).index(error.payment_id)
        except Exception as error:  # noqa: BLE001 - any error is the result
            return type(error), str(error)

    async def _run_step(self, step: object) -> object:  # noqa: PLR0911 - one for each kind of step
        payments, settlements = self._stores.payments, self._stores.settlements
        now = NOW + timedelta(seconds=next(self._clock) // 2)
        match step:
            case Charge():
                return await self._charge(step, now)
            case MakeRefund():
                money = None if step.amount is None else Money("INR", step.amount)
                new_refund = NewRefund(self._payment_id(step.index), money, "late", self._key(step.key))
                return await payments.refund(new_refund, now, Deadline(), step.status)
            case SettleCharge():
                payment = self._payments.get(self._payment_id(step.index))
                if payment is None or payment.payment_id in self._archived:
                    return None
                return await settlements.settle_charge(payment, Outcome(step.status, "pi"), now)
            case SettleRefund():
                refund = (list(self._refunds.values()) + [None] * 4)[step.index]
                if refund is None or refund.payment_id in self._archived:
                    return None
                return await settlements.settle_refund(refund, Outcome(step.status, None), now)
            case Archive():
                return await self._archive(self._payment_id(step.index))
            case Get():
                payment_id, first = self._payment_id(step.index), next(iter(self._refunds), None)
                query = RefundsQuery(payment_id, 1, first)
                return [await payments.get(payment_id, Deadline()), await payments.list_refunds(query, Deadline())]
            case ListAll():
                return await self._list_all(step)
        raise AssertionError(step)

    async def _charge(self, step: Charge, now: datetime) -> ChargeOutcome | None:
        # References are random in production, so the stores need not agree on a reference that an archived payment has,
        # or that a repeated charge shares with another payment.
        reference = f"{self._caller}-{step.key or ''}-{step.reference}"
        if reference in self._archived_references:
            return None
        charge = NewCharge(
            self._order_id,
            Money("INR", step.amount),
            step.method,
            self._key(step.key),
            step.names,
            step.source,
            step.unless_pending,
        )
        new = NewPayment(charge, Decision(step.method or PaymentMethod.COD, step.status), reference, now)
        return await self._stores.payments.insert(new, Deadline())

    async def _archive(self, payment_id: int) -> bool:
        """Archive a payment, unless it or one of its refunds is pending."""
        if payment_id in self._archived or payment_id not in self._payments:
            return False
        details = await self._stores.payments.get(payment_id, Deadline())
        if Status.PENDING in {details.payment.status, *(one.status for one in details.refunds)}:
            return False
        await self._stores.relay()  # ``payments archive`` waits for the relay as well
        self._stores.archive(details.payment)
        self._archived.add(payment_id)
        self._archived_references.add(details.payment.reference)
        return True

    async def _list_all(self, step: ListAll) -> list[Page]:
        query = PageQuery(PaymentFilter(order_id=self._order_id), step.order, step.size, None, with_total=True)
        pages = [await self._stores.payments.list_page(query, Deadline())]
        while pages[-1].next is not None:
            query = replace(query, after=pages[-1].next)
            pages.append(await self._stores.payments.list_page(query, Deadline()))
        return pages

    def _key(self, number: int | None) -> RequestKey:
        return RequestKey.of(self._caller, None if number is None else f"r{number}")

    def _payment_id(self, index: int) -> int:
        return [*self._payments, *[2**62] * 10][index]

    def _with_indexes(self, result: Any) -> Any:  # noqa: ANN401, PLR0911 - of any type
        """Record the payments and refunds of a result, and replace ids by indexes."""
        match result:
            case Payment():
                self._payments[result.payment_id] = result
                payment_id = list(self._payments).index(result.payment_id)
                return replace(result, payment_id=payment_id, request_id=_chosen(result.request_id))
            case Refund():
                self._refunds[result.refund_id] = result
                return replace(
                    result,
                    refund_id=list(self._refunds).index(result.refund_id),
                    payment_id=list(self._payments).index(result.payment_id),
                    request_id=_chosen(result.request_id),
                )
            case ChargeOutcome():
                return replace(result, payment=self._with_indexes(result.payment))
            case RefundOutcome():
                payment = self._with_indexes(result.payment)
                return replace(result, payment=payment, refund=self._with_indexes(result.refund))
            case PaymentDetails():
                payment = self._with_indexes(result.payment)
                return replace(result, payment=payment, refunds=tuple(map(self._with_indexes, result.refunds)))
            case Page():
                return tuple(map(self._with_indexes, result.payments)), result.next is None, result.total
            case PaymentEvent():
                payment = self._with_indexes(result.payment)
                request_id = _chosen(result.request_id)
                return replace(result, payment=payment, refund=self._with_indexes(result.refund), request_id=request_id)
            case tuple() | list():
                return [self._with_indexes(one) for one in result]
        return result


def _chosen(request_id: str) -> str:
    """Return a request_id that the caller chose; a generated one differs each time."""
    return request_id if request_id.startswith("r") else ""


@settings(
    max_examples=60,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
@pytest.mark.timeout(300)
def test_the_in_memory_and_mysql_stores_return_the_same_results(
    environment: dict[str, str], execute: Execute, steps: list[Any]
) -> None:
    caller, order_id = secrets.token_hex(8), secrets.randbelow(2**40)

    async def on_mysql() -> list[Any]:
        database = Database(settings_of(environment), ListedSession)
        try:
            return await Runner(MysqlStores(database, execute), caller, order_id).run(FIRST + steps)
        finally:
            await database.close(Deadline.after(10))

    expected = asyncio.run(on_mysql())
    assert asyncio.run(Runner(MemoryStores(), caller, order_id).run(FIRST + steps)) == expected
