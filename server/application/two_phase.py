"""The charge flow of a remote processor: store the charge as PENDING, send it to the processor, store its outcome.

Before the processor is asked, the charge or refund is committed as PENDING, with a row of ``processor_requests`` that
is deleted when the outcome is stored. So the service may crash, or lose its database or the processor, at any moment of
a call: the reconciler of any replica finds the pending row and retries the request. Retries are safe, because the
processor treats requests with the same idempotency key as one, for as long as it remembers the key. Retries stop some
time before it forgets the key, and from then on the outcome is only looked up. So a request that the processor still
does not know when it forgets the key was never carried out, and never will be.
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
    Failure,
    FailureReason,
    NewCharge,
    NewRefund,
    Payment,
    PaymentMethod,
    Refund,
    RefundOutcome,
    Status,
)
from server.domain.payment_source import SourceKeys, problem_of_source
from server.domain.processing import Capture, Outcome, PendingRequest, ProcessorRefund
from server.domain.simulation import PREFIX as SIMULATED_PREFIX
from server.domain.value import value
from server.observability import metrics

_RETRY_FRACTION = 0.75
"""The fraction of its idempotency key's lifetime in which a request is retried; after that, it is only looked up."""

_NOT_REFUNDABLE = Outcome(Status.FAILED, None, Failure(FailureReason.INVALID_METHOD, ""))
"""The outcome of refunding an adopted payment without a reference, which the processor did not charge."""

Request = TypeVar("Request", Capture, ProcessorRefund)

_log = structlog.get_logger(__name__)


@value(kw_only=True)
class TwoPhaseLimits:
    """Time and concurrency limits for remote processing.

    A call waits for the processor until ``margin_seconds`` before its deadline, and for at most
    ``call_timeout_seconds`` less that margin. At most ``max_requests`` requests to the processor run concurrently; one
    that waits longer than ``slot_timeout_seconds`` for a slot is left to the reconciler. At most ``max_in_progress``
    run or wait for a slot. The processor remembers idempotency keys for ``key_lifetime_seconds``.
    """

    margin_seconds: float
    call_timeout_seconds: float
    max_requests: int
    slot_timeout_seconds: float
    key_lifetime_seconds: float
    max_in_progress: int = 10_000


