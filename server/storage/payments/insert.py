"""Store charges in batches, and look up the earlier charges of repeated request keys.

A commit waits for the disk, so charges share commits (``BATCH_LIMITS``). Each caller gets its own outcome, once its
payment is committed.
"""

from collections.abc import Iterable, Mapping, Sequence

import pymysql.err

from server.domain.errors import ReferenceTaken, RequestIdReused
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, NewPayment, Payment, Status
from server.domain.payment_source import is_same_source
from server.storage.batching import BatchLimits
from server.storage.database.driver_errors import LOCK_WAIT_TIMEOUT, code, keeps_connection, transaction_aborted
from server.storage.database.session import DuplicateKey, Session, StatementResult
from server.storage.database.values import sql_time
from server.storage.outbox import charge_changes
from server.storage.payments import archive_queries, insert_queries, queries
from server.storage.payments.codec import STATUS_VALUES, EarlierCharge, charges_from_rows, labels_text
from server.storage.payments.request_keys import request_id_reused

_Key = tuple[str, str]
"""The caller and the request_id of a charge."""

BATCH_LIMITS = BatchLimits(max_items=32, max_batches=4, max_queued=10_000)
"""A batch is large enough that each payment costs little, and small enough that its INSERT is fast. Concurrent INSERTs
share a flush to disk when they commit.
"""


async def insert_each(
    session: Session, payments: Sequence[NewPayment], *, due_microseconds: int
) -> list[ChargeOutcome | Exception]:
    """Store payments, in one transaction if possible, and return the outcome of each.

    PENDING payments become due for the reconciler after ``due_microseconds``.
    """
    positions: dict[_Key, int] = {}
    for position, payment in enumerate(payments):
        positions.setdefault(_key(payment), position)
    firsts = [payments[position] for position in positions.values()]
    outcomes = await _store(session, firsts, due_microseconds)
    if len(firsts) == len(payments):
        return outcomes
    # The payments that repeat a request key of this batch.
    others = [payment for position, payment in enumerate(payments) if positions[_key(payment)] != position]
    earlier = await earlier_charges(session, others)
    remaining = iter(await _store_unless_earlier(session, others, earlier, due_microseconds))
    by_position = dict(zip(positions.values(), outcomes, strict=True))
    return [by_position[position] if position in by_position else next(remaining) for position in range(len(payments))]


async def _store(
    session: Session, payments: Sequence[NewPayment], due_microseconds: int
) -> list[ChargeOutcome | Exception]:
    """Store payments with one INSERT. If the database rejects it, find the outcome of each payment separately."""
    try:
        async with session.transaction():
            return list(await insert_all(session, payments, due_microseconds))
    except DuplicateKey:
        rejection: Exception = ReferenceTaken()
    except pymysql.err.MySQLError as error:
        if not keeps_connection(error):
            raise
        rejection = error
    earlier = await earlier_charges(session, payments)
    if len(payments) > 1 or earlier:
        return await _store_unless_earlier(session, payments, earlier, due_microseconds)
    if code(rejection) == LOCK_WAIT_TIMEOUT:
        raise rejection
    return [rejection]


async def _store_unless_earlier(
    session: Session, payments: Sequence[NewPayment], earlier: Mapping[_Key, EarlierCharge], due_microseconds: int
) -> list[ChargeOutcome | Exception]:
    """Return the outcomes of the payments in ``earlier``, and store the others.

    If ``earlier`` is empty, store the payments one by one, so that only those that the database rejects fail.
    """
    others = [payment for payment in payments if _key(payment) not in earlier]
    batches = [others] if earlier and others else [[payment] for payment in others]
    stored = iter([outcome for batch in batches for outcome in await _store(session, batch, due_microseconds)])
    return [
        repeat(payment, earlier[_key(payment)]) if _key(payment) in earlier else next(stored) for payment in payments
    ]


async def insert_all(session: Session, payments: Sequence[NewPayment], due_microseconds: int) -> list[ChargeOutcome]:
    """Store payments in one transaction.

    Raises:
        DuplicateKey: a request key or reference is stored already; nothing was stored.
        MySQLError: the database rejects a payment, or a request key is archived; nothing was stored.
    """
    references = tuple(payment.reference for payment in payments)
    pending = tuple(payment.reference for payment in payments if payment.decision.status is Status.PENDING)
    text = insert_queries.RESERVE_PAYMENTS if pending else insert_queries.INSERT_PAYMENTS
    reservation = (due_microseconds, pending) if pending else ()
    rows = (value for payment in payments for value in payment_values(payment))
    keys = tuple(map(_key, payments))
    values = (*rows, keys, charge_changes(payments), *reservation, references[-1])
    results = await session.script(insert_queries.for_payments(text, len(payments)), values)
    ids = _consecutive_ids(results, len(payments)) or await _read_ids(session, references)
    return [
        ChargeOutcome(stored_payment(payment, payment_id), replayed=False)
        for payment, payment_id in zip(payments, ids, strict=True)
    ]


