"""Requests to Stripe's API: sends and retries them, and sorts responses into results, rejections and unknown outcomes.

Based on "Errors" (docs.stripe.com/api/errors), "Error codes" (docs.stripe.com/error-codes), "Advanced error handling"
(docs.stripe.com/error-low-level) and "Idempotent requests" (docs.stripe.com/api/idempotent_requests).
"""

import asyncio
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
from server.processors.stripe.responses import nested, text

_API_VERSION = "2024-06-20"
"""Sent with each request, so that responses do not change with the account's default version."""

_ATTEMPTS = 3
_MIN_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 2.0

_TRANSIENT = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.FAILED_DEPENDENCY,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Transient errors: a concurrent request has the same key, a dependency of Stripe failed, or the rate is too high."""

_UNATTRIBUTED = _TRANSIENT | {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
"""Errors that settle nothing, so it does not matter which request on the connection they belong to."""

_FIRST_CLIENT_ERROR = 400
_FIRST_SERVER_ERROR = 500

_KEY_REUSED = "idempotency_error"
_KEY_HEADER = "Idempotency-Key"
_RETRY_HEADER = "Stripe-Should-Retry"
_REPLAY_HEADER = "Idempotent-Replayed"
_IDLE_CONNECTIONS = 100

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API; ``key`` is its idempotency key."""

    operation: str
    method: str
    path: str
    form: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A 4xx error; ``is_decline`` distinguishes a declined charge from an invalid request."""

    status: int
    error: Mapping[str, Any]
    is_decline: bool = False

    @property
    def is_key_reused(self) -> bool:
        """Whether an earlier request had the same idempotency key and other parameters."""
        return text(self.error, "type") == _KEY_REUSED

    @property
    def code(self) -> str:
        """Stripe's error code, or an empty string if there is none."""
        return text(self.error, "code") or ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: an object, or the rejection of the request."""

    body: Mapping[str, Any]
    rejection: Rejection | None = None


class _RetryableError(OutcomeUnknown):
    """The request may succeed if it is retried soon."""


class _NoResponse(Exception):
    """There was no response; ``kind`` names the cause, as metrics label it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class StripeApi:
    """A client of the API. Needs a running event loop, and must be closed."""

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float, breaker: Breaker) -> None:
        """Send requests to ``url`` with ``api_key``; each may take ``timeout_seconds``."""
        self._timeout_seconds = timeout_seconds
        self._breaker = breaker
        headers = {"Authorization": f"Bearer {api_key}", "Stripe-Version": _API_VERSION}
        self._writes = _client(url, headers, idle_connections=_IDLE_CONNECTIONS)
        # An empty list does not show which request it belongs to, so each connection is used for one read only.
        self._reads = _client(url, headers, idle_connections=0)

    async def send(self, request: Request) -> Reply:
        """Send a request. Retry it after a transient error, unless the timeout of one request has passed by then.

        Raises:
            OutcomeUnknown: there was no response, or it does not show the outcome of the request.
        """
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS) | tenacity.stop_after_delay(self._timeout_seconds),
            wait=tenacity.wait_random_exponential(_MIN_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS),
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, _RetryableError) and not self._breaker.is_open
            ),
            reraise=True,
        )
        return await retrying(self._send_once, request)

    async def read(self, request: Request) -> Mapping[str, Any]:
        """Send a request that only reads, and return the object in the response.

        Raises:
            OutcomeUnknown: there was no response with an object.
        """
        reply = await self.send(request)
        if reply.rejection is not None:
            raise OutcomeUnknown(f"{request.operation}: {reply.rejection.status} {reply.rejection.code}")
        return reply.body

    async def close(self) -> None:
        """Close the connections."""
        await self._writes.aclose()
        await self._reads.aclose()

    async def _send_once(self, request: Request) -> Reply:
        started_seconds = time.perf_counter()
        outcome = "cancelled"
        try:
            response = await self._response(request)
            outcome = f"http_{response.status_code}"
            return self._interpret(request, response)
        except _NoResponse as error:
            outcome = error.kind
            self._breaker.record_failure()
            raise _RetryableError(f"{request.operation}: {error.kind}") from error
        finally:
            metrics.observe_processor_request(request.operation, outcome, time.perf_counter() - started_seconds)

    async def _response(self, request: Request) -> httpx.Response:
        """Return the response to a request within the timeout.

        Raises:
            _NoResponse: there was none, or it belongs to another request.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._any_response(request)
                if not _belongs_to(request, response):
                    # Later responses on this connection would belong to other requests too.
                    await response.extensions["network_stream"].aclose()
                    raise _NoResponse("answer_to_another")
                return response
        except TimeoutError as error:
            raise _NoResponse("timeout") from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise _NoResponse("not_connected") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _NoResponse("broken") from error

    async def _any_response(self, request: Request) -> httpx.Response:
        headers = {} if request.key is None else {_KEY_HEADER: request.key}
        client = self._reads if request.key is None else self._writes
        try:
            return await client.request(
                request.method, request.path, data=request.form, params=request.query, headers=headers
            )
        except AttributeError as error:
            # anyio raises this if a connection is reset as soon as it is open, because uvloop then has no socket.
            raise _NoResponse("not_connected") from error

    def _interpret(self, request: Request, response: httpx.Response) -> Reply:
        """Sort a response into a result or a rejection.

        Raises:
            OutcomeUnknown: the response does not show the outcome of the request.
        """
        status, body = response.status_code, _json(response)
        error = nested(body, "error")
        self._update_breaker(request, response, error)
        if status == HTTPStatus.OK and isinstance(body.get("object"), str):
            return Reply(body)
        if status == HTTPStatus.UNAUTHORIZED:
            _log.error("processor_refuses_key", **_log_fields(request, response, error))
            raise OutcomeUnknown(f"{request.operation}: {status}")
        is_decline = status == HTTPStatus.PAYMENT_REQUIRED and text(error, "type") == "card_error"
        if is_decline and request.operation == "capture":
            return Reply({}, Rejection(status, error, is_decline=True))
        is_retryable = _is_retryable(response)
        if is_retryable or status in _TRANSIENT or status >= _FIRST_SERVER_ERROR:
            _log.warning("processor_cannot_answer", **_log_fields(request, response, error))
            raise (_RetryableError if is_retryable else OutcomeUnknown)(f"{request.operation}: {status}")
        is_client_error = _FIRST_CLIENT_ERROR <= status < _FIRST_SERVER_ERROR
        if is_decline or (is_client_error and text(error, "type") == "invalid_request_error"):
            _log.error("processor_refuses", **_log_fields(request, response, error))
            metrics.count_processor_problem("refused")
            return Reply({}, Rejection(status, error))
        if is_client_error and request.operation == "placeholder" and text(error, "type") == _KEY_REUSED:
            return Reply({}, Rejection(status, error))
        # This includes _KEY_REUSED for other requests: an earlier one with other parameters had an outcome.
        _log.error("processor_answer_not_understood", **_log_fields(request, response, error))
        metrics.count_processor_problem("wrong_answer")
        raise OutcomeUnknown(f"{request.operation}: {status}")

    def _update_breaker(self, request: Request, response: httpx.Response, error: Mapping[str, Any]) -> None:
        """Record in the breaker whether the processor answers.

        Only a 401 is about the API key as a whole. A 403 is about the permissions of the key, which may allow refunds
        but not charges. A lock_timeout is about one object, not about the rate of all requests: "Rate limits"
        (docs.stripe.com). Reads have a rate limit of their own, so rejected reads say nothing about charges.
        """
        status = response.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS and request.key is None:
            return
        is_rate_limit = status == HTTPStatus.TOO_MANY_REQUESTS and text(error, "code") != "lock_timeout"
        is_failure = status >= _FIRST_SERVER_ERROR and not _is_replay(response)
        if status == HTTPStatus.UNAUTHORIZED:
            self._breaker.record_rejected_key()
        elif is_failure or is_rate_limit:
            self._breaker.record_failure()
        else:
            self._breaker.record_answer()


def _is_replay(response: httpx.Response) -> bool:
    """Return whether this replays the response to an earlier request with the same key, which may be an error."""
    return bool(response.headers.get(_REPLAY_HEADER) == "true")


def _is_retryable(response: httpx.Response) -> bool:
    """Return whether a retry may get another response, by the response's own advice if it has any."""
    advice = response.headers.get(_RETRY_HEADER)
    if advice in {"true", "false"}:
        return bool(advice == "true")
    if _is_replay(response):
        return False
    return response.status_code in _TRANSIENT or response.status_code >= _FIRST_SERVER_ERROR


