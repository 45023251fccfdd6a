"""Late outcomes: disputes, and refunds that fail after they succeeded.

The processor hints at such changes, in webhooks and in its list of events. A hint proves nothing: it may be repeated,
late, out of order or forged. It only makes the payment due for a check, which is stored. Any replica then reads the
payment again at the processor, and stores what differs, on the condition that nobody else has stored it.

The number of requests to the processor is bounded: each replica checks at most ``_MAX_CHECKS`` payments in a round, and
only one replica at a time reads the list of events, at most ``_MAX_PAGES`` pages at an interval.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from server.application.ports import LateStore, ProcessorRecords
from server.domain.dispute import Dispute, DisputeStatus
from server.domain.errors import OutcomeUnknown, PaymentsError
from server.domain.late_outcomes import Check, FailedRefund, Hint, ProcessorView
from server.domain.payment import Payment, Status
from server.observability import metrics

_MAX_CHECKS = 16
_MAX_PAGES = 10

_log = structlog.get_logger(__name__)


class LateOutcomes:
    """Receives hints, and checks the payments that they are about."""

    def __init__(  # noqa: PLR0913 - each is a separate part
        self,
        store: LateStore,
        records: ProcessorRecords,
        *,
        poll_interval_seconds: float,
        dispute_interval_seconds: float,
        accepts_requests: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        """Use these ports. The intervals are those of polls, and of checks of open disputes without a hint.

        ``accepts_requests`` says whether requests may be sent to the processor now; ``now`` returns the time in UTC.
        """
        self._store = store
        self._records = records
        self._poll_interval_seconds = poll_interval_seconds
        self._dispute_interval_seconds = dispute_interval_seconds
        self._accepts_requests = accepts_requests
        self._now = now

    async def receive(self, hint: Hint) -> bool:
        """Make the payment of a hint due for a check, and return whether the payment is one of this service.

        Raises:
            StoreUnavailable: the database cannot be reached; the hint must be sent again.
        """
        return await self._store.request_check(hint)

    async def round(self) -> None:
        """Read the processor's events if that is due, and check some of the payments that are due.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        counts = await self._store.count_checks()
        metrics.set_checks(counts)
        if not self._accepts_requests():
            return
        await self._poll()
        if counts.due:
            checks = await self._store.claim_checks(_MAX_CHECKS)
            await asyncio.gather(*map(self._check, checks))

    async def _poll(self) -> None:
        is_due, last_event_id = await self._store.take_poll(self._poll_interval_seconds)
        if not is_due:
            return
        try:
            for _ in range(_MAX_PAGES):
                page = await self._records.hints_after(last_event_id)
                for hint in page.hints:
                    await self.receive(hint)
                if page.last_event_id != last_event_id:
                    last_event_id = page.last_event_id
                    await self._store.set_last_event(last_event_id)
                if not page.has_more:
                    return
        except OutcomeUnknown as error:
            _log.warning("processor_events_unread", reason=str(error))

    async def _check(self, check: Check) -> None:
        payment_id = check.payment.payment_id
        try:
            await self._check_payment(check)
        except (OutcomeUnknown, PaymentsError) as error:
            _log.warning(
                "still_unchecked", payment_id=payment_id, age_seconds=round(check.age_seconds, 1), reason=str(error)
            )
        except Exception:  # noqa: BLE001 - one check that fails must not stop the others
            _log.exception("checking_failed", payment_id=payment_id)

    async def _check_payment(self, check: Check) -> None:
        payment, dispute = check.payment, check.payment.dispute
        # The reconciler settles a pending payment, and nothing else can change about it.
        if payment.status is not Status.PENDING:
            view = await self._records.view(check)
            _compare_status(payment, view)
            dispute = self._changed_dispute(payment, view)
            if check.is_archived:
                _require_unchanged(payment, dispute, view)
            else:
                await self._store_changes(payment, dispute, view)
        if check.has_pending_requests:
            # The hint may be about what follows the outcome, which the reconciler may store from an older answer.
            await self._store.postpone_check(check)
            return
        is_open = dispute is not None and dispute.status is DisputeStatus.OPEN
        again_after_seconds = self._dispute_interval_seconds if is_open else None
        await self._store.finish_check(check, again_after_seconds=again_after_seconds)

    def _changed_dispute(self, payment: Payment, view: ProcessorView) -> Dispute | None:
        """Return the dispute that the payment has now, with the times at which this service learned of it."""
        seen, stored, now = view.dispute, payment.dispute, self._now()
        if seen is None:
            return stored
        if stored is None:
            return Dispute.of(seen, open_time=now, now=now)
        return stored if stored.as_seen == seen else stored.after(seen, now)

    async def _store_changes(self, payment: Payment, dispute: Dispute | None, view: ProcessorView) -> None:
        for failed in view.failed_refunds:
            await self._fail_refund(payment, failed)
        if dispute is None or dispute == payment.dispute:
            return
        if not await self._store.set_dispute(payment, dispute, self._now()):
            raise OutcomeUnknown("the payment has changed since it was read")
        metrics.count_late_outcome(f"dispute_{dispute.status.lower()}")
        _log.warning(
            "dispute",
            payment_id=payment.payment_id,
            status=dispute.status,
            reason=dispute.reason,
            processor_id=dispute.processor_reference,
        )

    async def _fail_refund(self, payment: Payment, failed: FailedRefund) -> None:
        is_new = await self._store.fail_refund(payment, failed, self._now())
        payment_id, refund_id = payment.payment_id, failed.refund_id
        if is_new is None:
            _log.error(
                "processor_answer_wrong",
                wrong=["amount"],
                processor_id=failed.processor_id,
                payment_id=payment_id,
                refund_id=refund_id,
            )
            metrics.count_processor_problem("wrong_answer")
        elif is_new:
            metrics.count_late_outcome("refund_failed")
            _log.warning(
                "refund_failed_late",
                payment_id=payment_id,
                refund_id=refund_id,
                failure=failed.failure.reason,
                code=failed.failure.code,
            )


def _require_unchanged(payment: Payment, dispute: Dispute | None, view: ProcessorView) -> None:
    """Check that nothing has to be stored about an archived payment, which cannot be changed.

    Raises:
        OutcomeUnknown: something has. An operator must bring the payment back, after which a check stores it.
    """
    if dispute != payment.dispute or view.failed_refunds:
        _log.error("late_outcome_of_archived_payment", payment_id=payment.payment_id)
        metrics.count_processor_problem("archived")
        raise OutcomeUnknown("the payment is archived")


def _compare_status(payment: Payment, view: ProcessorView) -> None:
    """Log an error if the processor disagrees with the stored outcome on whether money moved."""
    if view.status is not None and view.status is not payment.status:
        _log.error(
            "processor_disagrees",
            kind="charge",
            kept=payment.status.name,
            told=view.status.name,
            payment_id=payment.payment_id,
        )
        metrics.count_processor_problem("disagrees")
