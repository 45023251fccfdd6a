"""API keys for tests, stored in the same table as those of `payments keys create`."""

from collections.abc import Callable
from datetime import UTC, datetime

from server.domain.callers import NewApiKey, Role
from server.storage import api_keys
from tests.support.databases import DatabaseServer

MakeKey = Callable[..., NewApiKey]


def key_maker(server: DatabaseServer, database: str) -> MakeKey:
    """Return a function that creates API keys in a database."""

    def make(caller: str, *roles: Role, expire_time: datetime | None = None) -> NewApiKey:
        key = NewApiKey.generate()
        values = (key.key_id, key.digest, caller.encode(), " ".join(roles), datetime.now(UTC), expire_time)
        server.execute(api_keys.INSERT_KEY, values, database)
        return key

    return make


def bearer(key: NewApiKey | str) -> tuple[tuple[str, str], ...]:
    """Return the gRPC metadata, or HTTP headers, that authenticate a call with a key."""
    return (("authorization", f"Bearer {key if isinstance(key, str) else key.text}"),)
