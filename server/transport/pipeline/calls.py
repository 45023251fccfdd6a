"""What is done around every call, by whichever transport it comes: it is named, bounded, logged, and its error told."""

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
"""The metadata, or header, in which a caller may name its call, and is told the name that the log has."""

REPLAYED_KEY = "idempotency-replayed"
"""The metadata, or header, that tells that an earlier call of the same request_id did what was asked."""

_OK = grpc.StatusCode.OK.name
_CANCELLED = grpc.StatusCode.CANCELLED.name

_NO_TARGET_SECONDS = math.inf
_CALL_ID_BITS = 128
_MAX_CALL_ID_LENGTH = 128

Response = TypeVar("Response")


@dataclass(slots=True)
class Call:
    """One call of an RPC: its name in the log, what says who calls, and how long they wait.

    ``caller`` is who calls; it is there once that is known. ``replayed`` is what the reply says besides its message: an
    earlier call had done what this one asks. ``caller_key`` is what the caller's rate and share of streams go by: the
    caller, or the address of one without a name. ``rates`` has its bucket, where there are such. ``check`` raises, of a
    stream that goes on, when its caller may no longer have it. ``is_logged`` is false where the log has one line for
    many such calls.
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
        """Count this call as ``items`` calls of its caller: see ``CallerRates.owe``."""
        if self.rates is not None and items > 1:
            self.rates.owe(self.caller_key, items - 1)


class CallFailed(Exception):
    """A call ended in an error; ``failure`` is what its caller is told."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure."""
        super().__init__(failure.message)
        self.failure = failure


class CallObserver(Protocol):
    """Follows calls, for traces."""

    def begin(self, call: Call) -> None:
        """Record the start of a call; this may add to the context of its log."""

    def end(self, code: str, reason: str | None) -> None:
        """Record the status of the call in this context, and the reason if it failed."""


class _NotObserved:
    def begin(self, call: Call) -> None:
        pass

    def end(self, code: str, reason: str | None) -> None:
        pass


NOT_OBSERVED = _NotObserved()


