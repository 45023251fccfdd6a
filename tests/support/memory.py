"""In-memory implementations of the store ports.

``tests/storage/**/test_*_contract.py`` run the same tests against these stores and the MySQL stores.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from server.domain.deadline import Deadline
from server.domain.dispute import Dispute
from server.domain.errors import (
    OrderHasPendingPayment,
    PaymentArchived,
    PaymentNotFound,
    ReferenceTaken,
    RequestIdReused,
)
from server.domain.events import (
    KIND_BY_CHARGE_STATUS,
    KIND_BY_DISPUTE_STATUS,
    KIND_BY_REFUND_STATUS,
    KINDS_WITHOUT_REQUEST,
    EventKind,
    EventsPage,
    EventsQuery,
    PaymentEvent,
)
from server.domain.identifiers import RequestKey
from server.domain.late_outcomes import Check, CheckCounts, FailedRefund, Hint
from server.domain.listing import NumberedPage, NumberedPageQuery, Order, Page, PageQuery, PaymentFilter, Position
from server.domain.money import Money
from server.domain.names import Names
from server.domain.payment import (
    MAX_REFUNDS_SHOWN,
    ChargeOutcome,
    NewCharge,
    NewPayment,
    NewRefund,
    Payment,
    PaymentDetails,
    PaymentKey,
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.domain.payment_source import is_same_source
from server.domain.processing import Outcome, PendingRequest
from server.domain.simulation import DEFERRED_REFUNDS


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

    def payment(self, key: PaymentKey) -> Payment:
        """Return the payment with this id, reference or request key."""
        for payment in self.payments.values():
            if isinstance(key, RequestKey):
                is_wanted = _key(key) == (payment.caller, payment.request_id)
            else:
                is_wanted = key == (payment.payment_id if isinstance(key, int) else payment.reference)
            if is_wanted:
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
        payment, refund = self.payments[payment_id], None if refund_id is None else self.refunds[refund_id]
        request = payment if refund is None else refund
        key = ("", "") if kind in KINDS_WITHOUT_REQUEST else (request.caller, request.request_id)
        self.events.append(PaymentEvent(self.last_sequence, kind, occurred_at, payment, refund, *key))


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
            payment = memory.payments[payment_id]
            same = replace(
                earlier, unless_pending=charge.unless_pending, return_url=charge.return_url, source=charge.source
            )
            is_same_simulation = payment.simulated_source == new.decision.simulated_source
            is_same = is_same_source(payment.source_mark, new.decision.source_marks) and is_same_simulation
            if not is_same or replace(charge, key=earlier.key) != same:
                return _reused("Charge", charge.key)
            # With the same reference, it is the same payment, retried after a lost reply.
            return ChargeOutcome(payment, replayed=payment.reference != new.reference)
        if new.reference in memory.references:
            return ReferenceTaken()
        pending = self._pending_payment(charge)
        if charge.unless_pending and pending is not None:
            return OrderHasPendingPayment("pending", pending.payment_id)
        payment = Payment(
            payment_id=max(memory.payments, default=0) + 1,
            order_id=charge.order_id,
            amount=charge.amount,
            method=new.decision.method,
            other_method="",
            status=new.decision.status,
            reference=new.reference,
            create_time=new.create_time,
            refunded_amount=Money(charge.amount.currency, 0),
            is_refunded=False,
            caller=charge.key.caller,
            request_id=charge.key.request_id,
            failure=new.decision.failure,
            names=charge.names,
            simulated_source=new.decision.simulated_source,
            source_mark=new.decision.source_marks[0] if new.decision.source_marks else None,
        )
        memory.add(payment)
        memory.charge_keys[key] = charge, payment.payment_id
        memory.add_event(KIND_BY_CHARGE_STATUS[new.decision.status], new.create_time, payment.payment_id, None)
        return ChargeOutcome(payment, replayed=False)

    def _pending_payment(self, charge: NewCharge) -> Payment | None:
        """Return a pending payment of the order of ``charge``, if there is one."""

        def order_of(order_id: int, names: Names) -> int | str | None:
            return order_id or names.external_reference

        for payment in self._memory.payments.values():
            is_same_order = order_of(payment.order_id, payment.names) == order_of(charge.order_id, charge.names)
            if payment.status is Status.PENDING and is_same_order and not payment.is_adopted:
                return payment
        return None

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
        if payment.simulated_source in DEFERRED_REFUNDS:
            status = Status.PENDING
        number = len(memory.refunds) + 1
        new = Refund(number, payment.payment_id, amount, status, refund.reason, create_time, *key)
        memory.add_refund(new)
        memory.refund_keys[key] = refund, new.refund_id
        memory.payments[payment.payment_id] = after = payment.after_refund_of(amount)
        memory.add_event(KIND_BY_REFUND_STATUS[status], create_time, payment.payment_id, new.refund_id)
        return RefundOutcome(new, after, replayed=False, is_new=True)

    async def get(self, key: PaymentKey, deadline: Deadline) -> PaymentDetails:
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
        before = memory.payments[number]
        values = {**_values(outcome), "processor_reference": outcome.processor_id or before.processor_reference}
        memory.payments[number] = after = replace(before, **values, next_action=None)
        if outcome.processor_id is not None:
            memory.processor_ids[number] = outcome.processor_id
        memory.remove_request(number, None)
        memory.add_event(KIND_BY_CHARGE_STATUS[outcome.status], now, number, None)
        return after, True

    async def await_payer(self, payment: Payment, outcome: Outcome, now: datetime) -> Payment:
        """Store what the payer must do: see ``SettlementStore``."""
        memory, number = self._memory, payment.payment_id
        stored = memory.payments[number]
        if stored.status is Status.PENDING and stored.next_action != outcome.next_action:
            memory.payments[number] = replace(
                stored, next_action=outcome.next_action, processor_reference=outcome.processor_id or ""
            )
            memory.add_event(EventKind.ACTION_REQUIRED, now, number, None)
        for one in memory.requests:
            if (one.payment_id, one.refund_id) == (number, None):
                one.attempts = 0
        return memory.payments[number]

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Store the outcome of a refund: see ``SettlementStore``."""
        memory, number = self._memory, refund.refund_id
        stored, payment = memory.refunds[number], memory.payments[refund.payment_id]
        if stored.status is not Status.PENDING:
            return stored, payment, False
        memory.refunds[number] = after = replace(stored, **_values(outcome))
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


