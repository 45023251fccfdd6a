"""The janitor: asks a remote processor about what was left PENDING, by whichever replica, and has it settled.

Every replica has one. None knows of the others: each claims what is due, which puts off when it is due again, and keeps
no lock while it asks. Should two ask about the same, the processor answers both alike, and it is settled once.
"""

import asyncio
from typing import Protocol

import structlog

from server.application.two_phase import RemoteProcessor, Settling
from server.domain.errors import OutcomeUnknown, PaymentsError
from server.domain.processing import PendingRequest
from server.observability import metrics

_CLAIMED_AT_ONCE = 16
_RETRY_SECONDS = 1.0
_KINDS = {"charge": 0, "refund": 0}

_log = structlog.get_logger(__name__)


class PendingStore(Protocol):
    """Knows what has no outcome. Each method raises ``StoreUnavailable`` when it cannot reach the database."""

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Take what is due to be asked about, so that no other janitor does for a while."""

    async def pending(self) -> tuple[dict[str, int], float]:
        """Return how many charges and refunds have no outcome, by kind, and the age of the oldest in seconds, or 0."""


class Janitor:
    """Settles what is pending, for as long as it runs."""

    def __init__(
        self, store: PendingStore, processor: RemoteProcessor, settling: Settling, interval_seconds: float
    ) -> None:
        """Look for what is due at this interval."""
        self._store = store
        self._processor = processor
        self._settling = settling
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Do so until cancelled; what goes wrong is tried again."""
        while True:
            try:
                settled = await self.round()
            except PaymentsError:
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - if this ended, payments would stay pending, and nobody would know
                _log.exception("janitor_failed")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if settled < _CLAIMED_AT_ONCE:
                    await asyncio.sleep(self._interval_seconds)

    async def round(self) -> int:
        """Ask about what is due now, some of it; return how many that were.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        counts, oldest_seconds = await self._store.pending()
        metrics.pending(_KINDS | counts, oldest_seconds)
        if not counts or not self._processor.may_be_asked:
            return 0
        requests = await self._store.claim(_CLAIMED_AT_ONCE if self._processor.is_answering else 1)
        await asyncio.gather(*(self._settle(request) for request in requests))
        return len(requests)

    async def _settle(self, request: PendingRequest) -> None:
        try:
            self._processor.check()
            await self._settling.settle(request)
        except (OutcomeUnknown, PaymentsError) as error:
            refund_id = None if request.refund is None else request.refund.refund_id
            _log.warning(
                "still_pending",
                payment_id=request.payment.payment_id,
                refund_id=refund_id,
                age_seconds=round(request.age_seconds, 1),
                attempts=request.attempts,
                reason=str(error),
            )
