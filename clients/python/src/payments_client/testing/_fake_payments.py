"""The fake service, as the tests of a program create it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import cast

import grpc

from payments_client import AsyncPaymentsClient, PaymentsClient
from payments_client.testing._async_channel import AsyncFakeChannel
from payments_client.testing._channel import FakeChannel
from payments_client.testing._money import DECIMALS, Currencies
from payments_client.testing._service import FakeService
from payments_client.testing._sources import SOURCES
from payments_client.testing._store import Store


class FakePayments:
    """A payment service in memory. Each instance has its own payments. It is thread-safe.

    It follows the contract in ``payments.proto``, with these properties:

    - The caller is ``anonymous``, without the role ``payments.audit``.
    - A charge without a method is made by CARD.
    - A charge has the outcome of its ``payment_source``, or else of ``default_source``. The real service decides at
      random about a charge without a source if its processor is simulated.
    - A pending charge or refund gets its outcome when the clock reaches the time. The next call sees it, and so does a
      watch that is waiting. The same goes for disputes, and for refunds that fail after they succeeded.
      ``sim_timeout`` does not make the call wait.
    - Deadlines never pass, and no call fails with an ``OutcomeUnknown``.
    """

    def __init__(
        self,
        *,
        default_currency: str = "INR",
        allowed_currencies: Iterable[str] | None = None,
        default_source: str = "sim_success",
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """Create a service without payments.

        Args:
            default_currency: The ISO 4217 code of the currency of amounts without one.
            allowed_currencies: The currencies that a charge may have. None means every currency of ISO 4217.
            default_source: The ``payment_source`` of charges that have none, such as ``sim_declined``.
            clock: Returns the time, which must be timezone-aware. None means the system's clock.

        Raises:
            ValueError: A currency or the source does not exist, the default currency is not allowed, or the clock
                returns a naive time.
        """
        allowed = frozenset(DECIMALS if allowed_currencies is None else allowed_currencies)
        if unknown := allowed - DECIMALS.keys():
            raise ValueError(f"allowed_currencies must be ISO 4217 codes, not {', '.join(sorted(unknown))}")
        if default_currency not in allowed:
            raise ValueError(f"default_currency must be an allowed ISO 4217 code, not {default_currency}")
        if default_source not in SOURCES:
            raise ValueError(f"default_source must be one of {', '.join(SOURCES)}")
        clock = clock or _system_clock
        if clock().utcoffset() is None:
            raise ValueError("clock must return an aware time (with a tzinfo)")
        self._service = FakeService(Store(clock), Currencies(default_currency, allowed), SOURCES[default_source])

    def client(self) -> PaymentsClient:
        """Return a new client of this service. All its clients share the payments."""
        # The generated stub uses only the methods of a channel that the fake has.
        channel = cast("grpc.Channel", FakeChannel(self._service))
        return PaymentsClient._of_channel(channel)  # noqa: SLF001 - of the same distribution

    def async_client(self) -> AsyncPaymentsClient:
        """Return a new asyncio client of this service. All its clients share the payments."""
        channel = cast("grpc.aio.Channel", AsyncFakeChannel(self._service))
        return AsyncPaymentsClient._of_channel(channel)  # noqa: SLF001 - of the same distribution


def _system_clock() -> datetime:
    return datetime.now(UTC)
