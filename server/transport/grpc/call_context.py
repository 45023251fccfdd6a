"""What a handler can do with its call, over either engine."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import grpc


class CallContext(Protocol):
    """The part of ``grpc.aio.ServicerContext`` that handlers use. Both engines pass such a context."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Return the metadata that the client sent. The values of keys that end in ``-bin`` are bytes."""

    def peer(self) -> str:
        """Return the client's address, such as ``ipv4:10.0.0.7:5000``."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return the properties of the client's certificate, by the names that gRPC gives them."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline of the call, or None if it has no deadline."""

    def set_trailing_metadata(self, trailing_metadata: tuple[tuple[str, str | bytes], ...], /) -> None:
        """Set the metadata that is sent after the last response."""

    async def write(self, message: Any, /) -> None:  # noqa: ANN401 - messages of any RPC
        """Send one response of a stream, at the pace of the client."""

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, str | bytes], ...] = ()
    ) -> NoReturn:
        """End the call with an error."""
