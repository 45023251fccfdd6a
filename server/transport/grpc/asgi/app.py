"""The ASGI application that serves gRPC."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from starlette.types import Receive, Scope, Send

from server.transport.grpc.asgi.compression import inflater_for
from server.transport.grpc.asgi.context import AsgiContext, send_status
from server.transport.grpc.asgi.messages import ClientGone, RequestMessages
from server.transport.grpc.asgi.other_requests import reject, rejection_of
from server.transport.grpc.asgi.request import RequestHead, head_of
from server.transport.grpc.asgi.request_memory import HeldMemory, RequestMemory
from server.transport.grpc.asgi.running import RunningCall, RunningCalls
from server.transport.grpc.asgi.status import CallEnded, status_headers
from server.transport.grpc.call_context import CallContext
from server.transport.grpc.server import Rejection
from server.transport.pipeline.cross_site import CrossSiteRule

_INTERNAL_ERROR = CallEnded(grpc.StatusCode.INTERNAL, "internal error")

_REQUEST_MEMORY_BYTES = 32 << 20
"""The memory of all requests together; more if a single one may be large, so that a few of those fit."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Method:
    """How to serve one RPC: the parts of its ``grpc.RpcMethodHandler``, and whether to reject a call now."""

    request_streaming: bool
    response_streaming: bool
    deserialize: Callable[[bytes], Any] | None
    serialize: Callable[[Any], bytes] | None
    handle: Callable[[Any, CallContext], Awaitable[Any]]
    rejection: Callable[[], Rejection | None] = lambda: None


class GrpcApp:
    """Serves the handlers of gRPC services, as ``grpc.aio.server`` does. Handlers of streams must be coroutines."""

    def __init__(
        self, max_message_bytes: int, max_metadata_bytes: int, read_timeout_seconds: float, cross_site: CrossSiteRule
    ) -> None:
        """Accept requests of at most these sizes that arrive within ``read_timeout_seconds``.

        ``cross_site`` is the rule for preflights of web pages. The handlers check the calls.
        """
        self._cross_site = cross_site
        self._max_metadata_bytes = max_metadata_bytes
        self._max_message_bytes = max_message_bytes
        self._read_timeout_seconds = read_timeout_seconds
        self._methods: dict[bytes, _Method] = {}
        self._running = RunningCalls()
        self._memory = RequestMemory(max(_REQUEST_MEMORY_BYTES, 4 * max_message_bytes))

    def add_registered_method_handlers(
        self, service: str, method_handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
    ) -> None:
        """Serve the methods of ``service``, by name."""
        for name, handler in method_handlers.items():
            handle: Any = handler.stream_stream or handler.unary_stream or handler.unary_unary
            self._methods[f"/{service}/{name}".encode()] = _Method(
                handler.request_streaming,
                handler.response_streaming,
                handler.request_deserializer,
                handler.response_serializer,
                handle,
            )

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Do nothing: generated code calls this besides ``add_registered_method_handlers``, for the same handlers."""

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject a call of ``service`` before its request is read, if ``rejection`` returns a status."""
        for path, method in self._methods.items():
            if path.startswith(f"/{service}/".encode()):
                method.rejection = rejection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        # OSError is what ASGI servers raise when the client is gone.
        with contextlib.suppress(OSError, ClientGone):
            try:
                head = head_of(scope, self._max_metadata_bytes)
                status = rejection_of(scope, head, self._cross_site)
                if status is not None:
                    await reject(send, status)
                    return
                await self._serve(self._method(scope), head, scope, receive, send)
            except CallEnded as ended:
                await send_status(send, status_headers(ended.code, ended.message, ended.trailers))

    def _method(self, scope: Scope) -> _Method:
        """Return the method that is called.

        Raises:
            CallEnded: there is none, or the call is rejected before any work is done for it.
        """
        method = self._methods.get(scope["raw_path"])
        if method is None:
            raise CallEnded(grpc.StatusCode.UNIMPLEMENTED, "no RPC has this name")
        rejection = method.rejection()
        if rejection is not None:
            raise CallEnded(rejection.code, rejection.message, rejection.trailers)
        return method

    async def _serve(self, method: _Method, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a call, and send its status if it fails.

        Raises:
            CallEnded: the request names an unknown encoding.
        """
        new_inflater = inflater_for(head.encoding)
        call = RunningCall.of_current_task(receive, self._read_timeout_seconds)
        memory = HeldMemory(self._memory, call.end)
        messages = RequestMessages(receive, self._max_message_bytes, new_inflater, memory)
        context = AsgiContext(scope, head, send, call, method.serialize)
        self._running.add(call)
        try:
            await self._run(method, messages, context, call)
        except CallEnded as ended:
            await context.fail(ended)
        except asyncio.CancelledError:
            if not call.was_ended():
                raise
            if call.ended is not None:
                await context.fail(call.ended)
        except (OSError, ClientGone):
            raise
        except Exception as error:  # noqa: BLE001 - otherwise the client would get an HTTP status
            _log.error("grpc_handler_failed", path=scope["path"], exc_info=error)
            await context.fail(_INTERNAL_ERROR)
        finally:
            self._running.remove(call)
            memory.release()

    @staticmethod
    async def _run(method: _Method, messages: RequestMessages, context: AsgiContext, call: RunningCall) -> None:
        """Read the request, run the handler, and send its responses."""
        if method.request_streaming:
            call.read_deadline_seconds = math.inf
            await method.handle(_deserialized(messages, method.deserialize), context)
            await context.finish()
            return
        payload = await messages.only()
        call.request_was_read()
        request = payload if method.deserialize is None else method.deserialize(payload)
        if method.response_streaming:
            await method.handle(request, context)
            await context.finish()
        else:
            await context.respond(await method.handle(request, context))


async def _deserialized(
    messages: RequestMessages, deserialize: Callable[[bytes], Any] | None
) -> AsyncGenerator[Any, None]:
    async for message in messages:
        yield message if deserialize is None else deserialize(message)
