"""Addresses at which clients on this machine reach a server."""

import ipaddress

from server.config.network_addresses import host_and_port


def reachable_host(host: str) -> str:
    """Return the address to connect to, which is loopback for a server that listens on all addresses."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - the version of the protocol
    return host


def reachable_address(host: str, port: int | str) -> str:
    """Return the address to connect to, with a port, as in a URL: IPv6 addresses are in brackets."""
    return host_and_port(reachable_host(host), port)
