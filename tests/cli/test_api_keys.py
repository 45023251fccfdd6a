"""`payments keys`: what it makes is shown once, is taken by a service, and ends when it is revoked."""

import json
import re
from collections.abc import Callable

import httpx
import pytest

from tests.cli.conftest import Payments, Table
from tests.support.running_service import RunningService

KEY = re.compile(r"paykey_([0-9a-f]{16})_[0-9a-f]{64}\n")


def made(payments: Payments, *arguments: str) -> tuple[str, str]:
    """Make a key; return it and its id."""
    run = payments("keys", "create", *arguments)
    assert run.returncode == 0, run.stderr
    found = KEY.fullmatch(run.stdout)
    assert found is not None, run.stdout
    return found[0].strip(), found[1]


def test_a_key_is_shown_once_and_alone_on_standard_output(payments: Payments, table: Table) -> None:
    run = payments("keys", "create", "shop", "--role", "payments.charge", "--role", "payments.read")
    found = KEY.fullmatch(run.stdout)
    assert found is not None
    secret = found[0].strip().rpartition("_")[2]
    assert "Key " + found[1] + " of shop, with payments.charge payments.read: above, this once." in run.stderr
    assert secret not in run.stderr
    listed = payments("keys", "list", "--all").stdout + payments("keys", "list", "--json").stdout
    assert found[1] in listed
    assert secret not in listed
    ((digest,),) = table("SELECT digest FROM api_keys")
    assert digest != bytes.fromhex(secret)
    assert secret not in repr(table("SELECT * FROM api_keys"))


def test_keys_are_listed_with_what_became_of_them(payments: Payments, table: Table) -> None:
    _, kept = made(payments, "shop", "--role", "payments.charge", "--expires", "90d")
    _, revoked = made(payments, "till", "--role", "payments.read")
    _, expired = made(payments, "old", "--role", "payments.read", "--expires", "1h")
    table("UPDATE api_keys SET expires_at = UTC_TIMESTAMP(6) WHERE key_id = %s", expired)
    assert payments("keys", "revoke", revoked).returncode == 0
    (only,) = payments("keys", "list", "--json").stdout.splitlines()
    shown = json.loads(only)
    assert (shown["key_id"], shown["caller"], shown["roles"]) == (kept, "shop", ["payments.charge"])
    assert shown["expire_time"] > shown["create_time"]
    everything = [json.loads(line) for line in payments("keys", "list", "--all", "--json").stdout.splitlines()]
    states = {one["key_id"]: one["state"] for one in everything}
    assert states == {kept: "in force", revoked: "revoked", expired: "expired"}
    for name in ("shop", "till", "old", "revoked", "expired", "in force"):
        assert name in payments("keys", "list", "--all").stdout


def test_a_key_works_with_a_service_until_it_is_revoked(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    text, key_id = made(payments, "shop", "--role", "payments.read")
    running = start_service(ANONYMOUS_ROLES="-", API_KEY_REFRESH_INTERVAL_SECONDS="0.2")
    url, headers = f"{running.rest_url}/v1/payments", {"X-API-Key": text}
    assert httpx.get(url, headers=headers).status_code == 200
    for _ in range(2):
        run = payments("keys", "revoke", key_id)
        assert (run.returncode, f"key {key_id} is revoked" in run.stdout) == (0, True)
    for _ in range(300):
        if httpx.get(url, headers=headers).status_code == 401:
            return
    pytest.fail("a revoked key is still taken")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "anonymous", "--role", "payments.read"), "must not be anonymous"),
        (("create", "sh\u00f6p", "--role", "payments.read"), "printable ASCII"),
        (("create", "shop"), "Missing option"),
        (("create", "shop", "--role", "payments.everything"), "payments.charge"),
        (("create", "shop", "--role", "payments.read", "--expires", "soon"), "must be a time to come"),
        (("create", "shop", "--role", "payments.read", "--expires", "2020-01-01"), "must be a time to come"),
        (("revoke", "0123456789abcdef"), "there is no key 0123456789abcdef"),
    ],
)
def test_what_cannot_be_done_is_told(payments: Payments, arguments: tuple[str, ...], said: str) -> None:
    run = payments("keys", *arguments, COLUMNS="200")
    assert run.returncode != 0
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_a_key_that_is_given_for_its_id_is_not_repeated(payments: Payments) -> None:
    run = payments("keys", "revoke", "paykey_0123456789abcdef_" + "7" * 64, COLUMNS="200")
    assert run.returncode == 2
    assert "16 hexadecimal digits" in run.stderr
    assert "77777777" not in run.stdout + run.stderr
