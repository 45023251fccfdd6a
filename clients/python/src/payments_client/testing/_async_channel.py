"""The channel of an asyncio client, which makes its calls directly on a fake service."""

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, Self, TypeVar

import grpc

from payments_client.testing._errors import CallRejected
from payments_client.testing._service import FakeService, Metadata, call_id_of
from payments_client.testing._watch import Watch

_RequestT = TypeVar("_RequestT")
_ResponseT = TypeVar("_ResponseT")


class AsyncFakeChannel:
    """The part of ``grpc.aio.Channel`` that the client and the generated stub use."""

    def __init__(self, service: FakeService) -> None:
        """Make all calls on ``service``."""
        self.service = service
        self.is_closed = False
        self.watches: set[_WatchCall[Any]] = set()
        """The watches that have not been canceled."""

    def unary_unary(
        self,
        path: str,
        request_serializer: Callable[[_RequestT], bytes],
        response_deserializer: Callable[[bytes], _ResponseT],
        **_: object,
    ) -> "Callable[..., _UnaryCall[_ResponseT]]":
        """Return an RPC with one response."""

        def call(request: _RequestT, *, metadata: Metadata = (), **_: object) -> _UnaryCall[_ResponseT]:
            self.check_open()
            return _UnaryCall(self, path, request_serializer(request), response_deserializer, metadata)

        return call

    def unary_stream(
        self,
        _path: str,
        request_serializer: Callable[[_RequestT], bytes],
        response_deserializer: Callable[[bytes], _ResponseT],
        **_: object,
    ) -> "Callable[..., _WatchCall[_ResponseT]]":
        """Return the RPC WatchPayments, which is the only one with many responses."""

        def watch(request: _RequestT, **_: object) -> _WatchCall[_ResponseT]:
            self.check_open()
            return _WatchCall(self, request_serializer(request), response_deserializer)

        return watch

    def check_open(self) -> None:
        """Raise gRPC's error for a call on a closed channel."""
        if self.is_closed:
            raise grpc.aio.UsageError("Channel is closed.")

    async def close(self) -> None:
        """End all watches, and reject later calls."""
        self.is_closed = True
        for watch in self.watches.copy():
            watch.cancel()


class _UnaryCall(Generic[_ResponseT]):
    """A call with one response, which is made when it is awaited."""

    def __init__(
        self,
        channel: AsyncFakeChannel,
        path: str,
        request: bytes,
        deserialize: Callable[[bytes], _ResponseT],
        metadata: Metadata,
    ) -> None:
        self._channel = channel
        self._path = path
        self._request = request
        self._deserialize = deserialize
        self._call_id = call_id_of(metadata)
        self._trailers: Metadata = ()

    def __await__(self) -> Generator[object, None, _ResponseT]:
        return self._make().__await__()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(*self._trailers)

    async def _make(self) -> _ResponseT:
        await asyncio.sleep(0)  # let other tasks run, as a real call does
        try:
            response, self._trailers = self._channel.service.call(self._path, self._request, self._call_id)
        except CallRejected as error:
            raise _rpc_error(error, self._call_id) from None
        return self._deserialize(response)


class _WatchCall(Generic[_ResponseT]):
    """A watch: an async iterator over its responses, which waits for the next one."""

    def __init__(self, channel: AsyncFakeChannel, request: bytes, deserialize: Callable[[bytes], _ResponseT]) -> None:
        self._channel = channel
        self._request = request
        self._deserialize = deserialize
        self._watch: Watch | None = None
        self._responses: Iterator[bytes] = iter(())
        self._loop = asyncio.get_running_loop()
        self._has_news = asyncio.Event()
        self._is_canceled = False
        channel.watches.add(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _ResponseT:
        watch = self._watch or self._start()
        await asyncio.sleep(0)  # let other tasks run, even if there are many responses
        while not self._is_canceled:
            response = next(self._responses, None)
            if response is not None:
                return self._deserialize(response)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(watch.seconds_to_wait()):
                    await self._has_news.wait()
            self._has_news.clear()
            self._responses = watch.responses()
        raise grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, details="Channel closed!")

    def cancel(self) -> None:
        self._is_canceled = True
        self._channel.watches.discard(self)
        self._channel.service.remove_wake(self._wake)
        self._wake()

    def _start(self) -> Watch:
        try:
            self._watch = Watch(self._channel.service, self._request)
        except CallRejected as error:
            raise _rpc_error(error, call_id_of(())) from None
        self._channel.service.add_wake(self._wake)
        self._responses = self._watch.responses()
        return self._watch

    def _wake(self) -> None:
        """End the wait, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits
            self._loop.call_soon_threadsafe(self._has_news.set)


def _rpc_error(error: CallRejected, call_id: str) -> grpc.aio.AioRpcError:
    trailers = grpc.aio.Metadata(*error.trailers(call_id))
    return grpc.aio.AioRpcError(error.code, trailing_metadata=trailers, details=error.message)
