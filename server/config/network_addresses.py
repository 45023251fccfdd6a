"""Hosts and ports, as texts have them."""


def host_and_port(host: str, port: int | str) -> str:
    """Return a host and a port as a URL has them: an address of IPv6 is in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
