"""A remote processor, over HTTP in the manner of Stripe's API (docs.stripe.com/api).

Each payment is one PaymentIntent, made and confirmed by one POST, and each refund one Refund. What is asked carries an
idempotency key made from the payment's reference, so that the processor does it once however often it is asked, for as
long as it remembers the key; and the reference as metadata, by which it is found.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import structlog
import tenacity

from server import metrics
from server.domain.errors import OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import PaymentMethod, Status
from server.domain.processing import Capture, GiveBack, Outcome
from server.processor.breaker import Breaker

_API_VERSION = "2024-06-20"
"""Whatever version the account is at: the answers that are read here are of this one."""

_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

_PAYMENT_STATUSES = {
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.FAILED,
    # What these wait for can come from this service alone, which does not: so nothing will be captured.
    "requires_payment_method": Status.FAILED,
    "requires_confirmation": Status.FAILED,
    "requires_action": Status.FAILED,
    "requires_capture": Status.FAILED,
}
_REFUND_STATUSES = {"succeeded": Status.SUCCEEDED, "failed": Status.FAILED, "canceled": Status.FAILED}
"""What each status means; one that is not here is not the last."""

_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
_NOT_LET_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PASSING = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_FIRST_SERVER_ERROR = 500

_KEY_HEADER = "Idempotency-Key"
_IDLE_CONNECTIONS = 100
_PAGE_SIZE = 100
_MAX_PAGES = 100

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What was answered: an object, or (``refusal``) the error that it was refused with."""

    body: Mapping[str, Any]
    refusal: Mapping[str, Any] | None = None


class _AskAgain(OutcomeUnknown):
    """The same may well be answered at once, asked again."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One request. ``key`` is its idempotency key."""

    operation: str
    method: str
    path: str
    form: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None
    key: str | None = None


