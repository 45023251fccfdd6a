"""Ports to listen on."""

import secrets
import socket

_FIRST, _LAST = 10_000, 32_767
"""Below those that the system gives to outgoing connections: nobody takes one while its program is down."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST + 1 - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
