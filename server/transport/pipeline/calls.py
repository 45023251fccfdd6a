"""The call pipeline: admit each call, authenticate it, enforce its limits, and log its outcome, over any transport."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc

from server.domain.callers import ANONYMOUS, NOBODY, Caller
from server.domain.card_number import has_card_number
from server.domain.deadline import Deadline
from server.domain.errors import (
    AuthenticationFailed,
    InvalidRequest,
    Overloaded,
    PaymentsError,
    RateLimited,
    ShuttingDown,
)
from server.observability import metrics
from server.observability.logs import RepeatedWarning, call_log, log_context
from server.transport.pipeline.admission import Admission
from server.transport.pipeline.auth import Authorizer, Credentials
from server.transport.pipeline.errors import CallTooLong, Failure, failure_of
from server.transport.pipeline.rate_limit import RateLimiter, address_of
from server.transport.pipeline.time_limit import TimeLimit

CALL_ID_KEY = "x-request-id"
"""The metadata key or header of the call ID. A caller may send an ID; the response returns the ID that is logged."""

REPLAYED_KEY = "idempotency-replayed"
"""The metadata key or header that marks a replay, a response that repeats an earlier outcome of the same request_id."""

_OK = grpc.StatusCode.OK.name
_CANCELLED = grpc.StatusCode.CANCELLED.name

_NO_TARGET_SECONDS = math.inf
_CALL_ID_BITS = 128
_MAX_CALL_ID_LENGTH = 128

Response = TypeVar("Response")


@dataclass(slots=True)
class Call:
    """One call of an RPC, with its ID in the log, its credentials and its deadline.

    ``identity`` is the caller, or ``NOBODY`` until it is authenticated. ``caller_key`` identifies it for the rate limit
    and the limit of open streams, by name, or by address if the caller is anonymous. ``rate_limiter`` has the caller's
    bucket, if rates are limited. ``replayed`` says that the response repeats the outcome of an earlier call. ``check``
    raises if the caller of a stream may no longer receive it. ``is_logged`` is false for a call that has no log line of
    its own, because one line counts many such calls.
    """

    call_id: str
    credentials: Credentials
    deadline: Deadline
    identity: Caller = NOBODY
    replayed: bool = False
    rate_limiter: RateLimiter | None = None
    caller_key: str = ""
    check: Callable[[], None] = lambda: None
    is_logged: bool = True

    @property
    def caller(self) -> str:
        """The name of the caller."""
        return self.identity.name

    def count_items(self, items: int) -> None:
        """Count this call as ``items`` calls against the caller's rate: see ``RateLimiter.deduct``."""
        if self.rate_limiter is not None and items > 1:
            self.rate_limiter.deduct(self.caller_key, items - 1)


class CallFailed(Exception):
    """A call failed. ``failure`` describes the error to the caller."""

    def __init__(self, failure: Failure) -> None:
        """Store the failure."""
        super().__init__(failure.message)
        self.failure = failure


class CallObserver(Protocol):
    """Observes calls, for tracing."""

    def begin(self, call: Call) -> None:
        """Record the start of a call. May add to the log context."""

    def end(self, code: str, reason: str | None) -> None:
        """Record the status of the call in the current context, and the reason if it failed."""


class _NoObserver:
    def begin(self, call: Call) -> None:
        pass

    def end(self, code: str, reason: str | None) -> None:
        pass


NO_OBSERVER = _NoObserver()


