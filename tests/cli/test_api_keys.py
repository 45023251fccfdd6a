"""`payments keys`: a key is shown once, and works until it is revoked."""

import json
import re
from collections.abc import Callable

import httpx
import pytest

from tests.cli.conftest import Payments, Table
from tests.support.databases import Accounts
from tests.support.running_service import RunningService
from tools.dev.database_accounts import MIGRATOR

KEY = re.compile(r"paykey_([0-9a-f]{16})_[0-9a-f]{64}\n")


def create_key(payments: Payments, *arguments: str) -> tuple[str, str]:
    """Create a key; return the key and its id."""
    run = payments("keys", "create", *arguments)
    assert run.returncode == 0, run.stderr
    match = KEY.fullmatch(run.stdout)
    assert match is not None, run.stdout
    return match[0].strip(), match[1]


def test_only_the_key_is_on_standard_output_and_it_is_not_shown_again(payments: Payments, table: Table) -> None:
    run = payments("keys", "create", "shop", "--role", "payments.charge", "--role", "payments.read")
    match = KEY.fullmatch(run.stdout)
    assert match is not None
    secret = match[0].strip().rpartition("_")[2]
    assert f"Created key {match[1]} for shop with payments.charge payments.read. It is not shown again." in run.stderr
    assert secret not in run.stderr
    output = payments("keys", "list", "--all").stdout + payments("keys", "list", "--json").stdout
    assert match[1] in output
    assert secret not in output
    ((digest,),) = table("SELECT digest FROM api_keys")
    assert digest != bytes.fromhex(secret)
    assert secret not in repr(table("SELECT * FROM api_keys"))


def test_keys_are_listed_with_their_state(payments: Payments, table: Table) -> None:
    _, in_force = create_key(payments, "shop", "--role", "payments.charge", "--expires", "90d")
    _, revoked = create_key(payments, "till", "--role", "payments.read")
    _, expired = create_key(payments, "old", "--role", "payments.read", "--expires", "1h")
    table("UPDATE api_keys SET expires_at = UTC_TIMESTAMP(6) WHERE key_id = %s", expired)
    assert payments("keys", "revoke", revoked).returncode == 0
    (line,) = payments("keys", "list", "--json").stdout.splitlines()
    key = json.loads(line)
    assert (key["key_id"], key["caller"], key["roles"]) == (in_force, "shop", ["payments.charge"])
    assert key["expire_time"] > key["create_time"]
    keys = [json.loads(line) for line in payments("keys", "list", "--all", "--json").stdout.splitlines()]
    states = {key["key_id"]: key["state"] for key in keys}
    assert states == {in_force: "in force", revoked: "revoked", expired: "expired"}
    for name in ("shop", "till", "old", "revoked", "expired", "in force"):
        assert name in payments("keys", "list", "--all").stdout


def test_a_key_works_with_a_service_until_it_is_revoked(
    payments: Payments, start_service: Callable[..., RunningService]
) -> None:
    key, key_id = create_key(payments, "shop", "--role", "payments.read")
    running = start_service(ANONYMOUS_ROLES="-", API_KEY_REFRESH_INTERVAL_SECONDS="0.2")
    url, headers = f"{running.rest_url}/v1/payments", {"X-API-Key": key}
    assert httpx.get(url, headers=headers).status_code == 200
    for _ in range(2):
        run = payments("keys", "revoke", key_id)
        assert (run.returncode, f"key {key_id} is revoked" in run.stdout) == (0, True)
    for _ in range(300):
        if httpx.get(url, headers=headers).status_code == 401:
            return
    pytest.fail("a revoked key is still accepted")


@pytest.mark.parametrize(
    "arguments", [("create", "shop", "--role", "payments.charge"), ("revoke", "0123456789abcdef")], ids=" ".join
)
def test_a_missing_privilege_names_the_account_that_manages_keys(
    payments: Payments, accounts: Accounts, migrated_database: dict[str, str], arguments: tuple[str, ...]
) -> None:
    service = accounts.as_service(migrated_database)

    run = payments("keys", *arguments, **service)

    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert f"denied to user '{service['MYSQL_USER']}'" in line
    assert f"Set MYSQL_USER to {MIGRATOR}" in line
    assert payments("keys", "list", **service).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "anonymous", "--role", "payments.read"), "must not be anonymous"),
        (("create", "sh\u00f6p", "--role", "payments.read"), "printable ASCII"),
        (("create", "shop"), "Missing option"),
        (("create", "shop", "--role", "payments.everything"), "payments.charge"),
        (("create", "shop", "--role", "payments.read", "--expires", "soon"), "must be a future time"),
        (("create", "shop", "--role", "payments.read", "--expires", "2020-01-01"), "must be a future time"),
        (("revoke", "0123456789abcdef"), "there is no key 0123456789abcdef"),
    ],
)
def test_invalid_arguments_fail_with_a_message(payments: Payments, arguments: tuple[str, ...], message: str) -> None:
    run = payments("keys", *arguments, COLUMNS="200")
    assert run.returncode != 0
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_a_key_given_instead_of_its_id_is_not_repeated_in_the_message(payments: Payments) -> None:
    run = payments("keys", "revoke", "paykey_0123456789abcdef_" + "7" * 64, COLUMNS="200")
    assert run.returncode == 2
    assert "16 hexadecimal digits" in run.stderr
    assert "77777777" not in run.stdout + run.stderr
