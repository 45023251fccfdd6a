"""Ports of the use cases in memory: a store of payments, one of outcomes, and a processor that is told what to do."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from server.domain.deadline import Deadline
from server.domain.errors import InvalidValue, OutcomeUnknown, PaymentNotFound, ProcessorUnavailable, ReferenceTaken
from server.domain.identifiers import RequestKey
from server.domain.listing import NumberedPage, NumberedPageQuery, Page, PageQuery
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
from server.domain.processing import Capture, GiveBack, Outcome
from server.observability.metrics import REGISTRY

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new_charge(
    request_id: str | None = None, method: PaymentMethod | None = PaymentMethod.UPI, order_id: int = 7
) -> NewCharge:
    return NewCharge(order_id, Money("INR", 56_100), method, RequestKey.of("shop", request_id))


def new_refund(payment_id: int = 1, amount: int | None = None, request_id: str | None = None) -> NewRefund:
    money = None if amount is None else Money("INR", amount)
    return NewRefund(payment_id, money, "damaged", RequestKey.of("shop", request_id))


def stored(payment_id: int, status: Status = Status.PENDING, refunded: int = 0) -> Payment:
    return Payment(
        payment_id=payment_id,
        order_id=7,
        amount=Money("INR", 56_100),
        method=PaymentMethod.UPI,
        other_method="",
        status=status,
        reference=f"R{payment_id}",
        create_time=NOW,
        refunded_amount=Money("INR", refunded),
        is_refunded=refunded == 56_100,
        is_adopted=False,
    )


def stored_refund(refund_id: int, payment_id: int, status: Status = Status.PENDING, amount: int = 56_100) -> Refund:
    return Refund(refund_id, payment_id, Money("INR", amount), status, "damaged", NOW)


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks go on until something holds."""
    while not holds():  # noqa: ASYNC110 - nothing tells that it does
        await asyncio.sleep(0)


def counted(name: str, **labels: str) -> float:
    """Return what a counter has counted in this process."""
    return REGISTRY.get_sample_value(f"{name}_total", labels) or 0.0


