"""Whatever is done, in whatever order, the stores in memory and those on MySQL answer alike."""

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
from server.domain.events import PaymentEvent
from server.domain.identifiers import RequestKey
from server.domain.listing import Order, Page, PageQuery, PaymentFilter
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
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
from server.storage.database.pool import Database
from tests.storage.conftest import Execute, MemoryStores, MysqlStores, Stores
from tests.support.databases import settings_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
OUTCOMES = st.sampled_from([Status.SUCCEEDED, Status.FAILED])


@dataclass(frozen=True)
class Charge:
    """Charge an order; the numbers name a request_id and a reference."""

    key: int | None
    reference: int
    amount: int
    status: Status
    method: PaymentMethod | None


@dataclass(frozen=True)
class Reimburse:
    """Refund the payment at this place."""

    place: int
    key: int | None
    amount: int | None
    status: Status


@dataclass(frozen=True)
class SettleCharge:
    """Settle the payment at this place."""

    place: int
    status: Status


@dataclass(frozen=True)
class SettleRefund:
    """Settle the refund at this place."""

    place: int
    status: Status


@dataclass(frozen=True)
class Archive:
    """Archive the payment at this place."""

    place: int


@dataclass(frozen=True)
class Get:
    """Get the payment at this place, and a page of its refunds."""

    place: int


@dataclass(frozen=True)
class ListAll:
    """List all payments, in pages of this size."""

    order: Order
    size: int


FIRST = [
    Charge(None, 1, 200, Status.SUCCEEDED, PaymentMethod.UPI),
    Charge(1, 2, 200, Status.SUCCEEDED, None),
    Charge(2, 3, 200, Status.PENDING, None),
]
"""What every example begins with, so that there is something to refund, to settle and to repeat."""

PLACES = st.integers(0, 3)
KEYS = st.sampled_from([None, 1, 1, 2])
CHARGES = st.builds(
    Charge,
    key=KEYS,
    reference=st.integers(1, 40),
    amount=st.sampled_from([100, 200]),
    status=st.sampled_from([Status.SUCCEEDED, Status.PENDING, Status.FAILED]),
    method=st.sampled_from([None, PaymentMethod.UPI]),
)
REFUNDS = st.builds(
    Reimburse,
    place=st.integers(0, 1),
    key=KEYS,
    amount=st.sampled_from([None, None, 50, 150]),
    status=st.sampled_from([Status.SUCCEEDED, Status.PENDING]),
)
OTHERS = (
    st.builds(SettleCharge, place=PLACES, status=OUTCOMES)
    | st.builds(SettleRefund, place=PLACES, status=OUTCOMES)
    | st.builds(Get, place=PLACES)
    | st.builds(ListAll, order=st.sampled_from(list(Order)), size=st.integers(1, 3))
)
STEPS = st.lists(
    CHARGES | REFUNDS | REFUNDS | OTHERS | OTHERS | st.builds(Archive, place=st.integers(1, 9)),
    min_size=15,
    max_size=40,
)


