"""A remote processor with Stripe's API (docs.stripe.com/api).

Each payment is one PaymentIntent, created and confirmed by one POST, and each refund is one Refund. Each request has an
idempotency key derived from the payment's reference, so that the processor carries it out once, however often it is
retried, for as long as it remembers the key. The request also has the reference as metadata, for lookups.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from server.domain.errors import InvalidValue, OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import PaymentMethod, Status
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.observability import metrics
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.amounts import SUPPORTED_CURRENCIES, stripe_amount
from server.processors.stripe.http import Rejection, Request, StripeApi
from server.processors.stripe.responses import (
    PAYMENT_STATUSES,
    REFUND_STATUSES,
    check_intent,
    check_refund,
    final_status,
    nested,
    text,
)

_INTENTS = "/v1/payment_intents"
_REFUNDS = "/v1/refunds"

_METHOD_TYPES = {PaymentMethod.CARD: "card", PaymentMethod.UPI: "upi"}
_OTHER_METHOD_TYPE = "card"
"""Stripe has no cash on delivery, so PROCESSOR_METHODS maps it to a card."""

_AMOUNT_ERRORS = frozenset({"amount_too_small", "amount_too_large"})
"""Rejections of a charge for the caller's amount, which no operator can fix: nothing was charged."""

_SETUP_ERRORS = frozenset({"resource_missing", "livemode_mismatch", "secret_key_required", "testmode_charges_only"})
"""Rejections of a refund that are about the account or this service, not about the refund."""

_PAGE_SIZE = 100
_MAX_PAGES = 100

_USUAL_DELAY = timedelta(minutes=10)
_CLOCK_SKEW = timedelta(hours=1)
"""The largest difference between the processor's clock and the clock that a payment's time was taken from."""

_log = structlog.get_logger(__name__)


