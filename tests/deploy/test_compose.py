"""The compose file, as Docker Compose's own loader reads it; what its services run is tested with the image's steps."""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError
from tests.support.databases import DatabaseServer, settings_of
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.cli.main import app
from tools.database.migrations import migrate
from tools.dev.database_accounts import ACCOUNTS, BACKUP, MIGRATOR, SERVICE
from tools.operations.health_probe import local_url

COMPOSE = "docker-compose.yml"
PASSWORD = "gr$$at: 'x' \"y\" #z"  # noqa: S105 - a hard one


def load(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load the compose file in ``folder`` as ``docker compose config`` does, with this environment alone."""
    return subprocess.run(
        [ROOT / ".bin" / "composeconfig", COMPOSE],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


PASSWORDS = {
    "MYSQL_PASSWORD": PASSWORD,
    "MYSQL_MIGRATOR_PASSWORD": f"{PASSWORD} of the migrator",
    "MYSQL_ROOT_PASSWORD": f"{PASSWORD} of root",
}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    run = load(ROOT, **PASSWORDS)
    assert run.returncode == 0, run.stderr
    services: dict[str, dict[str, Any]] = yaml.safe_load(run.stdout)["services"]
    return services


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the compose file, and no ``.env`` of this clone."""
    shutil.copy(ROOT / COMPOSE, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "missing"])
def test_without_a_password_nothing_starts_and_what_to_do_is_told(folder: Path, name: str, *, empty: bool) -> None:
    others = {other: value for other, value in PASSWORDS.items() if other != name}

    run = load(folder, **others, **({name: ""} if empty else {}))

    assert run.returncode == 1
    assert f"{name} is missing a value: set {name} in .env" in run.stderr


def test_each_uses_its_own_account_with_the_password_of_env(folder: Path) -> None:
    (folder / ".env").write_text("MYSQL_PASSWORD=one\nMYSQL_MIGRATOR_PASSWORD=two\nMYSQL_ROOT_PASSWORD=three\n")

    run = load(folder)

    assert run.returncode == 0, run.stderr
    services = yaml.safe_load(run.stdout)["services"]
    environments = {name: services[name]["environment"] for name in services}
    accounts = {
        name: (environments[name]["MYSQL_USER"], environments[name]["MYSQL_PASSWORD"])
        for name in ("api", "migrate", "data_loader")
    }
    assert accounts == {
        "api": (SERVICE, "one"),
        "migrate": (MIGRATOR, "two"),
        "data_loader": (MIGRATOR, "two"),
    }
    assert environments["db"] == {"MYSQL_DATABASE": "ecommerce", "MYSQL_ROOT_PASSWORD": "three"}
    assert environments["grants"] == {"MYSQL_PWD": "three"}
    assert environments["accounts"] == {
        "MYSQL_PWD": "three",
        "MYSQL_MIGRATOR_PASSWORD": "two",
        "MYSQL_SERVICE_PASSWORD": "one",
    }


def test_a_password_with_quotes_and_signs_arrives_as_it_is(services: dict[str, dict[str, Any]]) -> None:
    assert services["api"]["environment"]["MYSQL_PASSWORD"] == PASSWORD
    assert services["accounts"]["environment"]["MYSQL_SERVICE_PASSWORD"] == PASSWORD


def test_what_the_administrator_does_gives_both_accounts_their_passwords_and_rights(
    services: dict[str, dict[str, Any]], database_server: DatabaseServer, tmp_path: Path
) -> None:
    # The client is replaced by one that keeps what it is to execute, and the names are this test's own.
    name, suffix = f"payments_test_{secrets.token_hex(5)}", f"_{secrets.token_hex(5)}"
    passwords = {MIGRATOR: "it's \\ 'hard\"", SERVICE: PASSWORD}
    (tmp_path / "mysql").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/statements\n')
    (tmp_path / "mysql").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MYSQL_MIGRATOR_PASSWORD": passwords[MIGRATOR],
        "MYSQL_SERVICE_PASSWORD": passwords[SERVICE],
    }

    def administer(service: str) -> None:
        shell, option, command = services[service]["entrypoint"]
        assert services[service]["volumes"][0]["source"] == str(ROOT / "deploy" / "sql")
        text = command.replace("/sql/", f"{ROOT}/deploy/sql/")
        subprocess.run([shell, option, text], env=environment, check=True)
        assert (tmp_path / "arguments").read_text() == "--host=db --user=root ecommerce\n"
        lines = (tmp_path / "statements").read_text().splitlines()
        statements = "\n".join(line for line in lines if not line.startswith("--"))
        for statement in filter(None, map(str.strip, statements.split(";\n"))):
            ours = re.sub("|".join(ACCOUNTS), lambda found: found[0] + suffix, statement.removesuffix(";"))
            database_server.execute(ours, database=name)

    database_server.execute(f"CREATE DATABASE {name}")
    try:
        administer("accounts")
        used = database_server.environment(name)
        migrator = {"MYSQL_USER": MIGRATOR + suffix, "MYSQL_PASSWORD": passwords[MIGRATOR]}
        migrate(settings_of(used | migrator), say=lambda _: None)
        administer("grants")
        server = RunningService(used | {"MYSQL_USER": SERVICE + suffix, "MYSQL_PASSWORD": passwords[SERVICE]}).start()
        assert server.stop() == 0
    finally:
        database_server.execute(f"DROP DATABASE {name}")
        for account in ACCOUNTS:
            database_server.execute(f"DROP USER IF EXISTS {account + suffix}")


