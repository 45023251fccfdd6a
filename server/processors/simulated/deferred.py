"""The simulated processor's late answers, which behave like those of a remote processor.

Like a remote processor, it hints at what changes after a payment or refund has its outcome. Its hints are lost if the
service ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from server.domain.approval import NextAction, NextActionType
from server.domain.dispute import DisputeStatus, SeenDispute
from server.domain.errors import OutcomeUnknown, StoreUnavailable
from server.domain.late_outcomes import Check, FailedRefund, Hint, Hints, ProcessorView
from server.domain.money import Money
from server.domain.payment import CHARGEABLE_METHODS, Failure, FailureReason, Payment, PaymentMethod, Status
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.domain.simulation import SimulatedSource
from server.processors.simulated.instant import simulated_failure

PENDING_SECONDS = 5.0
"""How long a pending outcome takes. The reconciler asks again after this time, and then as often."""

_TIMEOUT_SECONDS = 30.0
"""When a request without an answer fails."""

_FIRST_REQUEST_SECONDS = 1.0
"""A request for a charge that is older than this comes from the reconciler."""

_SUCCEEDED = Outcome(Status.SUCCEEDED, None)
_DECLINED_FAILURE = simulated_failure(FailureReason.DECLINED)
_DECLINED = Outcome(Status.FAILED, None, _DECLINED_FAILURE)
_REFUSED = Outcome(Status.FAILED, None, simulated_failure(FailureReason.AUTHENTICATION_REQUIRED))
_TIMED_OUT = Outcome(Status.FAILED, None, Failure(FailureReason.PROCESSOR_ERROR, "timeout"))

_APPROVALS = {SimulatedSource.APPROVAL: _SUCCEEDED, SimulatedSource.APPROVAL_REFUSED: _REFUSED}
"""The outcomes of these sources after the time for the approval."""

_HINT_DELAY_SECONDS = 0.1
"""A hint comes a little later than the change that it is about."""

_DISPUTES = {SimulatedSource.DISPUTE_WON: DisputeStatus.WON, SimulatedSource.DISPUTE_LOST: DisputeStatus.LOST}
"""How the disputes of these sources end."""

_log = structlog.get_logger(__name__)

SendHint = Callable[[Hint], Awaitable[bool]]
"""Makes the payment of a hint due for a check, as a webhook of a remote processor does."""


class DeferredProcessor:
    """A ``RemoteProcessor`` for the charges and refunds whose simulated source defers the outcome."""

    methods: frozenset[PaymentMethod] = frozenset(CHARGEABLE_METHODS)
    methods_without_source = methods
    accepts_requests = True
    is_answering = True

    def __init__(self, now: Callable[[], datetime], send_hint: SendHint) -> None:
        """Compute ages with ``now``, which returns the time in UTC, and hint at later changes with ``send_hint``."""
        self._now = now
        self._send_hint = send_hint
        self._later: set[asyncio.Task[None]] = set()

    def check_amount(self, amount: Money) -> None:
        """Accept every amount."""

    def check(self) -> None:
        """Accept every request."""

    async def capture(self, request: Capture) -> Outcome:
        """Return the outcome that the source of the charge asks for, once the charge is old enough.

        Raises:
            OutcomeUnknown: it is not yet.
        """
        source, age_seconds = request.simulated_source, _age_seconds(request.create_time, self._now())
        if source in _DISPUTES:
            self._hint_later(request.reference, PENDING_SECONDS, 2 * PENDING_SECONDS)
            return _SUCCEEDED
        if source in _APPROVALS:
            return _APPROVALS[source] if age_seconds >= PENDING_SECONDS else _to_approve(request)
        if source is SimulatedSource.TIMEOUT:
            if age_seconds < _FIRST_REQUEST_SECONDS:
                # Its caller waits in vain, as for a processor that does not answer.
                await asyncio.sleep(_TIMEOUT_SECONDS - age_seconds)
                return _TIMED_OUT
            return _after(_TIMEOUT_SECONDS, age_seconds, _TIMED_OUT)
        outcome = _DECLINED if source is SimulatedSource.PENDING_DECLINED else _SUCCEEDED
        return _after(PENDING_SECONDS, age_seconds, outcome)

    async def find_capture(self, request: Capture) -> Outcome | None:  # noqa: ARG002 - of the port
        """Return None, because ``capture`` returns every outcome."""
        return None

    async def refund(self, request: ProcessorRefund) -> Outcome:
        """Return the outcome that the source of the payment asks for: see ``capture``."""
        if request.simulated_source is SimulatedSource.REFUND_FAILS:
            return _DECLINED
        if request.simulated_source is SimulatedSource.REFUND_FAILS_LATE:
            self._hint_later(request.reference, PENDING_SECONDS)
            return _SUCCEEDED
        return _after(PENDING_SECONDS, _age_seconds(request.create_time, self._now()), _SUCCEEDED)

    async def find_refund(self, request: ProcessorRefund) -> Outcome | None:  # noqa: ARG002 - of the port
        """Return None, because ``refund`` returns every outcome."""
        return None

    async def close(self) -> None:
        """Send no more hints."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    def _hint_later(self, reference: str, *delays_seconds: float) -> None:
        for seconds in delays_seconds:
            task = asyncio.create_task(self._hint_after(seconds + _HINT_DELAY_SECONDS, Hint(None, reference)))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def _hint_after(self, seconds: float, hint: Hint) -> None:
        await asyncio.sleep(seconds)
        try:
            await self._send_hint(hint)
        except StoreUnavailable:
            _log.warning("simulated_hint_lost", reference=hint.reference)


