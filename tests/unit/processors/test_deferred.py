"""The simulated processor's late answers."""

import asyncio
from datetime import timedelta
from unittest.mock import AsyncMock

import pytest

from server.domain.errors import OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import Failure, FailureReason, PaymentMethod, Status
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.domain.simulation import SimulatedSource
from server.processors.simulated.deferred import DeferredProcessor
from tests.support.fakes import NOW

pytestmark = pytest.mark.asyncio

SUCCEEDED = Outcome(Status.SUCCEEDED, None)
DECLINED = Outcome(Status.FAILED, None, Failure(FailureReason.DECLINED, "declined"))
TIMED_OUT = Outcome(Status.FAILED, None, Failure(FailureReason.PROCESSOR_ERROR, "timeout"))


def processor(age_seconds: float) -> DeferredProcessor:
    """Return a processor for requests that were stored at NOW, ``age_seconds`` ago."""
    return DeferredProcessor(lambda: NOW + timedelta(seconds=age_seconds), send_hint=AsyncMock())


def capture(source: SimulatedSource) -> Capture:
    return Capture(1, 7, "R1", Money("INR", 100), PaymentMethod.UPI, NOW, source)


def refund(source: SimulatedSource) -> ProcessorRefund:
    return ProcessorRefund(1, "R1", Money("INR", 100), None, NOW, source)


@pytest.mark.parametrize(
    ("source", "seconds", "outcome"),
    [
        (SimulatedSource.PENDING, 5.0, SUCCEEDED),
        (SimulatedSource.PENDING_DECLINED, 5.0, DECLINED),
        (SimulatedSource.TIMEOUT, 30.0, TIMED_OUT),
    ],
)
async def test_a_charge_gets_its_outcome_when_it_is_old_enough(
    source: SimulatedSource, seconds: float, outcome: Outcome
) -> None:
    for age_seconds in (2.0, seconds - 0.001):
        with pytest.raises(OutcomeUnknown):
            await processor(age_seconds).capture(capture(source))
    assert await processor(seconds).capture(capture(source)) == outcome


async def test_a_timeout_keeps_the_call_of_a_new_charge_waiting() -> None:
    call = asyncio.create_task(processor(0.0).capture(capture(SimulatedSource.TIMEOUT)))
    done, _ = await asyncio.wait((call,), timeout=0.05)
    assert not done
    call.cancel()


async def test_refunds_get_the_outcome_of_the_source_of_their_payment() -> None:
    assert await processor(0.0).refund(refund(SimulatedSource.REFUND_FAILS)) == DECLINED
    with pytest.raises(OutcomeUnknown):
        await processor(4.999).refund(refund(SimulatedSource.REFUND_PENDING))
    assert await processor(5.0).refund(refund(SimulatedSource.REFUND_PENDING)) == SUCCEEDED


async def test_nothing_is_found_that_a_repeated_request_would_not_return() -> None:
    deferred = processor(0.0)
    deferred.check()
    deferred.check_amount(Money("INR", 1))
    assert await deferred.find_capture(capture(SimulatedSource.PENDING)) is None
    assert await deferred.find_refund(refund(SimulatedSource.REFUND_PENDING)) is None
