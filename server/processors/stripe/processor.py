"""A remote processor with Stripe's API (docs.stripe.com/api).

Each payment is one PaymentIntent, created and confirmed by one POST, and each refund is one Refund. Each request has an
idempotency key derived from the payment's reference, so that the processor carries it out once, however often it is
retried, for as long as it remembers the key. The request also has the reference as metadata, for lookups.

A charge with the payer's own means of payment cannot be retried, because its payment source is not stored. In its
place, the reconciler sends a placeholder: a request with the same idempotency key that charges nothing. If the
processor has received the charge, it rejects the placeholder, because the parameters differ, and the charge is looked
up. Otherwise the placeholder uses up the key, so that the charge, should it still arrive, is rejected.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from server.domain.errors import InvalidValue, OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import Failure, FailureReason, PaymentMethod, Status
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.observability import metrics
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.amounts import SUPPORTED_CURRENCIES, stripe_amount
from server.processors.stripe.approvals import next_action_of
from server.processors.stripe.failures import NEVER_RECEIVED, failure_of_error, failure_of_object
from server.processors.stripe.http import Rejection, Request, StripeApi
from server.processors.stripe.lists import listed
from server.processors.stripe.responses import (
    OWN_SOURCE_STATUSES,
    PAYMENT_STATUSES,
    PLACEHOLDER,
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
        api: StripeApi,
        *,
        method_tokens: Mapping[PaymentMethod, str],
        approval_seconds: float,
        breaker: Breaker,
        now: Callable[[], datetime],
    ) -> None:
        """Send requests through ``api``.

        ``method_tokens`` has Stripe's payment method for each supported method, or an empty string if each charge must
        bring its own. A payer has ``approval_seconds`` to approve a payment. ``now`` returns the time in UTC.
        """
        self._method_tokens = dict(method_tokens)
        self._approval_time = timedelta(seconds=approval_seconds)
        self._breaker = breaker
        self._api = api
        self._now = now

    @property
    def methods(self) -> frozenset[PaymentMethod]:
        """The payment methods that it supports."""
        return frozenset(self._method_tokens)

    @property
    def methods_without_source(self) -> frozenset[PaymentMethod]:
        """The methods for which there is a payment method of the deployment."""
        return frozenset(method for method, token in self._method_tokens.items() if token)

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
        """Charge a payment: see ``RemoteProcessor.capture``.

        Raises:
            OutcomeUnknown: the processor did not say whether the payment was charged.
        """
        if request.has_own_source and request.source is None:
            return await self._recover(request)
        form = {**_intent_form(request), "confirm": "true"}
        if request.source is None:
            # error_on_requires_action needs payment_method_types. It is rejected with automatic_payment_methods since
            # 2023-08-16: "API upgrades" (docs.stripe.com/upgrades). No payer is present to take an action.
            form |= {"payment_method": self._method_tokens.get(request.method, ""), "error_on_requires_action": "true"}
        else:
            form |= {
                "payment_method": request.source,
                **({"return_url": request.return_url} if request.return_url else {}),
            }
        reply = await self._api.send(Request("capture", "POST", _INTENTS, form, key=_capture_key(request)))
        if reply.rejection is not None:
            return _rejected_capture_outcome(reply.rejection, request)
        return await self._capture_outcome(reply.body, request)

    async def _recover(self, request: Capture) -> Outcome:
        """Find out what became of a charge whose source is not known any more; make sure that it is not made later.

        Raises:
            OutcomeUnknown: the processor did not answer, or has received the charge, which must be looked up.
        """
        if request.processor_id is not None:
            intent = await self._api.read(Request("get", "GET", f"{_INTENTS}/{request.processor_id}"))
            return await self._capture_outcome(intent, request)
        form = {**_intent_form(request), f"metadata[{PLACEHOLDER}]": "true"}
        reply = await self._api.send(Request("placeholder", "POST", _INTENTS, form, key=_capture_key(request)))
        if reply.rejection is None:
            check_intent(reply.body, request)
            processor_id = text(reply.body, "id") or ""
            await self._cancel(processor_id, request)
            return Outcome(Status.FAILED, processor_id, NEVER_RECEIVED)
        if reply.rejection.is_key_reused:
            raise OutcomeUnknown("the processor has received the charge, which must be looked up")
        raise _rejected("placeholder", reply.rejection)

    async def find_capture(self, request: Capture) -> Outcome | None:
        """Return the outcome of a payment, found by its reference; None if the processor has no such payment.

        The payment is found in a list, because merchants in India cannot search: "Search" (docs.stripe.com/search). The
        processor created it soon after this service stored it as PENDING, or later if the request was retried.

        Raises:
            OutcomeUnknown: the processor did not answer, or the outcome is not final yet.
        """
        usual = (request.create_time - _USUAL_DELAY, request.create_time + _USUAL_DELAY)
        possible = (request.create_time - _CLOCK_SKEW, self._now() + _CLOCK_SKEW)
        for first, last in (usual, possible):
            created = {
                "created[gte]": str(math.floor(first.timestamp())),
                "created[lte]": str(math.ceil(last.timestamp())),
            }
            async for found in listed(self._api, "find_capture", _INTENTS, created):
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
            return Outcome(Status.FAILED, None, Failure(FailureReason.INVALID_METHOD, ""))
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
        async for found in listed(self._api, "find_give_back", _REFUNDS, {"payment_intent": request.processor_id}):
            if nested(found, "metadata").get("refund_id") == str(request.refund_id):
                return await self._refund_outcome(found, request)
        return None

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
        return Outcome(Status.FAILED, None, failure_of_error(rejection.error))

    async def _capture_outcome(self, found: Mapping[str, Any], request: Capture) -> Outcome:
        return await self._intent_outcome(
            found, request, if_pending=lambda intent: self._awaited_approval(intent, request)
        )

    async def _intent_outcome(
        self,
        found: Mapping[str, Any],
        request: Capture,
        *,
        if_pending: Callable[[Mapping[str, Any]], Awaitable[Outcome]],
    ) -> Outcome:
        statuses = OWN_SOURCE_STATUSES if request.has_own_source else PAYMENT_STATUSES
        return await self._outcome(
            _INTENTS, found, statuses, check=lambda intent: check_intent(intent, request), if_pending=if_pending
        )

    async def _refund_outcome(self, found: Mapping[str, Any], request: ProcessorRefund) -> Outcome:
        return await self._outcome(
            _REFUNDS, found, REFUND_STATUSES, check=lambda refund: check_refund(refund, request), if_pending=_pending
        )

    async def _outcome(
        self,
        path: str,
        found: Mapping[str, Any],
        statuses: Mapping[str, Status],
        *,
        check: Callable[[Mapping[str, Any]], None],
        if_pending: Callable[[Mapping[str, Any]], Awaitable[Outcome]],
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
            return await if_pending(found)
        return Outcome(status, processor_id, failure_of_object(found) if status is Status.FAILED else None)

    async def _awaited_approval(self, intent: Mapping[str, Any], request: Capture) -> Outcome:
        """Return what the payer of a pending PaymentIntent must do; cancel it if that is impossible or too late.

        Raises:
            OutcomeUnknown: it does not wait for its payer.
        """
        if not request.has_own_source or text(intent, "status") != "requires_action":
            return await _pending(intent)
        processor_id = text(intent, "id") or ""
        action = next_action_of(intent, request.create_time + self._approval_time)
        if action is not None and self._now() < action.expire_time:
            return Outcome(Status.PENDING, processor_id, next_action=action)
        canceled = await self._cancel(processor_id, request)
        return await self._intent_outcome(canceled, request, if_pending=_pending)

    async def _cancel(self, processor_id: str, request: Capture) -> Mapping[str, Any]:
        """Cancel a PaymentIntent, and return it. If it cannot be canceled any more, return it as it is now."""
        path = f"{_INTENTS}/{processor_id}"
        form, key = {"cancellation_reason": "abandoned"}, f"cancel-{request.reference}"
        reply = await self._api.send(Request("cancel", "POST", f"{path}/cancel", form, key=key))
        if reply.rejection is None:
            return reply.body
        return await self._api.read(Request("get", "GET", path))


async def _pending(found: Mapping[str, Any]) -> Outcome:
    """Raise OutcomeUnknown, because the processor is still working on it."""
    raise OutcomeUnknown(f"the processor is still working on it: its status is {found.get('status')}")


def _intent_form(request: Capture) -> dict[str, str]:
    return {
        "amount": _amount(request.amount),
        "currency": request.amount.currency.lower(),
        "payment_method_types[0]": _METHOD_TYPES.get(request.method, _OTHER_METHOD_TYPE),
        "metadata[reference]": request.reference,
        "metadata[payment_id]": str(request.payment_id),
        "metadata[order_id]": str(request.order_id),
    }


def _capture_key(request: Capture) -> str:
    return f"charge-{request.reference}"


def _rejected_capture_outcome(rejection: Rejection, request: Capture) -> Outcome:
    """Return the outcome of a rejected charge. One with a source that the processor does not accept fails.

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
    elif request.has_own_source and text(rejection.error, "param") == "payment_method":
        return Outcome(Status.FAILED, None, Failure(FailureReason.INVALID_METHOD, rejection.code))
    elif rejection.code not in _AMOUNT_ERRORS:
        raise _rejected("capture", rejection)
    return Outcome(Status.FAILED, text(intent, "id"), failure_of_error(rejection.error))


def _rejected(operation: str, rejection: Rejection) -> OutcomeUnknown:
    return OutcomeUnknown(f"{operation}: the processor rejected it with {rejection.status} {rejection.code}".rstrip())


def _amount(money: Money) -> str:
    try:
        return str(stripe_amount(money))
    except InvalidValue as error:
        # An earlier release stored this payment, and may have sent another amount.
        _log.exception("processor_amount_unknown", amount=str(money))
        raise OutcomeUnknown(f"{money} {error.description}") from error
