"""Fixtures of the adapter's tests: a processor that can fail, and an adapter that uses it."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest
import structlog
import uvloop

from server.domain.payment import PaymentMethod
from server.domain.processing import Outcome
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.processor import StripeProcessor
from tests.processors.faulty_processor import API_KEY, FaultyProcessor

Work = Callable[[StripeProcessor], Coroutine[Any, Any, Outcome | None]]
Use = Callable[[Work], Outcome | None]


@pytest.fixture
def processor() -> Iterator[FaultyProcessor]:
    with FaultyProcessor() as processor:
        yield processor


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(1, 3600)


@pytest.fixture
def use(processor: FaultyProcessor, breaker: Breaker, method_tokens: Mapping[PaymentMethod, str]) -> Use:
    """Return a function that passes an adapter to ``work`` and runs it; test modules define ``method_tokens``."""

    async def run(work: Work) -> Outcome | None:
        stripe = StripeProcessor(
            processor.settings["PROCESSOR_URL"],
            API_KEY,
            method_tokens=method_tokens,
            timeout_seconds=5,
            breaker=breaker,
        )
        try:
            return await work(stripe)
        finally:
            await stripe.close()

    return lambda work: uvloop.run(run(work))


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured
