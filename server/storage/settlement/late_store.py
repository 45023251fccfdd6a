"""The store of payments that are read again at the processor, and of what changed about them."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from server.domain.deadline import Deadline
from server.domain.dispute import Dispute
from server.domain.events import KIND_BY_DISPUTE_STATUS
from server.domain.late_outcomes import Check, CheckCounts, FailedRefund, Hint
from server.domain.payment import Payment, Refund, Status
from server.storage.database.driver_errors import transaction_aborted
from server.storage.database.fast_read import RawRow
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.database.values import sql_time, to_microseconds, to_seconds
from server.storage.payments.codec import STATUS_VALUES, cached_payment, refund_from_text
from server.storage.payments.late_codec import dispute_to_json
from server.storage.settlement import late_queries as queries


class MysqlLateStore:
    """The ``LateStore`` of the use cases, on a MySQL-compatible database."""

    def __init__(self, database: Database, *, first_pause_seconds: float, longest_pause_seconds: float) -> None:
        """Create the store. The pauses are those of ``MysqlSettlementStore``, for checks that fail."""
        self._database = database
        self._pauses = (to_microseconds(longest_pause_seconds), to_microseconds(first_pause_seconds))

    async def request_check(self, hint: Hint) -> bool:
        """Make the payment of a hint due: see ``LateStore.request_check``."""

        async def work(session: Session) -> bool:
            keys = (hint.processor_id, hint.reference)
            row = await session.row(queries.FIND_PAYMENT, (*keys, *keys))
            if row is None:
                return False
            await session.script(queries.REQUEST_CHECK, (row[0], row[0]))
            return True

        return await self._database.run(work, Deadline())

    async def add_check(self, payment_id: int) -> None:
        """Make a payment due for a check: see ``LateStore.add_check``."""

        async def work(session: Session) -> None:
            await session.script(queries.ADD_CHECK, (payment_id,))

        await self._database.run(work, Deadline())

    async def count_checks(self) -> CheckCounts:
        """Count the checks: see ``LateStore.count_checks``."""

        async def work(session: Session) -> CheckCounts:
            row = await session.row(queries.COUNT_CHECKS, ())
            assert row is not None, "a query without GROUP BY has a row"
            waiting, due, disputed, oldest = row
            return CheckCounts(int(waiting), int(due), int(disputed), to_seconds(oldest or 0))

        return await self._database.run(work, Deadline())

    async def claim_checks(self, at_most: int) -> list[Check]:
        """Claim checks that are due: see ``LateStore.claim_checks``."""
        round_id = secrets.token_hex(16)

        async def work(session: Session) -> list[Check]:
            await session.script(queries.CLAIM_CHECKS, (at_most, round_id, *self._pauses))
            return _checks(await session.raw_rows(queries.SELECT_CHECKS, (round_id, round_id)))

        return await self._database.run(work, Deadline())

    async def postpone_check(self, check: Check) -> None:
        """Keep a check: see ``LateStore.postpone_check``."""

        async def work(session: Session) -> None:
            await session.script(queries.POSTPONE_CHECK, (check.payment.payment_id, check.hints))

        await self._database.run(work, Deadline())

    async def finish_check(self, check: Check, *, again_after_seconds: float | None) -> None:
        """Remove or postpone a check: see ``LateStore.finish_check``."""
        keys = (check.payment.payment_id, check.hints)

        async def work(session: Session) -> None:
            if again_after_seconds is None:
                await session.script(queries.FINISH_CHECK, keys)
            else:
                await session.script(queries.KEEP_DISPUTED_CHECK, (to_microseconds(again_after_seconds), *keys))

        await self._database.run(work, Deadline())

    async def set_dispute(self, payment: Payment, dispute: Dispute, now: datetime) -> bool:
        """Store the dispute of a payment: see ``LateStore.set_dispute``."""
        kind, time, payment_id = KIND_BY_DISPUTE_STATUS[dispute.status], sql_time(now), payment.payment_id
        before = (None, None) if payment.dispute is None else _dispute_values(payment.dispute)
        status, text = _dispute_values(dispute)
        values = (
            *(kind, time, payment_id, before[1], before[0]),
            *(status, text, payment_id),
            *(kind, payment_id, time),
            *(text, status, payment_id),
        )

        async def work(session: Session) -> bool:
            async with session.transaction():
                *_, result = await session.script(queries.SET_DISPUTE, values)
            return any(is_stored for (is_stored,) in result.rows)

        return await self._database.run(work, Deadline(), locked_payment_id=payment_id)

    async def fail_refund(self, payment: Payment, failed: FailedRefund, now: datetime) -> bool | None:
        """Store that a refund failed after it had succeeded: see ``LateStore.fail_refund``."""
        work = partial(_fail_refund, payment_id=payment.payment_id, failed=failed, time=sql_time(now))
        return await self._database.run(work, Deadline(), locked_payment_id=payment.payment_id)

    async def take_poll(self, interval_seconds: float) -> tuple[bool, str | None]:
        """Claim the next reading of the processor's events: see ``LateStore.take_poll``."""
        round_id = secrets.token_hex(16)

        async def work(session: Session) -> tuple[bool, str | None]:
            values = (round_id, to_microseconds(interval_seconds), round_id)
            *_, result = await session.script(queries.TAKE_POLL, values)
            for (last_event_id,) in result.rows:
                return True, last_event_id
            return False, None

        return await self._database.run(work, Deadline())

    async def set_last_event(self, event_id: str | None) -> None:
        """Store the last event that need not be read again: see ``LateStore.set_last_event``."""

        async def work(session: Session) -> None:
            await session.script(queries.SET_LAST_EVENT, (event_id,))

        await self._database.run(work, Deadline())


async def _fail_refund(session: Session, *, payment_id: int, failed: FailedRefund, time: str) -> bool | None:
    keys, amount = (payment_id, failed.refund_id), failed.amount.amount
    values = (
        payment_id,
        *(time, *keys, amount, failed.processor_id),
        *(failed.failure.reason, failed.failure.code, failed.refund_id),
        *keys,
        *(*keys, time),
        *(amount, failed.processor_id, *keys),
    )
    async with session.transaction():
        *_, result = await session.script(queries.FAIL_REFUND, values)
    for status, has_amount, has_processor_id, is_new in result.rows:
        if not (has_amount and has_processor_id):
            return None
        if is_new and status != STATUS_VALUES[Status.FAILED]:
            raise transaction_aborted()
        return bool(is_new)
    return None


def _dispute_values(dispute: Dispute) -> tuple[str, str]:
    return dispute.status.value, dispute_to_json(dispute)


def _checks(rows: Iterable[RawRow]) -> list[Check]:
    """Return the checks in rows of ``queries.SELECT_CHECKS``."""
    refunds: dict[tuple[bytes, bytes, bytes, bytes, bytes], list[Refund]] = {}
    for payment, hints, age_microseconds, is_archived, has_pending_requests, refund in rows:
        found = refunds.setdefault((payment, hints, age_microseconds, is_archived, has_pending_requests), [])
        if refund is not None:
            found.append(refund_from_text(refund)[0])
    return [
        Check(
            cached_payment(payment),
            int(hints),
            to_seconds(age_microseconds),
            is_archived=is_archived == b"1",
            has_pending_requests=has_pending_requests == b"1",
            succeeded_refunds=tuple(found),
        )
        for (payment, hints, age_microseconds, is_archived, has_pending_requests), found in refunds.items()
    ]
