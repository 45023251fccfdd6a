"""Settling: a remote processor does what was reserved, and its outcome is kept.

Whatever is asked of the processor was committed as PENDING before, with a row of ``processor_requests`` that is gone
once its outcome is. So at every moment of a call this service can die, or lose its database or the processor: what it
leaves is found by the janitor of any replica, which asks again. That is safe, as the processor does what has one
idempotency key once; for as long as it remembers that key. What it has not told by then is looked for; and what it does
not know has not been done, and will not be, since nobody has asked for the last part of that time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog

from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue, OutcomeUnknown, Overloaded, PaymentsError
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, NewCharge, Payment, PaymentMethod, Refund, RefundOutcome, Status
from server.domain.processing import Capture, GiveBack, Outcome, PendingRequest
from server.domain.value import value
from server.observability import metrics

_ASKED_AGAIN = 0.75
"""For which part of the time that the processor remembers idempotency keys it is asked again."""

Asked = TypeVar("Asked", Capture, GiveBack)
Settled = TypeVar("Settled")

_log = structlog.get_logger(__name__)


class RemoteProcessor(Protocol):
    """Moves the money, somewhere else: it may take its time, and may not answer."""

    @property
    def methods(self) -> frozenset[PaymentMethod]:
        """The methods by which it can charge."""

    @property
    def may_be_asked(self) -> bool:
        """Whether ``check`` would return."""

    @property
    def is_answering(self) -> bool:
        """Whether it has answered of late."""

    def check_amount(self, amount: Money) -> None:
        """Return when it can charge, or refund, exactly this amount.

        Raises:
            InvalidValue: it cannot; the description says what it can.
        """

    def check(self) -> None:
        """Return when it may be asked now, which may be for a trial.

        Raises:
            ProcessorUnavailable: it has not answered of late.
        """

    async def capture(self, asked: Capture) -> Outcome:
        """Take the money of a payment, once: asking again tells what became of it.

        Raises:
            OutcomeUnknown: it is not known whether it was taken.
        """

    async def find_capture(self, asked: Capture) -> Outcome | None:
        """Tell what became of a payment, without asking for anything; None when it knows no such payment.

        Raises:
            OutcomeUnknown: it does not say.
        """

    async def give_back(self, asked: GiveBack) -> Outcome:
        """Give back money of a payment, once: as ``capture``."""

    async def find_give_back(self, asked: GiveBack) -> Outcome | None:
        """Tell what became of a refund: as ``find_capture``."""


class SettlementStore(Protocol):
    """Keeps outcomes. Each method raises ``StoreUnavailable`` when it cannot reach the database."""

    async def settle_charge(self, payment: Payment, outcome: Outcome, now: datetime) -> tuple[Payment, bool]:
        """Give a payment its outcome, unless it has one; return it as it is then, and whether this call gave it."""

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Give a refund its outcome likewise; when it failed, its amount can be refunded again."""

    async def processor_id(self, payment_id: int) -> str | None:
        """Return the processor's name of a payment that it charged; None where there is none."""


@value(kw_only=True)
class SettlingLimits:
    """How long what takes, in seconds, and how much is done at once.

    A call is answered ``margin_seconds`` before its deadline, which is ``call_seconds`` from now at most.
    ``max_requests`` charges and refunds are with the processor at the same time at most; one that waits for its turn
    longer than ``turn_seconds`` is left to the janitor. ``in_progress`` is how many are with it or wait for their turn
    at most. The processor remembers idempotency keys for ``key_lifetime_seconds``.
    """

    margin_seconds: float
    call_seconds: float
    max_requests: int
    turn_seconds: float
    key_lifetime_seconds: float
    in_progress: int = 10_000


