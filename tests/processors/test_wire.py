"""The wire format: stripe-mock checks the requests against Stripe's own API description."""

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
from server.domain.processing import Capture, ProcessorRefund
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.processor import StripeProcessor
from tests.support.ports import free_port
from tests.support.programs import ROOT

_PROGRAM = ROOT / ".bin" / "stripe-mock"
_START_TIMEOUT_SECONDS = 30

CAPTURE = Capture(7, 342, "ECI20261125-'\\0", Money("INR", 56_125), PaymentMethod.CARD, datetime.now(UTC))
REFUND = ProcessorRefund(9, "ECI20261125-0", Money("USD", 100), "pi_123")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    assert _PROGRAM.exists(), "run `make .bin/stripe-mock` first"
    address = f"127.0.0.1:{free_port()}"
    # Without the second address it would also serve HTTPS, on all interfaces.
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
async def test_a_charge_matches_the_api(processor: StripeProcessor) -> None:
    # The mock always returns a payment that waits for a card; it only checks the request.
    outcome = await processor.capture(CAPTURE)
    assert outcome.status is Status.FAILED
    assert outcome.processor_id is not None
    assert outcome.processor_id.startswith("pi_")


@pytest.mark.asyncio
async def test_a_lookup_of_a_charge_matches_the_api_and_ignores_other_payments(
    processor: StripeProcessor,
) -> None:
    assert await processor.find_capture(CAPTURE) is None


@pytest.mark.asyncio
async def test_a_refund_and_its_lookup_match_the_api(processor: StripeProcessor) -> None:
    outcome = await processor.refund(REFUND)
    assert outcome.status is Status.SUCCEEDED
    assert outcome.processor_id is not None
    assert outcome.processor_id.startswith("re_")
    assert await processor.find_refund(REFUND) is None


@pytest.mark.asyncio
async def test_a_refund_in_another_currency_settles_nothing(processor: StripeProcessor) -> None:
    # The mock always returns US dollars.
    with pytest.raises(OutcomeUnknown):
        await processor.refund(ProcessorRefund(9, "ECI20261125-0", Money("INR", 100), "pi_123"))


@pytest.mark.asyncio
async def test_a_rejected_api_key_settles_nothing(url: str) -> None:
    processor = StripeProcessor(url, "not-a-key", method_tokens={}, timeout_seconds=10, breaker=Breaker(5, 10))
    with pytest.raises(OutcomeUnknown):
        await processor.capture(CAPTURE)
    assert not processor.is_answering
    await processor.close()