class FakePaymentStore:
    """A ``PaymentStore`` in memory, whose lists know no conditions."""

    def __init__(self, taken_references: Sequence[str] = ()) -> None:
        """Begin with no payment; the references are those of others."""
        self.taken = set(taken_references)
        self.payments: dict[int, Payment] = {}
        self.batches: list[list[NewPayment]] = []
        self.refund_times: list[datetime] = []
        self._charges: dict[RequestKey, int] = {}
        self._refunds: dict[RequestKey, Refund] = {}

    def add(self, payment: Payment) -> None:
        """Keep a payment."""
        self.payments[payment.payment_id] = payment

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment."""
        (outcome,) = await self.insert_many([payment], deadline)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store payments."""
        deadline.check()
        self.batches.append(list(payments))
        return [self._insert(payment) for payment in payments]

    def _insert(self, new: NewPayment) -> ChargeOutcome | Exception:
        charge = new.charge
        if charge.key in self._charges:
            return ChargeOutcome(self.payments[self._charges[charge.key]], replayed=True)
        if new.reference in self.taken:
            return ReferenceTaken()
        self.taken.add(new.reference)
        payment = Payment(
            payment_id=len(self.payments) + 1,
            order_id=charge.order_id,
            amount=charge.amount,
            method=new.method,
            other_method="",
            status=new.status,
            reference=new.reference,
            create_time=new.create_time,
            refunded_amount=Money(charge.amount.currency, 0),
            is_refunded=False,
            is_adopted=False,
        )
        self.add(payment)
        self._charges[charge.key] = payment.payment_id
        return ChargeOutcome(payment, replayed=False)

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund."""
        deadline.check()
        payment = self.payments.get(refund.payment_id)
        if payment is None:
            raise PaymentNotFound("payment not found")
        if refund.key in self._refunds:
            return RefundOutcome(self._refunds[refund.key], payment, replayed=True, is_new=False)
        amount = payment.refundable(refund.amount)
        self.refund_times.append(create_time)
        made = Refund(len(self._refunds) + 1, payment.payment_id, amount, status, refund.reason, create_time)
        self._refunds[refund.key] = made
        self.add(payment.after_refund_of(amount))
        return RefundOutcome(made, self.payments[payment.payment_id], replayed=False, is_new=True)

    async def get(self, key: int | str, deadline: Deadline) -> PaymentDetails:
        """Return a payment by its id or reference, without its refunds."""
        deadline.check()
        for payment in self.payments.values():
            if key in {payment.payment_id, payment.reference}:
                return PaymentDetails(payment, (), has_more=False)
        raise PaymentNotFound("payment not found")

    async def list_refunds(self, query: RefundsQuery, deadline: Deadline) -> PaymentDetails:
        """Return a payment, without its refunds."""
        return await self.get(query.payment_id, deadline)

    async def list_page(self, query: PageQuery, deadline: Deadline) -> Page:
        """Return the first payments, whatever the filter."""
        deadline.check()
        return Page(tuple(self.payments.values())[: query.size], None, None)

    async def list_numbered_page(self, query: NumberedPageQuery, deadline: Deadline) -> NumberedPage:
        """Return a page of all payments, whatever the conditions."""
        deadline.check()
        payments = tuple(self.payments.values())
        return NumberedPage(payments[query.skip : query.skip + query.size], len(payments))


class FakeSettlementStore:
    """A ``SettlementStore`` in memory: the first outcome of each payment and refund is kept."""

    def __init__(self) -> None:
        """Begin with no outcome."""
        self.charges: dict[int, Outcome] = {}
        self.refunds: dict[int, Outcome] = {}
        self.times: list[datetime] = []
        self.processor_ids: dict[int, str] = {}

    async def settle_charge(self, payment: Payment, outcome: Outcome, now: datetime) -> tuple[Payment, bool]:
        """Give a payment its outcome."""
        self.times.append(now)
        is_new = payment.payment_id not in self.charges
        kept = self.charges.setdefault(payment.payment_id, outcome)
        return payment.settled(kept.status), is_new

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Give a refund its outcome."""
        self.times.append(now)
        is_new = refund.refund_id not in self.refunds
        kept = self.refunds.setdefault(refund.refund_id, outcome)
        refunded = 0 if kept.status is Status.FAILED else refund.amount.amount_minor
        after = Refund(
            refund.refund_id, refund.payment_id, refund.amount, kept.status, refund.reason, refund.create_time
        )
        return after, stored(refund.payment_id, Status.SUCCEEDED, refunded), is_new

    async def processor_id(self, payment_id: int) -> str | None:
        """Return the processor's name of a payment."""
        return self.processor_ids.get(payment_id)


class FakeProcessor:
    """A ``RemoteProcessor`` that answers what it is told to, and holds its answers while ``may_answer`` is not set."""

    methods = frozenset({PaymentMethod.UPI, PaymentMethod.CARD})

    def __init__(self) -> None:
        """Begin with one that does whatever it is asked, at once."""
        self.answer: Outcome | Exception = Outcome(Status.SUCCEEDED, "pi_1")
        self.found: Outcome | Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[Capture | GiveBack] = []
        self.looked_up: list[Capture | GiveBack] = []
        self.in_progress = self.most_in_progress = 0
        self.is_answering = True
        self.may_be_asked = True
        self.checks = 0
        self.refused_amount: Money | None = None

    def check_amount(self, amount: Money) -> None:
        """Refuse one amount."""
        if amount == self.refused_amount:
            raise InvalidValue("must be another amount")

    def check(self) -> None:
        """Let it be asked, or not."""
        self.checks += 1
        if not self.may_be_asked:
            raise ProcessorUnavailable("the payment processor does not answer at the moment", 1)

    async def capture(self, asked: Capture) -> Outcome:
        """Charge."""
        return await self._done(asked)

    async def give_back(self, asked: GiveBack) -> Outcome:
        """Refund."""
        return await self._done(asked)

    async def find_capture(self, asked: Capture) -> Outcome | None:
        """Look a charge up."""
        return self._found(asked)

    async def find_give_back(self, asked: GiveBack) -> Outcome | None:
        """Look a refund up."""
        return self._found(asked)

    async def _done(self, asked: Capture | GiveBack) -> Outcome:
        self.asked.append(asked)
        self.in_progress += 1
        self.most_in_progress = max(self.most_in_progress, self.in_progress)
        try:
            await self.may_answer.wait()
        finally:
            self.in_progress -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def _found(self, asked: Capture | GiveBack) -> Outcome | None:
        self.looked_up.append(asked)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


UNKNOWN = OutcomeUnknown("no answer")
