"""In-memory implementations of the store ports.

``tests/storage/**/test_*_contract.py`` run the same tests against these stores and the MySQL stores.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from server.domain.deadline import Deadline
from server.domain.errors import PaymentArchived, PaymentNotFound, ReferenceTaken, RequestIdReused
from server.domain.events import (
    KIND_BY_CHARGE_STATUS,
    KIND_BY_REFUND_STATUS,
    EventKind,
    EventsPage,
    EventsQuery,
    PaymentEvent,
)
from server.domain.identifiers import RequestKey
from server.domain.listing import NumberedPage, NumberedPageQuery, Order, Page, PageQuery, PaymentFilter, Position
from server.domain.money import Money
from server.domain.payment import (
    MAX_REFUNDS_SHOWN,
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
from server.domain.processing import Outcome, PendingRequest


@dataclass
class _Request:
    """A pending charge or refund, with times in seconds of ``Memory.now_seconds``."""

    payment_id: int
    refund_id: int | None
    created_at: float
    due_at: float
    attempts: int = 0

    def age(self, seconds: float, attempts: int) -> None:
        """Make the request older, and set its number of attempts."""
        self.created_at -= seconds
        self.attempts = attempts


@dataclass
class Memory:
    """The data of all stores. ``now_seconds`` is the clock by which pending requests become due."""

    due_seconds: float = 30.0
    now_seconds: Callable[[], float] = time.monotonic
    payments: dict[int, Payment] = field(default_factory=dict)
    refunds: dict[int, Refund] = field(default_factory=dict)
    archived: set[int] = field(default_factory=set)
    charge_keys: dict[tuple[str, str], tuple[NewCharge, int]] = field(default_factory=dict)
    refund_keys: dict[tuple[str, str], tuple[NewRefund, int]] = field(default_factory=dict)
    references: set[str] = field(default_factory=set)
    requests: list[_Request] = field(default_factory=list)
    processor_ids: dict[int, str] = field(default_factory=dict)
    events: list[PaymentEvent] = field(default_factory=list)
    last_sequence: int = 0

    def add(self, payment: Payment) -> None:
        """Add a payment, and a pending request if the payment is pending."""
        self.payments[payment.payment_id] = payment
        if payment.reference is not None:
            self.references.add(payment.reference)
        if payment.status is Status.PENDING:
            self._add_request(payment.payment_id, None)

    def add_refund(self, refund: Refund) -> None:
        """Add a refund, and a pending request if the refund is pending; the payment is not changed."""
        self.refunds[refund.refund_id] = refund
        if refund.status is Status.PENDING:
            self._add_request(refund.payment_id, refund.refund_id)

    def payment(self, key: int | str) -> Payment:
        """Return the payment with this id or reference."""
        for payment in self.payments.values():
            if key == (payment.payment_id if isinstance(key, int) else payment.reference):
                return payment
        raise PaymentNotFound("payment not found")

    def refunds_of(self, payment_id: int) -> list[Refund]:
        """Return the refunds of a payment, oldest first."""
        return [refund for refund in self.refunds.values() if refund.payment_id == payment_id]

    def _add_request(self, payment_id: int, refund_id: int | None) -> None:
        now = self.now_seconds()
        self.requests.append(_Request(payment_id, refund_id, now, now + self.due_seconds))

    def remove_request(self, payment_id: int, refund_id: int | None) -> None:
        """Remove a pending request, because it is settled."""
        self.requests = [one for one in self.requests if (one.payment_id, one.refund_id) != (payment_id, refund_id)]

    def add_event(self, kind: EventKind, occurred_at: datetime, payment_id: int, refund_id: int | None) -> None:
        """Append an event with the current state of the payment and the refund."""
        self.last_sequence += 1
        keys: dict[int, tuple[str, str]] = (
            {number: key for key, (_, number) in self.charge_keys.items()}
            if refund_id is None
            else {number: key for key, (_, number) in self.refund_keys.items()}
        )
        caller, request_id = keys.get(payment_id if refund_id is None else refund_id, ("", ""))
        refund = None if refund_id is None else self.refunds[refund_id]
        self.events.append(
            PaymentEvent(self.last_sequence, kind, occurred_at, self.payments[payment_id], refund, caller, request_id)
        )


class MemoryPaymentStore:
    """An in-memory ``PaymentStore``."""

    def __init__(self, memory: Memory) -> None:
        """Use ``memory``. ``batches`` records the payments of each insert."""
        self._memory = memory
        self.batches: list[list[NewPayment]] = []

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment: see ``PaymentStore``."""
        (outcome,) = await self.insert_many([payment], deadline)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store many payments: see ``PaymentStore``."""
        deadline.check()
        self.batches.append(list(payments))
        return [self._insert(payment) for payment in payments]

    def _insert(self, new: NewPayment) -> ChargeOutcome | Exception:
        memory, charge, key = self._memory, new.charge, _key(new.charge.key)
        if key in memory.charge_keys:
            earlier, payment_id = memory.charge_keys[key]
            if (earlier.order_id, earlier.amount, earlier.method) != (charge.order_id, charge.amount, charge.method):
                return _reused("Charge", charge.key)
            payment = memory.payments[payment_id]
            # With the same reference, it is the same payment, retried after a lost reply.
            return ChargeOutcome(payment, replayed=payment.reference != new.reference)
        if new.reference in memory.references:
            return ReferenceTaken()
        payment = Payment(
            payment_id=max(memory.payments, default=0) + 1,
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
        memory.add(payment)
        memory.charge_keys[key] = charge, payment.payment_id
        memory.add_event(KIND_BY_CHARGE_STATUS[new.status], new.create_time, payment.payment_id, None)
        return ChargeOutcome(payment, replayed=False)

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund: see ``PaymentStore``."""
        deadline.check()
        memory, key = self._memory, _key(refund.key)
        if key in memory.refund_keys:
            earlier, refund_id = memory.refund_keys[key]
            if earlier != replace(refund, key=earlier.key):
                raise _reused("Refund", refund.key)
            return RefundOutcome(
                memory.refunds[refund_id], memory.payments[refund.payment_id], replayed=True, is_new=False
            )
        payment = memory.payment(refund.payment_id)
        if payment.is_full_refund_repeated_by(refund):
            refunds = [one for one in memory.refunds_of(payment.payment_id) if one.status is not Status.FAILED]
            return RefundOutcome(refunds[-1] if refunds else None, payment, replayed=False, is_new=False)
        amount = payment.amount_to_refund(refund.amount)
        if payment.payment_id in memory.archived:
            raise PaymentArchived("payment is archived; it can be refunded once it has been brought back")
        new = Refund(len(memory.refunds) + 1, payment.payment_id, amount, status, refund.reason, create_time)
        memory.add_refund(new)
        memory.refund_keys[key] = refund, new.refund_id
        memory.payments[payment.payment_id] = after = payment.after_refund_of(amount)
        memory.add_event(KIND_BY_REFUND_STATUS[status], create_time, payment.payment_id, new.refund_id)
        return RefundOutcome(new, after, replayed=False, is_new=True)

    async def get(self, key: int | str, deadline: Deadline) -> PaymentDetails:
        """Return a payment and its first refunds: see ``PaymentStore``."""
        payment_id = self._memory.payment(key).payment_id
        return await self.list_refunds(RefundsQuery(payment_id, MAX_REFUNDS_SHOWN, None), deadline)

    async def list_refunds(self, query: RefundsQuery, deadline: Deadline) -> PaymentDetails:
        """Return a payment and a page of its refunds: see ``PaymentStore``."""
        deadline.check()
        payment = self._memory.payment(query.payment_id)
        rest = [one for one in self._memory.refunds_of(payment.payment_id) if one.refund_id > (query.after or 0)]
        return PaymentDetails(payment, tuple(rest[: query.size]), has_more=len(rest) > query.size)

    async def list_page(self, query: PageQuery, deadline: Deadline) -> Page:
        """Return a page of payments: see ``PaymentStore``."""
        deadline.check()
        matching = [one for one in self._listed(query.order) if _matches(one, query.filter)]
        rest = matching
        if query.after is not None:
            after = _sort_key(query.after)
            is_newest_first = query.order is Order.NEWEST_FIRST
            rest = [one for one in matching if (_sort_key(one) < after if is_newest_first else _sort_key(one) > after)]
        last = rest[query.size - 1] if len(rest) > query.size else None
        return Page(
            tuple(rest[: query.size]),
            None if last is None else Position(last.create_time, last.payment_id),
            len(matching) if query.with_total else None,
        )

    async def list_numbered_page(self, query: NumberedPageQuery, deadline: Deadline) -> NumberedPage:
        """Return a page of payments by its number: see ``PaymentStore``."""
        deadline.check()
        matching = [one for one in self._listed(query.order) if _matches_numbered(one, query)]
        return NumberedPage(tuple(matching[query.skip : query.skip + query.size]), len(matching))

    def _listed(self, order: Order) -> list[Payment]:
        live = (one for number, one in self._memory.payments.items() if number not in self._memory.archived)
        return sorted(live, key=_sort_key, reverse=order is Order.NEWEST_FIRST)


class MemorySettlementStore:
    """An in-memory ``SettlementStore`` and ``PendingStore``."""

    def __init__(
        self, memory: Memory, *, first_pause_seconds: float = 1.0, longest_pause_seconds: float = 60.0
    ) -> None:
        """Use ``memory``. The pauses define how long a claimed request is postponed: see ``MysqlSettlementStore``."""
        self._memory = memory
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds

    async def settle_charge(self, payment: Payment, outcome: Outcome, now: datetime) -> tuple[Payment, bool]:
        """Store the outcome of a payment: see ``SettlementStore``."""
        memory, number = self._memory, payment.payment_id
        if memory.payments[number].status is not Status.PENDING:
            return memory.payments[number], False
        memory.payments[number] = after = memory.payments[number].with_status(outcome.status)
        if outcome.processor_id is not None:
            memory.processor_ids[number] = outcome.processor_id
        memory.remove_request(number, None)
        memory.add_event(KIND_BY_CHARGE_STATUS[outcome.status], now, number, None)
        return after, True

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Store the outcome of a refund: see ``SettlementStore``."""
        memory, number = self._memory, refund.refund_id
        stored, payment = memory.refunds[number], memory.payments[refund.payment_id]
        if stored.status is not Status.PENDING:
            return stored, payment, False
        memory.refunds[number] = after = replace(stored, status=outcome.status)
        if outcome.status is Status.FAILED:
            assert payment.refunded_amount is not None
            refunded = payment.refunded_amount.minus(stored.amount)
            memory.payments[refund.payment_id] = replace(payment, refunded_amount=refunded, is_refunded=False)
        memory.remove_request(refund.payment_id, number)
        memory.add_event(KIND_BY_REFUND_STATUS[outcome.status], now, refund.payment_id, number)
        return after, memory.payments[refund.payment_id], True

    async def processor_id(self, payment_id: int) -> str | None:
        """Return the processor's id of a payment: see ``SettlementStore``."""
        return self._memory.processor_ids.get(payment_id)

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Claim requests that are due: see ``PendingStore``."""
        memory, now = self._memory, self._memory.now_seconds()
        due = sorted((one for one in memory.requests if one.due_at <= now), key=lambda one: one.due_at)[:at_most]
        for one in due:
            pause_seconds = min(self._longest_pause_seconds, self._first_pause_seconds * 2**one.attempts)
            one.due_at, one.attempts = now + pause_seconds, one.attempts + 1
        return [
            PendingRequest(
                memory.payments[one.payment_id],
                None if one.refund_id is None else memory.refunds[one.refund_id],
                now - one.created_at,
                one.attempts,
                memory.processor_ids.get(one.payment_id),
            )
            for one in due
        ]

    async def count_pending(self) -> tuple[dict[str, int], float]:
        """Count the requests without an outcome: see ``PendingStore``."""
        counts: dict[str, int] = {}
        for one in self._memory.requests:
            kind = "charge" if one.refund_id is None else "refund"
            counts[kind] = counts.get(kind, 0) + 1
        oldest = min((one.created_at for one in self._memory.requests), default=None)
        return counts, 0.0 if oldest is None else self._memory.now_seconds() - oldest


class MemoryEventStore:
    """An in-memory ``EventStore`` and ``HistoryStore``."""

    def __init__(self, memory: Memory) -> None:
        """Read the events of ``memory``."""
        self._memory = memory

    async def last_sequence(self) -> int:
        """Return the sequence of the newest event: see ``EventStore``."""
        return self._memory.last_sequence

    async def first_sequence(self) -> int:
        """Return the sequence of the oldest event in the stream: see ``EventStore``."""
        events = self._memory.events
        return events[0].sequence if events else self._memory.last_sequence + 1

    async def events_after(self, sequence: int, at_most: int) -> list[PaymentEvent]:
        """Return the events after ``sequence``: see ``EventStore``."""
        return [event for event in self._memory.events if event.sequence > sequence][:at_most]

    async def events_of_payment(self, query: EventsQuery, deadline: Deadline) -> EventsPage:
        """Return a page of a payment's events: see ``HistoryStore``."""
        deadline.check()
        if query.payment_id not in self._memory.payments:
            raise PaymentNotFound("payment not found")
        events = [
            event
            for event in self._memory.events
            if event.payment.payment_id == query.payment_id and event.sequence > (query.after or 0)
        ]
        return EventsPage(tuple(events[: query.size]), has_more=len(events) > query.size)


