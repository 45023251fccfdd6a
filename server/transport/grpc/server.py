"""What every gRPC engine provides: a server for services, and the rejection of calls before any work is done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from server.transport.listening import Server


@dataclass(frozen=True, slots=True)
class Rejection:
    """The status of a call that is rejected before any work is done for it."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, str | bytes], ...]


class Handlers(Protocol):
    """The handlers of a server, to which generated code adds those of a service."""

    def add_registered_method_handlers(
        self, service: str, method_handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"], /
    ) -> None:
        """Add the handlers of a service, by the name of the method."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler], /) -> None:
        """Add handlers that are found by the path of a call."""


class GrpcServer(Server, Protocol):
    """A gRPC server of one engine."""

    @property
    def handlers(self) -> Handlers:
        """The handlers of the server."""

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject a call of ``service`` before its handler runs, if ``rejection`` returns a status and the engine can.

        The handlers must call ``rejection`` too, because an engine may ignore this.
        """
