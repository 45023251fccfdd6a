"""The adapter of the tests: a ``StripeProcessor`` with connections of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from server.domain.payment import PaymentMethod
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.http import StripeApi
from server.processors.stripe.processor import StripeProcessor
from server.processors.stripe.records import StripeRecords

APPROVAL_SECONDS = 900


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def adapter(
    url: str,
    api_key: str,
    *,
    method_tokens: Mapping[PaymentMethod, str],
    breaker: Breaker,
    timeout_seconds: float = 10,
) -> AsyncIterator[StripeProcessor]:
    """Yield an adapter, and close its connections."""
    api = StripeApi(url, api_key, timeout_seconds=timeout_seconds, breaker=breaker)
    try:
        yield StripeProcessor(
            api, method_tokens=method_tokens, approval_seconds=APPROVAL_SECONDS, breaker=breaker, now=utc_now
        )
    finally:
        await api.close()


@asynccontextmanager
async def records(url: str, api_key: str, *, breaker: Breaker) -> AsyncIterator[StripeRecords]:
    """Yield the adapter's view of settled payments, and close its connections."""
    api = StripeApi(url, api_key, timeout_seconds=10, breaker=breaker)
    try:
        yield StripeRecords(api, now=utc_now)
    finally:
        await api.close()
