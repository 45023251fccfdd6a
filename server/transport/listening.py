"""Listen on every address that a host has: ``localhost`` has one of IPv4 and one of IPv6."""

import errno
import socket
from collections.abc import Mapping
from typing import Any

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family, and an address of it as the socket module has it."""

_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""The machine has no such address, or no addresses of the family: of several that a name has, the others do."""

_REASONS: Mapping[int | None, str] = {
    errno.EADDRINUSE: "something else listens there; does the service run already?",
    errno.EADDRNOTAVAIL: "that is not an address of this machine",
    errno.EACCES: "this user may not; ports from 1024 on are for everybody",
}


def bind(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of ``host`` that this machine has, bound to the same port; 0 is any free one.

    Raises:
        OSError: there is none, or one cannot be bound, because something else listens there, for example.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for address in _addresses(host, port):
            try:
                sockets.append(_bind(address, port))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
            else:
                port = sockets[-1].getsockname()[1]
        if absent is not None and not sockets:
            raise absent
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def hosts(host: str, port: int) -> list[str]:
    """Return the addresses that ``bind`` would bind, once that was tried, for an engine that binds itself.

    Raises:
        OSError: as ``bind``.
    """
    sockets = bind(host, port)
    names = [one.getsockname()[0] for one in sockets]
    for one in sockets:
        one.close()
    return names


def reason(error: Exception) -> str:
    """Return why something cannot be listened on, for people."""
    if isinstance(error, socket.gaierror):
        return f"the name has no address ({error.strerror})"
    if isinstance(error, OSError):
        return _REASONS.get(error.errno, error.strerror or str(error))
    return str(error)


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind(address: Address, port: int) -> socket.socket:
    family, (host, _, *scope) = address
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            # `::` is every address, also those of IPv4, as it is to gRPC.
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind((host, port, *scope))
        # Two sockets that do not listen yet may be bound to one port.
        one.listen()
    except OSError:
        one.close()
        raise
    return one