class Settling:
    """Has a remote processor do what was reserved."""

    def __init__(
        self,
        store: SettlementStore,
        processor: RemoteProcessor,
        limits: SettlingLimits,
        *,
        default_method: PaymentMethod,
        now: Callable[[], datetime],
    ) -> None:
        """Keep the ports. Charges that name no method are made by ``default_method``; ``now`` is the time in UTC."""
        self._store = store
        self._processor = processor
        self._limits = limits
        self._default_method = default_method
        self._now = now
        self._turns = asyncio.Semaphore(limits.max_requests)
        self._charges: _InProgress[Payment] = _InProgress("payment_id")
        self._refunds: _InProgress[tuple[Refund, Payment]] = _InProgress("refund_id")

    def method_of(self, charge: NewCharge) -> PaymentMethod:
        """Return the method that a charge is to be made by.

        Raises:
            InvalidRequest: the processor cannot charge by the method that it names, or cannot charge its amount.
        """
        method = charge.method or self._default_method
        if method not in self._processor.methods:
            allowed = ", ".join(sorted(self._processor.methods))
            raise InvalidRequest((FieldViolation("method", f"must be one of {allowed}, or left out"),))
        self.check_amount(charge.amount)
        return method

    def check_amount(self, amount: Money) -> None:
        """Return when the processor can charge, or refund, exactly this amount.

        Raises:
            InvalidRequest: it cannot.
        """
        try:
            self._processor.check_amount(amount)
        except InvalidValue as error:
            raise InvalidRequest((FieldViolation("amount", error.description),)) from error

    def admit(self) -> None:
        """Return when the processor can be asked soon for what is reserved now.

        Raises:
            ProcessorUnavailable: it does not answer.
            Overloaded: too much waits for it.
        """
        most = self._limits.in_progress
        if len(self._charges) + len(self._refunds) >= most:
            raise Overloaded(f"{most} charges and refunds wait for the processor; try again soon")
        self._processor.check()

    async def charged(self, outcome: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Have a payment that was reserved charged; return it as it is once that is done, or time is up.

        One that an earlier call reserved is that call's, or the janitor's, to have charged.
        """
        payment = outcome.payment
        if payment.status is not Status.PENDING:
            return outcome
        if not outcome.replayed:
            self._charges.begin(payment.payment_id, self._charge(payment))
        settled = await self._charges.result(payment.payment_id, self._seconds_for(deadline))
        return outcome if settled is None else ChargeOutcome(settled, outcome.replayed)

    async def refunded(self, outcome: RefundOutcome, deadline: Deadline) -> RefundOutcome:
        """Have a refund that was reserved made; return it as it is once that is done, or time is up."""
        refund = outcome.refund
        if refund is None or refund.status is not Status.PENDING:
            return outcome
        if outcome.is_new:
            self._refunds.begin(refund.refund_id, self._refund(refund, outcome.payment))
        settled = await self._refunds.result(refund.refund_id, self._seconds_for(deadline))
        if settled is None:
            return outcome
        return RefundOutcome(*settled, replayed=outcome.replayed, is_new=outcome.is_new)

    async def settle(self, request: PendingRequest) -> None:
        """Find out what became of what an earlier call asked, or was to ask, and keep it.

        Nothing is done about what a call of this replica is still asking.

        Raises:
            OutcomeUnknown: it cannot be found out now.
            StoreUnavailable: the database cannot be reached.
        """
        payment, refund, age = request.payment, request.refund, request.age_seconds
        if refund is None:
            if payment.payment_id not in self._charges:
                capture = Capture.of(payment)
                found = await self._found_out(self._processor.capture, self._processor.find_capture, capture, age)
                await self._settle_charge(payment, found, "janitor")
        elif refund.refund_id not in self._refunds:
            asked = GiveBack.of(refund, payment, request.processor_id)
            found = await self._found_out(self._processor.give_back, self._processor.find_give_back, asked, age)
            await self._settle_refund(refund, found, "janitor")

    async def close(self, deadline: Deadline) -> None:
        """Wait until ``deadline`` for what is in progress; the rest is left to the janitors of others."""
        await self._charges.close(deadline)
        await self._refunds.close(deadline)

    def _seconds_for(self, deadline: Deadline) -> float:
        limits = self._limits
        return max(0.0, min(deadline.seconds_left(), limits.call_seconds) - limits.margin_seconds)

    async def _charge(self, payment: Payment) -> Payment:
        outcome = await self._in_turn(self._processor.capture, Capture.of(payment))
        return await self._settle_charge(payment, outcome, "call")

    async def _refund(self, refund: Refund, payment: Payment) -> tuple[Refund, Payment]:
        processor_id = await self._store.processor_id(refund.payment_id)
        outcome = await self._in_turn(self._processor.give_back, GiveBack.of(refund, payment, processor_id))
        return await self._settle_refund(refund, outcome, "call")

    async def _in_turn(self, ask: Callable[[Asked], Awaitable[Outcome]], asked: Asked) -> Outcome:
        try:
            async with asyncio.timeout(self._limits.turn_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise OutcomeUnknown("it waited too long for its turn") from error
        try:
            return await ask(asked)
        finally:
            self._turns.release()

    async def _found_out(
        self,
        ask: Callable[[Asked], Awaitable[Outcome]],
        find: Callable[[Asked], Awaitable[Outcome | None]],
        asked: Asked,
        age_seconds: float,
    ) -> Outcome:
        lifetime_seconds = self._limits.key_lifetime_seconds
        unknown = OutcomeUnknown("the processor is no longer asked for it, and does not show it yet")
        if age_seconds < lifetime_seconds * _ASKED_AGAIN:
            try:
                return await ask(asked)
            except OutcomeUnknown as error:
                unknown = error
        found = await find(asked)
        if found is not None:
            return found
        if age_seconds < lifetime_seconds:
            raise unknown
        # No decline: people must learn why the processor never did it.
        _log.error("processor_never_did", reference=asked.reference, kind=type(asked).__name__)
        metrics.count_processor_problem("never_did")
        return Outcome(Status.FAILED, None)

    async def _settle_charge(self, payment: Payment, outcome: Outcome, by: str) -> Payment:
        settled, is_new = await self._store.settle_charge(payment, outcome, self._now())
        if is_new:
            metrics.charged(settled.method, settled.status)()
        _tell("charge", by, outcome, settled.status, is_new=is_new, payment_id=payment.payment_id)
        return settled

    async def _settle_refund(self, refund: Refund, outcome: Outcome, by: str) -> tuple[Refund, Payment]:
        settled, payment, is_new = await self._store.settle_refund(refund, outcome, self._now())
        if is_new and settled.status is Status.SUCCEEDED:
            metrics.refunded(is_full=payment.is_refunded)()
        _tell("refund", by, outcome, settled.status, is_new=is_new, refund_id=refund.refund_id)
        return settled, payment


class _InProgress(Generic[Settled]):
    """What is being asked of the processor, by the id of the payment or refund; each in a task of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: dict[int, asyncio.Task[Settled | None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, number: int) -> bool:
        return number in self._tasks

    def begin(self, number: int, work: Coroutine[Any, Any, Settled]) -> None:
        """Begin work that goes on whatever becomes of its caller."""
        task = asyncio.create_task(self._watched(number, work))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number))

    async def result(self, number: int, timeout_seconds: float) -> Settled | None:
        """Return what work came to; None when there is none, it came to nothing, or takes longer."""
        task = self._tasks.get(number)
        if task is None:
            return None
        await asyncio.wait((task,), timeout=timeout_seconds)
        return task.result() if task.done() and not task.cancelled() else None

    async def close(self, deadline: Deadline) -> None:
        """Wait for all of it until ``deadline``, then end what is left."""
        tasks = tuple(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, deadline.seconds_left()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, number: int, work: Coroutine[Any, Any, Settled]) -> Settled | None:
        try:
            return await work
        except (OutcomeUnknown, PaymentsError) as error:
            # The janitor will find it.
            _log.warning("left_pending", reason=str(error), **{self._name: number})
        except Exception:  # noqa: BLE001 - so would this, but somebody must know
            _log.exception("settling_failed", **{self._name: number})
        return None


def _tell(kind: str, by: str, outcome: Outcome, status: Status, *, is_new: bool, **named: int) -> None:
    if is_new:
        metrics.settled(kind, by, status.name)()
    elif status is not outcome.status:
        # Money is where the books say that none is, or the other way round: people must look.
        _log.error("processor_disagrees", kind=kind, kept=status.name, told=outcome.status.name, **named)
