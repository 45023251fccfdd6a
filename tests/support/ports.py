"""Free ports for servers."""

import secrets
import socket

_FIRST, _LAST = 10_000, 32_767
"""Below the ephemeral ports, so that no outgoing connection takes a port while its server is down."""


def free_port() -> int:
    """Return a port on which nothing listens."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST + 1 - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
