"""A remote processor with Stripe's API (docs.stripe.com/api).

Each payment is one PaymentIntent, created and confirmed by one POST, and each refund one Refund. Each request has an
idempotency key made from the payment's reference, so that the processor does it once however often it is asked, for as
long as it remembers the key; and the reference as metadata, by which it is found.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from server.domain.errors import InvalidValue, OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import PaymentMethod, Status
from server.domain.processing import Capture, GiveBack, Outcome
from server.observability import metrics
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.amounts import SUPPORTED_CURRENCIES, stripe_amount
from server.processors.stripe.answers import (
    PAYMENT_STATUSES,
    REFUND_STATUSES,
    check_intent,
    check_refund,
    final_status,
    nested,
    text,
)
from server.processors.stripe.http import Refusal, Request, StripeApi

_INTENTS = "/v1/payment_intents"
_REFUNDS = "/v1/refunds"

_METHOD_TYPES = {PaymentMethod.CARD: "card", PaymentMethod.UPI: "upi"}
_OTHER_METHOD_TYPE = "card"
"""Stripe has no cash on delivery: what a deployment names for it is a card."""

_AMOUNT_REFUSED = frozenset({"amount_too_small", "amount_too_large"})
"""Refusals of a charge for what the caller asked, whatever an operator sets right later: nothing was charged."""

_SETUP_REFUSED = frozenset({"resource_missing", "livemode_mismatch", "secret_key_required", "testmode_charges_only"})
"""Refusals of a refund that are about the account, or this service, and not about the refund."""

_PAGE_SIZE = 100
_MAX_PAGES = 100

_NEAR = timedelta(minutes=10)
_CLOCK_SKEW = timedelta(hours=1)
"""How far the processor's clock may be from the one that a payment's time was taken from."""

_log = structlog.get_logger(__name__)


class StripeProcessor:
    """The ``RemoteProcessor`` of the use cases. Needs a running event loop, and must be closed."""

    currencies = SUPPORTED_CURRENCIES
    """The currencies that it can charge in."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        method_tokens: Mapping[PaymentMethod, str],
        timeout_seconds: float,
        breaker: Breaker,
    ) -> None:
        """Ask at ``url``, with ``api_key``; a request may take ``timeout_seconds``.

        ``method_tokens`` has Stripe's payment method for each method that can be charged.
        """
        self._method_tokens = dict(method_tokens)
        self._breaker = breaker
        self._api = StripeApi(url, api_key, timeout_seconds=timeout_seconds, breaker=breaker)

    @property
    def methods(self) -> frozenset[PaymentMethod]:
        """The methods by which it can charge."""
        return frozenset(self._method_tokens)

    @property
    def may_be_asked(self) -> bool:
        """Whether ``check`` would return."""
        return self._breaker.may_pass

    @property
    def is_answering(self) -> bool:
        """Whether it has answered of late."""
        return not self._breaker.is_open

    def check(self) -> None:
        """Return when it may be asked now.

        Raises:
            ProcessorUnavailable: it has not answered of late.
        """
        self._breaker.check()

    def check_amount(self, amount: Money) -> None:
        """Return when it can charge, or refund, exactly this amount.

        Raises:
            InvalidValue: it cannot; the description says what it can.
        """
        stripe_amount(amount)

    async def capture(self, asked: Capture) -> Outcome:
        """Take the money of a payment, once: asking again tells what became of it.

        Raises:
            OutcomeUnknown: it is not known whether it was taken.
        """
        method = asked.method
        form = {
            "amount": _amount(asked.amount),
            "currency": asked.amount.currency.lower(),
            "confirm": "true",
            "payment_method": self._method_tokens.get(method, ""),
            # error_on_requires_action needs this, and is refused with automatic_payment_methods since 2023-08-16:
            # "API upgrades" (docs.stripe.com/upgrades). Nobody is there whom an action could be asked of.
            "payment_method_types[0]": _METHOD_TYPES.get(method, _OTHER_METHOD_TYPE),
            "error_on_requires_action": "true",
            "metadata[reference]": asked.reference,
            "metadata[payment_id]": str(asked.payment_id),
            "metadata[order_id]": str(asked.order_id),
        }
        reply = await self._api.ask(Request("capture", "POST", _INTENTS, form, key=f"charge-{asked.reference}"))
        if reply.refusal is not None:
            return _refused_capture(reply.refusal)
        return await self._capture_outcome(reply.body, asked)

    async def find_capture(self, asked: Capture) -> Outcome | None:
        """Return what became of a payment, found by its reference; None when the processor has no such payment.

        It is listed, and not searched for, because merchants in India cannot search: "Search" (docs.stripe.com/search).
        The processor made it soon after it was reserved, or, when it was asked again, some time later.

        Raises:
            OutcomeUnknown: the processor does not say, or nothing that is final yet.
        """
        near = (asked.create_time - _NEAR, asked.create_time + _NEAR)
        ever = (
            asked.create_time - _CLOCK_SKEW,
            datetime.now(asked.create_time.tzinfo) + _CLOCK_SKEW,
        )
        for first, last in (near, ever):
            created = {
                "created[gte]": str(math.floor(first.timestamp())),
                "created[lte]": str(math.ceil(last.timestamp())),
            }
            async for found in self._listed("find_capture", _INTENTS, created):
                if nested(found, "metadata").get("reference") == asked.reference:
                    return await self._capture_outcome(found, asked)
        return None

    async def give_back(self, asked: GiveBack) -> Outcome:
        """Give back money of a payment, once: asking again tells what became of it.

        Raises:
            OutcomeUnknown: it is not known whether it was given back.
        """
        if asked.processor_id is None:
            # It was charged elsewhere: by another processor, before this one.
            _log.error("processor_has_no_payment", refund_id=asked.refund_id, reference=asked.reference)
            return Outcome(Status.FAILED, None)
        form = {
            "payment_intent": asked.processor_id,
            "amount": _amount(asked.amount),
            "metadata[reference]": asked.reference,
            "metadata[refund_id]": str(asked.refund_id),
        }
        key = f"refund-{asked.reference}-{asked.refund_id}"
        reply = await self._api.ask(Request("give_back", "POST", _REFUNDS, form, key=key))
        if reply.refusal is not None:
            return await self._refused_give_back(reply.refusal, asked)
        return await self._give_back_outcome(reply.body, asked)

    async def find_give_back(self, asked: GiveBack) -> Outcome | None:
        """Return what became of a refund, found among those of its payment; None when it is not there.

        Raises:
            OutcomeUnknown: the processor does not say, or nothing that is final yet.
        """
        if asked.processor_id is None:
            return None
        async for found in self._listed("find_give_back", _REFUNDS, {"payment_intent": asked.processor_id}):
            if nested(found, "metadata").get("refund_id") == str(asked.refund_id):
                return await self._give_back_outcome(found, asked)
        return None

    async def close(self) -> None:
        """Close its connections."""
        await self._api.close()

    async def _refused_give_back(self, refusal: Refusal, asked: GiveBack) -> Outcome:
        """Return what a refused refund came to.

        An earlier request may have made it, after which nothing remains to refund: so it is looked up first.
        """
        if refusal.status not in {400, 402} or refusal.code in _SETUP_REFUSED or refusal.code.startswith("parameter_"):
            raise _refused("give_back", refusal)
        found = await self.find_give_back(asked)
        if found is not None:
            return found
        if refusal.code == "charge_already_refunded":
            # Somebody refunded it elsewhere, in the dashboard for instance: "Error codes" (docs.stripe.com).
            _log.warning("processor_refunded_elsewhere", refund_id=asked.refund_id, processor_id=asked.processor_id)
            return Outcome(Status.SUCCEEDED, None)
        return Outcome(Status.FAILED, None)

    async def _capture_outcome(self, found: Mapping[str, Any], asked: Capture) -> Outcome:
        return await self._outcome(_INTENTS, found, PAYMENT_STATUSES, lambda intent: check_intent(intent, asked))

    async def _give_back_outcome(self, found: Mapping[str, Any], asked: GiveBack) -> Outcome:
        return await self._outcome(_REFUNDS, found, REFUND_STATUSES, lambda refund: check_refund(refund, asked))

    async def _outcome(
        self,
        path: str,
        found: Mapping[str, Any],
        statuses: Mapping[str, Status],
        check: Callable[[Mapping[str, Any]], None],
    ) -> Outcome:
        """Return what became of an object, as it is now: an answer that is replayed is as it was at first."""
        check(found)
        processor_id = text(found, "id")
        status = final_status(found, statuses)
        if status is None:
            found = await self._api.look_up(Request("get", "GET", f"{path}/{processor_id}"))
            check(found)
            status = final_status(found, statuses)
        if status is None:
            raise OutcomeUnknown(f"the processor has not finished: {found.get('status')}")
        return Outcome(status, processor_id)

    async def _listed(self, operation: str, path: str, query: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
        """List objects, the newest first: "Pagination" (docs.stripe.com/api/pagination).

        Raises:
            OutcomeUnknown: the processor does not list them, or there are too many.
        """
        query = {**query, "limit": str(_PAGE_SIZE)}
        for _ in range(_MAX_PAGES):
            body = await self._api.look_up(Request(operation, "GET", path, query=query))
            page, has_more = body.get("data"), body.get("has_more")
            if not isinstance(page, list) or not isinstance(has_more, bool):
                raise OutcomeUnknown(f"{operation}: the answer is not a list")
            objects = [one for one in page if isinstance(one, dict)]
            for one in objects:
                yield one
            if not has_more:
                return
            last_id = text(objects[-1], "id") if objects else None
            if last_id is None:
                raise OutcomeUnknown(f"{operation}: the list ends in the middle")
            query = {**query, "starting_after": last_id}
        _log.error("processor_list_too_long", operation=operation, pages=_MAX_PAGES)
        raise OutcomeUnknown(f"{operation}: the processor lists more than {_MAX_PAGES * _PAGE_SIZE} objects")


def _refused_capture(refusal: Refusal) -> Outcome:
    """Return what a refused charge came to.

    Raises:
        OutcomeUnknown: it is no decline, but about this service or its account. Nothing was charged, and the same
            request can succeed once an operator has set that right.
    """
    intent = nested(refusal.error, "payment_intent")
    if refusal.is_decline:
        status = intent.get("status")
        if status is not None and PAYMENT_STATUSES.get(str(status)) is not Status.FAILED:
            _log.error("processor_answer_wrong", wrong=["status"], processor_id=text(intent, "id"))
            metrics.count_processor_problem("wrong_answer")
            raise OutcomeUnknown(f"the processor declined a payment that is {status}")
    elif refusal.code not in _AMOUNT_REFUSED:
        raise _refused("capture", refusal)
    return Outcome(Status.FAILED, text(intent, "id"))


def _refused(operation: str, refusal: Refusal) -> OutcomeUnknown:
    return OutcomeUnknown(f"{operation}: the processor refused it with {refusal.status} {refusal.code}".rstrip())


def _amount(money: Money) -> str:
    try:
        return str(stripe_amount(money))
    except InvalidValue as error:
        # An earlier release reserved it, and may have asked for another amount.
        _log.exception("processor_amount_unknown", amount=str(money))
        raise OutcomeUnknown(f"{money} {error.description}") from error