class TwoPhaseFlow:
    """The ``ChargeFlow`` of a remote processor."""

    def __init__(  # noqa: PLR0913 - each is a separate part
        self,
        store: SettlementStore,
        processor: RemoteProcessor,
        limits: TwoPhaseLimits,
        *,
        default_method: PaymentMethod,
        source_keys: SourceKeys,
        now: Callable[[], datetime],
        check_again: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """Use these ports.

        A charge without a method gets ``default_method``. Without ``source_keys``, no charge may have a payment source.
        ``now`` returns the time in UTC. ``check_again`` makes a payment due for a check: see ``LateStore.add_check``.
        """
        self._store = store
        self._processor = processor
        self._limits = limits
        self._default_method = default_method
        self._source_keys = source_keys
        self._now = now
        self._check_again = check_again
        self._slots = asyncio.Semaphore(limits.max_requests)
        self._charges: RequestsInProgress[Payment] = RequestsInProgress("payment_id")
        self._refunds: RequestsInProgress[tuple[Refund, Payment]] = RequestsInProgress("refund_id")

    async def decide(self, charge: NewCharge) -> Decision:
        """Check that the processor can make this charge soon, and decide to store it as PENDING."""
        method = charge.method or self._default_method
        if method not in self._processor.methods:
            allowed = ", ".join(sorted(self._processor.methods))
            raise InvalidRequest((FieldViolation("method", f"must be one of {allowed}, or omitted"),))
        self._check_source(charge.source, method)
        self._check_amount(charge.amount)
        self._admit()
        marks = () if charge.source is None else self._source_keys.marks(charge.source)
        return Decision(method, Status.PENDING, source_marks=marks)

    def decide_refund(self, refund: NewRefund) -> Status:
        """Check that the processor can make this refund soon, and decide to store it as PENDING."""
        if refund.amount is not None:
            self._check_amount(refund.amount)
        self._admit()
        return Status.PENDING

    async def finish_charge(self, charge: NewCharge, stored: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Send a pending charge to the processor; return it settled, or still pending if the wait times out.

        It is also still pending if the payer must approve it. A charge that an earlier call stored is settled by that
        call, or by the reconciler.
        """
        payment = stored.payment
        if payment.status is not Status.PENDING:
            return stored
        if not stored.replayed:
            self._charges.start(payment.payment_id, self._charge(payment, charge))
        settled = await self._charges.result(payment.payment_id, self._wait_seconds(deadline))
        return stored if settled is None else ChargeOutcome(settled, stored.replayed)

    async def finish_charges(
        self, stored: Sequence[tuple[NewCharge, ChargeOutcome]], deadline: Deadline
    ) -> list[ChargeOutcome]:
        """Send many charges to the processor concurrently: see ``finish_charge``."""
        return await asyncio.gather(*(self.finish_charge(charge, outcome, deadline) for charge, outcome in stored))

    async def finish_refund(self, stored: RefundOutcome, deadline: Deadline) -> RefundOutcome:
        """Send a pending refund to the processor; return it settled, or still pending if the wait times out."""
        refund = stored.refund
        if refund is None or refund.status is not Status.PENDING:
            return stored
        if stored.is_new:
            self._refunds.start(refund.refund_id, self._refund(refund, stored.payment))
        settled = await self._refunds.result(refund.refund_id, self._wait_seconds(deadline))
        if settled is None:
            return stored
        return RefundOutcome(*settled, replayed=stored.replayed, is_new=stored.is_new)

    async def settle(self, request: PendingRequest) -> None:
        """Find the outcome of a pending charge or refund, or what its payer must do, and store it.

        Do nothing if a call of this replica has the same request in progress.

        Raises:
            OutcomeUnknown: the processor does not say what the outcome is.
            StoreUnavailable: the database cannot be reached.
        """
        payment, refund, age = request.payment, request.refund, request.age_seconds
        if refund is None:
            if payment.payment_id not in self._charges:
                capture = Capture.of(payment)
                outcome = await self._find_outcome(self._processor.capture, self._processor.find_capture, capture, age)
                # This is not late: the outcome depends on the payer, for whom the call did not wait.
                settled_by = "janitor" if payment.next_action is None else "payer"
                await self._check_later(payment, outcome)
                await self._settle_charge(payment, outcome, settled_by)
        elif refund.refund_id not in self._refunds:
            outcome = _NOT_REFUNDABLE
            if payment.reference is not None:
                refund_request = ProcessorRefund.of(refund, payment, request.processor_id)
                outcome = await self._find_outcome(
                    self._processor.refund, self._processor.find_refund, refund_request, age
                )
            await self._check_later(payment, outcome)
            await self._settle_refund(refund, outcome, "janitor")

    async def _check_later(self, payment: Payment, outcome: Outcome) -> None:
        """Have a payment checked once a late outcome is stored, because more may have happened in the meantime.

        Hints about a payment without an outcome have no effect, or do not find it, because the processor's id for it is
        not stored yet. The check is stored first, so that it is not lost if this process crashes.
        """
        if self._check_again is not None and outcome.status is Status.SUCCEEDED:
            await self._check_again(payment.payment_id)

    async def close(self, deadline: Deadline) -> None:
        """Wait until ``deadline`` for the requests in progress; leave the rest to the reconcilers of other replicas."""
        await self._charges.close(deadline)
        await self._refunds.close(deadline)

    def _check_source(self, source: str | None, method: PaymentMethod) -> None:
        """Check that the processor can be given ``source``, or needs none for ``method``."""
        needs_source = method not in self._processor.methods_without_source
        if source is None and needs_source:
            problem: str | None = f"is required for {method}"
        elif source is None:
            problem = None
        elif source.startswith(SIMULATED_PREFIX):
            problem = f"must not begin with {SIMULATED_PREFIX}: the payment processor of this deployment is real"
        elif not self._source_keys:
            problem = "must be empty: this deployment charges only its own means of payment"
        else:
            problem = problem_of_source(source)
        if problem is not None:
            raise InvalidRequest((FieldViolation("payment_source", problem),))

    def _check_amount(self, amount: Money) -> None:
        try:
            self._processor.check_amount(amount)
        except InvalidValue as error:
            raise InvalidRequest((FieldViolation("amount", error.description),)) from error

    def _admit(self) -> None:
        """Check that the processor can be asked soon, before anything is stored.

        Raises:
            ProcessorUnavailable: it does not answer.
            Overloaded: too many requests are waiting for it.
        """
        max_in_progress = self._limits.max_in_progress
        if len(self._charges) + len(self._refunds) >= max_in_progress:
            raise Overloaded(f"{max_in_progress} charges and refunds are waiting for the processor; try again soon")
        self._processor.check()

    def _wait_seconds(self, deadline: Deadline) -> float:
        """Return how long a call may wait for the processor."""
        limits = self._limits
        return max(0.0, min(deadline.seconds_left(), limits.call_timeout_seconds) - limits.margin_seconds)

    async def _charge(self, payment: Payment, charge: NewCharge) -> Payment:
        outcome = await self._send(self._processor.capture, Capture.of(payment, charge))
        return await self._settle_charge(payment, outcome, "call")

    async def _refund(self, refund: Refund, payment: Payment) -> tuple[Refund, Payment]:
        outcome = _NOT_REFUNDABLE
        if payment.reference is not None:
            processor_id = await self._store.processor_id(refund.payment_id)
            outcome = await self._send(self._processor.refund, ProcessorRefund.of(refund, payment, processor_id))
        return await self._settle_refund(refund, outcome, "call")

    async def _send(self, send: Callable[[Request], Awaitable[Outcome]], request: Request) -> Outcome:
        """Wait for a slot, send a request, and return its outcome."""
        try:
            async with asyncio.timeout(self._limits.slot_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise OutcomeUnknown("too many other requests to the processor were in progress") from error
        try:
            return await send(request)
        finally:
            self._slots.release()

    async def _find_outcome(
        self,
        send: Callable[[Request], Awaitable[Outcome]],
        find: Callable[[Request], Awaitable[Outcome | None]],
        request: Request,
        age_seconds: float,
    ) -> Outcome:
        """Find the outcome of a pending request: retry it while that is safe, then look it up."""
        lifetime_seconds = self._limits.key_lifetime_seconds
        unknown = OutcomeUnknown("the request is too old to be retried, and the processor does not list it yet")
        if age_seconds < lifetime_seconds * _RETRY_FRACTION:
            try:
                return await send(request)
            except OutcomeUnknown as error:
                unknown = error
        found = await find(request)
        if found is not None:
            return found
        if age_seconds < lifetime_seconds:
            raise unknown
        # This is not a decline: an operator must find out why the processor never carried it out.
        _log.error("processor_never_did", reference=request.reference, kind=type(request).__name__)
        metrics.count_processor_problem("never_did")
        return Outcome(Status.FAILED, None, Failure(FailureReason.PROCESSOR_ERROR, ""))

    async def _settle_charge(self, payment: Payment, outcome: Outcome, settled_by: str) -> Payment:
        if outcome.status is Status.PENDING:
            return await self._store.await_payer(payment, outcome, self._now())
        settled, is_new = await self._store.settle_charge(payment, outcome, self._now())
        if is_new:
            metrics.count_charge(settled.method, settled.status)
        _report("charge", settled_by, outcome, settled.status, is_new=is_new, payment_id=payment.payment_id)
        return settled

    async def _settle_refund(self, refund: Refund, outcome: Outcome, settled_by: str) -> tuple[Refund, Payment]:
        settled, payment, is_new = await self._store.settle_refund(refund, outcome, self._now())
        if is_new and settled.status is Status.SUCCEEDED:
            metrics.count_refund(is_full=payment.is_refunded)
        _report("refund", settled_by, outcome, settled.status, is_new=is_new, refund_id=refund.refund_id)
        return settled, payment


def _report(kind: str, settled_by: str, outcome: Outcome, status: Status, *, is_new: bool, **ids: int) -> None:
    """Count a new outcome; log an error if it contradicts one that was stored earlier."""
    if is_new:
        metrics.count_settlement(kind, settled_by, status.name)
    elif status is not outcome.status:
        # The stored outcome and the processor's disagree on whether money moved, so an operator must look.
        _log.error("processor_disagrees", kind=kind, kept=status.name, told=outcome.status.name, **ids)