class StripeProcessor:
    """The ``RemoteProcessor`` for Stripe. Needs a running event loop, and must be closed."""

    currencies = SUPPORTED_CURRENCIES
    """The currencies that it supports."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        method_tokens: Mapping[PaymentMethod, str],
        timeout_seconds: float,
        breaker: Breaker,
    ) -> None:
        """Send requests to ``url`` with ``api_key``; each may take ``timeout_seconds``.

        ``method_tokens`` has Stripe's payment method for each supported method.
        """
        self._method_tokens = dict(method_tokens)
        self._breaker = breaker
        self._api = StripeApi(url, api_key, timeout_seconds=timeout_seconds, breaker=breaker)

    @property
    def methods(self) -> frozenset[PaymentMethod]:
        """The payment methods that it supports."""
        return frozenset(self._method_tokens)

    @property
    def accepts_requests(self) -> bool:
        """Whether a request may be sent now, that is, whether ``check`` would pass."""
        return self._breaker.allows_requests

    @property
    def is_answering(self) -> bool:
        """Whether it has answered recently."""
        return not self._breaker.is_open

    def check(self) -> None:
        """Check that a request may be sent now, if only as a trial.

        Raises:
            ProcessorUnavailable: it has not answered recently.
        """
        self._breaker.check()

    def check_amount(self, amount: Money) -> None:
        """Check that it can charge, or refund, exactly this amount.

        Raises:
            InvalidValue: it cannot; the description says which amounts are possible.
        """
        stripe_amount(amount)

    async def capture(self, request: Capture) -> Outcome:
        """Charge a payment. It is idempotent: a repeated request returns the outcome of the first.

        Raises:
            OutcomeUnknown: the processor did not say whether the payment was charged.
        """
        method = request.method
        form = {
            "amount": _amount(request.amount),
            "currency": request.amount.currency.lower(),
            "confirm": "true",
            "payment_method": self._method_tokens.get(method, ""),
            # error_on_requires_action needs this. It is rejected with automatic_payment_methods since 2023-08-16:
            # "API upgrades" (docs.stripe.com/upgrades). No customer is present to take an action.
            "payment_method_types[0]": _METHOD_TYPES.get(method, _OTHER_METHOD_TYPE),
            "error_on_requires_action": "true",
            "metadata[reference]": request.reference,
            "metadata[payment_id]": str(request.payment_id),
            "metadata[order_id]": str(request.order_id),
        }
        reply = await self._api.send(Request("capture", "POST", _INTENTS, form, key=f"charge-{request.reference}"))
        if reply.rejection is not None:
            return _rejected_capture_outcome(reply.rejection)
        return await self._capture_outcome(reply.body, request)

    async def find_capture(self, request: Capture) -> Outcome | None:
        """Return the outcome of a payment, found by its reference; None if the processor has no such payment.

        The payment is found in a list, because merchants in India cannot search: "Search" (docs.stripe.com/search). The
        processor created it soon after this service stored it as PENDING, or later if the request was retried.

        Raises:
            OutcomeUnknown: the processor did not answer, or the outcome is not final yet.
        """
        usual = (request.create_time - _USUAL_DELAY, request.create_time + _USUAL_DELAY)
        possible = (
            request.create_time - _CLOCK_SKEW,
            datetime.now(request.create_time.tzinfo) + _CLOCK_SKEW,
        )
        for first, last in (usual, possible):
            created = {
                "created[gte]": str(math.floor(first.timestamp())),
                "created[lte]": str(math.ceil(last.timestamp())),
            }
            async for found in self._list("find_capture", _INTENTS, created):
                if nested(found, "metadata").get("reference") == request.reference:
                    return await self._capture_outcome(found, request)
        return None

    async def refund(self, request: ProcessorRefund) -> Outcome:
        """Refund a payment. It is idempotent: a repeated request returns the outcome of the first.

        Raises:
            OutcomeUnknown: the processor did not say whether the payment was refunded.
        """
        if request.processor_id is None:
            # Another processor made the charge, before this one was in use.
            _log.error("processor_has_no_payment", refund_id=request.refund_id, reference=request.reference)
            return Outcome(Status.FAILED, None)
        form = {
            "payment_intent": request.processor_id,
            "amount": _amount(request.amount),
            "metadata[reference]": request.reference,
            "metadata[refund_id]": str(request.refund_id),
        }
        key = f"refund-{request.reference}-{request.refund_id}"
        reply = await self._api.send(Request("give_back", "POST", _REFUNDS, form, key=key))
        if reply.rejection is not None:
            return await self._rejected_refund_outcome(reply.rejection, request)
        return await self._refund_outcome(reply.body, request)

    async def find_refund(self, request: ProcessorRefund) -> Outcome | None:
        """Return the outcome of a refund, looked up in the list of its payment's refunds; None if it is not listed.

        Raises:
            OutcomeUnknown: the processor did not answer, or the outcome is not final yet.
        """
        if request.processor_id is None:
            return None
        async for found in self._list("find_give_back", _REFUNDS, {"payment_intent": request.processor_id}):
            if nested(found, "metadata").get("refund_id") == str(request.refund_id):
                return await self._refund_outcome(found, request)
        return None

    async def close(self) -> None:
        """Close its connections."""
        await self._api.close()

    async def _rejected_refund_outcome(self, rejection: Rejection, request: ProcessorRefund) -> Outcome:
        """Return the outcome of a rejected refund.

        The refund is looked up first, because an earlier request may have made it, so that nothing remains to refund.
        """
        is_client_error = rejection.status in {400, 402}
        if not is_client_error or rejection.code in _SETUP_ERRORS or rejection.code.startswith("parameter_"):
            raise _rejected("give_back", rejection)
        found = await self.find_refund(request)
        if found is not None:
            return found
        if rejection.code == "charge_already_refunded":
            # Somebody refunded it elsewhere, in the dashboard for instance: "Error codes" (docs.stripe.com).
            _log.warning("processor_refunded_elsewhere", refund_id=request.refund_id, processor_id=request.processor_id)
            return Outcome(Status.SUCCEEDED, None)
        return Outcome(Status.FAILED, None)

    async def _capture_outcome(self, found: Mapping[str, Any], request: Capture) -> Outcome:
        return await self._outcome(_INTENTS, found, PAYMENT_STATUSES, lambda intent: check_intent(intent, request))

    async def _refund_outcome(self, found: Mapping[str, Any], request: ProcessorRefund) -> Outcome:
        return await self._outcome(_REFUNDS, found, REFUND_STATUSES, lambda refund: check_refund(refund, request))

    async def _outcome(
        self,
        path: str,
        found: Mapping[str, Any],
        statuses: Mapping[str, Status],
        check: Callable[[Mapping[str, Any]], None],
    ) -> Outcome:
        """Return the outcome of an object; fetch a pending one again, because a replayed response may be outdated."""
        check(found)
        processor_id = text(found, "id")
        status = final_status(found, statuses)
        if status is None:
            found = await self._api.read(Request("get", "GET", f"{path}/{processor_id}"))
            check(found)
            status = final_status(found, statuses)
        if status is None:
            raise OutcomeUnknown(f"the processor is still working on it: its status is {found.get('status')}")
        return Outcome(status, processor_id)

    async def _list(self, operation: str, path: str, query: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the listed objects, the newest first: "Pagination" (docs.stripe.com/api/pagination).

        Raises:
            OutcomeUnknown: the processor does not list them, or there are too many.
        """
        query = {**query, "limit": str(_PAGE_SIZE)}
        for _ in range(_MAX_PAGES):
            body = await self._api.read(Request(operation, "GET", path, query=query))
            page, has_more = body.get("data"), body.get("has_more")
            if not isinstance(page, list) or not isinstance(has_more, bool):
                raise OutcomeUnknown(f"{operation}: the response is not a list")
            objects = [item for item in page if isinstance(item, dict)]
            for item in objects:
                yield item
            if not has_more:
                return
            last_id = text(objects[-1], "id") if objects else None
            if last_id is None:
                raise OutcomeUnknown(f"{operation}: the list has more pages, but the last object has no id")
            query = {**query, "starting_after": last_id}
        _log.error("processor_list_too_long", operation=operation, pages=_MAX_PAGES)
        raise OutcomeUnknown(f"{operation}: the processor lists more than {_MAX_PAGES * _PAGE_SIZE} objects")


