"""Listen on every address that a host name resolves to, such as the IPv4 and the IPv6 address of ``localhost``."""

import errno
import socket
from collections.abc import Mapping
from typing import Any, Protocol


class Server(Protocol):
    """A server that listens on one port. ``port`` is that port, once the server has started."""

    @property
    def port(self) -> int:
        """The port."""

    def listen(self, host: str, port: int) -> None:
        """Bind one port of every address of ``host``; port 0 means any free port.

        Raises:
            OSError: an address cannot be bound.
        """

    async def start(self) -> None:
        """Serve from now on."""

    async def stop(self, timeout_seconds: float) -> None:
        """Stop serving. Requests in flight have ``timeout_seconds`` to finish."""


Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""An address family, and an address in the form that the socket module uses for it."""

_NOT_AVAILABLE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors for an address or a family that this machine does not have. The host name's other addresses then suffice."""

_REASONS: Mapping[int | None, str] = {
    errno.EADDRINUSE: "another process is listening there; is the service already running?",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EACCES: "permission denied; use a port of 1024 or above",
}


def bind(host: str, port: int, *, shares_port: bool = False, listens: bool = True) -> list[socket.socket]:
    """Listen on each address of ``host`` that this machine has, and return the sockets.

    All use the same port; 0 means any free port. If it ``shares_port``, other processes of the same user that share it
    too can listen there. Without ``listens``, the addresses are only bound.

    Raises:
        OSError: the machine has none of the addresses, or one cannot be bound, for example because it is in use.
    """
    sockets: list[socket.socket] = []
    unavailable: OSError | None = None
    try:
        for address in _addresses(host, port):
            try:
                sockets.append(_bind(address, port, shares_port=shares_port, listens=listens))
            except OSError as error:
                if error.errno not in _NOT_AVAILABLE:
                    raise
                unavailable = error
            else:
                port = sockets[-1].getsockname()[1]
        if unavailable is not None and not sockets:
            raise unavailable
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets


def bindable_addresses(host: str, port: int, *, shares_port: bool = False) -> list[tuple[str, int]]:
    """Return the addresses of ``host`` that can be bound, for an engine that binds them itself, and their free port.

    Raises:
        OSError: as for ``bind``.
    """
    # A shared port is not listened on, because the connections that arrive meanwhile would be closed.
    sockets = bind(host, port, shares_port=shares_port, listens=not shares_port)
    addresses = [listener.getsockname()[:2] for listener in sockets]
    for listener in sockets:
        listener.close()
    return addresses


def reserve(host: str, port: int) -> list[socket.socket]:
    """Reserve one port of every address of ``host`` for processes that share it, and return the sockets that hold it.

    These never listen. As long as they are open, only processes of this user that share the port can bind it.

    Raises:
        OSError: as for ``bind``; also if processes that share the port already listen there.
    """
    exclusive = bind(host, port)
    try:
        return [_reserve(listener) for listener in exclusive]
    finally:
        for listener in exclusive:
            listener.close()


def _reserve(exclusive: socket.socket) -> socket.socket:
    """Return a socket that reserves the address of ``exclusive``, at a time when no other process can bind it."""
    exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    address = exclusive.getsockname()
    try:
        # Without SO_REUSEADDR, with which other processes could bind the address as long as no worker listens.
        return _bound(exclusive.family, address, socket.SO_REUSEPORT)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        # Connections of an earlier process that did not share the port are in TIME_WAIT.
        return _bound(exclusive.family, address, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def listen_error(transport: str, host: str, port: int, error: OSError) -> str:
    """Return a message for an operator: why a transport (``GRPC``) cannot listen on the address in its settings."""
    return f"cannot listen on {transport}_HOST={host}, {transport}_PORT={port}: {_reason(error)}"


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name does not resolve ({error.strerror})"
    return _REASONS.get(error.errno, error.strerror or str(error))


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind(address: Address, port: int, *, shares_port: bool, listens: bool) -> socket.socket:
    family, (host, _, *scope) = address
    options = (socket.SO_REUSEADDR, *((socket.SO_REUSEPORT,) if shares_port else ()))
    listener = _bound(family, (host, port, *scope), *options)
    try:
        # Listen now, because two sockets can be bound to one port while neither listens.
        if listens:
            listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _bound(family: socket.AddressFamily | int, address: tuple[Any, ...], *options: int) -> socket.socket:
    """Return a socket that is bound to ``address``, with these options."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            # `::` means every address, IPv4 included, as it does in gRPC.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
