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

from server.domain.callers import ANONYMOUS
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
from server.transport.pipeline.auth import Credentials, Gate
from server.transport.pipeline.errors import CallTooLong, Failure, failure_of
from server.transport.pipeline.rate_limit import CallerRates, address_of
from server.transport.pipeline.time_limit import TimeLimit

CALL_ID_KEY = "x-request-id"
"""The metadata key or header with the call ID: callers may send one, and the response has the one that is logged."""

REPLAYED_KEY = "idempotency-replayed"
"""The metadata key or header of a replay: a response that repeats the outcome of an earlier call (same request_id)."""

_OK = grpc.StatusCode.OK.name
_CANCELLED = grpc.StatusCode.CANCELLED.name

_NO_TARGET_SECONDS = math.inf
_CALL_ID_BITS = 128
_MAX_CALL_ID_LENGTH = 128

Response = TypeVar("Response")


@dataclass(slots=True)
class Call:
    """One call of an RPC, with its ID in the log, its credentials and its deadline.

    ``caller`` is the name of the authenticated caller, empty until then. ``caller_key`` identifies the caller for the
    limits of rates and open streams: their name, or their address if they are anonymous. ``rates`` has their bucket, if
    rates are limited. ``replayed`` says that the response repeats the outcome of an earlier call. ``check`` raises if
    the caller of a stream may no longer receive it. ``is_logged`` is false if one log line counts many such calls.
    """

    call_id: str
    credentials: Credentials
    deadline: Deadline
    caller: str = ""
    replayed: bool = False
    rates: CallerRates | None = None
    caller_key: str = ""
    check: Callable[[], None] = lambda: None
    is_logged: bool = True

    def count(self, items: int) -> None:
        """Count this call as ``items`` calls against the caller's rate: see ``CallerRates.deduct``."""
        if self.rates is not None and items > 1:
            self.rates.deduct(self.caller_key, items - 1)


class CallFailed(Exception):
    """A call ended in an error, which ``failure`` describes to its caller."""

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


class _NotObserved:
    def begin(self, call: Call) -> None:
        pass

    def end(self, code: str, reason: str | None) -> None:
        pass


NOT_OBSERVED = _NotObserved()


class Calls:
    """Admits calls, limits their number, rate and duration, and waits for their end at shutdown.

    Anonymous callers from one address share one rate.
    """

    def __init__(  # noqa: PLR0913 - one argument for each limit
        self,
        max_calls: int,
        gate: Gate,
        *,
        target_seconds: float = _NO_TARGET_SECONDS,
        timeout_seconds: float | None = None,
        rates: CallerRates | None = None,
        failed_authentications: CallerRates | None = None,
        observer: CallObserver = NOT_OBSERVED,
    ) -> None:
        """Admit at most ``max_calls`` concurrent calls, from callers that ``gate`` accepts.

        Admit fewer while calls take longer than ``target_seconds``. A unary call may last ``timeout_seconds``.
        ``rates`` limits the calls of each caller, and ``failed_authentications`` the failed authentications from each
        address. ``observer`` observes each call.
        """
        self._observer = observer
        self._gate = gate
        self._admission = Admission(max_calls, target_seconds)
        self._time_limit = None if timeout_seconds is None else TimeLimit(timeout_seconds)
        self._rates = rates
        self._failed_authentications = failed_authentications
        self._log_call = call_log()
        self._rejected = RepeatedWarning("calls_refused")
        self._limited_failures = RepeatedWarning("failed_authentications_limited")
        self._overload_failure: Failure | None = None
        self._closed = False
        self._has_ended = False
        self._idle = asyncio.Event()
        self._idle.set()
        metrics.track_calls(lambda: self._admission.in_progress, lambda: self._admission.limit)

    def rejection(self) -> Failure | None:
        """Return the failure of a call that arrives now, before any work is done for it, or None to admit it.

        The number of rejected calls is logged once a second.
        """
        if self._closed or not self._admission.reject_if_full():
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
            CallFailed: too many calls are in progress.
        """
        if failure := self.rejection():
            raise CallFailed(failure)

    @contextmanager
    def run(self, rpc: str, peer: str, call: Call, *, is_stream: bool = False) -> Iterator[None]:
        """Authenticate one call of ``rpc`` that was admitted, enforce its time limit, and log its outcome.

        A stream has no time limit. It is not counted among the calls in progress, because their durations show how
        loaded the service is. Its producer calls ``call.check`` periodically, because an API key can expire during a
        stream.

        Raises:
            CallFailed: the call failed, or the caller is not authorized.
        """
        log_context.set({"request_id": call.call_id, "rpc": rpc})
        self._observer.begin(call)
        started_seconds = time.perf_counter()
        code, reason = _CANCELLED, None
        if is_stream:
            call.check = lambda: self._gate.check_role(rpc, self._gate.caller(call.credentials))
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
                if not self._admission.in_progress:
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
        self._closed = True

    def cancel_all(self) -> None:
        """Cancel every unary call in progress, because the service stops."""
        self._has_ended = True
        if self._time_limit is not None:
            self._time_limit.expire_all()

    async def wait_until_idle(self) -> None:
        """Wait until no unary call is in progress."""
        await self._idle.wait()

    def _authorize(self, rpc: str, call: Call, peer: str) -> None:
        call.deadline.check()
        if self._closed:
            raise ShuttingDown("the service is shutting down; try again, another replica may answer")
        try:
            caller = self._gate.caller(call.credentials)
            call.caller = caller.name
            call.caller_key = f"{ANONYMOUS} {address_of(peer)}" if caller.name == ANONYMOUS else caller.name
            if self._rates is not None:
                call.rates = self._rates
                self._rates.take(call.caller_key)
            self._gate.check_role(rpc, caller)
        except (AuthenticationFailed, InvalidRequest) as error:  # InvalidRequest: a key was sent twice
            self._limit_failed_authentication(error, call, address_of(peer))
            raise

    def _limit_failed_authentication(self, error: PaymentsError, call: Call, address: str) -> None:
        """Count a failed authentication from an address.

        Calls with valid credentials are not affected: many callers may share an address with one whose key is invalid.

        Raises:
            RateLimited: too many authentications from this address failed.
        """
        if self._failed_authentications is None:
            return
        wait_seconds = self._failed_authentications.wait_seconds(address)
        if not wait_seconds:
            self._failed_authentications.deduct(address, 1)
            return
        call.is_logged = False
        self._limited_failures.count(address=address)
        metrics.count_limited_authentication()
        message = f"{error}; too many authentications from this address failed, so wait before you try again"
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
        if self._has_ended:
            return ShuttingDown(
                "the service stopped before the call was done, so its outcome is unknown; retry it with the same "
                "request_id, and another replica may answer"
            )
        return CallTooLong(
            f"the call took longer than {self._time_limit.seconds:g} seconds; the service completes work that has begun"
        )

    def _overloaded(self) -> Overloaded:
        message = f"{self._admission.limit} calls are in progress, which is the limit now; try again soon"
        return Overloaded(message, self._admission.retry_after_seconds)


def call_id_for(requested: object) -> str:
    """Return the ID that the caller ``requested`` for a call, or a new one if that is not fit for the log.

    It is fit if it has 1 to 128 printable ASCII characters and contains no card number.
    """
    if (
        isinstance(requested, str)
        and 0 < len(requested) <= _MAX_CALL_ID_LENGTH
        and requested.isascii()
        and requested.isprintable()
        and not has_card_number(requested)
    ):
        return requested
    return f"{random.getrandbits(_CALL_ID_BITS):032x}"
