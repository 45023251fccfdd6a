"""The reconciler: settles the charges and refunds that any replica left PENDING, by asking the remote processor.

Every replica runs one, without coordination: each claims the requests that are due, which postpones them for the
others, and holds no lock while it asks. If two ask about the same request, both get the same answer, and the request is
settled once.
"""

import asyncio

import structlog

from server.application.ports import PendingStore, RemoteProcessor
from server.application.two_phase import TwoPhaseFlow
from server.domain.errors import OutcomeUnknown, PaymentsError
from server.domain.processing import PendingRequest
from server.observability import metrics

_MAX_CLAIMS = 16
_NO_PENDING = {"charge": 0, "refund": 0}

_log = structlog.get_logger(__name__)


class Reconciler:
    """Settles pending charges and refunds."""

    def __init__(self, store: PendingStore, processor: RemoteProcessor, flow: TwoPhaseFlow) -> None:
        """Settle requests through ``flow``, which this replica's calls use too."""
        self._store = store
        self._processor = processor
        self._flow = flow

    async def round(self) -> bool:
        """Settle a batch of due requests, and return whether more may be due.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        return await self.settle_due() == _MAX_CLAIMS

    async def settle_due(self) -> int:
        """Settle a batch of due requests, and return the number that were claimed.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        counts, oldest_seconds = await self._store.count_pending()
        metrics.set_pending(_NO_PENDING | counts, oldest_seconds)
        if not counts or not self._processor.accepts_requests:
            return 0
        requests = await self._store.claim(_MAX_CLAIMS if self._processor.is_answering else 1)
        await asyncio.gather(*(self._settle(request) for request in requests))
        return len(requests)

    async def _settle(self, request: PendingRequest) -> None:
        payment_id = request.payment.payment_id
        refund_id = None if request.refund is None else request.refund.refund_id
        try:
            self._processor.check()
            await self._flow.settle(request)
        except (OutcomeUnknown, PaymentsError) as error:
            _log.warning(
                "still_pending",
                payment_id=payment_id,
                refund_id=refund_id,
                age_seconds=round(request.age_seconds, 1),
                attempts=request.attempts,
                reason=str(error),
            )
        except Exception:  # noqa: BLE001 - one request that fails must not stop the others
            _log.exception("settling_failed", payment_id=payment_id, refund_id=refund_id)