class Calls:
    """The calls in progress: how many there may be, how long each may take, and when all have ended.

    A caller without a name shares its rate with all who call from its address.
    """

    def __init__(  # noqa: PLR0913 - each is a limit of its own
        self,
        at_most: int,
        gate: Gate,
        *,
        target_seconds: float = _NO_TARGET_SECONDS,
        timeout_seconds: float | None = None,
        rates: CallerRates | None = None,
        failed_authentications: CallerRates | None = None,
        observer: CallObserver = NOT_OBSERVED,
    ) -> None:
        """Admit at most ``at_most`` calls at the same time, from callers that ``gate`` accepts.

        Admit fewer while calls take longer than ``target_seconds``. A call may last ``timeout_seconds``. ``rates``
        limits the calls of each caller, and ``failed_authentications`` the failed authentications from each address.
        ``observer`` follows each call.
        """
        self._observer = observer
        self._gate = gate
        self._admission = Admission(at_most, target_seconds)
        self._time = None if timeout_seconds is None else TimeLimit(timeout_seconds)
        self._rates = rates
        self._failed_authentications = failed_authentications
        self._log_call = call_log()
        self._refused = RepeatedWarning("calls_refused")
        self._failures_limited = RepeatedWarning("failed_authentications_limited")
        self._overload: Failure | None = None
        self._closed = False
        self._is_over = False
        self._none = asyncio.Event()
        self._none.set()
        metrics.track_calls(lambda: self._admission.in_progress, lambda: self._admission.limit)

    def refusal(self) -> Failure | None:
        """Return the failure of a call that arrives now, before any work is done for it; None when it is admitted.

        The log has the number of rejected calls once a second.
        """
        if self._closed or not self._admission.refuses():
            return None
        self._refused.count(limit=self._admission.limit)
        metrics.count_rejected_call()
        if self._overload is None or self._overload.retry_after_seconds != self._admission.retry_after_seconds:
            self._overload = failure_of(self._overloaded(), call_id="")
        return self._overload

    def admit(self) -> None:
        """Admit a call that arrives now. A transport asks this, or ``refusal``, before ``one``.

        Raises:
            CallFailed: too many calls are in progress.
        """
        if failure := self.refusal():
            raise CallFailed(failure)

    @contextmanager
    def one(self, rpc: str, peer: str, call: Call, *, is_stream: bool = False) -> Iterator[None]:
        """Authenticate one call of ``rpc`` that was admitted, enforce its time limit, and log its outcome.

        A stream may last as long as its caller likes. It is not counted among the calls in progress, whose durations
        show how loaded the service is. Its producer calls ``call.check`` periodically, because an API key can expire
        during a stream.

        Raises:
            CallFailed: the call failed, or its caller may not make it.
        """
        log_context.set({"request_id": call.call_id, "rpc": rpc})
        self._observer.begin(call)
        started_seconds = time.perf_counter()
        code, reason = _CANCELLED, None
        if is_stream:
            call.check = lambda: self._gate.check_role(rpc, self._gate.caller(call.credentials))
        else:
            self._admission.enter()
            self._none.clear()
        task = None if self._time is None or is_stream else self._time.start()
        try:
            self._let_in(rpc, call, peer)
            yield
            code = _OK
        except (Exception, asyncio.CancelledError) as error:
            failure = failure_of(self._meaning_of(error, task), call.call_id)
            code, reason = failure.code.name, failure.reason
            metrics.count_call_error(rpc, reason)
            raise CallFailed(failure) from error
        finally:
            if self._time is not None and task is not None:
                self._time.stop(task)
            ended_seconds = time.perf_counter()
            if not is_stream:
                self._admission.leave(rpc, started_seconds, ended_seconds, succeeded=code is _OK)
                if not self._admission.in_progress:
                    self._none.set()
            seconds = ended_seconds - started_seconds
            metrics.observe_call(rpc, code, seconds)
            if call.is_logged:
                self._log_call(code, round(seconds * 1000, 2), call.caller, peer)
            self._observer.end(code, reason)

    async def stream(
        self, rpc: str, peer: str, call: Call, responses: Callable[[], AsyncGenerator[Response, None]]
    ) -> AsyncGenerator[Response, None]:
        """Give the ``responses`` of one streaming call of ``rpc``: see ``one``."""
        with self.one(rpc, peer, call, is_stream=True):
            async with aclosing(responses()) as stream:
                async for response in stream:
                    yield response

    def close(self) -> None:
        """Let in no more."""
        self._closed = True

    def end(self) -> None:
        """End the time of every call in progress, because the service ends; streams have none."""
        self._is_over = True
        if self._time is not None:
            self._time.end()

    async def ended(self) -> None:
        """Wait until there is none; streams have no end of their own, and are not waited for."""
        await self._none.wait()

    def _let_in(self, rpc: str, call: Call, peer: str) -> None:
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
        except (AuthenticationFailed, InvalidRequest) as error:  # credentials that are sent twice are no valid request
            self._limit_failed_authentication(error, call, address_of(peer))
            raise

    def _limit_failed_authentication(self, error: PaymentsError, call: Call, address: str) -> None:
        """Count a call that did not say who calls.

        Valid credentials are never held up by it: many callers may share an address with one that has a wrong key.

        Raises:
            RateLimited: too many came from this address.
        """
        if self._failed_authentications is None:
            return
        wait_seconds = self._failed_authentications.wait_seconds(address)
        if not wait_seconds:
            self._failed_authentications.owe(address, 1)
            return
        call.is_logged = False
        self._failures_limited.count(address=address)
        metrics.count_limited_authentication()
        message = f"{error}; too many calls from this address failed to say who calls: try again later"
        raise RateLimited(message, wait_seconds)

    def _meaning_of(self, error: BaseException, task: "asyncio.Task[Any] | None") -> Exception:
        """Return the error that an error is to be told as.

        Raises:
            CancelledError: the call was cancelled by its caller.
        """
        if isinstance(error, Exception):
            return error
        if self._time is None or task is None or not self._time.has_run_out(task):
            raise error
        if self._is_over:
            return ShuttingDown(
                "the service ends before the call did, so its outcome is not known; repeat it with the same "
                "request_id, another replica may answer"
            )
        return CallTooLong(f"the call took longer than {self._time.seconds:g} seconds; what it had begun is finished")

    def _overloaded(self) -> Overloaded:
        message = f"{self._admission.limit} calls are in progress, as many as are taken on at once; try again soon"
        return Overloaded(message, self._admission.retry_after_seconds)


def call_id(wanted: object) -> str:
    """Return the name of a call: the one that its caller wants, when that is fit for a log, else a new one.

    Fit is what has at most 128 printable ASCII characters, of which none are a card number.
    """
    if (
        isinstance(wanted, str)
        and 0 < len(wanted) <= _MAX_CALL_ID_LENGTH
        and wanted.isascii()
        and wanted.isprintable()
        and not has_card_number(wanted)
    ):
        return wanted
    return f"{random.getrandbits(_CALL_ID_BITS):032x}"
