"""Callers that accept no error during an upgrade, and use both replicas in turn."""

import asyncio
import itertools
import threading
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from payments_client import AsyncPaymentsClient

from tests.faults.clients import ClientCalls
from tests.faults.loop_thread import LoopThread
from tests.faults.record import ChargeRequest, History, RefundRequest

_TIMEOUT_SECONDS = 60.0
"""Includes the time in which a replica is replaced."""

_ORDER_ID = 5000
"""An order that no other caller uses."""

_PAGE_SIZE = 3
_PAYMENTS_PER_LIST = 5
_UPDATES_PER_REPLICA = 40
_ABORT_POLL_SECONDS = 0.1

Event = tuple[str, int, int | None]
"""The type of an event, its payment_id and its refund_id."""


class _CallerThread(LoopThread):
    """Makes calls in a thread within the context, and raises the error that ended them, if any, at its end."""

    def __init__(self, targets: Sequence[str]) -> None:
        """Set the addresses of the replicas; nothing is called yet."""
        super().__init__()
        self._targets = targets
        self._aborting = threading.Event()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the last call, and raise the error that ended the calls, if any. After another error, only cancel."""
        if error is not None:
            self._aborting.set()
        self.stopping.set()
        self.thread.join()
        if error is None and self.error is not None:
            raise self.error

    @abstractmethod
    async def call(self, replicas: Sequence[AsyncPaymentsClient], both: AsyncPaymentsClient) -> None:
        """Make calls until ``stopping`` is set; ``both`` uses any replica."""

    async def work(self) -> None:
        """Connect, and make calls until ``stopping`` is set, or cancel them after another error."""
        async with AsyncExitStack() as stack:
            targets = [*self._targets, f"ipv4:{','.join(self._targets)}"]
            *replicas, both = [
                await stack.enter_async_context(AsyncPaymentsClient(target, timeout_seconds=_TIMEOUT_SECONDS))
                for target in targets
            ]
            work = asyncio.create_task(self.call(replicas, both))
            while not work.done() and not self._aborting.is_set():
                await asyncio.wait({work}, timeout=_ABORT_POLL_SECONDS)
            if work.done():
                work.result()
            else:
                # A consumer would wait for its replica forever.
                work.cancel()
                await asyncio.wait({work})


class Caller(_CallerThread):
    """Charges and refunds through any replica, and lists its payments with each page from another replica."""

    def __init__(self, targets: Sequence[str], history: History) -> None:
        """Record charges and refunds in ``history``."""
        super().__init__(targets)
        self._history = history
        self.lists_count = 0
        """The number of complete lists so far."""

    async def call(self, replicas: Sequence[AsyncPaymentsClient], both: AsyncPaymentsClient) -> None:
        """Charge, refund and list until the context ends."""
        calls = ClientCalls(both, self._history, timeout_seconds=_TIMEOUT_SECONDS)
        payment_ids: list[int] = []
        while not self.stopping.is_set():
            for _ in range(_PAYMENTS_PER_LIST):
                charge = await calls.charge(ChargeRequest(f"caller-{len(payment_ids)}", _ORDER_ID, 500, "UPI"))
                assert charge.response is not None, charge
                payment_ids.append(charge.response.payment_id)
            refund = await calls.refund(RefundRequest(f"caller-refund-{len(payment_ids)}", payment_ids[-1], 200))
            assert refund.response is not None, refund
            assert await self._list(replicas) == payment_ids[-_PAGE_SIZE * 4 :]
            self.lists_count += 1

    async def _list(self, replicas: Sequence[AsyncPaymentsClient]) -> list[int]:
        """Return the ids on the first four pages of the latest payments, oldest first."""
        payment_ids: list[int] = []
        page_token = ""
        for replica, _ in zip(itertools.cycle(replicas), range(4), strict=False):
            page = await replica.list_payments_page(order_id=_ORDER_ID, page_size=_PAGE_SIZE, page_token=page_token)
            payment_ids += [payment.payment_id for payment in page.payments]
            page_token = page.next_page_token
            if not page_token:
                break
        return payment_ids[::-1]


class Consumer(_CallerThread):
    """Consumes the event stream from one replica after the other, resuming with the token of the previous one."""

    def __init__(self, targets: Sequence[str]) -> None:
        """Start without events."""
        super().__init__(targets)
        self.events: list[Event] = []
        """The events received so far, in order."""
        self.token = ""
        """The last resume token, or empty before the first one."""

    async def call(self, replicas: Sequence[AsyncPaymentsClient], both: AsyncPaymentsClient) -> None:
        """Consume events until the context ends."""
        del both
        for replica in itertools.cycle(replicas):
            updates = replica.watch_payments(resume_token=self.token)
            number = 0
            async for update in updates:
                self.token = update.resume_token
                if update.event is not None:
                    refund = update.event.refund
                    refund_id = None if refund is None else refund.refund_id
                    self.events.append((update.event.type.value, update.event.payment.payment_id, refund_id))
                number += 1
                if self.stopping.is_set() or number == _UPDATES_PER_REPLICA:
                    break
            await updates.aclose()
            if self.stopping.is_set():
                return