class Player:
    """Takes the steps on some stores, and tells every answer with places instead of ids."""

    def __init__(self, stores: Stores, caller: str, order_id: int) -> None:
        """Begin with no payment."""
        self._stores = stores
        self._caller = caller
        self._order_id = order_id
        self._payments: dict[int, Payment] = {}
        self._refunds: dict[int, Refund] = {}
        self._archived: set[int] = set()
        self._clock = itertools.count()

    async def play(self, steps: list[Any]) -> list[Any]:
        """Take all steps, and return what each was answered, and the events of all."""
        await self._stores.relay()
        start = await self._stores.events.last_sequence()
        answers = [await self._answer(step) for step in steps]
        await self._stores.relay()
        events = await self._stores.events.events_after(start, 1000)
        # The stream has events of live payments only.
        live = [event for event in events if event.payment.payment_id not in self._archived]
        return answers + [self._seen(replace(event, sequence=event.sequence - start)) for event in live]

    async def _answer(self, step: object) -> Any:  # noqa: ANN401 - of any type
        try:
            return self._seen(await self._take(step))
        except Exception as error:  # noqa: BLE001 - it is the answer
            return type(error), str(error)

    async def _take(self, step: object) -> object:  # noqa: PLR0911 - one for each kind of step
        payments, outcomes = self._stores.payments, self._stores.outcomes
        now = NOW + timedelta(seconds=next(self._clock) // 2)
        match step:
            case Charge():
                charge = NewCharge(self._order_id, Money("INR", step.amount), step.method, self._key(step.key))
                method = step.method or PaymentMethod.COD
                new = NewPayment(charge, method, step.status, f"{self._caller}-{step.reference}", now)
                return await payments.insert(new, Deadline())
            case Reimburse():
                money = None if step.amount is None else Money("INR", step.amount)
                new_refund = NewRefund(self._payment_id(step.place), money, "late", self._key(step.key))
                return await payments.refund(new_refund, now, Deadline(), step.status)
            case SettleCharge():
                payment = self._payments.get(self._payment_id(step.place))
                if payment is None or payment.payment_id in self._archived:
                    return None
                return await outcomes.settle_charge(payment, Outcome(step.status, "pi"), now)
            case SettleRefund():
                refund = (list(self._refunds.values()) + [None] * 4)[step.place]
                if refund is None or refund.payment_id in self._archived:
                    return None
                return await outcomes.settle_refund(refund, Outcome(step.status, None), now)
            case Archive():
                return await self._archive(self._payment_id(step.place))
            case Get():
                payment_id, first = self._payment_id(step.place), next(iter(self._refunds), None)
                query = RefundsQuery(payment_id, 1, first)
                return [await payments.get(payment_id, Deadline()), await payments.list_refunds(query, Deadline())]
            case ListAll():
                return await self._list_all(step)
        raise AssertionError(step)

    async def _archive(self, payment_id: int) -> bool:
        """Archive a payment unless a part of it is pending."""
        if payment_id in self._archived or payment_id not in self._payments:
            return False
        details = await self._stores.payments.get(payment_id, Deadline())
        if Status.PENDING in {details.payment.status, *(one.status for one in details.refunds)}:
            return False
        await self._stores.relay()  # as ``payments archive`` waits for, too
        self._stores.archive(details.payment)
        self._archived.add(payment_id)
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

    def _payment_id(self, place: int) -> int:
        return [*self._payments, *[2**62] * 10][place]

    def _seen(self, answer: Any) -> Any:  # noqa: ANN401, PLR0911 - of any type
        match answer:
            case Payment():
                self._payments[answer.payment_id] = answer
                return replace(answer, payment_id=list(self._payments).index(answer.payment_id))
            case Refund():
                self._refunds[answer.refund_id] = answer
                return replace(
                    answer,
                    refund_id=list(self._refunds).index(answer.refund_id),
                    payment_id=list(self._payments).index(answer.payment_id),
                )
            case ChargeOutcome():
                return replace(answer, payment=self._seen(answer.payment))
            case RefundOutcome():
                payment = self._seen(answer.payment)
                return replace(answer, payment=payment, refund=self._seen(answer.refund))
            case PaymentDetails():
                payment = self._seen(answer.payment)
                return replace(answer, payment=payment, refunds=tuple(map(self._seen, answer.refunds)))
            case Page():
                return tuple(map(self._seen, answer.payments)), answer.next is None, answer.total
            case PaymentEvent():
                payment = self._seen(answer.payment)
                # A request_id that the service made differs each time.
                request_id = answer.request_id if answer.request_id.startswith("r") else ""
                return replace(answer, payment=payment, refund=self._seen(answer.refund), request_id=request_id)
            case tuple() | list():
                return [self._seen(one) for one in answer]
        return answer


@settings(
    max_examples=60,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
@pytest.mark.timeout(300)
def test_the_stores_in_memory_and_on_mysql_answer_alike(
    environment: dict[str, str], execute: Execute, steps: list[Any]
) -> None:
    caller, order_id = secrets.token_hex(8), secrets.randbelow(2**40)

    async def on_mysql() -> list[Any]:
        database = Database(settings_of(environment))
        try:
            return await Player(MysqlStores(database, execute), caller, order_id).play(FIRST + steps)
        finally:
            await database.close(Deadline.after(10))

    expected = asyncio.run(on_mysql())
    assert asyncio.run(Player(MemoryStores(), caller, order_id).play(FIRST + steps)) == expected
