"""Payments in the database: each call one statement or one transaction, idempotent by the tables' unique keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from server.domain.deadline import Deadline
from server.domain.errors import PaymentArchived, PaymentNotFound
from server.domain.events import OF_REFUND
from server.domain.listing import NumberedPage, NumberedPageQuery, Page, PageQuery, Position
from server.domain.payment import (
    MAX_REFUNDS_SHOWN,
    ChargeOutcome,
    NewPayment,
    NewRefund,
    Payment,
    PaymentDetails,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.domain.value import value
from server.storage.batching import Groups
from server.storage.database.driver_errors import aborted
from server.storage.database.pool import Database, DuplicateKey, Session
from server.storage.database.values import microseconds, stored_time
from server.storage.payments import archive_queries, listing, queries, read
from server.storage.payments.charges import DUE_SECONDS, key_values, reused
from server.storage.payments.codec import (
    STATUS_VALUES,
    details_from_json,
    payment_from_json,
    payments_from_json,
    refund_from_json,
)
from server.storage.payments.insert import GroupCommit
from server.storage.payments.listing import Query
from server.storage.payments.read import read_details


class MysqlPaymentStore:
    """The ``PaymentStore`` of the use cases, on a MySQL-compatible database."""

    def __init__(
        self, database: Database, due_seconds: float = DUE_SECONDS, groups: type[Groups[Any, Any]] = Groups
    ) -> None:
        """Keep the database; ``groups`` are what calls wait in.

        What is stored as pending is due for the janitor after ``due_seconds``.
        """
        self._database = database
        self._due_microseconds = microseconds(due_seconds)
        self._charges = GroupCommit(database, due_seconds=due_seconds, groups=groups)
        self._reads: Groups[int, PaymentDetails | None] = groups(database, read_details, read.LIMITS, "get")

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``."""
        return await self._charges.insert(payment, deadline)

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store many payments: see ``PaymentStore.insert_many``."""
        return await self._charges.insert_many(payments, deadline)

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund, or return the earlier one of its request key: see ``PaymentStore.refund``."""
        made = _MadeRefund(refund, status, create_time, self._due_microseconds)

        async def work(session: Session) -> RefundOutcome:
            return await _refund(session, made)

        try:
            return await self._database.run(work, deadline, locked_payment_id=refund.payment_id)
        except DuplicateKey:
            # A refund of another payment with the same key was in progress. It is stored now, so this finds it.
            return await self._database.run(work, deadline, locked_payment_id=refund.payment_id)

    async def get(self, key: int | str, deadline: Deadline) -> PaymentDetails:
        """Return a payment and its first refunds: see ``PaymentStore.get``."""
        if isinstance(key, str):
            texts = (queries.SELECT_DETAILS_BY_REFERENCE, archive_queries.SELECT_DETAILS_BY_REFERENCE)
            return await self._details(texts, (key, len(key.encode())), None, MAX_REFUNDS_SHOWN, deadline)
        details = await self._reads.add(key, deadline)
        if details is None:
            return await self.list_refunds(RefundsQuery(key, MAX_REFUNDS_SHOWN, None), deadline)
        return details

    async def list_refunds(self, query: RefundsQuery, deadline: Deadline) -> PaymentDetails:
        """Return a payment and a page of its refunds: see ``PaymentStore.list_refunds``."""
        texts = (queries.SELECT_DETAILS_BY_ID, archive_queries.SELECT_DETAILS_BY_ID)
        return await self._details(texts, (query.payment_id,), query.after, query.size, deadline)

    async def _details(
        self, texts: Sequence[str], key: tuple[object, ...], after: int | None, size: int, deadline: Deadline
    ) -> PaymentDetails:
        """Return a payment and a page of its refunds, by the first of ``texts`` that finds it."""
        # One more than the page holds tells whether there is a next one.
        values = (*key, after or 0, size + 1, *key)

        async def work(session: Session) -> PaymentDetails:
            for text in texts:
                details = details_from_json(await session.values(text, values), size)
                if details is not None:
                    return details
            raise _not_found()

        return await self._database.run(work, deadline)

    async def list_page(self, query: PageQuery, deadline: Deadline) -> Page:
        """Return a page of payments: see ``PaymentStore.list_page``."""

        async def work(session: Session) -> Page:
            payments: list[Payment] = []
            # One more than the page holds tells whether there is a next one.
            wanted = query.size + 1
            for part in listing.page_parts(query.filter, query.order, query.after):
                if len(payments) < wanted:
                    values = await session.values(part.text, (*part.values, wanted - len(payments)))
                    payments += payments_from_json(values)
            return Page(
                payments=tuple(payments[: query.size]),
                next=_position(payments[query.size - 1]) if len(payments) == wanted else None,
                total=await _count(session, listing.count(query.filter)) if query.with_total else None,
            )

        return await self._database.run(work, deadline)

    async def list_numbered_page(self, query: NumberedPageQuery, deadline: Deadline) -> NumberedPage:
        """Return a page of payments by its number: see ``PaymentStore.list_numbered_page``."""

        async def work(session: Session) -> NumberedPage:
            spellings = await _method_spellings(session, query.method)
            if query.method is not None and not spellings:
                return NumberedPage((), 0)
            total = await _count(session, listing.numbered_count(query, spellings))
            payments: list[Payment] = []
            if query.size and query.skip < total:
                page = listing.numbered_page(query, total, spellings)
                payments = payments_from_json(await session.values(page.text, page.values))
            return NumberedPage(tuple(payments), total)

        return await self._database.run(work, deadline)


