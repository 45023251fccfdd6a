"""A cache of all valid API keys, reloaded every few seconds.

Because of the cache, authentication never waits for the database, guessed keys never reach it, and callers with keys
are still authenticated during an outage. The price is that a new or revoked key takes effect only at the next reload.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from server.domain.callers import ApiKey, Caller, Role, key_id_of
from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.storage.database.fast_read import RawRow
from server.storage.database.pool import Database
from server.storage.database.session import Session

SELECT_VALID_KEYS = """
    SELECT key_id, digest, caller, roles, expires_at FROM api_keys
    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6))
"""
"""Scans a small table, which has a row for every API key ever created."""

INSERT_KEY = """
    INSERT INTO api_keys (key_id, digest, caller, roles, created_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s)
"""
"""The primary key makes ids unique."""

LIST_KEYS = """
    SELECT key_id, CONVERT(caller USING utf8mb4), roles, created_at, expires_at, revoked_at FROM api_keys
    ORDER BY created_at, key_id
"""
"""Scans the table; returns all columns except the digests."""

REVOKE_KEY = "UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(6) WHERE key_id = %s AND revoked_at IS NULL"
"""Uses the primary key. Changes nothing if the key is already revoked."""

SELECT_KEY_REVOKED = "SELECT revoked_at FROM api_keys WHERE key_id = %s"
"""Uses the primary key."""

STATEMENTS = (SELECT_VALID_KEYS,)
"""The statements of the service: see ``storage.statements``. `payments keys` executes the others."""

_ROLES = {role.value: role for role in Role}

_log = structlog.get_logger(__name__)


class MysqlKeyStore:
    """A cache of the valid API keys in a database."""

    def __init__(self, database: Database) -> None:
        """Create an empty cache, which ``load`` fills."""
        self._database = database
        self._keys: Mapping[str, ApiKey] = {}
        self._is_fresh = True

    def caller_of(self, text: str) -> Caller | None:
        """Return the caller who has the key ``text``, or None if it is not a valid key."""
        key = self._keys.get(key_id_of(text) or "")
        return key.caller if key is not None and key.matches(text) else None

    async def load(self) -> None:
        """Load the valid keys.

        Raises:
            StoreUnavailable: the database cannot be reached; the cache is unchanged.
        """

        async def work(session: Session) -> list[RawRow]:
            return await session.raw_rows(SELECT_VALID_KEYS, ())

        keys = (_key(*row) for row in await self._database.run(work, Deadline()))
        self._keys = {key.key_id: key for key in keys}

    async def refresh(self) -> None:
        """Reload the keys, and log when the cache becomes stale because the database is unavailable, or fresh again."""
        try:
            await self.load()
        except StoreUnavailable:
            self._set_fresh(is_fresh=False)
        else:
            self._set_fresh(is_fresh=True)

    def _set_fresh(self, *, is_fresh: bool) -> None:
        if is_fresh != self._is_fresh:
            self._is_fresh = is_fresh
            _log.info("api_keys", fresh=is_fresh)


def _key(key_id: bytes, digest: bytes, caller: bytes, roles: bytes, expires_at: bytes | None) -> ApiKey:
    # Roles that only a later version of the service knows are ignored.
    known_roles = frozenset(_ROLES[role] for role in roles.decode().split() if role in _ROLES)
    expire_time = None if expires_at is None else datetime.fromisoformat(expires_at.decode()).replace(tzinfo=UTC)
    return ApiKey(key_id.decode(), digest, Caller(caller.decode(), known_roles), expire_time)
