"""What is done around every call, by whichever transport it comes: it is named, bounded, logged, and its error told."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import structlog

from server import metrics
from server.domain.deadline import Deadline
from server.domain.errors import Overloaded, ShuttingDown
from server.logs import log_context
from server.transport.boundary import Failure, failure_of

CALL_ID_KEY = "x-request-id"
"""The metadata, or header, in which a caller may name its call, and is told the name that the log has."""

REPLAYED_KEY = "idempotency-replayed"
"""The metadata, or header, that tells that an earlier call of the same request_id did what was asked."""

ANONYMOUS = "anonymous"
"""The caller of every call: callers are not told apart yet."""

_CALL_ID_BITS = 128
_MAX_CALL_ID_LENGTH = 128

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Call:
    """One call of an RPC: its name in the log, who calls, and how long they wait.

    ``replayed`` is what the reply says besides its message: an earlier call had done what this one asks.
    """

    call_id: str
    caller: str
    deadline: Deadline
    replayed: bool = False


class CallFailed(Exception):
    """A call ended in an error; ``failure`` is what its caller is told."""

    def __init__(self, failure: Failure) -> None:
        """Keep the failure."""
        super().__init__(failure.message)
        self.failure = failure


class Calls:
    """The calls in progress: how many there are, how many there may be, and when the last has ended."""

    def __init__(self, at_most: int) -> None:
        """Let in ``at_most`` calls at the same time."""
        self._at_most = at_most
        self._count = 0
        self._closed = False
        self._none = asyncio.Event()
        self._none.set()
        metrics.watch_calls(lambda: self._count)

    @contextmanager
    def one(self, rpc: str, peer: str, call: Call) -> Iterator[None]:
        """Be around one call of ``rpc``, for as long as it lasts, and log it at its end.

        Raises:
            CallFailed: what is inside raised an error, or the call was not let in.
        """
        started_seconds = time.perf_counter()
        log_context.set({"request_id": call.call_id, "rpc": rpc})
        code = grpc.StatusCode.CANCELLED
        self._count += 1
        self._none.clear()
        try:
            call.deadline.check()
            self._check_place()
            yield
            code = grpc.StatusCode.OK
        except Exception as error:
            failure = failure_of(error, call.call_id)
            code = failure.code
            raise CallFailed(failure) from error
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()
            seconds = time.perf_counter() - started_seconds
            metrics.call_ended(rpc, code.name)(seconds)
            _log.info("call", code=code.name, duration_ms=round(seconds * 1000, 2), peer=peer)

    def close(self) -> None:
        """Let in no more."""
        self._closed = True

    async def ended(self) -> None:
        """Wait until there is none."""
        await self._none.wait()

    def _check_place(self) -> None:
        if self._closed:
            raise ShuttingDown("the service is shutting down; try again, another replica may answer")
        if self._count > self._at_most:
            raise Overloaded(f"{self._at_most} calls are in progress, as many as are taken on at once; try again soon")


def call_id(wanted: object) -> str:
    """Return the name of a call: the one that its caller wants, when that is fit for a log, else a new one."""
    if isinstance(wanted, str) and 0 < len(wanted) <= _MAX_CALL_ID_LENGTH and wanted.isascii() and wanted.isprintable():
        return wanted
    return f"{random.getrandbits(_CALL_ID_BITS):032x}"
