"""Store refunds, each in one transaction with its payment, and look up the earlier refund of a repeated request key."""

from datetime import datetime

from server.domain.errors import PaymentArchived, PaymentNotFound
from server.domain.payment import NewRefund, Payment, RefundOutcome, Status
from server.domain.value import value
from server.storage.database.driver_errors import transaction_aborted
from server.storage.database.session import Session
from server.storage.database.values import sql_time
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import STATUS_VALUES, payment_from_text, refund_from_text
from server.storage.payments.request_keys import key_values, request_id_reused


@value()
class RefundToStore:
    """A refund to store. If it is PENDING, it becomes due for the reconciler after ``due_microseconds``."""

    refund: NewRefund
    status: Status
    create_time: datetime
    due_microseconds: int


async def store_refund(session: Session, new: RefundToStore) -> RefundOutcome:
    """Store a refund: see ``PaymentStore.refund``.

    Raises:
        DuplicateKey: a concurrent call stored a refund of another payment with the same key.
    """
    refund = new.refund
    async with session.transaction():
        _, _, locked, earlier, inserted, *_, stored = await session.script(queries.STORE_REFUND, _values(new))
    if stored.rows:
        ((refund_text, payment_text),) = stored.rows
        new_refund, _ = refund_from_text(refund_text)
        return RefundOutcome(new_refund, payment_from_text(payment_text), replayed=False, is_new=True)
    if inserted.inserted_id:
        raise transaction_aborted()
    payment = payment_from_text(locked.rows[0][0]) if locked.rows else None
    if earlier.rows:
        first, requested = refund_from_text(earlier.rows[0][0])
        if (first.payment_id, requested, first.reason) != (refund.payment_id, refund.amount, refund.reason):
            raise request_id_reused("Refund", refund.key)
        payment = payment or await _archived_payment(session, refund.payment_id)
        assert payment is not None, "a payment with a refund is never deleted, only archived"
        return RefundOutcome(first, payment, replayed=True, is_new=False)
    if payment is None:
        return await _refund_archived(session, refund)
    if payment.is_full_refund_repeated_by(refund):
        return await _last_refund(session, queries.SELECT_LAST_REFUND, payment)
    payment.amount_to_refund(refund.amount)
    # The payment can be refunded, so the refund is missing because the transaction was aborted.
    raise transaction_aborted()


async def _refund_archived(session: Session, refund: NewRefund) -> RefundOutcome:
    """Return the outcome of a refund whose payment is not in the live tables. No new refund is stored.

    Raises:
        PaymentNotFound: the payment is not archived either.
        PaymentArchived: the payment could be refunded if it were not archived.
    """
    payment = await _archived_payment(session, refund.payment_id)
    if payment is None:
        raise PaymentNotFound("payment not found")
    if payment.is_full_refund_repeated_by(refund):
        return await _last_refund(session, archive_queries.SELECT_LAST_REFUND, payment)
    payment.amount_to_refund(refund.amount)
    raise PaymentArchived("payment is archived; it can be refunded once it has been brought back")


async def _last_refund(session: Session, text: str, payment: Payment) -> RefundOutcome:
    last = await session.row(text, (payment.payment_id,))
    refund = None if last is None else refund_from_text(last[0])[0]
    return RefundOutcome(refund, payment, replayed=False, is_new=False)


async def _archived_payment(session: Session, payment_id: int) -> Payment | None:
    row = await session.row(archive_queries.SELECT_PAYMENT, (payment_id,))
    return None if row is None else payment_from_text(row[0])


def _values(new: RefundToStore) -> tuple[object, ...]:
    """Return the values that ``queries.STORE_REFUND`` binds."""
    refund = new.refund
    payment_id, key, time = refund.payment_id, key_values(refund.key), sql_time(new.create_time)
    amount, currency = (None, None) if refund.amount is None else (refund.amount.amount, refund.amount.currency)
    return (
        *(payment_id, *key, *key),
        *(amount, amount, STATUS_VALUES[new.status], refund.reason, *key, time),
        *(payment_id, amount, currency, *key, *key),
        payment_id,
        time,
        new.due_microseconds,
    )
