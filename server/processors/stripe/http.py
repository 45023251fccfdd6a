"""Requests to Stripe's API: sending, retrying, and sorting answers into results, refusals and unknown outcomes.

Rests on "Errors" (docs.stripe.com/api/errors), "Error codes" (docs.stripe.com/error-codes), "Advanced error handling"
(docs.stripe.com/error-low-level) and "Idempotent requests" (docs.stripe.com/api/idempotent_requests).
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import structlog
import tenacity

from server.domain.errors import OutcomeUnknown
from server.observability import metrics
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.answers import nested, text

_API_VERSION = "2024-06-20"
"""Sent with each request, so that answers do not change with the account's own version."""

_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

_PASSING = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.FAILED_DEPENDENCY,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals for the moment: another request is in progress, something outside Stripe failed, or the rate is too high."""

_UNATTRIBUTED = _PASSING | {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
"""Errors that settle nothing, so that it does not matter which request on a connection they answer."""

_FIRST_CLIENT_ERROR = 400
_FIRST_SERVER_ERROR = 500

_KEY_HEADER = "Idempotency-Key"
_RETRY_HEADER = "Stripe-Should-Retry"
_REPLAY_HEADER = "Idempotent-Replayed"
_IDLE_CONNECTIONS = 100

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``key`` is its idempotency key."""

    operation: str
    method: str
    path: str
    form: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the 4xx range. ``is_decline`` says that a charge was declined, no fault of this service."""

    status: int
    error: Mapping[str, Any]
    is_decline: bool = False

    @property
    def code(self) -> str:
        """Stripe's error code, or an empty string."""
        return text(self.error, "code") or ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: an object, or the refusal of the request."""

    body: Mapping[str, Any]
    refusal: Refusal | None = None


class _AskAgain(OutcomeUnknown):
    """The request may succeed when it is retried at once."""


class _NoResponse(Exception):
    """There was no answer; ``kind`` is why, in a word."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class StripeApi:
    """Sends requests. Needs a running event loop, and must be closed."""

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float, breaker: Breaker) -> None:
        """Send requests to ``url`` with ``api_key``; each may take ``timeout_seconds``."""
        self._timeout_seconds = timeout_seconds
        self._breaker = breaker
        headers = {"Authorization": f"Bearer {api_key}", "Stripe-Version": _API_VERSION}
        self._asking = _client(url, headers, idle_connections=_IDLE_CONNECTIONS)
        # An empty list names nothing by which an answer to another request could be told from it. So a connection that
        # looks something up is used once.
        self._looking = _client(url, headers, idle_connections=0)
        # Otherwise it would log the address of each request.
        logging.getLogger("httpx").setLevel(logging.WARNING)

    async def ask(self, request: Request) -> Reply:
        """Send a request, and retry it for as long as one request may take.

        Raises:
            OutcomeUnknown: there is no answer, or none that says what became of the request.
        """
        asking = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS) | tenacity.stop_after_delay(self._timeout_seconds),
            wait=tenacity.wait_random_exponential(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, _AskAgain) and not self._breaker.is_open),
            reraise=True,
        )
        return await asking(self._ask_once, request)

    async def look_up(self, request: Request) -> Mapping[str, Any]:
        """Send a request that only reads, and return the object that it is answered with.

        Raises:
            OutcomeUnknown: there is none.
        """
        reply = await self.ask(request)
        if reply.refusal is not None:
            raise OutcomeUnknown(f"{request.operation}: {reply.refusal.status} {reply.refusal.code}")
        return reply.body

    async def close(self) -> None:
        """Close the connections."""
        await self._asking.aclose()
        await self._looking.aclose()

    async def _ask_once(self, request: Request) -> Reply:
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
            metrics.observe_processor_request(request.operation, outcome, time.perf_counter() - started_seconds)

    async def _send(self, request: Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._answer_to(request)
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

    async def _answer_to(self, request: Request) -> httpx.Response:
        headers = {} if request.key is None else {_KEY_HEADER: request.key}
        client = self._looking if request.key is None else self._asking
        try:
            return await client.request(
                request.method, request.path, data=request.form, params=request.query, headers=headers
            )
        except AttributeError as error:
            # What anyio makes of a connection that was reset as soon as it was made: uvloop has no socket for it then.
            raise _NoResponse("not_connected") from error

    def _read(self, request: Request, response: httpx.Response) -> Reply:
        """Return what an answer says.

        Raises:
            OutcomeUnknown: it does not say what became of the request.
        """
        status, body = response.status_code, _json(response)
        error = nested(body, "error")
        self._count_for_breaker(request, response, error)
        if status == HTTPStatus.OK and isinstance(body.get("object"), str):
            return Reply(body)
        if status == HTTPStatus.UNAUTHORIZED:
            _log.error("processor_refuses_key", **_log_fields(request, response, error))
            raise OutcomeUnknown(f"{request.operation}: {status}")
        is_decline = status == HTTPStatus.PAYMENT_REQUIRED and text(error, "type") == "card_error"
        if is_decline and request.operation == "capture":
            return Reply({}, Refusal(status, error, is_decline=True))
        may_help = _may_help_to_retry(response)
        if may_help or status in _PASSING or status >= _FIRST_SERVER_ERROR:
            _log.warning("processor_cannot_answer", **_log_fields(request, response, error))
            raise (_AskAgain if may_help else OutcomeUnknown)(f"{request.operation}: {status}")
        is_client_error = _FIRST_CLIENT_ERROR <= status < _FIRST_SERVER_ERROR
        if is_decline or (is_client_error and text(error, "type") == "invalid_request_error"):
            _log.error("processor_refuses", **_log_fields(request, response, error))
            metrics.count_processor_problem("refused")
            return Reply({}, Refusal(status, error))
        # Also idempotency_error: the same key was sent before with other parameters, and something became of that.
        _log.error("processor_answer_not_understood", **_log_fields(request, response, error))
        metrics.count_processor_problem("wrong_answer")
        raise OutcomeUnknown(f"{request.operation}: {status}")

    def _count_for_breaker(self, request: Request, response: httpx.Response, error: Mapping[str, Any]) -> None:
        """Tell the breaker whether the processor answers.

        Only a 401 is about the API key as a whole. A 403 is about what the key may do: refunds, say, and not charges.
        A lock_timeout is about one object, and not about the rate of all requests: "Rate limits" (docs.stripe.com). The
        rate of reads is limited apart from that of writes, so that many look-ups say nothing about charges.
        """
        status = response.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS and request.key is None:
            return
        is_rate_limit = status == HTTPStatus.TOO_MANY_REQUESTS and text(error, "code") != "lock_timeout"
        is_failure = status >= _FIRST_SERVER_ERROR and not _is_replay(response)
        if status == HTTPStatus.UNAUTHORIZED:
            self._breaker.key_refused()
        elif is_failure or is_rate_limit:
            self._breaker.not_answered()
        else:
            self._breaker.answered()


def _is_replay(response: httpx.Response) -> bool:
    """Return whether the answer is the saved one of an earlier request with the same key: errors are saved too."""
    return bool(response.headers.get(_REPLAY_HEADER) == "true")


def _may_help_to_retry(response: httpx.Response) -> bool:
    """Return whether the same request may be answered otherwise at once, as far as the answer tells."""
    advice = response.headers.get(_RETRY_HEADER)
    if advice in {"true", "false"}:
        return bool(advice == "true")
    if _is_replay(response):
        return False
    return response.status_code in _PASSING or response.status_code >= _FIRST_SERVER_ERROR


def _log_fields(request: Request, response: httpx.Response, error: Mapping[str, Any]) -> dict[str, object]:
    """Return what the log says of an answer: not its message, which may quote the request, and the API key in it."""
    return {
        "operation": request.operation,
        "status": response.status_code,
        "type": text(error, "type"),
        "code": text(error, "code"),
        "parameter": text(error, "param"),
        "processor_request_id": response.headers.get("Request-Id"),
    }


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


def _is_answer_to(request: Request, response: httpx.Response) -> bool:
    """Return whether an answer is to this request, and not to an earlier one on the same connection.

    Stripe repeats the idempotency key. Where that is left out, what was made, or declined, has the request's metadata.
    """
    if request.key is None or response.status_code >= _FIRST_SERVER_ERROR:
        return True
    if (key := response.headers.get(_KEY_HEADER)) is not None:
        return bool(key == request.key)
    body, form = _json(response), request.form or {}
    made = body if "object" in body else nested(nested(body, "error"), "payment_intent")
    metadata = nested(made, "metadata")
    return response.status_code in _UNATTRIBUTED or (
        bool(metadata) and all(form.get(f"metadata[{name}]") == value for name, value in metadata.items())
    )


def _json(response: httpx.Response) -> Mapping[str, Any]:
    """Return the object that was answered; an empty one where there is none."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
