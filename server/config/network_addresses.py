"""Formatting and classification of hosts and ports."""

import ipaddress


def host_and_port(host: str, port: int | str) -> str:
    """Return a host and a port as in a URL: an IPv6 address is in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(host: str) -> bool:
    """Return whether a host is an address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def are_distinct(host: str, other: str) -> bool:
    """Return whether these are two different addresses, neither a wildcard. A name may stand for any address."""
    try:
        addresses = ipaddress.ip_address(host), ipaddress.ip_address(other)
    except ValueError:
        return False
    return addresses[0] != addresses[1] and not any(address.is_unspecified for address in addresses)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
