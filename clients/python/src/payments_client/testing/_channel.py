"""The channel of a blocking client, which makes its calls directly on a fake service."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import grpc

from payments_client.testing._errors import CallRejected
from payments_client.testing._service import FakeService, Metadata, call_id_of
from payments_client.testing._watch import Watch

_RequestT = TypeVar("_RequestT")
_ResponseT = TypeVar("_ResponseT")


class FakeChannel:
    """The part of ``grpc.Channel`` that the client and the generated stub use."""

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
    ) -> "_UnaryRpc[_RequestT, _ResponseT]":
        """Return an RPC with one response."""
        return _UnaryRpc(self, path, request_serializer, response_deserializer)

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
            raise ValueError("Cannot invoke RPC on closed channel!")

    def close(self) -> None:
        """End all watches, and reject later calls."""
        self.is_closed = True
        for watch in self.watches.copy():
            watch.cancel()


class FakeRpcError(grpc.RpcError):
    """The error of a failed call, with the methods of gRPC's own."""

    def __init__(self, code: grpc.StatusCode, details: str, trailers: Metadata = ()) -> None:
        """Store the status and the trailers."""
        super().__init__(f"{code.name}: {details}")
        self._code = code
        self._details = details
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        """Return the status code."""
        return self._code

    def details(self) -> str:
        """Return the message."""
        return self._details

    def trailing_metadata(self) -> Metadata:  # type: ignore[override] # gRPC too returns pairs
        """Return the trailers."""
        return self._trailers


@dataclass(frozen=True)
class FakeCall:
    """A successful call."""

    trailers: Metadata

    def trailing_metadata(self) -> Metadata:
        """Return the trailers."""
        return self.trailers


class _UnaryRpc(Generic[_RequestT, _ResponseT]):
    """An RPC with one response."""

    def __init__(
        self,
        channel: FakeChannel,
        path: str,
        serialize: Callable[[_RequestT], bytes],
        deserialize: Callable[[bytes], _ResponseT],
    ) -> None:
        self._channel = channel
        self._path = path
        self._serialize = serialize
        self._deserialize = deserialize

    def __call__(self, request: _RequestT, *, metadata: Metadata = (), **_: object) -> _ResponseT:
        return self.with_call(request, metadata=metadata)[0]

    def with_call(self, request: _RequestT, *, metadata: Metadata = (), **_: object) -> tuple[_ResponseT, FakeCall]:
        self._channel.check_open()
        call_id = call_id_of(metadata)
        try:
            response, trailers = self._channel.service.call(self._path, self._serialize(request), call_id)
        except CallRejected as error:
            raise _rpc_error(error, call_id) from None
        return self._deserialize(response), FakeCall(trailers)


class _WatchCall(Generic[_ResponseT]):
    """A watch: an iterator over its responses, which waits for the next one."""

    def __init__(self, channel: FakeChannel, request: bytes, deserialize: Callable[[bytes], _ResponseT]) -> None:
        self._channel = channel
        self._request = request
        self._deserialize = deserialize
        self._watch: Watch | None = None
        self._responses: Iterator[bytes] = iter(())
        self._wake = threading.Event()
        self._is_canceled = False
        channel.watches.add(self)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _ResponseT:
        watch = self._watch or self._start()
        while not self._is_canceled:
            response = next(self._responses, None)
            if response is not None:
                return self._deserialize(response)
            self._wake.wait(watch.seconds_to_wait())
            self._wake.clear()
            self._responses = watch.responses()
        raise FakeRpcError(grpc.StatusCode.CANCELLED, "Channel closed!")

    def cancel(self) -> None:
        self._is_canceled = True
        self._channel.watches.discard(self)
        self._channel.service.remove_wake(self._wake.set)
        self._wake.set()

    def _start(self) -> Watch:
        try:
            self._watch = Watch(self._channel.service, self._request)
        except CallRejected as error:
            raise _rpc_error(error, call_id_of(())) from None
        self._channel.service.add_wake(self._wake.set)
        self._responses = self._watch.responses()
        return self._watch


def _rpc_error(error: CallRejected, call_id: str) -> FakeRpcError:
    return FakeRpcError(error.code, error.message, error.trailers(call_id))
