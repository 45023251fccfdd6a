"""The wire format: stripe-mock checks the requests against Stripe's own API description."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from server.domain.errors import OutcomeUnknown
from server.domain.late_outcomes import Check, ProcessorView
from server.domain.money import Money
from server.domain.payment import PaymentMethod, Status
from server.domain.processing import Capture, ProcessorRefund
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.failures import NEVER_RECEIVED
from server.processors.stripe.processor import StripeProcessor
from server.processors.stripe.records import StripeRecords
from tests.processors.adapter import adapter, records
from tests.support.fakes import NOW, stored_payment, stored_refund
from tests.support.ports import free_port
from tests.support.programs import ROOT

_PROGRAM = ROOT / ".bin" / "stripe-mock"
_START_TIMEOUT_SECONDS = 30

CAPTURE = Capture(7, 342, "ECI20261125-'\\0", Money("INR", 56_125), PaymentMethod.CARD, datetime.now(UTC))
SHOWN_AMOUNT = Money("USD", 1099)
"""The amount of every payment that the mock returns."""

REFUND = ProcessorRefund(9, "ECI20261125-0", Money("USD", 100), "pi_123", NOW)


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
async def stripe_records(url: str) -> AsyncIterator[StripeRecords]:
    async with records(url, "sk_test_123", breaker=Breaker(5, 10)) as found:
        yield found


@pytest_asyncio.fixture
async def processor(url: str) -> AsyncIterator[StripeProcessor]:
    async with adapter(
        url, "sk_test_123", method_tokens={PaymentMethod.CARD: "pm_card_visa"}, breaker=Breaker(5, 10)
    ) as processor:
        yield processor


@pytest.mark.asyncio
async def test_a_charge_matches_the_api(processor: StripeProcessor) -> None:
    # The mock always returns a payment that waits for a card; it only checks the request.
    outcome = await processor.capture(CAPTURE)
    assert outcome.status is Status.FAILED
    assert outcome.processor_id is not None
    assert outcome.processor_id.startswith("pi_")


@pytest.mark.asyncio
@pytest.mark.parametrize("return_url", ["", "https://shop.example/paid"])
async def test_a_charge_with_its_own_source_matches_the_api(processor: StripeProcessor, return_url: str) -> None:
    request = replace(CAPTURE, has_own_source=True, source="pm_card_authenticationRequired", return_url=return_url)
    outcome = await processor.capture(request)
    assert outcome.processor_id is not None
    assert outcome.processor_id.startswith("pi_")


@pytest.mark.asyncio
async def test_a_placeholder_and_its_cancelation_match_the_api(processor: StripeProcessor) -> None:
    outcome = await processor.capture(replace(CAPTURE, has_own_source=True))
    assert (outcome.status, outcome.failure) == (Status.FAILED, NEVER_RECEIVED)


@pytest.mark.asyncio
async def test_a_read_of_a_charge_matches_the_api(processor: StripeProcessor) -> None:
    outcome = await processor.capture(
        replace(CAPTURE, amount=SHOWN_AMOUNT, has_own_source=True, processor_id="pi_of_the_charge")
    )
    assert (outcome.status, outcome.processor_id) == (Status.FAILED, "pi_of_the_charge")


@pytest.mark.asyncio
async def test_a_check_of_a_payment_matches_the_api(stripe_records: StripeRecords) -> None:
    payment = replace(
        stored_payment(7, Status.FAILED),
        amount=SHOWN_AMOUNT,
        refunded_amount=Money("USD", 0),
        processor_reference="pi_of_the_charge",
    )
    refund = replace(stored_refund(9, 7, Status.SUCCEEDED), amount=Money("USD", 100), processor_reference="re_1")
    check = Check(payment, 1, 0.0, is_archived=False, has_pending_requests=False, succeeded_refunds=(refund,))
    # The listed dispute and the listed refund are those of another payment.
    assert await stripe_records.view(check) == ProcessorView(Status.FAILED, None, ())


@pytest.mark.asyncio
@pytest.mark.parametrize("event_id", [None, "evt_1"])
async def test_the_list_of_events_matches_the_api(stripe_records: StripeRecords, event_id: str | None) -> None:
    # The listed event is of a type that was not asked for, and names no payment.
    hints = await stripe_records.hints_after(event_id)
    assert hints.hints == ()
    assert (hints.last_event_id or "").startswith("evt_")


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
        await processor.refund(ProcessorRefund(9, "ECI20261125-0", Money("INR", 100), "pi_123", NOW))


@pytest.mark.asyncio
async def test_a_rejected_api_key_settles_nothing(url: str) -> None:
    async with adapter(url, "not-a-key", method_tokens={}, breaker=Breaker(5, 10)) as processor:
        with pytest.raises(OutcomeUnknown):
            await processor.capture(CAPTURE)
        assert not processor.is_answering
