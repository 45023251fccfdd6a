"""The reconciler over ports in memory: what it claims, when it asks, and that nothing ends it."""

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
from server.domain.processing import Outcome, PendingRequest
from server.observability.metrics import REGISTRY
from tests.support.fakes import NOW, UNKNOWN, FakeProcessor, FakeSettlementStore, stored, stored_refund, until

pytestmark = pytest.mark.asyncio

LIMITS = TwoPhaseLimits(margin_seconds=0, call_seconds=60, max_requests=100, turn_seconds=60, key_lifetime_seconds=1000)


class FakePendingStore:
    """A ``PendingStore`` in memory: what is claimed is not due again."""

    def __init__(self) -> None:
        """Begin with nothing pending."""
        self.due: list[PendingRequest] = []
        self.claimed: list[int] = []
        self.errors: list[Exception] = []
        self.looks = 0
        self.on_claim: Callable[[], None] = lambda: None

    def add_charges(self, count: int) -> None:
        """Have charges pending."""
        self.due += [PendingRequest(stored(number), None, 12.34, 3, None) for number in range(1, count + 1)]

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Take what is due."""
        self.claimed.append(at_most)
        self.on_claim()
        taken, self.due = self.due[:at_most], self.due[at_most:]
        return taken

    async def pending(self) -> tuple[dict[str, int], float]:
        """Count what is due."""
        self.looks += 1
        if self.errors:
            raise self.errors.pop(0)
        refunds = sum(request.refund is not None for request in self.due)
        counts = {"charge": len(self.due) - refunds, "refund": refunds}
        return {kind: count for kind, count in counts.items() if count}, 12.34 if self.due else 0.0


@pytest.fixture
def pending() -> FakePendingStore:
    return FakePendingStore()


@pytest.fixture
def processor() -> FakeProcessor:
    return FakeProcessor()


@pytest.fixture
def outcomes() -> FakeSettlementStore:
    return FakeSettlementStore()


@pytest.fixture
def reconciler(pending: FakePendingStore, processor: FakeProcessor, outcomes: FakeSettlementStore) -> Reconciler:
    flow = TwoPhaseFlow(outcomes, processor, LIMITS, default_method=PaymentMethod.CARD, now=lambda: NOW)
    return Reconciler(pending, processor, flow)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def shown() -> dict[str, float | None]:
    """Return what metrics say of what is pending."""
    counts = {kind: REGISTRY.get_sample_value("payments_pending", {"kind": kind}) for kind in ("charge", "refund")}
    return {**counts, "oldest": REGISTRY.get_sample_value("payments_pending_oldest_seconds")}


async def test_a_round_settles_what_is_due(
    reconciler: Reconciler, pending: FakePendingStore, outcomes: FakeSettlementStore
) -> None:
    pending.add_charges(2)
    pending.due.append(PendingRequest(stored(9, Status.SUCCEEDED), stored_refund(4, 9), 12.34, 3, "pi_9"))
    assert await reconciler.settle_due() == 3
    done = Outcome(Status.SUCCEEDED, "pi_1")
    assert (outcomes.charges, outcomes.refunds) == ({1: done, 2: done}, {4: done})


async def test_a_round_takes_a_few_at_a_time_and_one_while_the_processor_does_not_answer(
    reconciler: Reconciler, pending: FakePendingStore, processor: FakeProcessor
) -> None:
    pending.add_charges(20)
    assert await reconciler.settle_due() == 16
    processor.is_answering = False
    assert await reconciler.settle_due() == 1
    assert pending.claimed == [16, 1]


async def test_nothing_is_claimed_when_nothing_is_pending_or_the_processor_may_not_be_asked(
    reconciler: Reconciler, pending: FakePendingStore, processor: FakeProcessor
) -> None:
    assert await reconciler.settle_due() == 0
    pending.add_charges(1)
    processor.may_be_asked = False
    assert await reconciler.settle_due() == 0
    assert not pending.claimed
    assert not processor.asked


async def test_metrics_show_what_is_pending_of_each_kind(reconciler: Reconciler, pending: FakePendingStore) -> None:
    pending.add_charges(20)
    await reconciler.settle_due()
    assert shown() == {"charge": 20.0, "refund": 0.0, "oldest": 12.34}
    await reconciler.settle_due()
    await reconciler.settle_due()
    assert shown() == {"charge": 0.0, "refund": 0.0, "oldest": 0.0}


async def test_what_cannot_be_settled_is_logged_and_keeps_nothing_else_from_it(
    reconciler: Reconciler, pending: FakePendingStore, processor: FakeProcessor, log: list[Any]
) -> None:
    processor.answer = processor.found = UNKNOWN
    pending.add_charges(1)
    pending.due.append(PendingRequest(stored(9, Status.SUCCEEDED), stored_refund(4, 9), 12.36, 1, "pi_9"))
    assert await reconciler.settle_due() == 2
    same = {"event": "still_pending", "log_level": "warning", "reason": "no answer"}
    assert log == [
        {**same, "payment_id": 1, "refund_id": None, "age_seconds": 12.3, "attempts": 3},
        {**same, "payment_id": 9, "refund_id": 4, "age_seconds": 12.4, "attempts": 1},
    ]


async def test_a_processor_that_is_away_by_then_is_not_asked_for_what_was_claimed(
    reconciler: Reconciler, pending: FakePendingStore, processor: FakeProcessor, log: list[Any]
) -> None:
    pending.add_charges(2)
    pending.on_claim = lambda: setattr(processor, "may_be_asked", False)
    assert await reconciler.settle_due() == 2
    assert not processor.asked
    assert [event["event"] for event in log] == ["still_pending"] * 2


async def test_it_goes_on_after_any_error_and_settles_all_there_is(
    reconciler: Reconciler, pending: FakePendingStore, outcomes: FakeSettlementStore, log: list[Any]
) -> None:
    pending.errors = [StoreUnavailable("not there"), ZeroDivisionError()]
    pending.add_charges(40)
    running = asyncio.create_task(run_forever(reconciler.round, pause=every(0.01), failure_event="janitor_failed"))
    while len(outcomes.charges) < 40:
        assert not running.done()
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert [(event["event"], event["log_level"]) for event in log] == [("janitor_failed", "error")]


async def test_it_rests_only_when_a_round_finds_less_than_it_may_take(
    pending: FakePendingStore, processor: FakeProcessor, outcomes: FakeSettlementStore
) -> None:
    flow = TwoPhaseFlow(outcomes, processor, LIMITS, default_method=PaymentMethod.CARD, now=lambda: NOW)
    reconciler = Reconciler(pending, processor, flow)
    pending.add_charges(2 * 16)
    running = asyncio.create_task(run_forever(reconciler.round, pause=every(3600), failure_event="janitor_failed"))
    await until(lambda: pending.looks == 3)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert pending.looks == 3
    assert not pending.due
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
