"""The reconciler with in-memory ports: its claims, its requests to the processor, and how it survives errors."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from server.app.background import every, run_forever
from server.application.reconciler import Reconciler
from server.application.two_phase import TwoPhaseFlow, TwoPhaseLimits
from server.domain.errors import StoreUnavailable
from server.domain.payment import PaymentMethod, Status
from server.domain.payment_source import SourceKeys
from server.domain.processing import PendingRequest
from server.observability.metrics import REGISTRY
from tests.support.fakes import NOW, UNKNOWN, FakeProcessor, stored_payment, stored_refund, until
from tests.support.memory import Memory, MemorySettlementStore

pytestmark = pytest.mark.asyncio

LIMITS = TwoPhaseLimits(
    margin_seconds=0, call_timeout_seconds=60, max_requests=100, slot_timeout_seconds=60, key_lifetime_seconds=1000
)


class RecordingStore(MemorySettlementStore):
    """A ``SettlementStore`` and ``PendingStore`` that records its calls, and fails on request."""

    def __init__(self) -> None:
        """Start with nothing pending, and with a clock that never advances."""
        self.memory = Memory(due_seconds=0, now_seconds=lambda: 0.0)
        super().__init__(self.memory)
        self.claimed: list[int] = []
        self.errors: list[Exception] = []
        self.counts = 0
        self.on_claim: Callable[[], None] = lambda: None

    def add_charges(self, count: int) -> None:
        """Add charges that have been pending for 12.34 s, after two attempts."""
        for number in range(1, count + 1):
            self.memory.add(stored_payment(number))
            self.memory.requests[-1].age(12.34, attempts=2)

    def add_refund(self) -> None:
        """Add a refund that has been pending for 12.36 s, without an attempt."""
        self.memory.add(stored_payment(9, Status.SUCCEEDED, 56_100))
        self.memory.add_refund(stored_refund(4, 9))
        self.memory.processor_ids[9] = "pi_9"
        self.memory.requests[-1].age(12.36, attempts=0)

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Claim requests that are due."""
        self.claimed.append(at_most)
        self.on_claim()
        return await super().claim(at_most)

    async def count_pending(self) -> tuple[dict[str, int], float]:
        """Count the pending requests."""
        self.counts += 1
        if self.errors:
            raise self.errors.pop(0)
        return await super().count_pending()

    @property
    def outcomes(self) -> tuple[list[Status], list[Status]]:
        """The outcomes of charges and of refunds."""
        memory = self.memory
        charges = [payment.status for payment in memory.payments.values() if payment.payment_id != 9]
        return charges, [refund.status for refund in memory.refunds.values()]


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


@pytest.fixture
def processor() -> FakeProcessor:
    return FakeProcessor()


@pytest.fixture
def reconciler(store: RecordingStore, processor: FakeProcessor) -> Reconciler:
    flow = TwoPhaseFlow(
        store, processor, LIMITS, default_method=PaymentMethod.CARD, source_keys=SourceKeys(()), now=lambda: NOW
    )
    return Reconciler(store, processor, flow)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def pending_metrics() -> dict[str, float | None]:
    """Return the metrics of pending requests."""
    counts = {kind: REGISTRY.get_sample_value("payments_pending", {"kind": kind}) for kind in ("charge", "refund")}
    return {**counts, "oldest": REGISTRY.get_sample_value("payments_pending_oldest_seconds")}


async def test_a_round_settles_the_due_requests(reconciler: Reconciler, store: RecordingStore) -> None:
    store.add_charges(2)
    store.add_refund()
    assert await reconciler.settle_due() == 3
    assert store.outcomes == ([Status.SUCCEEDED] * 2, [Status.SUCCEEDED])


