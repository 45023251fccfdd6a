"""``payments keys`` creates, lists and revokes API keys.

A key is printed once, when it is created, alone on standard output. The database has only its digest.
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
from tools.cli.failures import database_of_settings
from tools.cli.options import AsJson
from tools.cli.output import print_json, print_table, shown_time
from tools.database.connection import execute

app = typer.Typer(help="Make, list and revoke the API keys by which callers say who they are.", no_args_is_help=True)

_NOT_FOUND = 1


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the database has it. Times are in UTC; None is never."""

    key_id: str
    caller: str
    roles: str
    create_time: datetime
    expire_time: datetime | None
    revoke_time: datetime | None

    def state(self, now: datetime) -> str:
        """Say whether it is in force."""
        if self.revoke_time is not None:
            return "revoked"
        return "expired" if self.expire_time is not None and self.expire_time <= now else "in force"


@app.command("create")
def create(
    caller: Annotated[str, typer.Argument(help="Who will call with it: the name that payments are recorded under.")],
    role: Annotated[list[Role], typer.Option(help="What they may do; given again for each role.")],
    *,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it ends: 2027-01-01, as that day begins in UTC, or 90d from now (h, m); else never.",
        ),
    ] = None,
) -> None:
    """Make a key, and print it: it is shown this once. Several keys may have one caller, as when one is replaced."""
    now = datetime.now(UTC)
    expire_time = options.future_time("--expires", expires, now)
    try:
        name = caller_name(caller)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint="CALLER") from None
    key = NewApiKey.make()
    roles = " ".join(sorted(set(role)))
    with database_of_settings() as (connection, settings):
        execute(connection, api_keys.INSERT_KEY, key.key_id, key.digest, name.encode(), roles, now, expire_time)
    print(key.text)
    known = f"{settings.api_key_refresh_interval_seconds:g} s"
    end = "" if expire_time is None else f", until {shown_time(expire_time)} UTC"
    print(f"Key {key.key_id} of {name}, with {roles}{end}: above, this once.", file=sys.stderr)
    print(f"Every replica takes it within {known}; `payments keys revoke {key.key_id}` ends it.", file=sys.stderr)


@app.command("list")
def list_keys(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are revoked or expired too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys, without what is secret of them."""
    now = datetime.now(UTC)
    with database_of_settings() as (connection, _):
        kept = [StoredKey(*row[:3], *map(_utc, row[3:])) for row in execute(connection, api_keys.LIST_KEYS)]
    shown = [key for key in kept if everything or key.state(now) == "in force"]
    if as_json:
        for key in shown:
            print_json(_json(key, now))
        return
    print_table(
        ("key", "caller", "roles", "state", "created (UTC)", "expires (UTC)", "revoked (UTC)"),
        [
            (
                *(key.key_id, key.caller, key.roles, key.state(now)),
                *map(shown_time, (key.create_time, key.expire_time, key.revoke_time)),
            )
            for key in shown
        ],
    )


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id, as `payments keys list` has it; not the key itself.")],
) -> None:
    """End a key: every replica refuses it within a few seconds. Exit code 1 when there is no such key."""
    if not is_key_id(key_id):
        # What was given may be a key: it is not repeated.
        raise typer.BadParameter("must be 16 hexadecimal digits, as `payments keys list` has it", param_hint="KEY_ID")
    with database_of_settings() as (connection, settings):
        execute(connection, api_keys.REVOKE_KEY, key_id)
        found = execute(connection, api_keys.SELECT_KEY_REVOKED, key_id)
    if not found:
        print(f"there is no key {key_id}", file=sys.stderr)
        raise typer.Exit(_NOT_FOUND)
    known = f"{settings.api_key_refresh_interval_seconds:g} s"
    print(f"key {key_id} is revoked; every replica refuses it within {known}")


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