class Calls:
    """Admits calls, limits their number, rate and duration, and waits for their end at shutdown.

    Anonymous callers from one address share one rate limit.
    """

    def __init__(  # noqa: PLR0913 - one argument for each limit
        self,
        max_calls: int,
        authorizer: Authorizer,
        *,
        target_seconds: float = _NO_TARGET_SECONDS,
        timeout_seconds: float | None = None,
        rate_limiter: RateLimiter | None = None,
        failed_authentication_limiter: RateLimiter | None = None,
        observer: CallObserver = NO_OBSERVER,
    ) -> None:
        """Admit at most ``max_calls`` concurrent calls, from callers that ``authorizer`` accepts.

        Admit fewer while calls take longer than ``target_seconds``. A unary call times out after ``timeout_seconds``.
        ``rate_limiter`` limits the calls of each caller, and ``failed_authentication_limiter`` the failed
        authentications from each address. ``observer`` observes each call.
        """
        self._observer = observer
        self._authorizer = authorizer
        self._admission = Admission(max_calls, target_seconds)
        self._time_limit = None if timeout_seconds is None else TimeLimit(timeout_seconds)
        self._rate_limiter = rate_limiter
        self._failed_authentication_limiter = failed_authentication_limiter
        self._log_call = call_log()
        self._rejected = RepeatedWarning("calls_refused")
        self._limited_failures = RepeatedWarning("failed_authentications_limited")
        self._overload_failure: Failure | None = None
        self._rejects_new = False
        self._has_cancelled_all = False
        self._idle = asyncio.Event()
        self._idle.set()
        metrics.track_calls(lambda: self._admission.in_flight, lambda: self._admission.limit)

    def rejection(self) -> Failure | None:
        """Return the failure that rejects a call that arrives now, before any work is done, or None to admit it.

        Log the number of rejected calls once a second.
        """
        if self._rejects_new or not self._admission.reject_if_full():
            return None
        self._rejected.count(limit=self._admission.limit)
        metrics.count_rejected_call()
        failure = self._overload_failure
        if failure is None or failure.retry_after_seconds != self._admission.retry_after_seconds:
            failure = self._overload_failure = failure_of(self._overloaded(), call_id="")
        return failure

    def admit(self) -> None:
        """Admit a call that arrives now. A transport calls this, or ``rejection``, before ``run``.

        Raises:
            CallFailed: too many calls are in flight.
        """
        if failure := self.rejection():
            raise CallFailed(failure)

    @contextmanager
    def run(self, rpc: str, peer: str, call: Call, *, is_stream: bool = False) -> Iterator[None]:
        """Authenticate an admitted call of ``rpc``, enforce its time limit, and log its outcome.

        A stream has no time limit. It does not count as a call in flight, because admission control derives the load
        from how long those calls take. Its producer calls ``call.check`` periodically, because an API key can expire
        during a stream.

        Raises:
            CallFailed: the call failed, or the caller is not authorized.
        """
        log_context.set({"request_id": call.call_id, "rpc": rpc})
        self._observer.begin(call)
        started_seconds = time.perf_counter()
        code, reason = _CANCELLED, None
        if is_stream:
            call.check = lambda: self._authorizer.check_role(rpc, self._authorizer.caller(call.credentials))
        else:
            self._admission.begin_call()
            self._idle.clear()
        task = None if self._time_limit is None or is_stream else self._time_limit.start()
        try:
            self._authorize(rpc, call, peer)
            yield
            code = _OK
        except (Exception, asyncio.CancelledError) as error:
            failure = failure_of(self._error_to_report(error, task), call.call_id)
            code, reason = failure.code.name, failure.reason
            metrics.count_call_error(rpc, reason)
            raise CallFailed(failure) from error
        finally:
            if self._time_limit is not None and task is not None:
                self._time_limit.stop(task)
            ended_seconds = time.perf_counter()
            if not is_stream:
                self._admission.end_call(rpc, started_seconds, ended_seconds, succeeded=code is _OK)
                if not self._admission.in_flight:
                    self._idle.set()
            seconds = ended_seconds - started_seconds
            metrics.observe_call(rpc, code, seconds)
            if call.is_logged:
                self._log_call(code, round(seconds * 1000, 2), call.caller, peer)
            self._observer.end(code, reason)

    async def stream(
        self, rpc: str, peer: str, call: Call, responses: Callable[[], AsyncGenerator[Response, None]]
    ) -> AsyncGenerator[Response, None]:
        """Yield the ``responses`` of one streaming call of ``rpc``: see ``run``."""
        with self.run(rpc, peer, call, is_stream=True):
            async with aclosing(responses()) as stream:
                async for response in stream:
                    yield response

    def reject_new(self) -> None:
        """Reject new calls from now on."""
        self._rejects_new = True

    def cancel_all(self) -> None:
        """Cancel every unary call in flight that has a time limit, because the service is stopping."""
        self._has_cancelled_all = True
        if self._time_limit is not None:
            self._time_limit.expire_all()

    async def wait_until_idle(self) -> None:
        """Wait until no unary call is in flight."""
        await self._idle.wait()

    def _authorize(self, rpc: str, call: Call, peer: str) -> None:
        call.deadline.check()
        if self._rejects_new:
            raise ShuttingDown("the service is shutting down; retry, because another replica may answer")
        try:
            caller = self._authorizer.caller(call.credentials)
            call.identity = caller
            call.caller_key = f"{ANONYMOUS} {address_of(peer)}" if caller.name == ANONYMOUS else caller.name
            if self._rate_limiter is not None:
                call.rate_limiter = self._rate_limiter
                self._rate_limiter.take(call.caller_key)
            self._authorizer.check_role(rpc, caller)
        except (AuthenticationFailed, InvalidRequest) as error:  # InvalidRequest: a header is repeated
            self._limit_failed_authentication(error, call, address_of(peer))
            raise

    def _limit_failed_authentication(self, error: PaymentsError, call: Call, address: str) -> None:
        """Count a failed authentication from an address.

        Calls with valid credentials are not affected: many callers may share an address with one whose key is invalid.

        Raises:
            RateLimited: too many authentications from this address failed.
        """
        if self._failed_authentication_limiter is None:
            return
        wait_seconds = self._failed_authentication_limiter.wait_seconds(address)
        if not wait_seconds:
            self._failed_authentication_limiter.deduct(address, 1)
            return
        call.is_logged = False
        self._limited_failures.count(address=address)
        metrics.count_limited_authentication()
        message = f"{error}; too many authentications from this address failed, so wait before you retry"
        raise RateLimited(message, wait_seconds)

    def _error_to_report(self, error: BaseException, task: "asyncio.Task[Any] | None") -> Exception:
        """Return the error to report to the caller: a cancellation may be due to the time limit or a shutdown.

        Raises:
            CancelledError: the caller cancelled the call.
        """
        if isinstance(error, Exception):
            return error
        if self._time_limit is None or task is None or not self._time_limit.timed_out(task):
            raise error
        if self._has_cancelled_all:
            return ShuttingDown(
                "the service stopped before the call finished, so its outcome is unknown; retry it with the same "
                "request_id, and another replica may answer"
            )
        return CallTooLong(
            f"the call took longer than {self._time_limit.seconds:g} seconds; the service completes work that has begun"
        )

    def _overloaded(self) -> Overloaded:
        message = f"{self._admission.limit} calls are in flight, which is the current limit; try again soon"
        return Overloaded(message, self._admission.retry_after_seconds)


def call_id_for(requested_id: object) -> str:
    """Return the ID that the caller requested for a call, or a new one if the requested ID must not be logged.

    An ID may be logged if it has 1 to 128 printable ASCII characters and contains no card number.
    """
    if (
        isinstance(requested_id, str)
        and 0 < len(requested_id) <= _MAX_CALL_ID_LENGTH
        and requested_id.isascii()
        and requested_id.isprintable()
        and not has_card_number(requested_id)
    ):
        return requested_id
    return f"{random.getrandbits(_CALL_ID_BITS):032x}"
