"""The store of payments. Each method is one statement or one transaction, which unique keys make idempotent."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from server.domain.deadline import Deadline
from server.domain.errors import PaymentsError, ReferenceTaken
from server.domain.listing import NumberedPage, NumberedPageQuery, Page, PageQuery
from server.domain.payment import (
    MAX_REFUNDS_SHOWN,
    ChargeOutcome,
    NewPayment,
    NewRefund,
    PaymentDetails,
    PaymentKey,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.storage.batching import Batcher, BatcherFactory, Batches, BatchLimits
from server.storage.database.pool import Database
from server.storage.database.session import DuplicateKey
from server.storage.database.values import to_microseconds
from server.storage.payments import insert, read, refund_batch
from server.storage.payments.insert_unless_pending import insert_unless_pending
from server.storage.payments.refund import RefundToStore, store_refund

DUE_SECONDS = 30.0
"""The default time until a pending charge or refund becomes due for the reconciler."""


class MysqlPaymentStore:
    """The ``PaymentStore`` of the use cases, on a MySQL-compatible database."""

    def __init__(
        self,
        database: Database,
        due_seconds: float = DUE_SECONDS,
        *,
        make_batcher: BatcherFactory = Batcher,
        insert_limits: BatchLimits = insert.BATCH_LIMITS,
    ) -> None:
        """Create the store. Pending charges and refunds become due for the reconciler after ``due_seconds``."""
        self._database = database
        self._due_microseconds = to_microseconds(due_seconds)
        self._insert_each = partial(insert.insert_each, due_microseconds=self._due_microseconds)
        self._inserts: Batches[NewPayment, ChargeOutcome] = make_batcher(
            database, self._insert_each, insert_limits, "charge"
        )
        self._refunds: Batches[RefundToStore, RefundOutcome | None] = make_batcher(
            database, refund_batch.store_refunds, refund_batch.BATCH_LIMITS, "refund"
        )
        self._reads: Batches[int, PaymentDetails | None] = make_batcher(
            database, read.read_details, read.BATCH_LIMITS, "get"
        )

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, with the next batch if possible: see ``PaymentStore.insert``."""
        if payment.charge.unless_pending:
            work = partial(insert_unless_pending, payment=payment, due_microseconds=self._due_microseconds)
            return await self._database.run(work, deadline)
        return await self._inserts.add(payment, deadline)

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store many payments: see ``PaymentStore.insert_many``.

        They are already a batch, so they bypass the queue. Otherwise a single payment could wait for a thousand others.
        """
        batch = [payment for payment in payments if not payment.charge.unless_pending]
        stored = iter(await self._database.run(partial(self._insert_each, payments=batch), deadline) if batch else ())
        return [
            await self._insert_or_error(payment, deadline) if payment.charge.unless_pending else next(stored)
            for payment in payments
        ]

    async def _insert_or_error(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome | Exception:
        try:
            return await self.insert(payment, deadline)
        except (PaymentsError, ReferenceTaken) as error:
            return error

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund, with the next batch if possible: see ``PaymentStore.refund``."""
        new = RefundToStore(refund, status, create_time, self._due_microseconds)
        outcome = await self._refunds.add(new, deadline)
        if outcome is not None:
            return outcome
        work = partial(store_refund, new=new)
        try:
            return await self._database.run(work, deadline, locked_payment_id=refund.payment_id)
        except DuplicateKey:
            # A refund of another payment with the same key has been stored, so the second attempt finds it.
            return await self._database.run(work, deadline, locked_payment_id=refund.payment_id)

    async def get(self, key: PaymentKey, deadline: Deadline) -> PaymentDetails:
        """Return a payment and its first refunds: see ``PaymentStore.get``."""
        if not isinstance(key, int):
            return await self._database.run(partial(read.read_by_key, key=key), deadline)
        details = await self._reads.add(key, deadline)
        if details is None:
            return await self.list_refunds(RefundsQuery(key, MAX_REFUNDS_SHOWN, None), deadline)
        return details

    async def list_refunds(self, query: RefundsQuery, deadline: Deadline) -> PaymentDetails:
        """Return a payment and a page of its refunds: see ``PaymentStore.list_refunds``."""
        return await self._database.run(partial(read.read_refunds, query=query), deadline)

    async def list_page(self, query: PageQuery, deadline: Deadline) -> Page:
        """Return a page of payments: see ``PaymentStore.list_page``."""
        return await self._database.run(partial(read.read_page, query=query), deadline)

    async def list_numbered_page(self, query: NumberedPageQuery, deadline: Deadline) -> NumberedPage:
        """Return a page of payments by its number: see ``PaymentStore.list_numbered_page``."""
        return await self._database.run(partial(read.read_numbered_page, query=query), deadline)