def _rejected_capture_outcome(rejection: Rejection) -> Outcome:
    """Return the outcome of a rejected charge.

    Raises:
        OutcomeUnknown: the rejection is not a decline, but about this service or its account. Nothing was charged, and
            the same request can succeed once an operator has fixed the cause.
    """
    intent = nested(rejection.error, "payment_intent")
    if rejection.is_decline:
        status = intent.get("status")
        if status is not None and PAYMENT_STATUSES.get(str(status)) is not Status.FAILED:
            _log.error("processor_answer_wrong", wrong=["status"], processor_id=text(intent, "id"))
            metrics.count_processor_problem("wrong_answer")
            raise OutcomeUnknown(f"the processor declined a payment whose status is {status}")
    elif rejection.code not in _AMOUNT_ERRORS:
        raise _rejected("capture", rejection)
    return Outcome(Status.FAILED, text(intent, "id"))


def _rejected(operation: str, rejection: Rejection) -> OutcomeUnknown:
    return OutcomeUnknown(f"{operation}: the processor rejected it with {rejection.status} {rejection.code}".rstrip())


def _amount(money: Money) -> str:
    try:
        return str(stripe_amount(money))
    except InvalidValue as error:
        # An earlier release stored this payment, and may have sent another amount.
        _log.exception("processor_amount_unknown", amount=str(money))
        raise OutcomeUnknown(f"{money} {error.description}") from error
