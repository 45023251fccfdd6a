"""The load of a fault run: clients that charge, refund and read continuously.

Some clients cancel early, send a request to both replicas concurrently, or reuse an earlier request_id. Refunds go to a
few payments at a time, so that they contend.
"""

import asyncio
import itertools
import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from string import ascii_lowercase
from types import TracebackType
from typing import TypeVar

from tests.faults.clients import DEFAULT_LIMITS, Clients, StubCalls, random_limits
from tests.faults.loop_thread import LoopThread
from tests.faults.record import Charge, ChargeRequest, History, PaymentRequest, RefundRequest

Request = TypeVar("Request")

_WORKERS = 12
_CHANNELS_PER_REPLICA = 3
_MAX_PAUSE_SECONDS = 0.02
_RECENT = 200
"""The number of recent requests and payments that clients use again."""

_HOT_PAYMENTS = 5
"""The number of most recent payments that get most of the refunds."""

_FINAL_ATTEMPTS = 20
_CONCURRENT_CALLS = 50
_STOP_TIMEOUT_SECONDS = 120


class Workload(LoopThread):
    """Runs clients in a thread with its own event loop, within the context.

    At the end, it retries every request without a final outcome until it has one. The same ``seed`` produces the same
    requests in the same order, as long as the responses are the same.
    """

    def __init__(
        self,
        targets: Sequence[str],
        seed: int,
        history: History,
        workers: int = _WORKERS,
        sources: Sequence[str] = ("",),
    ) -> None:
        """Set the replicas, the seed, the history and the number of concurrent calls, without making calls.

        ``sources`` has the beginnings of the payment sources of charges, from which each charge chooses one; one with
        an empty string has no source.
        """
        super().__init__()
        self._sources = sources
        self._targets = targets
        self._workers = workers
        self._seed = seed
        self._history = history

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the clients, and wait until every request has a final outcome."""
        self.stopping.set()
        self.thread.join(_STOP_TIMEOUT_SECONDS)
        assert not self.thread.is_alive(), "the clients still wait for responses"
        if self.error is not None:
            raise self.error

    async def work(self) -> None:
        """Make calls until ``stopping`` is set, then complete the requests without a final outcome."""
        async with Clients(self._targets, _CHANNELS_PER_REPLICA, self._history) as clients:
            recent = _RecentWrites()
            workers = [_Worker(number, self._seed, clients, recent, self._sources) for number in range(self._workers)]
            await asyncio.gather(*(worker.run(self.stopping) for worker in workers))
            await _complete([stubs[0] for stubs in clients.stubs_by_replica], self._history)


class _RecentWrites:
    """Recent requests and payments, which the workers share."""

    def __init__(self) -> None:
        self.charges: deque[ChargeRequest] = deque(maxlen=_RECENT)
        self.refunds: deque[RefundRequest] = deque(maxlen=_RECENT)
        self.payments: deque[tuple[int, int]] = deque(maxlen=_RECENT)
        """Payment ids and amounts."""

    def add_payment(self, call: Charge) -> None:
        if call.response is not None:
            self.payments.append((call.response.payment_id, call.response.amount_minor))


class _Worker:
    """Makes calls through randomly chosen clients."""

    def __init__(self, number: int, seed: int, clients: Clients, recent: _RecentWrites, sources: Sequence[str]) -> None:
        self._sources = sources
        self._name = f"{seed}-{number}"
        self._rng = random.Random(self._name)
        self._clients = clients
        self._recent = recent
        self._count = 0

    async def run(self, stopping: threading.Event) -> None:
        """Make random calls until ``stopping`` is set."""
        actions = (
            (self._charge, 30),
            (self._charge_through_client, 10),
            (self._charge_twice_concurrently, 8),
            (self._repeat_charge, 8),
            (self._reuse_request_id, 2),
            (self._charge_batch, 3),
            (self._refund, 20),
            (self._refund_through_client, 5),
            (self._refund_twice_concurrently, 5),
            (self._repeat_refund, 4),
            (self._read, 15),
        )
        methods, weights = zip(*actions, strict=True)
        while not stopping.is_set():
            (act,) = self._rng.choices(methods, weights)
            await act()
            await asyncio.sleep(self._rng.uniform(0, _MAX_PAUSE_SECONDS))

    async def _charge(self) -> None:
        self._recent.add_payment(await self._replica().charge(self._new_charge(), random_limits(self._rng)))

    async def _charge_through_client(self) -> None:
        self._recent.add_payment(await self._rng.choice(self._clients.clients).charge(self._new_charge()))

    async def _charge_twice_concurrently(self) -> None:
        request = self._new_charge()
        calls = [self._rng.choice(stubs).charge(request, DEFAULT_LIMITS) for stubs in self._clients.stubs_by_replica]
        for call in await asyncio.gather(*calls):
            self._recent.add_payment(call)

    async def _repeat_charge(self) -> None:
        if self._recent.charges:
            request = self._rng.choice(self._recent.charges)
            await self._replica().charge(request, random_limits(self._rng))

    async def _reuse_request_id(self) -> None:
        """Repeat an earlier request_id with another amount. Whichever request is stored first wins."""
        if self._recent.charges:
            before = self._rng.choice(self._recent.charges)
            request = replace(before, amount_minor=before.amount_minor + 1)
            await self._replica().charge(request, DEFAULT_LIMITS)

    async def _charge_batch(self) -> None:
        request = [self._new_charge() for _ in range(self._rng.randint(2, 8))]
        repeated = [self._rng.choice(self._recent.charges)]
        for call in await self._replica().batch_charge([*request, *repeated], random_limits(self._rng)):
            self._recent.add_payment(call)

    async def _refund(self) -> None:
        if (request := self._new_refund()) is not None:
            await self._replica().refund(request, random_limits(self._rng))

    async def _refund_through_client(self) -> None:
        if (request := self._new_refund()) is not None:
            await self._rng.choice(self._clients.clients).refund(request)

    async def _refund_twice_concurrently(self) -> None:
        if (request := self._new_refund()) is not None:
            stubs = [self._rng.choice(stubs) for stubs in self._clients.stubs_by_replica]
            await asyncio.gather(*(stub.refund(request, DEFAULT_LIMITS) for stub in stubs))

    async def _repeat_refund(self) -> None:
        if self._recent.refunds:
            await self._replica().refund(self._rng.choice(self._recent.refunds), random_limits(self._rng))

    async def _read(self) -> None:
        if (payment := self._some_payment()) is not None:
            await self._replica().get_payment(PaymentRequest(payment[0]), random_limits(self._rng))

    def _replica(self) -> StubCalls:
        return self._rng.choice(self._rng.choice(self._clients.stubs_by_replica))

    def _new_charge(self) -> ChargeRequest:
        request = ChargeRequest(
            self._new_request_id(),
            order_id=self._rng.randint(1, 1000),
            amount_minor=self._rng.randint(100, 100_000),
            method=self._rng.choices(("UPI", "COD", "CARD"), (8, 4, 1))[0],
            source=self._new_source(),
        )
        self._recent.charges.append(request)
        return request

    def _new_source(self) -> str:
        """Return a payment source that no other charge has, or an empty string."""
        kind = self._rng.choice(self._sources)
        # Without digits, because they could look like a card number.
        return f"{kind}_{''.join(self._rng.choices(ascii_lowercase, k=16))}" if kind else ""

    def _new_refund(self) -> RefundRequest | None:
        payment = self._some_payment()
        if payment is None:
            return None
        payment_id, amount_minor = payment
        part = self._rng.choice((None, 1, self._rng.randint(1, amount_minor), amount_minor // 3))
        request = RefundRequest(self._new_request_id(), payment_id, part)
        self._recent.refunds.append(request)
        return request

    def _new_request_id(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}-{self._rng.getrandbits(32):08x}"

    def _some_payment(self) -> tuple[int, int] | None:
        payments = self._recent.payments
        if not payments:
            return None
        if self._rng.random() < 0.7:
            return payments[-self._rng.randint(1, min(_HOT_PAYMENTS, len(payments)))]
        return self._rng.choice(payments)


async def _complete(replicas: Sequence[StubCalls], history: History) -> None:
    """Retry every request without a final outcome until it has one, alternating between the replicas."""
    for _, stub in zip(range(_FINAL_ATTEMPTS), itertools.cycle(replicas)):
        final_charges = {call.request for call in history.charges if call.is_final}
        charges = {call.request for call in history.charges} - final_charges
        final_refunds = {call.request for call in history.refunds if call.is_final}
        refunds = {call.request for call in history.refunds} - final_refunds
        if not charges and not refunds:
            return
        for charge_batch in _batches(charges):
            await asyncio.gather(*(stub.charge(request, DEFAULT_LIMITS) for request in charge_batch))
        for refund_batch in _batches(refunds):
            await asyncio.gather(*(stub.refund(request, DEFAULT_LIMITS) for request in refund_batch))


def _batches(requests: set[Request]) -> Iterator[tuple[Request, ...]]:
    """Split requests into batches that are sent concurrently."""
    rest = iter(requests)
    while batch := tuple(itertools.islice(rest, _CONCURRENT_CALLS)):
        yield batch
