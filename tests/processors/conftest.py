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
from tests.processors.adapter import adapter
from tests.processors.faulty_processor import API_KEY, FaultyProcessor
from tests.processors.services import Rows, Starter
from tests.support.databases import DatabaseServer
from tests.support.running_service import RunningService

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
        url = processor.settings["PROCESSOR_URL"]
        async with adapter(url, API_KEY, method_tokens=method_tokens, breaker=breaker, timeout_seconds=5) as stripe:
            return await work(stripe)

    return lambda work: uvloop.run(run(work))


@pytest.fixture
def start(processor: FaultyProcessor, start_service: Callable[..., RunningService], rows: Rows) -> Iterator[Starter]:
    """Yield a function that starts services that use the processor and the database of the test.

    They do not read the processor's list of events before ``rows.resume_polls``, because a test cannot foresee when.
    """
    rows.postpone_polls()
    starter = Starter(processor, start_service)
    yield starter
    for channel in starter.channels:
        channel.close()


@pytest.fixture
def rows(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Rows:
    return Rows(database_server, migrated_database["MYSQL_DB"])


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured
