"""Group commit: payments that come while others are being written go together into the next INSERT.

So a commit, which waits for the disk, serves many payments. Each caller still gets an outcome of its own, and only once
its payment is committed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson
import pymysql.err

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed, Overloaded, PaymentsError, ReferenceTaken, StoreUnavailable
from server.domain.payment import ChargeOutcome, NewPayment
from server.storage import queries
from server.storage.charges import earlier_outcome, insert_one, payment_values, stored_payment
from server.storage.mysql import Database, Session, is_refusal

_MAX_BATCH = 32
"""Payments in one INSERT at most: enough for the statements to cost each little, and few enough to answer soon."""

_MAX_WRITERS = 4
"""Batches in progress at most: while the database writes some, others are made ready, and the commits share a flush."""

_MAX_WAITING = 10_000
"""Payments that wait for their INSERT at most."""


_Outcome = ChargeOutcome | Exception


@dataclass(slots=True, eq=False)
class _Waiting:
    """A payment that waits to be written, and where its outcome is awaited."""

    payment: NewPayment
    deadline: Deadline
    outcome: "asyncio.Future[ChargeOutcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_wanted(self) -> bool:
        """Tell whether it is to be written: its caller is there, and its deadline has not passed."""
        if self.outcome.done():
            return False
        try:
            self.deadline.check()
        except DeadlinePassed as error:
            self.settle(error)
            return False
        return True

    def settle(self, outcome: _Outcome) -> None:
        """Tell its caller, if it is still there."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class GroupCommit:
    """Writes payments, many at a time."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._writers: set[asyncio.Task[None]] = set()

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``.

        Raises:
            Overloaded: too many payments are waiting.
        """
        deadline.check()
        if len(self._waiting) >= _MAX_WAITING:
            raise Overloaded(f"{_MAX_WAITING} charges are waiting to be stored; try again soon")
        one = _Waiting(payment, deadline)
        self._waiting.append(one)
        if len(self._writers) < _MAX_WRITERS:
            self._writers.add(asyncio.create_task(self._write_all()))
        return await one.outcome

    async def _write_all(self) -> None:
        """Write whatever waits, a batch after the other, until nothing does."""
        try:
            while self._waiting:
                await self._write_batch()
        finally:
            # Here, and not when the task is seen to be done: whoever comes in between would wait for nobody.
            self._writers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _write_batch(self) -> None:
        """Write what waits by the time that there is a connection, and tell each caller what became of its payment."""
        batch: list[_Waiting] = []
        try:
            outcomes = await self._database.run(lambda session: self._write(session, batch), Deadline())
        except BaseException as error:
            # Whatever it is, nobody is left waiting for an outcome that never comes.
            failure = error if isinstance(error, Exception) else StoreUnavailable("the payment store has stopped")
            for one in batch or self._take(len(self._waiting)):
                one.settle(failure)
            if not isinstance(error, Exception):
                raise
        else:
            for one, outcome in zip(batch, outcomes, strict=True):
                one.settle(outcome)

    async def _write(self, session: Session, batch: list[_Waiting]) -> list[_Outcome]:
        """Write ``batch``, which is filled here unless this is another attempt at it; return what became of each."""
        if not batch:
            # Not before there is a connection: until now more could come, and deadlines could pass.
            batch += (one for one in self._take(_MAX_BATCH) if one.is_wanted())
        payments = [one.payment for one in batch]
        if not payments:
            return []
        try:
            return await _insert_many(session, payments)
        except pymysql.err.MySQLError as error:
            if not is_refusal(error):
                raise
            # The database refuses one of them: each goes alone, so that it fails alone.
            return [await _told(insert_one(session, payment)) for payment in payments]

    def _take(self, at_most: int) -> list[_Waiting]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), at_most))]


async def _insert_many(session: Session, payments: Sequence[NewPayment]) -> list[_Outcome]:
    rows = [payment_values(payment) for payment in payments]
    keys = [(payment.reference, payment.charge.key.caller, payment.charge.key.request_id) for payment in payments]
    values = (orjson.dumps(rows).decode(), orjson.dumps(keys).decode())
    found = await session.write_and_read(queries.INSERT_PAYMENTS, values)
    assert found is not None
    stored = {}
    for text in str(found[0] or "").split(",") if found[0] else ():
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
