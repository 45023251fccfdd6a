"""What Stripe knows about settled payments: their disputes, and refunds that failed late."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from server.domain.dispute import DisputeStatus, SeenDispute
from server.domain.errors import InvalidValue, OutcomeUnknown
from server.domain.late_outcomes import Check, FailedRefund, Hints, ProcessorView
from server.domain.money import Money
from server.domain.payment import Payment, Status
from server.domain.processing import Capture, ProcessorRefund
from server.processors.stripe.amounts import money_from_stripe
from server.processors.stripe.events import EVENT_TYPES, hint_of_event
from server.processors.stripe.failures import failure_of_object
from server.processors.stripe.http import Request, StripeApi
from server.processors.stripe.lists import PAGE_SIZE, listed, page_of
from server.processors.stripe.responses import (
    PAYMENT_STATUSES,
    REFUND_STATUSES,
    check_intent,
    check_refund,
    final_status,
    integer,
    nested,
    text,
)

_DISPUTE_STATUSES = {
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}
"""The statuses of "The Dispute object" (docs.stripe.com/api).

The others are inquiries, which hold no money, and for which a refund is the usual answer.
"""

_REREAD_SECONDS = 60
"""Events this recent are read again, because an event may appear in the list after a newer one."""

_log = structlog.get_logger(__name__)


class StripeRecords:
    """The ``ProcessorRecords`` of Stripe."""

    def __init__(self, api: StripeApi, *, now: Callable[[], datetime]) -> None:
        """Read through ``api``; ``now`` returns the time in UTC."""
        self._api = api
        self._now = now

    async def view(self, check: Check) -> ProcessorView:
        """Return what Stripe knows about a payment now: see ``ProcessorRecords.view``.

        A payment without an id at Stripe was never charged there, so nothing can change about it.
        """
        payment = check.payment
        if not payment.processor_reference:
            return ProcessorView(None, None, ())
        path = f"/v1/payment_intents/{payment.processor_reference}"
        intent = await self._api.read(Request("get", "GET", path))
        check_intent(intent, Capture.of(payment))
        query = {"payment_intent": payment.processor_reference}
        disputes = [item async for item in listed(self._api, "list_disputes", "/v1/disputes", query)]
        failed: tuple[FailedRefund, ...] = ()
        if check.succeeded_refunds:
            refunds = [item async for item in listed(self._api, "find_give_back", "/v1/refunds", query)]
            failed = _failed_refunds(refunds, check)
        return ProcessorView(final_status(intent, PAYMENT_STATUSES), _last_dispute(disputes, payment), failed)

    async def hints_after(self, event_id: str | None) -> Hints:
        """Return hints from the events after ``event_id``: see ``ProcessorRecords.hints_after``."""
        query = {"limit": str(PAGE_SIZE)} | {f"types[{index}]": kind for index, kind in enumerate(EVENT_TYPES)}
        if event_id is not None:
            query["ending_before"] = event_id
        reply = await self._api.send(Request("list_events", "GET", "/v1/events", query=query))
        if reply.rejection is not None:
            if event_id is not None and reply.rejection.code == "resource_missing":
                # Stripe keeps events for 30 days.
                _log.error("processor_events_lost", last_event_id=event_id)
                return Hints((), None, has_more=True)
            raise OutcomeUnknown(f"list_events: {reply.rejection.status} {reply.rejection.code}")
        events, has_more = page_of("list_events", reply.body)
        hints = tuple(filter(None, map(hint_of_event, events)))
        last_event_id = self._last_final(events) or event_id
        if last_event_id is None and events:
            # All of the newest events are recent. The next reading starts at the oldest of them, and not at the newest
            # again, because there may be more than a page of them until then.
            last_event_id = text(events[-1], "id")
        is_next_page = has_more and event_id is not None and last_event_id != event_id
        return Hints(hints, last_event_id, has_more=is_next_page)

    def _last_final(self, events: list[Mapping[str, Any]]) -> str | None:
        """Return the newest event that need not be read again. The newest events come first."""
        latest_seconds = self._now().timestamp() - _REREAD_SECONDS
        for event in events:
            created = integer(event, "created")
            if created is not None and created <= latest_seconds:
                return text(event, "id")
        return None


def _last_dispute(disputes: list[Mapping[str, Any]], payment: Payment) -> SeenDispute | None:
    """Return the open dispute, or the last one. The newest disputes come first."""
    seen = [dispute for item in disputes if (dispute := _seen_dispute(item, payment)) is not None]
    return next((dispute for dispute in seen if dispute.status is DisputeStatus.OPEN), seen[0] if seen else None)


def _seen_dispute(item: Mapping[str, Any], payment: Payment) -> SeenDispute | None:
    status, processor_id = _DISPUTE_STATUSES.get(text(item, "status") or ""), text(item, "id")
    if status is None or processor_id is None or text(item, "payment_intent") != payment.processor_reference:
        return None
    amount = _amount(item)
    is_same_currency = amount is not None and payment.amount is not None and amount.currency == payment.amount.currency
    return SeenDispute(status, amount if is_same_currency else None, text(item, "reason") or "", processor_id)


def _failed_refunds(refunds: list[Mapping[str, Any]], check: Check) -> tuple[FailedRefund, ...]:
    """Return the refunds that failed although they are stored as SUCCEEDED."""
    succeeded = {str(refund.refund_id): refund for refund in check.succeeded_refunds}
    failed = []
    for item in refunds:
        refund = succeeded.get(text(nested(item, "metadata"), "refund_id") or "")
        if refund is None or final_status(item, REFUND_STATUSES) is not Status.FAILED:
            continue
        check_refund(item, ProcessorRefund.of(refund, check.payment, check.payment.processor_reference))
        failed.append(FailedRefund(refund.refund_id, text(item, "id") or "", refund.amount, failure_of_object(item)))
    return tuple(failed)


def _amount(item: Mapping[str, Any]) -> Money | None:
    amount, currency = integer(item, "amount"), text(item, "currency")
    if amount is None or currency is None:
        return None
    try:
        return money_from_stripe(currency.upper(), amount)
    except InvalidValue:
        return None
