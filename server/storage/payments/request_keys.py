"""Request keys: how statements bind them, and the error of one that is reused with other parameters."""

from server.domain.errors import RequestIdReused
from server.domain.identifiers import RequestKey


def key_values(key: RequestKey) -> tuple[bytes, bytes]:
    """Return the values that are bound for a request key."""
    return key.caller.encode(), key.request_id.encode()


def reused(rpc: str, key: RequestKey) -> RequestIdReused:
    """Return the error of a request key that an earlier call had with other parameters."""
    return RequestIdReused(f"request_id {key.request_id!r} came before, in a {rpc} with other parameters")