class StripeProcessor:
    """The ``RemoteProcessor`` of the use cases. Needs a running event loop, and must be closed."""

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

        ``method_tokens`` has what the processor is given as payment method, for each that can be charged.
        """
        self._method_tokens = dict(method_tokens)
        self._timeout_seconds = timeout_seconds
        self._breaker = breaker
        headers = {"Authorization": f"Bearer {api_key}", "Stripe-Version": _API_VERSION}
        self._asking = _client(url, headers, idle_connections=_IDLE_CONNECTIONS)
        # What is looked for, and not found, names nothing by which an answer to another request could be told from it:
        # so no connection has a second request.
        self._looking = _client(url, headers, idle_connections=0)
        # It would tell of each request, with what is looked for.
        logging.getLogger("httpx").setLevel(logging.WARNING)

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

    async def capture(self, asked: Capture) -> Outcome:
        """Take the money of a payment, once: asking again tells what became of it.

        Raises:
            OutcomeUnknown: it is not known whether it was taken.
        """
        form = {
            **_money(asked.amount),
            "confirm": "true",
            "payment_method": self._method_tokens.get(asked.method, ""),
            "automatic_payment_methods[enabled]": "true",
            # Nobody is there who could be sent elsewhere, or be asked.
            "automatic_payment_methods[allow_redirects]": "never",
            "error_on_requires_action": "true",
            "metadata[reference]": asked.reference,
            "metadata[payment_id]": str(asked.payment_id),
            "metadata[order_id]": str(asked.order_id),
        }
        path = "/v1/payment_intents"
        reply = await self._ask(_Request("capture", "POST", path, form, key=f"charge-{asked.reference}"))
        if reply.refusal is not None:
            return Outcome(Status.FAILED, _text(_object(reply.refusal, "payment_intent"), "id"))
        return await self._outcome(path, reply.body, _PAYMENT_STATUSES)

    async def find_capture(self, asked: Capture) -> Outcome | None:
        """Tell what became of a payment, looked for by its reference; None when the processor shows no such payment.

        What was made a moment ago may not be shown yet.

        Raises:
            OutcomeUnknown: it did not say, or nothing that is final yet.
        """
        reference = asked.reference.replace("\\", "\\\\").replace("'", "\\'")
        query = {"query": f"metadata['reference']:'{reference}'"}
        reply = await self._ask(_Request("find_capture", "GET", "/v1/payment_intents/search", query=query))
        for found in _list(reply):
            if _object(found, "metadata").get("reference") == asked.reference:
                return await self._outcome("/v1/payment_intents", found, _PAYMENT_STATUSES)
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
            "amount": str(asked.amount.amount_minor),
            "metadata[reference]": asked.reference,
            "metadata[refund_id]": str(asked.refund_id),
        }
        key = f"refund-{asked.reference}-{asked.refund_id}"
        reply = await self._ask(_Request("give_back", "POST", "/v1/refunds", form, key=key))
        if reply.refusal is not None:
            return Outcome(Status.FAILED, None)
        return await self._outcome("/v1/refunds", reply.body, _REFUND_STATUSES)

    async def find_give_back(self, asked: GiveBack) -> Outcome | None:
        """Tell what became of a refund, looked for among those of its payment; None when it is not there.

        Raises:
            OutcomeUnknown: the processor did not say, or nothing that is final yet.
        """
        if asked.processor_id is None:
            return None
        query = {"payment_intent": asked.processor_id, "limit": str(_PAGE_SIZE)}
        for _ in range(_MAX_PAGES):
            reply = await self._ask(_Request("find_give_back", "GET", "/v1/refunds", query=query))
            page = _list(reply)
            for found in page:
                if _object(found, "metadata").get("refund_id") == str(asked.refund_id):
                    return await self._outcome("/v1/refunds", found, _REFUND_STATUSES)
            if not page or reply.body.get("has_more") is not True:
                return None
            query["starting_after"] = _text(page[-1], "id") or ""
        raise OutcomeUnknown("the payment has more refunds than are looked through")

    async def close(self) -> None:
        """Close its connections."""
        await self._asking.aclose()
        await self._looking.aclose()

    async def _outcome(self, path: str, found: Mapping[str, Any], statuses: Mapping[str, Status]) -> Outcome:
        """Return what an object says became of it, as it is now: an answer that is repeated is as it was then."""
        processor_id = _text(found, "id")
        if found.get("status") not in statuses and processor_id is not None:
            found = (await self._ask(_Request("get", "GET", f"{path}/{processor_id}"))).body
        status = statuses.get(str(found.get("status")))
        if status is None:
            raise OutcomeUnknown(f"the processor has not done with it: {found.get('status')}")
        return Outcome(status, processor_id)

    async def _ask(self, request: _Request) -> _Reply:
        """Ask, and ask again what may pass at once, for as long as one request may take.

        Raises:
            OutcomeUnknown: that did not help.
        """
        asking = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS) | tenacity.stop_after_delay(self._timeout_seconds),
            wait=tenacity.wait_random_exponential(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, _AskAgain) and not self._breaker.is_open),
            reraise=True,
        )
        return await asking(self._ask_once, request)

    async def _ask_once(self, request: _Request) -> _Reply:
        started_seconds = time.perf_counter()
        outcome = "cancelled"
        try:
            response = await self._send(request)
            outcome = f"http_{response.status_code}"
            return self._read(request, response)
        except _NoResponse as error:
            outcome = error.kind
            self._breaker.not_answered()
            raise _AskAgain(f"{request.operation}: {error.kind}") from error
        finally:
            metrics.processor_asked(request.operation, outcome)(time.perf_counter() - started_seconds)

    async def _send(self, request: _Request) -> httpx.Response:
        headers = {} if request.key is None else {_KEY_HEADER: request.key}
        client = self._looking if request.key is None else self._asking
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await client.request(
                    request.method, request.path, data=request.form, params=request.query, headers=headers
                )
                if not _is_answer_to(request, response):
                    # Those that follow on this connection would be answers to others too.
                    await response.extensions["network_stream"].aclose()
                    raise _NoResponse("answer_to_another")
                return response
        except TimeoutError as error:
            raise _NoResponse("timeout") from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise _NoResponse("not_connected") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _NoResponse("broken") from error

    def _read(self, request: _Request, response: httpx.Response) -> _Reply:
        """Return what an answer says.

        Raises:
            OutcomeUnknown: it does not say what became of what was asked.
        """
        status, body = response.status_code, _json(response)
        error = _object(body, "error")
        if status in _NOT_LET_IN:
            self._breaker.not_let_in()
            self._tell(_log.error, "processor_refuses_key", request, response, error)
            raise OutcomeUnknown(f"{request.operation}: {status}")
        if status >= _FIRST_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            self._breaker.not_answered()
        else:
            self._breaker.answered()
        if status == HTTPStatus.OK and body.get("object") is not None:
            return _Reply(body)
        if error.get("type") == "card_error" or (status == HTTPStatus.PAYMENT_REQUIRED and error):
            return _Reply({}, refusal=error)
        if status in _REFUSALS and error.get("type") == "invalid_request_error":
            # Nothing was done, nor will be: this service asks for what this processor does not do.
            self._tell(_log.error, "processor_refuses", request, response, error)
            return _Reply({}, refusal=error)
        if status in _PASSING or status >= _FIRST_SERVER_ERROR:
            self._tell(_log.warning, "processor_cannot_answer", request, response, error)
            raise _AskAgain(f"{request.operation}: {status}")
        # Among these is a key that came before with something else. What became of that must be looked for.
        self._tell(_log.error, "processor_answer_not_understood", request, response, error)
        raise OutcomeUnknown(f"{request.operation}: {status}")

    @staticmethod
    def _tell(
        log: Callable[..., None], event: str, request: _Request, response: httpx.Response, error: Mapping[str, Any]
    ) -> None:
        # Not the message: it may quote what was sent, the key among it.
        log(
            event,
            operation=request.operation,
            status=response.status_code,
            type=_text(error, "type"),
            code=_text(error, "code"),
            parameter=_text(error, "param"),
            processor_request_id=response.headers.get("Request-Id"),
        )


class _NoResponse(Exception):
    """Nothing came back; ``kind`` is why, in a word."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def _client(url: str, headers: Mapping[str, str], *, idle_connections: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url,
        headers=headers,
        # Bounded whole, from outside: the client's own bounds are for each step, and a slow answer has many.
        timeout=None,  # noqa: S113
        # How much is asked at the same time is bounded by who asks.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=idle_connections),
        # What is in the environment, or in a file of the user's home, must not give the key to another.
        trust_env=False,
    )


