"""The wire: what is sent is what Stripe's API takes, which stripe-mock checks by its own description of it."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from server.domain.errors import OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import PaymentMethod, Status
from server.domain.processing import Capture, GiveBack
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.processor import StripeProcessor
from tests.faults.ports import free_port
from tests.support.programs import ROOT

_PROGRAM = ROOT / ".bin" / "stripe-mock"
_START_TIMEOUT_SECONDS = 30

CAPTURE = Capture(7, 342, "ECI20261125-'\\0", Money("INR", 56_125), PaymentMethod.CARD, datetime.now(UTC))
GIVE_BACK = GiveBack(9, "ECI20261125-0", Money("USD", 100), "pi_123")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    assert _PROGRAM.exists(), "`make .bin/stripe-mock` builds what is missing"
    address = f"127.0.0.1:{free_port()}"
    # Without the second address it would serve HTTPS too, to everybody.
    command = [str(_PROGRAM), "-http-addr", address, "-https-addr", "127.0.0.1:"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        try:
            while True:
                try:
                    httpx.get(f"http://{address}")
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    assert process.poll() is None
                    time.sleep(0.05)
                else:
                    break
            yield f"http://{address}"
        finally:
            process.kill()


@pytest_asyncio.fixture
async def processor(url: str) -> AsyncIterator[StripeProcessor]:
    processor = StripeProcessor(
        url,
        "sk_test_123",
        method_tokens={PaymentMethod.CARD: "pm_card_visa"},
        timeout_seconds=10,
        breaker=Breaker(5, 10),
    )
    yield processor
    await processor.close()


@pytest.mark.asyncio
async def test_a_payment_is_taken_as_the_api_has_it(processor: StripeProcessor) -> None:
    # The mock shows a payment that waits for a card, whatever is asked: that it was taken is what it checks.
    outcome = await processor.capture(CAPTURE)
    assert outcome.status is Status.FAILED
    assert outcome.processor_id is not None
    assert outcome.processor_id.startswith("pi_")


@pytest.mark.asyncio
async def test_a_payment_is_looked_for_as_the_api_has_it_and_another_is_not_taken_for_it(
    processor: StripeProcessor,
) -> None:
    assert await processor.find_capture(CAPTURE) is None


@pytest.mark.asyncio
async def test_a_refund_is_made_and_looked_for_as_the_api_has_it(processor: StripeProcessor) -> None:
    outcome = await processor.give_back(GIVE_BACK)
    assert outcome.status is Status.SUCCEEDED
    assert outcome.processor_id is not None
    assert outcome.processor_id.startswith("re_")
    assert await processor.find_give_back(GIVE_BACK) is None


@pytest.mark.asyncio
async def test_a_refund_that_is_answered_in_another_currency_settles_nothing(processor: StripeProcessor) -> None:
    # The mock answers in US dollars whatever was charged.
    with pytest.raises(OutcomeUnknown):
        await processor.give_back(GiveBack(9, "ECI20261125-0", Money("INR", 100), "pi_123"))


@pytest.mark.asyncio
async def test_a_key_that_the_api_does_not_take_settles_nothing(url: str) -> None:
    processor = StripeProcessor(url, "not-a-key", method_tokens={}, timeout_seconds=10, breaker=Breaker(5, 10))
    with pytest.raises(OutcomeUnknown):
        await processor.capture(CAPTURE)
    assert not processor.is_answering
    await processor.close()