def _key(key: RequestKey) -> tuple[str, str]:
    return key.caller, key.request_id


def _reused(rpc: str, key: RequestKey) -> RequestIdReused:
    return RequestIdReused(f"request_id {key.request_id!r} came before, in a {rpc} with other parameters")


def _sort_key(one: Payment | Position) -> tuple[float, int]:
    return (float("-inf") if one.create_time is None else one.create_time.timestamp()), one.payment_id


def _matches(payment: Payment, wanted: PaymentFilter) -> bool:
    conditions = (
        wanted.order_id in {None, payment.order_id},
        not wanted.methods or payment.method in wanted.methods,
        not wanted.statuses or payment.status in wanted.statuses,
        not wanted.refund_states or payment.refund_state in wanted.refund_states,
        wanted.reference in {None, payment.reference},
        wanted.min_amount is None or _is_at_most(wanted.min_amount, payment.amount),
        wanted.max_amount is None or _is_at_most(payment.amount, wanted.max_amount),
        _is_between(payment.create_time, wanted.min_create_time, wanted.max_create_time),
    )
    return all(conditions)


def _matches_numbered(payment: Payment, wanted: NumberedPageQuery) -> bool:
    amount = None if payment.amount is None else payment.amount.amount
    method = payment.other_method if payment.method is PaymentMethod.OTHER else payment.method.value
    conditions = (
        wanted.order_id in {None, payment.order_id},
        wanted.method is None or wanted.method.lower() == method.lower(),
        wanted.status in {None, payment.status},
        wanted.min_amount is None or (amount is not None and wanted.min_amount <= amount),
        wanted.max_amount is None or (amount is not None and amount <= wanted.max_amount),
        _is_between(payment.create_time, wanted.min_create_time, wanted.max_create_time),
    )
    return all(conditions)


def _is_at_most(less: Money | None, more: Money | None) -> bool:
    if less is None or more is None or less.currency != more.currency:
        return False
    return less.amount_minor <= more.amount_minor


def _is_between(time_: datetime | None, earliest: datetime | None, latest: datetime | None) -> bool:
    if time_ is None:
        return earliest is None and latest is None
    return (earliest is None or earliest <= time_) and (latest is None or time_ <= latest)
