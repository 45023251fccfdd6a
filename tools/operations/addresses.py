"""Where a client on this machine finds what listens on an address."""

import ipaddress

from server.config.network_addresses import host_and_port


def reachable(host: str) -> str:
    """Return the address to connect to: loopback, where ``host`` is every address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - the version of the protocol
    return host


def in_url(host: str, port: int | str) -> str:
    """Return the same with a port, as a URL has it: an address of IPv6 in brackets."""
    return host_and_port(reachable(host), port)
