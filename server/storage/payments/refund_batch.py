"""Store refunds in batches, which share a transaction.

A batch waits for no lock, and stores only what it can store at once. It leaves every other refund to ``refund``, which
waits for the payment, finds the earlier refund of a repeated request key, or finds out why the refund is not allowed.
On TiDB, which cannot skip locked rows, a batch with a locked payment stores nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import pymysql.err

from server.domain.payment import RefundOutcome
from server.storage.batching import BatchLimits
from server.storage.database.driver_errors import keeps_connection
from server.storage.database.session import DuplicateKey, Session
from server.storage.database.values import sql_time
from server.storage.payments import queries
from server.storage.payments.codec import STATUS_VALUES, payment_from_text, refund_from_text
from server.storage.payments.refund import RefundToStore
from server.storage.payments.request_keys import key_values

BATCH_LIMITS = BatchLimits(max_items=32, max_batches=4, max_queued=10_000)
"""A batch is large enough that each refund costs little, and small enough that its locks are held briefly."""


async def store_refunds(session: Session, refunds: Sequence[RefundToStore]) -> list[RefundOutcome | None]:
    """Store refunds in one transaction, and return the outcome of each, or None if it was not stored."""
    # One refund of each payment, because the INSERT compares each with the payment as it was before all of them.
    batch = {new.refund.payment_id: new for new in reversed(refunds)}
    try:
        async with session.transaction():
            stored = await _store_all(session, batch)
    except DuplicateKey:
        stored = {}
    except pymysql.err.MySQLError as error:
        if not keeps_connection(error):
            raise
        stored = {}
    return [stored.get(new.refund.payment_id) if batch[new.refund.payment_id] is new else None for new in refunds]


async def _store_all(session: Session, batch: Mapping[int, RefundToStore]) -> dict[int, RefundOutcome]:
    """Store refunds of different payments, and return the outcomes of those that were stored, by payment_id.

    Raises:
        DuplicateKey: a request key is stored already; nothing was stored.
        MySQLError: a request key is archived, or a concurrent transaction refunded a payment; nothing was stored.
    """
    # In the order of their ids, like all transactions that lock several payments.
    payment_ids = tuple(sorted(batch))
    refunds = [batch[payment_id] for payment_id in payment_ids]
    keys = tuple(key_values(new.refund.key) for new in refunds)
    first = refunds[0]
    locks = (payment_ids,) if session.is_tidb else ()
    # All refunds come from the same flow, so they have the same status.
    rows = (STATUS_VALUES[first.status], *_row_values(refunds))
    values = (*locks, *rows, payment_ids, keys, payment_ids, first.due_microseconds, payment_ids, keys)
    text = queries.STORE_REFUNDS_ON_TIDB if session.is_tidb else queries.STORE_REFUNDS
    *_, stored = await session.script(queries.for_refunds(text, len(refunds)), values)
    outcomes = {}
    for count, refund_text, payment_text in stored.rows:
        if count == len(stored.rows):
            refund, _ = refund_from_text(refund_text)
            payment = payment_from_text(payment_text)
            outcomes[refund.payment_id] = RefundOutcome(refund, payment, replayed=False, is_new=True)
    return outcomes


def _row_values(refunds: Iterable[RefundToStore]) -> list[object]:
    """Return the values of the rows that ``queries.STORE_REFUNDS`` inserts."""
    values: list[object] = []
    for new in refunds:
        refund = new.refund
        amount = currency = None
        if refund.amount is not None:
            # As bytes, because TiDB compares no text of a derived table with a column that has another collation.
            amount, currency = refund.amount.amount, refund.amount.currency.encode()
        key, time = key_values(refund.key), sql_time(new.create_time)
        values += (refund.payment_id, amount, currency, refund.reason, *key, time)
    return values