@value()
class _MadeRefund:
    """A refund about to be stored; when it is pending, it is due for the janitor after that time."""

    refund: NewRefund
    status: Status
    create_time: datetime
    due_microseconds: int


async def _refund(session: Session, new: _MadeRefund) -> RefundOutcome:
    refund = new.refund
    async with session.transaction():
        _, _, locked, earlier, inserted, *_, stored = await session.script(*_statement(new))
    if stored.rows:
        ((made_json, payment_json),) = stored.rows
        made, _ = refund_from_json(made_json)
        return RefundOutcome(made, payment_from_json(payment_json), replayed=False, is_new=True)
    if inserted.inserted_id:
        raise aborted()
    payment = payment_from_json(locked.rows[0][0]) if locked.rows else None
    if earlier.rows:
        made, requested = refund_from_json(earlier.rows[0][0])
        if (made.payment_id, requested, made.reason) != (refund.payment_id, refund.amount, refund.reason):
            raise reused("Refund", refund.key)
        payment = payment or await _archived(session, refund.payment_id)
        assert payment is not None, "a refund's payment is never deleted, but archived"
        return RefundOutcome(made, payment, replayed=True, is_new=False)
    if payment is None:
        return await _refund_archived(session, refund)
    if payment.is_repeated_by(refund):
        return await _last_refund(session, queries.SELECT_LAST_REFUND, payment)
    payment.refundable(refund.amount)
    # It was refundable before the transaction was aborted.
    raise aborted()


async def _refund_archived(session: Session, refund: NewRefund) -> RefundOutcome:
    """Tell what can be told of a refund of a payment that is archived; a new one is not made.

    Raises:
        PaymentNotFound: it is not archived either.
        PaymentArchived: it is, and could be refunded but for that.
    """
    payment = await _archived(session, refund.payment_id)
    if payment is None:
        raise _not_found()
    if payment.is_repeated_by(refund):
        return await _last_refund(session, archive_queries.SELECT_LAST_REFUND, payment)
    payment.refundable(refund.amount)
    raise PaymentArchived("payment is archived; it can be refunded once it has been brought back")


async def _last_refund(session: Session, text: str, payment: Payment) -> RefundOutcome:
    last = await session.row(text, (payment.payment_id,))
    refunded = None if last is None else refund_from_json(last[0])[0]
    return RefundOutcome(refunded, payment, replayed=False, is_new=False)


async def _archived(session: Session, payment_id: int) -> Payment | None:
    row = await session.row(archive_queries.SELECT_PAYMENT, (payment_id,))
    return None if row is None else payment_from_json(row[0])


async def _method_spellings(session: Session, method: str | None) -> list[str]:
    if method is None:
        return []
    query = listing.method_spellings(method)
    return [str(spelling) for (spelling,) in await session.rows(query.text, query.values)]


async def _count(session: Session, count: Query) -> int:
    row = await session.row(count.text, count.values)
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def _position(payment: Payment) -> Position:
    return Position(payment.create_time, payment.payment_id)


def _statement(new: _MadeRefund) -> tuple[str, tuple[object, ...]]:
    """Return the script that refunds a payment, and what it binds."""
    refund = new.refund
    payment_id, key, time = refund.payment_id, key_values(refund.key), stored_time(new.create_time)
    amount, currency = (None, None) if refund.amount is None else (refund.amount.amount, refund.amount.currency)
    values = (
        *(payment_id, *key, *key),
        *(amount, amount, STATUS_VALUES[new.status], refund.reason, *key, time),
        *(payment_id, amount, currency, *key, *key),
        payment_id,
        *(OF_REFUND[new.status], time),
    )
    if new.status is Status.PENDING:
        return queries.RESERVE_REFUND, (*values, new.due_microseconds)
    return queries.STORE_REFUND, values


def _not_found() -> PaymentNotFound:
    return PaymentNotFound("payment not found")