def _consecutive_ids(results: Sequence[StatementResult], count: int) -> Sequence[int]:
    """Return the ids of all inserted payments if they follow from the first and the last id; otherwise nothing.

    InnoDB gives the rows of one INSERT increasing ids, at least one step apart. So if the last id is as close to the
    first as it can be, no id was skipped.
    """
    first_id = next(result.inserted_id for result in results if result.inserted_id)
    for last_id, step in results[-1].rows:
        ids = range(first_id, last_id + 1, step)
        if len(ids) == count and ids[-1] == last_id:
            return ids
    return ()


async def _read_ids(session: Session, references: Sequence[str]) -> list[int]:
    """Return the ids of the payments with these references.

    Raises:
        MySQLError: they are not stored, because the transaction was aborted.
    """
    ids: dict[str, int] = dict(await session.rows(insert_queries.SELECT_IDS, (tuple(references),)))
    if len(ids) < len(references):
        raise transaction_aborted()
    return [ids[reference] for reference in references]


async def earlier_charges(session: Session, payments: Iterable[NewPayment]) -> dict[_Key, EarlierCharge]:
    """Return the stored payments with the request keys of ``payments``, live or archived, by key."""
    keys = set(map(_key, payments))
    found: dict[_Key, EarlierCharge] = {}
    for text in (queries.SELECT_CHARGES_BY_REQUEST, archive_queries.SELECT_CHARGES_BY_REQUEST):
        if missing := keys - found.keys():
            found |= charges_from_rows(await session.raw_rows(text, (tuple(missing),)))
    return found


def repeat(payment: NewPayment, earlier: EarlierCharge) -> ChargeOutcome | RequestIdReused:
    """Return the outcome of a payment whose request key has an earlier payment."""
    if not _has_parameters(earlier, payment):
        return request_id_reused("Charge", payment.charge.key)
    # If the reference is the same, it is this very payment: its INSERT was retried because the reply was lost.
    return ChargeOutcome(earlier.payment, replayed=earlier.payment.reference != payment.reference)


def _has_parameters(earlier: EarlierCharge, payment: NewPayment) -> bool:
    """Return whether an earlier charge has the parameters of ``payment``, apart from those that were erased."""
    stored, charge = earlier.payment, payment.charge
    names = charge.names.without_customer() if earlier.is_forgotten else charge.names
    return (stored.order_id, stored.amount, earlier.requested_method, stored.names, stored.simulated_source) == (
        charge.order_id,
        charge.amount,
        charge.method,
        names,
        payment.decision.simulated_source,
    ) and is_same_source(stored.source_mark, payment.decision.source_marks)


def _key(payment: NewPayment) -> _Key:
    return payment.charge.key.caller, payment.charge.key.request_id


def stored_payment(payment: NewPayment, payment_id: int) -> Payment:
    """Return ``payment`` as it was stored, under the id ``payment_id``."""
    charge = payment.charge
    return Payment(
        payment_id=payment_id,
        order_id=charge.order_id,
        amount=charge.amount,
        method=payment.decision.method,
        other_method="",
        status=payment.decision.status,
        reference=payment.reference,
        create_time=payment.create_time,
        refunded_amount=Money(charge.amount.currency, 0),
        is_refunded=False,
        caller=charge.key.caller,
        request_id=charge.key.request_id,
        failure=payment.decision.failure,
        names=charge.names,
        simulated_source=payment.decision.simulated_source,
        source_mark=payment.decision.source_marks[0] if payment.decision.source_marks else None,
    )


def payment_values(payment: NewPayment) -> tuple[int | str | None, ...]:
    """Return the values of a row that ``insert_queries.INSERT_PAYMENTS`` inserts."""
    charge, decision = payment.charge, payment.decision
    names, failure = charge.names, decision.failure
    return (
        charge.order_id,
        str(charge.amount.amount),
        charge.amount.currency,
        decision.method.value,
        STATUS_VALUES[decision.status],
        payment.reference,
        sql_time(payment.create_time),
        charge.method and charge.method.value,
        charge.key.caller,
        charge.key.request_id,
        names.external_reference,
        names.customer_id,
        labels_text(names.labels) if names.labels else None,
        None if failure is None else failure.reason.value,
        None if failure is None else failure.code,
        decision.simulated_source,
        decision.source_marks[0] if decision.source_marks else None,
    )
