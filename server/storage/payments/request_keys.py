"""The values that statements bind for a request key, and the error for a reused request key."""

from server.domain.errors import RequestIdReused
from server.domain.identifiers import RequestKey


def key_values(key: RequestKey) -> tuple[bytes, bytes]:
    """Return the values that statements bind for a request key."""
    return key.caller.encode(), key.request_id.encode()


def request_id_reused(rpc: str, key: RequestKey) -> RequestIdReused:
    """Return the error for a request key that an earlier call used with different parameters."""
    return RequestIdReused(f"request_id {key.request_id!r} came before, in a {rpc} with other parameters")
