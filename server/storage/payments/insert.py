"""Group commit: payments that come while others are being written go together into the next INSERT.

So a commit, which waits for the disk, serves many payments. Each caller still gets an outcome of its own, and only once
its payment is committed.
"""

import functools
from collections.abc import Awaitable, Sequence

import orjson
import pymysql.err

from server.domain.deadline import Deadline
from server.domain.errors import PaymentsError, ReferenceTaken
from server.domain.payment import ChargeOutcome, NewPayment, Status
from server.storage.batching import Groups, Limits
from server.storage.database.driver_errors import LOCK_WAIT_TIMEOUT, code, is_refusal
from server.storage.database.pool import Database, Session
from server.storage.database.values import microseconds
from server.storage.outbox import charge_changes
from server.storage.payments import queries
from server.storage.payments.charges import DUE_SECONDS, earlier_outcome, insert_one, payment_values, stored_payment

LIMITS = Limits(in_one=32, at_once=4, waiting=10_000)
"""Enough payments in one INSERT for it to cost each little, and few enough to answer soon; the commits of INSERTs that
are in progress together share a flush of the disk.
"""

_Outcome = ChargeOutcome | Exception


class GroupCommit:
    """Writes payments, many at a time."""

    def __init__(
        self,
        database: Database,
        limits: Limits = LIMITS,
        due_seconds: float = DUE_SECONDS,
        groups: type[Groups[NewPayment, ChargeOutcome]] = Groups,
    ) -> None:
        """Keep the database; ``groups`` are what payments wait in.

        A payment that is pending is due for the janitor after ``due_seconds``.
        """
        self._database = database
        self._insert_each = functools.partial(_insert_each, due_microseconds=microseconds(due_seconds))
        self._groups = groups(database, self._insert_each, limits, "charge")

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``.

        Raises:
            Overloaded: too many payments are waiting.
        """
        return await self._groups.add(payment, deadline)

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[_Outcome]:
        """Store many payments that came together, and return what became of each: see ``PaymentStore.insert_many``.

        They are groups already, and go past the queue: nobody's single payment waits behind a thousand of others.
        """
        return await self._database.run(functools.partial(self._insert_each, payments=payments), deadline)


async def _insert_each(session: Session, payments: Sequence[NewPayment], *, due_microseconds: int) -> list[_Outcome]:
    """Write payments in one statement, and return what became of each."""
    if len(payments) == 1:
        # At low load nobody should wait longer for what pays off for many only.
        return [await _told(insert_one(session, payments[0], due_microseconds))]
    try:
        async with session.transaction():
            return await _insert_many(session, payments, due_microseconds)
    except pymysql.err.MySQLError as error:
        if not is_refusal(error) and code(error) != LOCK_WAIT_TIMEOUT:
            raise
        # The database refuses one of them, or one repeats a charge whose row is locked: each goes alone, so that it
        # fails alone. Alone it also does not wait for that row.
        return [await _told(insert_one(session, payment, due_microseconds)) for payment in payments]


async def _insert_many(session: Session, payments: Sequence[NewPayment], due_microseconds: int) -> list[_Outcome]:
    rows = [payment_values(payment) for payment in payments]
    values = (orjson.dumps(rows).hex(), charge_changes(payments))
    # All have a processor of the same way, so that all are pending or none is.
    if payments[0].status is Status.PENDING:
        *_, answer = await session.script(queries.RESERVE_PAYMENTS, (*values, due_microseconds))
    else:
        *_, answer = await session.script(queries.INSERT_PAYMENTS, values)
    ((found,),) = answer.rows
    stored = {}
    for text in found.split(",") if found else ():
        place, payment_id, is_its_own = text.split(" ")
        if is_its_own == "1":
            stored[int(place)] = int(payment_id)
    return [
        ChargeOutcome(stored_payment(payment, stored[place]), replayed=False)
        if place in stored
        else await _told(earlier_outcome(session, payment))
        for place, payment in enumerate(payments, start=1)
    ]


async def _told(outcome: Awaitable[ChargeOutcome]) -> _Outcome:
    """Return an outcome, or the error that is one; what is wrong with the connection is none."""
    try:
        return await outcome
    except (PaymentsError, ReferenceTaken) as error:
        return error
    except pymysql.err.MySQLError as error:
        if not is_refusal(error):
            raise
        return error