async def test_a_round_claims_at_most_sixteen_requests_and_one_while_the_processor_does_not_answer(
    reconciler: Reconciler, store: RecordingStore, processor: FakeProcessor
) -> None:
    store.add_charges(20)
    assert await reconciler.settle_due() == 16
    processor.is_answering = False
    assert await reconciler.settle_due() == 1
    assert store.claimed == [16, 1]


async def test_nothing_is_claimed_if_nothing_is_pending_or_the_breaker_is_open(
    reconciler: Reconciler, store: RecordingStore, processor: FakeProcessor
) -> None:
    assert await reconciler.settle_due() == 0
    store.add_charges(1)
    processor.accepts_requests = False
    assert await reconciler.settle_due() == 0
    assert not store.claimed
    assert not processor.requests


async def test_metrics_count_pending_requests_by_kind(reconciler: Reconciler, store: RecordingStore) -> None:
    store.add_charges(20)
    await reconciler.settle_due()
    assert pending_metrics() == {"charge": 20.0, "refund": 0.0, "oldest": 12.34}
    await reconciler.settle_due()
    await reconciler.settle_due()
    assert pending_metrics() == {"charge": 0.0, "refund": 0.0, "oldest": 0.0}


async def test_a_request_that_cannot_be_settled_is_logged_and_does_not_stop_the_others(
    reconciler: Reconciler, store: RecordingStore, processor: FakeProcessor, log: list[Any]
) -> None:
    processor.answer = processor.found = UNKNOWN
    store.add_charges(1)
    store.add_refund()
    assert await reconciler.settle_due() == 2
    same = {"event": "still_pending", "log_level": "warning", "reason": "no answer"}
    assert log == [
        {**same, "payment_id": 1, "refund_id": None, "age_seconds": 12.3, "attempts": 3},
        {**same, "payment_id": 9, "refund_id": 4, "age_seconds": 12.4, "attempts": 1},
    ]


async def test_an_internal_error_is_logged_and_does_not_stop_the_other_requests(
    reconciler: Reconciler, store: RecordingStore, processor: FakeProcessor, log: list[Any]
) -> None:
    processor.answer = ZeroDivisionError()
    store.add_charges(1)
    store.add_refund()
    assert await reconciler.settle_due() == 2
    same = {"event": "settling_failed", "log_level": "error", "exc_info": True}
    assert log == [{**same, "payment_id": 1, "refund_id": None}, {**same, "payment_id": 9, "refund_id": 4}]


async def test_claimed_requests_are_not_sent_if_the_breaker_has_opened(
    reconciler: Reconciler, store: RecordingStore, processor: FakeProcessor, log: list[Any]
) -> None:
    store.add_charges(2)
    store.on_claim = lambda: setattr(processor, "accepts_requests", False)
    assert await reconciler.settle_due() == 2
    assert not processor.requests
    assert [event["event"] for event in log] == ["still_pending"] * 2


async def test_it_continues_after_any_error_and_settles_everything(
    reconciler: Reconciler, store: RecordingStore, log: list[Any]
) -> None:
    store.errors = [StoreUnavailable("not available"), ZeroDivisionError()]
    store.add_charges(40)
    running = asyncio.create_task(run_forever(reconciler.round, pause=every(0.01), failure_event="janitor_failed"))
    while store.memory.requests:
        assert not running.done()
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert [(event["event"], event["log_level"]) for event in log] == [("janitor_failed", "error")]


async def test_it_pauses_only_if_a_round_claims_fewer_requests_than_it_may(
    store: RecordingStore, processor: FakeProcessor
) -> None:
    flow = TwoPhaseFlow(
        store, processor, LIMITS, default_method=PaymentMethod.CARD, source_keys=SourceKeys(()), now=lambda: NOW
    )
    reconciler = Reconciler(store, processor, flow)
    store.add_charges(2 * 16)
    running = asyncio.create_task(run_forever(reconciler.round, pause=every(3600), failure_event="janitor_failed"))
    await until(lambda: store.counts == 3)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert store.counts == 3
    assert not store.memory.requests
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
