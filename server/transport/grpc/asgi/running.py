"""Calls in progress: end the task of a call whose client is gone, or whose time is up."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any, Self

import grpc
from starlette.types import Receive

from server.transport.grpc.asgi.status import CallEnded

_TICK_SECONDS = 0.1
"""How often the calls are examined, so that one timer serves them all.

A call may end this much after its deadline. Its client has given up at the deadline itself.
"""

_INTERVAL_BY_AGE = 0.2
_MAX_INTERVAL_SECONDS = 1.0
"""How long to wait before looking for the client of a call again: a fifth of the call's age, but at most a second."""


@dataclass(slots=True, eq=False)
class RunningCall:
    """The task of one call, and its deadlines, in seconds on the monotonic clock.

    ``ended`` is the status that ended it early, if the client can still receive it. ``is_client_gone`` says that the
    client no longer waits. ``look_seconds`` is when to look for the client next: not before its request was read, at
    ``read_seconds``, because the read itself notices that the client is gone.
    """

    task: "asyncio.Task[Any]"
    receive: Receive
    read_deadline_seconds: float
    deadline_seconds: float = math.inf
    look_seconds: float = math.inf
    read_seconds: float = 0.0
    ended: CallEnded | None = None
    is_client_gone: bool = False

    @classmethod
    def of_current_task(cls, receive: Receive, read_timeout_seconds: float) -> Self:
        """Return the call that the current task serves, whose request must be read within ``read_timeout_seconds``."""
        task = asyncio.current_task()
        assert task is not None
        return cls(task, receive, time.monotonic() + read_timeout_seconds)

    def request_was_read(self) -> None:
        """Look for the client from now on."""
        self.read_deadline_seconds = math.inf
        self.read_seconds = time.monotonic()
        self.look_seconds = self.read_seconds + _TICK_SECONDS

    def was_ended(self) -> bool:
        """Return whether the task was cancelled here, and not from outside. If so, undo that cancellation."""
        if self.ended is None and not self.is_client_gone:
            return False
        self.task.uncancel()
        return True

    def end(self, ended: CallEnded) -> None:
        """Cancel the task, so that the call ends with this status."""
        self.ended = ended
        self.read_deadline_seconds = self.deadline_seconds = self.look_seconds = math.inf
        self.task.cancel()

    async def look_for_client(self) -> None:
        """Cancel the task if the client is gone."""
        event = await self.receive()
        if event["type"] == "http.disconnect" and not self.task.done():
            self.is_client_gone = True
            self.task.cancel()


class RunningCalls:
    """The calls in progress.

    Only ``receive`` reports that a client is gone. By the specification of ASGI, it waits until the client leaves.
    pyvoy's returns an empty body at once while the client is there, so this asks repeatedly, less and less often.
    """

    def __init__(self) -> None:
        """Start with no calls."""
        self._calls: dict[RunningCall, None] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: RunningCall) -> None:
        """Watch ``call`` from now on."""
        self._calls[call] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def remove(self, call: RunningCall) -> None:
        """Forget ``call``."""
        del self._calls[call]

    def _tick(self) -> None:
        now = time.monotonic()
        for call in self._calls:
            if call.deadline_seconds <= now:
                call.end(CallEnded(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the call ended"))
            elif call.read_deadline_seconds <= now:
                call.end(CallEnded(grpc.StatusCode.DEADLINE_EXCEEDED, "the request took too long to arrive"))
            elif call.look_seconds <= now:
                call.look_seconds = now + min(_INTERVAL_BY_AGE * (now - call.read_seconds), _MAX_INTERVAL_SECONDS)
                look = asyncio.get_running_loop().create_task(call.look_for_client())
                self._looks.add(look)
                look.add_done_callback(self._looks.discard)
        self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick) if self._calls else None
