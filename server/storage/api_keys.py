"""API keys: all valid keys, cached in the process and reloaded every few seconds.

So authentication never waits for the database, guessed keys never reach it, and callers with keys are not affected by
an outage. The price is that a new or revoked key is noticed only at the next reload.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
import structlog

from server.domain.callers import ApiKey, Caller, Role, key_id_of
from server.domain.deadline import Deadline
from server.domain.errors import StoreUnavailable
from server.storage.database.pool import Database
from server.storage.database.session import Session

SELECT_KEYS_IN_FORCE = """
    SELECT JSON_ARRAY(k.key_id, HEX(k.digest), CONVERT(k.caller USING utf8mb4), k.roles, CAST(k.expires_at AS CHAR))
    FROM api_keys k
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > UTC_TIMESTAMP(6))
"""
"""Reads all of a small table, which has a row for every API key ever made. One JSON value for each valid key."""

INSERT_KEY = """
    INSERT INTO api_keys (key_id, digest, caller, roles, created_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s)
"""
"""The primary key keeps ids unique."""

LIST_KEYS = """
    SELECT key_id, CONVERT(caller USING utf8mb4), roles, created_at, expires_at, revoked_at FROM api_keys
    ORDER BY created_at, key_id
"""
"""Reads all of the table, without the digests."""

REVOKE_KEY = "UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(6) WHERE key_id = %s AND revoked_at IS NULL"
"""By the primary key; changes no row that is revoked already."""

SELECT_KEY_REVOKED = "SELECT revoked_at FROM api_keys WHERE key_id = %s"
"""By the primary key."""

_ROLES = {role.value: role for role in Role}

_log = structlog.get_logger(__name__)


class MysqlKeyStore:
    """The API keys of a database."""

    def __init__(self, database: Database) -> None:
        """Keep the database; there are no keys before ``load``."""
        self._database = database
        self._keys: Mapping[str, ApiKey] = {}
        self._is_fresh = True

    def caller_of(self, text: str) -> Caller | None:
        """Return the caller whose key ``text`` is; None when it is not a valid key."""
        key = self._keys.get(key_id_of(text) or "")
        return key.caller if key is not None and key.opens_for(text) else None

    async def load(self) -> None:
        """Read the keys that are in force.

        Raises:
            StoreUnavailable: the database cannot be reached; what was known stays.
        """

        async def work(session: Session) -> list[bytes]:
            return await session.values(SELECT_KEYS_IN_FORCE, ())

        values = await self._database.run(work, Deadline())
        keys = (_key(*columns) for columns in orjson.loads(b"[%b]" % b",".join(values)))
        self._keys = {key.key_id: key for key in keys}

    async def refresh(self) -> None:
        """Read them anew, and log when they become stale because the database is away, or fresh again."""
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


def _key(key_id: str, digest: str, caller: str, roles: str, expires_at: str | None) -> ApiKey:
    # A role that only a later version knows is ignored here.
    known = frozenset(_ROLES[role] for role in roles.split() if role in _ROLES)
    expire_time = None if expires_at is None else datetime.fromisoformat(expires_at).replace(tzinfo=UTC)
    return ApiKey(key_id, bytes.fromhex(digest), Caller(caller, known), expire_time)
