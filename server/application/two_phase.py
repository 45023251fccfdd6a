"""The flow of charges that a remote processor makes: reserve as PENDING, ask the processor, store its outcome.

Before the processor is asked, the charge or refund is committed as PENDING, with a row of ``processor_requests`` that
is deleted when the outcome is stored. So the service may crash, or lose its database or the processor, at any moment of
a call: the reconciler of any replica finds the pending row and asks again. That is safe, because the processor treats
requests with the same idempotency key as one, for as long as it remembers the key. After that the outcome is only
looked up; a request that the processor does not know then was never carried out, and never will be, because it has not
been asked for the last part of that time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from server.application.ports import RemoteProcessor, SettlementStore
from server.application.requests_in_progress import RequestsInProgress
from server.domain.deadline import Deadline
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue, OutcomeUnknown, Overloaded
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
    Decision,
    NewCharge,
    NewRefund,
    Payment,
    PaymentMethod,
    Refund,
    RefundOutcome,
    Status,
)
from server.domain.processing import Capture, GiveBack, Outcome, PendingRequest
from server.domain.value import value
from server.observability import metrics

_RETRIED_PART = 0.75
"""For which part of the lifetime of its idempotency key a request is repeated; after that it is only looked up."""

_CANNOT_BE_REFUNDED = Outcome(Status.FAILED, None)
"""The refund of an adopted payment without a reference: the processor did not charge that, and cannot find it."""

Asked = TypeVar("Asked", Capture, GiveBack)

_log = structlog.get_logger(__name__)


@value(kw_only=True)
class TwoPhaseLimits:
    """Time and concurrency limits for remote processing.

    A call is answered ``margin_seconds`` before its deadline, and before ``call_seconds`` are over. At most
    ``max_requests`` charges and refunds are with the processor at the same time; one that waits longer than
    ``turn_seconds`` for its turn is left to the reconciler. At most ``in_progress`` are with the processor or wait for
    their turn. The processor remembers idempotency keys for ``key_lifetime_seconds``.
    """

    margin_seconds: float
    call_seconds: float
    max_requests: int
    turn_seconds: float
    key_lifetime_seconds: float
    in_progress: int = 10_000


class TwoPhaseFlow:
    """The ``ChargeFlow`` of a remote processor."""

    def __init__(
        self,
        store: SettlementStore,
        processor: RemoteProcessor,
        limits: TwoPhaseLimits,
        *,
        default_method: PaymentMethod,
        now: Callable[[], datetime],
    ) -> None:
        """Keep the ports. Charges without a method are made by ``default_method``; ``now`` is the time in UTC."""
        self._store = store
        self._processor = processor
        self._limits = limits
        self._default_method = default_method
        self._now = now
        self._turns = asyncio.Semaphore(limits.max_requests)
        self._charges: RequestsInProgress[Payment] = RequestsInProgress("payment_id")
        self._refunds: RequestsInProgress[tuple[Refund, Payment]] = RequestsInProgress("refund_id")

    async def decide(self, charge: NewCharge) -> Decision:
        """Check that the processor can make this charge, soon; the charge is then stored as PENDING."""
        method = charge.method or self._default_method
        if method not in self._processor.methods:
            allowed = ", ".join(sorted(self._processor.methods))
            raise InvalidRequest((FieldViolation("method", f"must be one of {allowed}, or left out"),))
        self._check_amount(charge.amount)
        self._admit()
        return Decision(method, Status.PENDING)

    def decide_refund(self, refund: NewRefund) -> Status:
        """Check that the processor can make this refund, soon; the refund is then stored as PENDING."""
        if refund.amount is not None:
            self._check_amount(refund.amount)
        self._admit()
        return Status.PENDING

    async def finish_charge(self, stored: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Have the processor make a charge that is pending; return it settled, or still pending when time is up.

        A charge that an earlier call reserved is settled by that call, or by the reconciler.
        """
        payment = stored.payment
        if payment.status is not Status.PENDING:
            return stored
        if not stored.replayed:
            self._charges.begin(payment.payment_id, self._charge(payment))
        settled = await self._charges.result(payment.payment_id, self._seconds_for(deadline))
        return stored if settled is None else ChargeOutcome(settled, stored.replayed)

    async def finish_charges(
        self, stored: Sequence[ChargeOutcome | Exception], deadline: Deadline
    ) -> list[ChargeOutcome | Exception]:
        """Have the processor make many charges at the same time: see ``finish_charge``."""

        async def finish(one: ChargeOutcome | Exception) -> ChargeOutcome | Exception:
            return one if isinstance(one, Exception) else await self.finish_charge(one, deadline)

        return await asyncio.gather(*map(finish, stored))

    async def finish_refund(self, stored: RefundOutcome, deadline: Deadline) -> RefundOutcome:
        """Have the processor make a refund that is pending; return it settled, or still pending when time is up."""
        refund = stored.refund
        if refund is None or refund.status is not Status.PENDING:
            return stored
        if stored.is_new:
            self._refunds.begin(refund.refund_id, self._refund(refund, stored.payment))
        settled = await self._refunds.result(refund.refund_id, self._seconds_for(deadline))
        if settled is None:
            return stored
        return RefundOutcome(*settled, replayed=stored.replayed, is_new=stored.is_new)

    async def settle(self, request: PendingRequest) -> None:
        """Find out the outcome of a pending charge or refund, and store it.

        Does nothing while a call of this replica is asking the processor about the same one.

        Raises:
            OutcomeUnknown: it cannot be found out now.
            StoreUnavailable: the database cannot be reached.
        """
        payment, refund, age = request.payment, request.refund, request.age_seconds
        if refund is None:
            if payment.payment_id not in self._charges:
                capture = Capture.of(payment)
                outcome = await self._find_outcome(self._processor.capture, self._processor.find_capture, capture, age)
                await self._settle_charge(payment, outcome, "janitor")
        elif refund.refund_id not in self._refunds:
            outcome = _CANNOT_BE_REFUNDED
            if payment.reference is not None:
                asked = GiveBack.of(refund, payment, request.processor_id)
                outcome = await self._find_outcome(
                    self._processor.give_back, self._processor.find_give_back, asked, age
                )
            await self._settle_refund(refund, outcome, "janitor")

    async def close(self, deadline: Deadline) -> None:
        """Wait until ``deadline`` for the requests in progress; leave the rest to the reconcilers of other replicas."""
        await self._charges.close(deadline)
        await self._refunds.close(deadline)

    def _check_amount(self, amount: Money) -> None:
        try:
            self._processor.check_amount(amount)
        except InvalidValue as error:
            raise InvalidRequest((FieldViolation("amount", error.description),)) from error

    def _admit(self) -> None:
        """Check that the processor can be asked soon, before anything is reserved.

        Raises:
            ProcessorUnavailable: it does not answer.
            Overloaded: too many requests wait for it.
        """
        most = self._limits.in_progress
        if len(self._charges) + len(self._refunds) >= most:
            raise Overloaded(f"{most} charges and refunds wait for the processor; try again soon")
        self._processor.check()

    def _seconds_for(self, deadline: Deadline) -> float:
        limits = self._limits
        return max(0.0, min(deadline.seconds_left(), limits.call_seconds) - limits.margin_seconds)

    async def _charge(self, payment: Payment) -> Payment:
        outcome = await self._in_turn(self._processor.capture, Capture.of(payment))
        return await self._settle_charge(payment, outcome, "call")

    async def _refund(self, refund: Refund, payment: Payment) -> tuple[Refund, Payment]:
        outcome = _CANNOT_BE_REFUNDED
        if payment.reference is not None:
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

    async def _find_outcome(
        self,
        ask: Callable[[Asked], Awaitable[Outcome]],
        find: Callable[[Asked], Awaitable[Outcome | None]],
        asked: Asked,
        age_seconds: float,
    ) -> Outcome:
        lifetime_seconds = self._limits.key_lifetime_seconds
        unknown = OutcomeUnknown("the processor is no longer asked for it, and does not show it yet")
        if age_seconds < lifetime_seconds * _RETRIED_PART:
            try:
                return await ask(asked)
            except OutcomeUnknown as error:
                unknown = error
        found = await find(asked)
        if found is not None:
            return found
        if age_seconds < lifetime_seconds:
            raise unknown
        # This is not a decline: people must learn why the processor never did it.
        _log.error("processor_never_did", reference=asked.reference, kind=type(asked).__name__)
        metrics.count_processor_problem("never_did")
        return Outcome(Status.FAILED, None)

    async def _settle_charge(self, payment: Payment, outcome: Outcome, by: str) -> Payment:
        settled, is_new = await self._store.settle_charge(payment, outcome, self._now())
        if is_new:
            metrics.count_charge(settled.method, settled.status)
        _report("charge", by, outcome, settled.status, is_new=is_new, payment_id=payment.payment_id)
        return settled

    async def _settle_refund(self, refund: Refund, outcome: Outcome, by: str) -> tuple[Refund, Payment]:
        settled, payment, is_new = await self._store.settle_refund(refund, outcome, self._now())
        if is_new and settled.status is Status.SUCCEEDED:
            metrics.count_refund(is_full=payment.is_refunded)
        _report("refund", by, outcome, settled.status, is_new=is_new, refund_id=refund.refund_id)
        return settled, payment


def _report(kind: str, by: str, outcome: Outcome, status: Status, *, is_new: bool, **named: int) -> None:
    if is_new:
        metrics.count_settlement(kind, by, status.name)
    elif status is not outcome.status:
        # The stored outcome and the processor's differ on whether money moved: people must look.
        _log.error("processor_disagrees", kind=kind, kept=status.name, told=outcome.status.name, **named)