class SimulatedRecords:
    """The ``ProcessorRecords`` of the simulated processor."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """Compute ages with ``now``, which returns the time in UTC."""
        self._now = now

    async def view(self, check: Check) -> ProcessorView:
        """Return what the source of a payment asks for, by its age and by the age of its refunds."""
        payment = check.payment
        failed: tuple[FailedRefund, ...] = ()
        if payment.simulated_source is SimulatedSource.REFUND_FAILS_LATE:
            failed = tuple(
                FailedRefund(refund.refund_id, "", refund.amount, _DECLINED_FAILURE)
                for refund in check.succeeded_refunds
                if _age_seconds(refund.create_time, self._now()) >= PENDING_SECONDS
            )
        return ProcessorView(None, self._dispute(payment), failed)

    async def hints_after(self, event_id: str | None) -> Hints:
        """Return no hints, because ``DeferredProcessor`` sends them."""
        return Hints((), event_id, has_more=False)

    def _dispute(self, payment: Payment) -> SeenDispute | None:
        end = None if payment.simulated_source is None else _DISPUTES.get(payment.simulated_source)
        if end is None or payment.create_time is None:
            return None
        age_seconds = _age_seconds(payment.create_time, self._now())
        if age_seconds < PENDING_SECONDS:
            return None
        # A dispute that nobody has seen yet is open, so that its events do not depend on the time of the check.
        is_open = payment.dispute is None or age_seconds < 2 * PENDING_SECONDS
        status = DisputeStatus.OPEN if is_open else end
        return SeenDispute(status, payment.amount, "fraudulent", f"sim_dispute_{payment.payment_id}")


def _age_seconds(create_time: datetime, now: datetime) -> float:
    return (now - create_time).total_seconds()


def _to_approve(request: Capture) -> Outcome:
    """Return the outcome of a charge that its payer must approve. There is no such page."""
    url = f"https://payments.example/approve/{request.reference}"
    expire_time = request.create_time + timedelta(seconds=PENDING_SECONDS)
    return Outcome(Status.PENDING, None, next_action=NextAction(NextActionType.REDIRECT, url, expire_time))


def _after(seconds: float, age_seconds: float, outcome: Outcome) -> Outcome:
    if age_seconds < seconds:
        raise OutcomeUnknown("its simulated source defers the outcome")
    return outcome