def _is_answer_to(request: _Request, response: httpx.Response) -> bool:
    """Tell whether what came back is about what was asked, and not about what was asked on the connection before.

    Stripe repeats the idempotency key. Where that is left out, what was made, or declined, has the request's metadata.
    """
    if request.key is None or response.status_code >= _FIRST_SERVER_ERROR:
        return True
    if (key := response.headers.get(_KEY_HEADER)) is not None:
        return bool(key == request.key)
    body, form = _json(response), request.form or {}
    made = body if "object" in body else _object(_object(body, "error"), "payment_intent")
    metadata = _object(made, "metadata")
    return response.status_code in _PASSING | _NOT_LET_IN or (
        bool(metadata) and all(form.get(f"metadata[{name}]") == value for name, value in metadata.items())
    )


def _money(money: Money) -> dict[str, str]:
    return {"amount": str(money.amount_minor), "currency": money.currency.lower()}


def _json(response: httpx.Response) -> Mapping[str, Any]:
    """Return the object that was answered; an empty one where there is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _list(reply: _Reply) -> list[Mapping[str, Any]]:
    """Return what was found.

    Raises:
        OutcomeUnknown: the processor did not look for it.
    """
    found = reply.body.get("data")
    if not isinstance(found, list):
        raise OutcomeUnknown("the processor was asked to look for something, and did not")
    return [one for one in found if isinstance(one, dict)]


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None