@dataclass
class _Check:
    """A check, with times in seconds of ``Memory.now_seconds``."""

    waits_since: float | None
    due_at: float
    hints: int = 0
    attempts: int = 0
    is_disputed: bool = False


class MemoryLateStore:
    """An in-memory ``LateStore``."""

    def __init__(
        self, memory: Memory, *, first_pause_seconds: float = 1.0, longest_pause_seconds: float = 60.0
    ) -> None:
        """Use ``memory``. The pauses define how long a claimed check is postponed: see ``MysqlLateStore``."""
        self._memory = memory
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._checks: dict[int, _Check] = {}
        self._last_event_id: str | None = None
        self._poll_due_at = memory.now_seconds()

    async def request_check(self, hint: Hint) -> bool:
        """Make the payment of a hint due for a check: see ``LateStore``."""
        now = self._memory.now_seconds()
        for number, payment in self._memory.payments.items():
            is_named = hint.processor_id is not None and payment.processor_reference == hint.processor_id
            if is_named or (hint.reference is not None and payment.reference == hint.reference):
                await self.add_check(number)
                for one in self._memory.requests:
                    if one.payment_id == number:
                        one.due_at, one.attempts = now, 0
                return True
        return False

    async def add_check(self, payment_id: int) -> None:
        """Make a payment due for a check: see ``LateStore``."""
        now = self._memory.now_seconds()
        check = self._checks.setdefault(payment_id, _Check(now, now))
        check.due_at, check.attempts, check.hints = now, 0, check.hints + 1
        check.waits_since = now if check.waits_since is None else check.waits_since

    async def count_checks(self) -> CheckCounts:
        """Count the payments to check: see ``LateStore``."""
        now, checks = self._memory.now_seconds(), self._checks.values()
        waiting_seconds = [now - one.waits_since for one in checks if one.waits_since is not None]
        return CheckCounts(
            len(waiting_seconds),
            sum(one.due_at <= now for one in checks),
            sum(one.is_disputed for one in checks),
            max(waiting_seconds, default=0.0),
        )

    async def claim_checks(self, at_most: int) -> list[Check]:
        """Claim checks that are due: see ``LateStore``."""
        memory, now = self._memory, self._memory.now_seconds()
        due = sorted((one.due_at, number) for number, one in self._checks.items() if one.due_at <= now)[:at_most]
        checks = []
        for _, number in due:
            one = self._checks[number]
            pause_seconds = min(self._longest_pause_seconds, self._first_pause_seconds * 2**one.attempts)
            one.due_at, one.attempts = now + pause_seconds, one.attempts + 1
            one.waits_since = now if one.waits_since is None else one.waits_since
            refunds = [refund for refund in memory.refunds_of(number) if refund.status is Status.SUCCEEDED]
            checks.append(
                Check(
                    memory.payments[number],
                    one.hints,
                    now - one.waits_since,
                    is_archived=number in memory.archived,
                    has_pending_requests=any(request.payment_id == number for request in memory.requests),
                    succeeded_refunds=tuple(refunds),
                )
            )
        return checks

    async def postpone_check(self, check: Check) -> None:
        """Keep a check: see ``LateStore``."""
        one = self._checks.get(check.payment.payment_id)
        if one is not None and one.hints == check.hints:
            one.waits_since = None

    async def finish_check(self, check: Check, *, again_after_seconds: float | None) -> None:
        """Remove or postpone a check: see ``LateStore``."""
        number = check.payment.payment_id
        one = self._checks.get(number)
        if one is None or one.hints != check.hints:
            return
        if again_after_seconds is None:
            del self._checks[number]
        else:
            one.is_disputed, one.attempts, one.waits_since = True, 0, None
            one.due_at = self._memory.now_seconds() + again_after_seconds

    async def set_dispute(self, payment: Payment, dispute: Dispute, now: datetime) -> bool:
        """Store the dispute of a payment: see ``LateStore``."""
        memory, number = self._memory, payment.payment_id
        stored = memory.payments[number]
        if stored.dispute != payment.dispute:
            return False
        memory.payments[number] = replace(stored, dispute=dispute)
        memory.add_event(KIND_BY_DISPUTE_STATUS[dispute.status], now, number, None)
        return True

    async def fail_refund(self, payment: Payment, failed: FailedRefund, now: datetime) -> bool | None:
        """Store that a SUCCEEDED refund failed: see ``LateStore``."""
        memory, refund = self._memory, self._memory.refunds.get(failed.refund_id)
        if refund is None or refund.payment_id != payment.payment_id:
            return None
        if (refund.amount, refund.processor_reference) != (failed.amount, failed.processor_id):
            return None
        if refund.status is not Status.SUCCEEDED:
            return False
        memory.refunds[refund.refund_id] = replace(refund, status=Status.FAILED, failure=failed.failure)
        stored = memory.payments[payment.payment_id]
        assert stored.refunded_amount is not None
        refunded = stored.refunded_amount.minus(refund.amount)
        memory.payments[payment.payment_id] = replace(stored, refunded_amount=refunded, is_refunded=False)
        memory.add_event(EventKind.REFUND_FAILED, now, payment.payment_id, refund.refund_id)
        return True

    async def take_poll(self, interval_seconds: float) -> tuple[bool, str | None]:
        """Claim the next reading of the processor's events: see ``LateStore``."""
        now = self._memory.now_seconds()
        if self._poll_due_at > now:
            return False, None
        self._poll_due_at = now + interval_seconds
        return True, self._last_event_id

    async def set_last_event(self, event_id: str | None) -> None:
        """Store the last event: see ``LateStore``."""
        self._last_event_id = event_id


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


def _values(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of a payment or refund after an outcome."""
    return {
        "status": outcome.status,
        "failure": outcome.failure,
        "processor_reference": outcome.processor_id or "",
    }


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
        wanted.request_id in {None, payment.request_id},
        wanted.caller in {None, payment.caller},
        wanted.processor_reference in {None, payment.processor_reference},
        wanted.external_reference in {None, payment.names.external_reference},
        wanted.customer_id in {None, payment.names.customer_id},
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