def test_the_account_of_backups_gets_a_password_only_where_one_is_set() -> None:
    script = [shutil.which("sh") or "sh", str(ROOT / "deploy" / "sql" / "passwords.sh")]
    needed = {"PATH": os.environ["PATH"], "MYSQL_MIGRATOR_PASSWORD": "a", "MYSQL_SERVICE_PASSWORD": "b"}

    without = subprocess.run(script, env=needed, capture_output=True, text=True, check=True).stdout
    with_one = subprocess.run(
        script, env=needed | {"MYSQL_BACKUP_PASSWORD": "c'"}, capture_output=True, text=True, check=True
    ).stdout

    assert BACKUP not in without
    assert with_one == without + f"ALTER USER {BACKUP} IDENTIFIED BY 'c\\'' ACCOUNT UNLOCK;\n"


def test_services_agree_on_the_database_and_set_what_the_service_knows(services: dict[str, dict[str, Any]]) -> None:
    database = services["db"]["environment"]
    names = {name.upper() for name in Settings.model_fields}

    for name in ("migrate", "api", "data_loader"):
        environment = services[name]["environment"]
        assert environment.keys() <= names
        assert environment["MYSQL_HOST"] in services
        assert environment["MYSQL_DB"] == database["MYSQL_DATABASE"]


def test_the_service_starts_on_the_addresses_of_the_image_because_compose_waives_what_the_loopback_gives(
    services: dict[str, dict[str, Any]],
) -> None:
    addresses = {"grpc_host": "0.0.0.0", "rest_host": "0.0.0.0"}  # noqa: S104 - as the image has them
    settings = {name.lower(): value for name, value in services["api"]["environment"].items()} | addresses
    check_exposure(Settings.model_validate(settings))
    with pytest.raises(SettingsError):
        check_exposure(Settings.model_validate({**settings, "listen_without": ""}))


def test_ports_are_published_on_the_loopback_alone(services: dict[str, dict[str, Any]]) -> None:
    published = {
        name: sorted((port["host_ip"], port["published"], port["target"]) for port in service.get("ports", []))
        for name, service in services.items()
    }

    assert published == {
        "db": [("127.0.0.1", "3308", 3306)],
        "api": [(("127.0.0.1", str(port), port)) for port in (50051, 8001, 9464)],
        "accounts": [],
        "migrate": [],
        "grants": [],
        "data_loader": [],
    }


def test_the_check_of_the_image_asks_the_monitoring_port_that_is_published(
    services: dict[str, dict[str, Any]],
) -> None:
    environment = services["api"]["environment"]
    assert "healthcheck" not in services["api"]
    assert local_url(environment) == "http://127.0.0.1:9464"
    assert environment["MONITORING_HOST"] == "0.0.0.0"  # noqa: S104 - of the container


def test_nothing_serves_or_loads_before_the_database_is_healthy_and_migrated(
    services: dict[str, dict[str, Any]],
) -> None:
    def waits(name: str) -> dict[str, str]:
        return {other: wait["condition"] for other, wait in services[name]["depends_on"].items()}

    done = "service_completed_successfully"
    assert waits("accounts") == {"db": "service_healthy"}
    assert waits("migrate") == {"accounts": done}
    assert waits("grants") == {"migrate": done}
    assert waits("api") == {"db": "service_healthy", "grants": done, "data_loader": done}
    assert waits("data_loader") == {"db": "service_healthy", "migrate": done}


def test_the_database_is_healthy_once_it_lets_the_administrator_in_over_tcp(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "mysql").write_text('#!/bin/sh\nprintf "%s\\n" "$MYSQL_PWD" "$@"\n')
    (tmp_path / "mysql").chmod(0o755)
    environment = services["db"]["environment"]
    form, command = services["db"]["healthcheck"]["test"]

    run = subprocess.run(
        ["sh", "-c", command],
        env={**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert form == "CMD-SHELL"
    # The server that the image runs while it makes its data has no TCP.
    expected = [PASSWORDS["MYSQL_ROOT_PASSWORD"], "--host=127.0.0.1", "--user=root", "--execute=SELECT 1", "ecommerce"]
    assert run.stdout.splitlines() == expected


def test_what_is_run_is_a_command_of_the_service_on_files_that_are_there(services: dict[str, dict[str, Any]]) -> None:
    commands = get_command(app).list_commands(None)  # type: ignore[attr-defined]

    for name in ("migrate", "data_loader"):
        assert services[name]["command"][0] in commands
        assert services[name]["restart"] == "no"
    (volume,) = services["data_loader"]["volumes"]
    assert volume["target"] == services["data_loader"]["command"][1]
    assert volume["read_only"]
    assert "--if-empty" in services["data_loader"]["command"]
    lines = Path(volume["source"]).read_text().splitlines()
    assert lines[0] == "payment_id,order_id,amount,method,status,reference,created_at"
    form = r"\d+,\d+,\d+\.\d\d,(UPI|CARD|COD),(SUCCESS|FAILED),ECI20250910-[0-9A-Z]{6},2025-\d\d-\d\d \d\d:\d\d:\d\d"
    assert len(lines) == 401
    assert all(re.fullmatch(form, line) for line in lines[1:])


def test_the_service_may_write_nowhere_and_has_time_to_drain(services: dict[str, dict[str, Any]]) -> None:
    for name in ("accounts", "migrate", "grants", "api", "data_loader"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    drain_seconds = Settings.model_fields["drain_timeout_seconds"].default
    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > drain_seconds
