"""``payments keys`` creates, lists and revokes API keys.

A new key is printed once, alone on standard output. The database stores only its digest.
"""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from server.domain.callers import NewApiKey, Role, caller_name, is_key_id
from server.domain.errors import InvalidValue
from server.storage import api_keys
from tools.cli import options
from tools.cli.failures import MIGRATOR, SERVICE, open_database
from tools.cli.options import AsJson
from tools.cli.output import format_time, print_json, print_table
from tools.database.connection import execute

app = typer.Typer(help="Create, list and revoke the API keys that authenticate callers.", no_args_is_help=True)

_EXIT_NOT_FOUND = 1


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the database stores it. Times are in UTC; None means never."""

    key_id: str
    caller: str
    roles: str
    create_time: datetime
    expire_time: datetime | None
    revoke_time: datetime | None

    def state(self, now: datetime) -> str:
        """Return ``in force``, ``expired`` or ``revoked``."""
        if self.revoke_time is not None:
            return "revoked"
        return "expired" if self.expire_time is not None and self.expire_time <= now else "in force"


@app.command("create")
def create(
    caller: Annotated[str, typer.Argument(help="Name of the caller, which is recorded with payments and refunds.")],
    role: Annotated[list[Role], typer.Option(help="Role of the caller. Can be repeated.")],
    *,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Expiry of the key: a date such as 2027-01-01 (00:00 UTC), or a lifetime such as 90d, 12h or 30m. "
            "Defaults to never.",
        ),
    ] = None,
) -> None:
    """Create a key and print it. It is not shown again.

    A caller can have several keys, for example while one replaces another.
    """
    now = datetime.now(UTC)
    expire_time = options.parse_future_time("--expires", expires, now)
    try:
        name = caller_name(caller)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint="CALLER") from None
    key = NewApiKey.generate()
    roles = " ".join(sorted(set(role)))
    with open_database(MIGRATOR) as (connection, settings):
        execute(connection, api_keys.INSERT_KEY, key.key_id, key.digest, name.encode(), roles, now, expire_time)
    print(key.text)
    interval = f"{settings.api_key_refresh_interval_seconds:g} s"
    expiry = "" if expire_time is None else f", until {format_time(expire_time)} UTC"
    print(f"Created key {key.key_id} for {name} with {roles}{expiry}. It is not shown again.", file=sys.stderr)
    print(
        f"Every replica accepts it within {interval}. To revoke it: `payments keys revoke {key.key_id}`",
        file=sys.stderr,
    )


@app.command("list")
def list_keys(
    *,
    show_all: Annotated[bool, typer.Option("--all", help="Include revoked and expired keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys, without their secrets."""
    now = datetime.now(UTC)
    with open_database(SERVICE) as (connection, _):
        stored = [StoredKey(*row[:3], *map(_utc, row[3:])) for row in execute(connection, api_keys.LIST_KEYS)]
    keys = [key for key in stored if show_all or key.state(now) == "in force"]
    if as_json:
        for key in keys:
            print_json(_json(key, now))
        return
    print_table(
        ("key", "caller", "roles", "state", "created (UTC)", "expires (UTC)", "revoked (UTC)"),
        [
            (
                *(key.key_id, key.caller, key.roles, key.state(now)),
                *map(format_time, (key.create_time, key.expire_time, key.revoke_time)),
            )
            for key in keys
        ],
    )


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="ID of the key, as `payments keys list` shows it; not the key itself.")],
) -> None:
    """Revoke a key. Every replica rejects it within API_KEY_REFRESH_INTERVAL_SECONDS.

    Exits with 1 if there is no such key.
    """
    if not is_key_id(key_id):
        # The message does not repeat the value, because it may be a key.
        raise typer.BadParameter("must be 16 hexadecimal digits, as `payments keys list` shows", param_hint="KEY_ID")
    with open_database(MIGRATOR) as (connection, settings):
        execute(connection, api_keys.REVOKE_KEY, key_id)
        rows = execute(connection, api_keys.SELECT_KEY_REVOKED, key_id)
    if not rows:
        print(f"there is no key {key_id}", file=sys.stderr)
        raise typer.Exit(_EXIT_NOT_FOUND)
    interval = f"{settings.api_key_refresh_interval_seconds:g} s"
    print(f"key {key_id} is revoked; every replica rejects it within {interval}")


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _json(key: StoredKey, now: datetime) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "caller": key.caller,
        "roles": key.roles.split(),
        "state": key.state(now),
        "create_time": key.create_time,
        "expire_time": key.expire_time,
        "revoke_time": key.revoke_time,
    }
