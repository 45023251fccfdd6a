"""The load of a fault run: clients that charge, refund and read without end, each request until it is answered.

Among them are some that have no patience, ask twice at once (on both replicas), or come again with a request_id of
before; refunds go to a few payments at a time, so that they meet.
"""

import asyncio
import itertools
import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from tests.faults.clients import PATIENT, Clients, StubCalls, some_patience
from tests.faults.record import Charge, ChargeAsked, History, PaymentAsked, RefundAsked

Asked = TypeVar("Asked")

_WORKERS = 12
_CHANNELS_TO_EACH = 3
_LONGEST_PAUSE_SECONDS = 0.02
_RECENT = 200
"""How many requests and payments clients remember, to come back to."""

_HOT = 5
"""How many of the last payments are refunded most."""

_ATTEMPTS_AT_LAST = 20
_AT_ONCE = 50
_STOP_TIMEOUT_SECONDS = 120


class Workload:
    """Runs in a thread of its own, with an event loop of its own, for as long as the context lasts.

    When it is stopped, every request that is still without an answer is repeated until it has one. With ``seed``, the
    same clients ask for the same things in the same order, as far as the answers are the same.
    """

    def __init__(self, targets: Sequence[str], seed: int, history: History) -> None:
        """Name the replicas; nothing is called."""
        self._targets = targets
        self._seed = seed
        self._history = history
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workload")
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, and wait until every request is answered."""
        self._stopping.set()
        self._thread.join(_STOP_TIMEOUT_SECONDS)
        assert not self._thread.is_alive(), "the clients wait for answers without end"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again where it was started
            self._error = error

    async def _work(self) -> None:
        async with Clients(self._targets, _CHANNELS_TO_EACH, self._history) as clients:
            memory = _Memory()
            workers = [_Worker(number, self._seed, clients, memory) for number in range(_WORKERS)]
            await asyncio.gather(*(worker.run(self._stopping) for worker in workers))
            await _settle([stubs[0] for stubs in clients.of_replicas], self._history)


class _Memory:
    """What the workers tell one another."""

    def __init__(self) -> None:
        self.charges: deque[ChargeAsked] = deque(maxlen=_RECENT)
        self.refunds: deque[RefundAsked] = deque(maxlen=_RECENT)
        self.payments: deque[tuple[int, int]] = deque(maxlen=_RECENT)
        """Ids and amounts."""

    def learn(self, call: Charge) -> None:
        if call.answer is not None:
            self.payments.append((call.answer.payment_id, call.answer.amount_minor))


class _Worker:
    """One client after the other, as chance has it."""

    def __init__(self, number: int, seed: int, clients: Clients, memory: _Memory) -> None:
        self._name = f"{seed}-{number}"
        self._chance = random.Random(self._name)
        self._clients = clients
        self._memory = memory
        self._count = 0

    async def run(self, stopping: threading.Event) -> None:
        """Work until told to stop."""
        ways = (
            (self._charge, 30),
            (self._charge_by_client, 10),
            (self._charge_twice_at_once, 8),
            (self._charge_again, 8),
            (self._charge_otherwise, 2),
            (self._charge_many, 3),
            (self._refund, 20),
            (self._refund_by_client, 5),
            (self._refund_twice_at_once, 5),
            (self._refund_again, 4),
            (self._read, 15),
        )
        kinds, weights = zip(*ways, strict=True)
        while not stopping.is_set():
            (act,) = self._chance.choices(kinds, weights)
            await act()
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS))

    async def _charge(self) -> None:
        self._memory.learn(await self._replica().charge(self._new_charge(), some_patience(self._chance)))

    async def _charge_by_client(self) -> None:
        self._memory.learn(await self._chance.choice(self._clients.of_both).charge(self._new_charge()))

    async def _charge_twice_at_once(self) -> None:
        asked = self._new_charge()
        calls = [self._chance.choice(stubs).charge(asked, PATIENT) for stubs in self._clients.of_replicas]
        for call in await asyncio.gather(*calls):
            self._memory.learn(call)

    async def _charge_again(self) -> None:
        if self._memory.charges:
            asked = self._chance.choice(self._memory.charges)
            await self._replica().charge(asked, some_patience(self._chance))

    async def _charge_otherwise(self) -> None:
        """Come with a request_id of before and another amount; whichever is stored first wins."""
        if self._memory.charges:
            before = self._chance.choice(self._memory.charges)
            asked = ChargeAsked(before.request_id, before.order_id, before.amount_minor + 1, before.method)
            await self._replica().charge(asked, PATIENT)

    async def _charge_many(self) -> None:
        asked = [self._new_charge() for _ in range(self._chance.randint(2, 8))]
        again = [self._chance.choice(self._memory.charges)]
        for call in await self._replica().batch_charge([*asked, *again], some_patience(self._chance)):
            self._memory.learn(call)

    async def _refund(self) -> None:
        if (asked := self._new_refund()) is not None:
            await self._replica().refund(asked, some_patience(self._chance))

    async def _refund_by_client(self) -> None:
        if (asked := self._new_refund()) is not None:
            await self._chance.choice(self._clients.of_both).refund(asked)

    async def _refund_twice_at_once(self) -> None:
        if (asked := self._new_refund()) is not None:
            stubs = [self._chance.choice(stubs) for stubs in self._clients.of_replicas]
            await asyncio.gather(*(stub.refund(asked, PATIENT) for stub in stubs))

    async def _refund_again(self) -> None:
        if self._memory.refunds:
            await self._replica().refund(self._chance.choice(self._memory.refunds), some_patience(self._chance))

    async def _read(self) -> None:
        if (payment := self._some_payment()) is not None:
            await self._replica().get_payment(PaymentAsked(payment[0]), some_patience(self._chance))

    def _replica(self) -> StubCalls:
        return self._chance.choice(self._chance.choice(self._clients.of_replicas))

    def _new_charge(self) -> ChargeAsked:
        asked = ChargeAsked(
            self._new_request_id(),
            order_id=self._chance.randint(1, 1000),
            amount_minor=self._chance.randint(100, 100_000),
            method=self._chance.choices(("UPI", "COD", "CARD"), (8, 4, 1))[0],
        )
        self._memory.charges.append(asked)
        return asked

    def _new_refund(self) -> RefundAsked | None:
        payment = self._some_payment()
        if payment is None:
            return None
        payment_id, amount_minor = payment
        part = self._chance.choice((None, 1, self._chance.randint(1, amount_minor), amount_minor // 3))
        asked = RefundAsked(self._new_request_id(), payment_id, part)
        self._memory.refunds.append(asked)
        return asked

    def _new_request_id(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}-{self._chance.getrandbits(32):08x}"

    def _some_payment(self) -> tuple[int, int] | None:
        payments = self._memory.payments
        if not payments:
            return None
        if self._chance.random() < 0.7:
            return payments[-self._chance.randint(1, min(_HOT, len(payments)))]
        return self._chance.choice(payments)


async def _settle(replicas: Sequence[StubCalls], history: History) -> None:
    """Repeat every request that has no answer until it has one, with one replica and the other."""
    for _, stub in zip(range(_ATTEMPTS_AT_LAST), itertools.cycle(replicas)):
        answered = {call.asked for call in history.charges if call.is_settled}
        charges = {call.asked for call in history.charges} - answered
        refunded = {call.asked for call in history.refunds if call.is_settled}
        refunds = {call.asked for call in history.refunds} - refunded
        if not charges and not refunds:
            return
        for some in _batched(charges):
            await asyncio.gather(*(stub.charge(asked, PATIENT) for asked in some))
        for others in _batched(refunds):
            await asyncio.gather(*(stub.refund(asked, PATIENT) for asked in others))


def _batched(all_of: set[Asked]) -> Iterator[tuple[Asked, ...]]:
    """Return them in as many at a time as are called at once."""
    rest = iter(all_of)
    while some := tuple(itertools.islice(rest, _AT_ONCE)):
        yield some