def _log_fields(request: Request, response: httpx.Response, error: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields to log for an error: not its message, which may quote the request and the API key in it."""
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
        # StripeApi limits the total time, because httpx's timeouts apply to each read, and a slow response has many.
        timeout=None,  # noqa: S113
        # The charge flow limits the number of concurrent requests.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=idle_connections),
        # A proxy setting in the environment, or a .netrc, must not send the API key elsewhere.
        trust_env=False,
    )


def _belongs_to(request: Request, response: httpx.Response) -> bool:
    """Return whether a response is to this request, and not to an earlier one on the same connection.

    Stripe returns the idempotency key. If it is missing, the path has the id of the object, or the created or declined
    object has the request's metadata.
    """
    if request.key is None or response.status_code >= _FIRST_SERVER_ERROR:
        return True
    if (key := response.headers.get(_KEY_HEADER)) is not None:
        return bool(key == request.key)
    body, form = _json(response), request.form or {}
    if (subject_id := text(body, "id")) is not None and f"/{subject_id}/" in request.path:
        return True
    subject = body if "object" in body else nested(nested(body, "error"), "payment_intent")
    metadata = nested(subject, "metadata")
    return response.status_code in _UNATTRIBUTED or (
        bool(metadata) and all(form.get(f"metadata[{name}]") == value for name, value in metadata.items())
    )


def _json(response: httpx.Response) -> Mapping[str, Any]:
    """Return the JSON object in the response; an empty one if there is none."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
