"""The store of pending charges and refunds, and of their outcomes. Only the first outcome of each is stored."""

import secrets
from datetime import datetime

from server.domain.deadline import Deadline
from server.domain.events import KIND_BY_REFUND_STATUS, EventKind
from server.domain.payment import Payment, Refund, Status
from server.domain.processing import Outcome, PendingRequest
from server.storage.database.driver_errors import transaction_aborted
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.database.values import sql_time, to_microseconds, to_seconds
from server.storage.outbox import payment_change, settlement_change
from server.storage.payments.codec import (
    STATUS_VALUES,
    payment_from_text,
    pending_from_rows,
    refund_from_text,
)
from server.storage.payments.late_codec import next_action_to_json
from server.storage.settlement import queries


class MysqlSettlementStore:
    """The ``SettlementStore`` and ``PendingStore`` of the use cases, on a MySQL-compatible database."""

    def __init__(self, database: Database, *, first_pause_seconds: float, longest_pause_seconds: float) -> None:
        """Create the store.

        A claimed request is postponed by the first pause, then by twice as much each time, up to the longest pause.
        """
        self._database = database
        self._pauses = (to_microseconds(longest_pause_seconds), to_microseconds(first_pause_seconds))

    async def settle_charge(self, payment: Payment, outcome: Outcome, now: datetime) -> tuple[Payment, bool]:
        """Store the outcome of a payment: see ``SettlementStore.settle_charge``."""
        values = (
            *(settlement_change(payment, outcome.status, now), payment.payment_id),
            *(*_outcome_values(outcome), payment.payment_id),
            *(payment.payment_id, outcome.processor_id),
            payment.payment_id,
            payment.payment_id,
        )

        async def work(session: Session) -> tuple[Payment, bool]:
            async with session.transaction():
                *_, result = await session.script(queries.SETTLE_CHARGE, values)
            ((payment_text, is_new),) = result.rows
            stored = payment_from_text(payment_text)
            if stored.status is Status.PENDING:
                raise transaction_aborted()
            return stored, bool(is_new)

        return await self._database.run(work, Deadline(), locked_payment_id=payment.payment_id)

    async def await_payer(self, payment: Payment, outcome: Outcome, now: datetime) -> Payment:
        """Store what the payer of a pending payment must do: see ``SettlementStore.await_payer``."""
        assert outcome.next_action is not None, "only a charge with a next action waits for its payer"
        payment_id, action = payment.payment_id, next_action_to_json(outcome.next_action)
        values = (
            *(payment_change(EventKind.ACTION_REQUIRED, payment, now), payment_id, action),
            *(action, outcome.processor_id, payment_id),
            *(payment_id, payment_id),
        )

        async def work(session: Session) -> Payment:
            async with session.transaction():
                *_, result = await session.script(queries.AWAIT_PAYER, values)
            ((payment_text,),) = result.rows
            stored = payment_from_text(payment_text)
            if stored.status is Status.PENDING and stored.next_action is None:
                raise transaction_aborted()
            return stored

        return await self._database.run(work, Deadline(), locked_payment_id=payment_id)

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Store the outcome of a refund: see ``SettlementStore.settle_refund``."""
        keys = (refund.payment_id, refund.refund_id)
        status = STATUS_VALUES[outcome.status]
        values = (
            refund.payment_id,
            *(KIND_BY_REFUND_STATUS[outcome.status], status, sql_time(now), *keys),
            *(*_outcome_values(outcome), refund.refund_id),
            *keys,
            *keys,
            *keys,
        )

        async def work(session: Session) -> tuple[Refund, Payment, bool]:
            async with session.transaction():
                *_, result = await session.script(queries.SETTLE_REFUND, values)
            ((payment_text, refund_text, is_new),) = result.rows
            stored, _ = refund_from_text(refund_text)
            if stored.status is Status.PENDING:
                raise transaction_aborted()
            return stored, payment_from_text(payment_text), bool(is_new)

        return await self._database.run(work, Deadline(), locked_payment_id=refund.payment_id)

    async def processor_id(self, payment_id: int) -> str | None:
        """Return the processor's id of a payment: see ``SettlementStore.processor_id``."""

        async def work(session: Session) -> str | None:
            row = await session.row(queries.SELECT_PROCESSOR_ID, (payment_id,))
            return None if row is None else str(row[0])

        return await self._database.run(work, Deadline())

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Claim requests that are due: see ``PendingStore.claim``."""
        round_id = secrets.token_hex(16)

        async def work(session: Session) -> list[PendingRequest]:
            await session.script(queries.CLAIM, (at_most, round_id, *self._pauses))
            return pending_from_rows(await session.raw_rows(queries.SELECT_CLAIMED, (round_id,)))

        return await self._database.run(work, Deadline())

    async def count_pending(self) -> tuple[dict[str, int], float]:
        """Count the pending requests: see ``PendingStore.count_pending``."""

        async def work(session: Session) -> tuple[dict[str, int], float]:
            rows = await session.rows(queries.COUNT_PENDING, ())
            oldest = max((age for _, _, age in rows), default=0)
            return {kind: int(count) for kind, count, _ in rows}, to_seconds(oldest)

        return await self._database.run(work, Deadline())


def _outcome_values(outcome: Outcome) -> tuple[object, ...]:
    """Return the values of status, failure, failure_code and processor_reference after an outcome."""
    failure = outcome.failure
    reason, failure_code = (None, None) if failure is None else (failure.reason.value, failure.code)
    return STATUS_VALUES[outcome.status], reason, failure_code, outcome.processor_id
