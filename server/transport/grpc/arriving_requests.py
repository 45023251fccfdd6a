"""A limit on the requests that grpcio receives, because it has none on the memory of all of them together.

grpcio has such a limit, its resource quota, but it cannot be set from Python. For a handler that takes one request,
grpcio reads that into memory first, however long it takes. So handlers are registered as if they took a stream of
requests. They read the only one themselves, and can be ended meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NoReturn

import grpc

from server.transport.grpc.overload import MEMORY_FULL

_MAX_ARRIVING = 48
"""How many requests may arrive slowly at the same time. Each may take as much memory as the largest message."""

_TICK_SECONDS = 0.05
_MIN_TICKS = 3
"""How old a request must be to count as slow.

The age is counted in ticks and not in seconds, so that no request is ended that has arrived but waits for a busy event
loop: the loop has had several turns to pass it on.
"""


class ArrivingRequests:
    """The handlers of a ``grpc.aio.Server``, which rejects the slowest requests if too many arrive slowly."""

    def __init__(self, server: grpc.aio.Server) -> None:
        """Add handlers to ``server``."""
        self._server = server
        self._tick_by_task: dict[asyncio.Task[Any], int] = {}
        self._rejected: set[asyncio.Task[Any]] = set()
        self._tick = 0
        self._timer: asyncio.TimerHandle | None = None

    def add_registered_method_handlers(self, service: str, method_handlers: Mapping[str, Any], /) -> None:
        """Add the handlers of a service, by the name of the method."""
        handlers = {name: self._reading(handler) for name, handler in method_handlers.items()}
        self._server.add_registered_method_handlers(service, handlers)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler], /) -> None:
        """Do nothing: generated code calls this besides ``add_registered_method_handlers``, for the same handlers."""

    def _reading(self, handler: Any) -> Any:  # noqa: ANN401 - a grpc.RpcMethodHandler of any RPC
        """Return a handler that reads its request itself, if ``handler`` takes only one."""
        if handler.request_streaming:
            return handler
        serve: Any = handler.unary_stream or handler.unary_unary

        async def handle(requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: ANN401 - grpcio's has no type
            return await serve(await self._read(requests, context), context)

        new = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        return new(handle, handler.request_deserializer, handler.response_serializer)

    async def _read(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: ANN401 - the request of any RPC
        """Return the request. If it is one of the slowest, end the call instead."""
        task = asyncio.current_task()
        assert task is not None
        self._tick_by_task[task] = self._tick
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._reject_slowest)
        try:
            return await anext(requests)
        except StopAsyncIteration:
            await _end(context, grpc.StatusCode.INTERNAL, "the request has no message")
        except asyncio.CancelledError:
            if task not in self._rejected:
                raise
            task.uncancel()
            await _end(context, MEMORY_FULL.code, MEMORY_FULL.message, MEMORY_FULL.trailers)
        finally:
            self._tick_by_task.pop(task, None)
            self._rejected.discard(task)

    def _reject_slowest(self) -> None:
        self._tick += 1
        excess = len(self._tick_by_task) - _MAX_ARRIVING
        slowest = [task for task, tick in self._tick_by_task.items() if self._tick - tick >= _MIN_TICKS]
        for task in slowest[: max(0, excess)]:
            del self._tick_by_task[task]
            self._rejected.add(task)
            task.cancel()
        again = bool(self._tick_by_task)
        self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._reject_slowest) if again else None


async def _end(context: Any, *status: Any) -> NoReturn:  # noqa: ANN401 - grpcio's context has no type
    """End a call with a status, unless grpcio has ended it, for example because its message is too large."""
    try:
        await context.abort(*status)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None
    raise AssertionError("unreachable: abort raises")
