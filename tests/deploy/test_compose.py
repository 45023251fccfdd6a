"""The compose file, as Docker Compose's own loader reads it; test_image.py tests the programs that its services run."""

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
PASSWORD = "gr$$at: 'x' \"y\" #z"  # noqa: S105 - needs quoting everywhere


def load(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load the compose file in ``folder`` as ``docker compose config`` does, with only this environment."""
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
    """A folder with the compose file, and without the ``.env`` of this clone."""
    shutil.copy(ROOT / COMPOSE, tmp_path)
    return tmp_path


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "missing"])
def test_without_a_password_nothing_starts_and_the_message_says_what_to_do(folder: Path, *, empty: bool) -> None:
    others = {name: value for name, value in PASSWORDS.items() if name != "MYSQL_PASSWORD"}

    run = load(folder, **others, **({"MYSQL_PASSWORD": ""} if empty else {}))

    assert run.returncode == 1
    assert "MYSQL_PASSWORD is missing a value: set MYSQL_PASSWORD in .env" in run.stderr


@pytest.mark.parametrize(
    ("text", "service", "migrator", "root"),
    [
        ("MYSQL_PASSWORD=one\nMYSQL_MIGRATOR_PASSWORD=two\nMYSQL_ROOT_PASSWORD=three\n", "one", "two", "three"),
        ("MYSQL_PASSWORD=one\n", "one", "one", "one"),
        ("MYSQL_PASSWORD=one\nMYSQL_MIGRATOR_PASSWORD=\nMYSQL_ROOT_PASSWORD=\n", "one", "one", "one"),
    ],
    ids=["three passwords", "one password", "empty passwords"],
)
def test_each_service_uses_its_own_account_with_the_password_from_env(
    folder: Path, text: str, service: str, migrator: str, root: str
) -> None:
    (folder / ".env").write_text(text)

    run = load(folder)

    assert run.returncode == 0, run.stderr
    services = yaml.safe_load(run.stdout)["services"]
    environments = {name: services[name]["environment"] for name in services}
    accounts = {
        name: (environments[name]["MYSQL_USER"], environments[name]["MYSQL_PASSWORD"])
        for name in ("api", "migrate", "data_loader")
    }
    assert accounts == {
        "api": (SERVICE, service),
        "migrate": (MIGRATOR, migrator),
        "data_loader": (MIGRATOR, migrator),
    }
    assert environments["db"] == {"MYSQL_DATABASE": "ecommerce", "MYSQL_ROOT_PASSWORD": root}
    assert environments["grants"] == {"MYSQL_PWD": root}
    assert environments["accounts"] == {
        "MYSQL_PWD": root,
        "MYSQL_MIGRATOR_PASSWORD": migrator,
        "MYSQL_SERVICE_PASSWORD": service,
    }


def test_a_password_with_special_characters_arrives_unchanged(services: dict[str, dict[str, Any]]) -> None:
    assert services["api"]["environment"]["MYSQL_PASSWORD"] == PASSWORD
    assert services["accounts"]["environment"]["MYSQL_SERVICE_PASSWORD"] == PASSWORD


def test_the_administrator_s_tasks_give_both_accounts_their_passwords_and_privileges(
    services: dict[str, dict[str, Any]], database_server: DatabaseServer, tmp_path: Path
) -> None:
    # A fake client stores the statements, which are then executed with names of this test's own.
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
            renamed = re.sub("|".join(ACCOUNTS), lambda found: found[0] + suffix, statement.removesuffix(";"))
            database_server.execute(renamed, database=name)

    database_server.execute(f"CREATE DATABASE {name}")
    try:
        administer("accounts")
        connection = database_server.environment(name)
        migrator = {"MYSQL_USER": MIGRATOR + suffix, "MYSQL_PASSWORD": passwords[MIGRATOR]}
        migrate(settings_of(connection | migrator), report=lambda _: None)
        administer("grants")
        service = {"MYSQL_USER": SERVICE + suffix, "MYSQL_PASSWORD": passwords[SERVICE]}
        server = RunningService(connection | service).start()
        assert server.stop() == 0
    finally:
        database_server.execute(f"DROP DATABASE {name}")
        for account in ACCOUNTS:
            database_server.execute(f"DROP USER IF EXISTS {account + suffix}")


def test_the_backup_account_gets_a_password_only_if_one_is_set() -> None:
    script = [shutil.which("sh") or "sh", str(ROOT / "deploy" / "sql" / "passwords.sh")]
    required = {"PATH": os.environ["PATH"], "MYSQL_MIGRATOR_PASSWORD": "a", "MYSQL_SERVICE_PASSWORD": "b"}

    without_backup = subprocess.run(script, env=required, capture_output=True, text=True, check=True).stdout
    with_backup = subprocess.run(
        script, env=required | {"MYSQL_BACKUP_PASSWORD": "c'"}, capture_output=True, text=True, check=True
    ).stdout

    assert BACKUP not in without_backup
    assert with_backup == without_backup + f"ALTER USER {BACKUP} IDENTIFIED BY 'c\\'' ACCOUNT UNLOCK;\n"


def test_services_use_the_same_database_and_set_only_known_settings(services: dict[str, dict[str, Any]]) -> None:
    database = services["db"]["environment"]
    names = {name.upper() for name in Settings.model_fields}

    for name in ("migrate", "api", "data_loader"):
        environment = services[name]["environment"]
        assert environment.keys() <= names
        assert environment["MYSQL_HOST"] in services
        assert environment["MYSQL_DB"] == database["MYSQL_DATABASE"]


def test_the_service_may_listen_on_the_addresses_of_the_image_because_compose_waives_protection(
    services: dict[str, dict[str, Any]],
) -> None:
    addresses = {"grpc_host": "0.0.0.0", "rest_host": "0.0.0.0"}  # noqa: S104 - those of the image
    settings = {name.lower(): value for name, value in services["api"]["environment"].items()} | addresses
    check_exposure(Settings.model_validate(settings))
    with pytest.raises(SettingsError):
        check_exposure(Settings.model_validate({**settings, "listen_without": ""}))


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
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


def test_the_image_s_health_check_uses_the_published_monitoring_port(
    services: dict[str, dict[str, Any]],
) -> None:
    environment = services["api"]["environment"]
    assert "healthcheck" not in services["api"]
    assert local_url(environment) == "http://127.0.0.1:9464"
    assert environment["MONITORING_HOST"] == "0.0.0.0"  # noqa: S104 - inside the container


def test_nothing_serves_or_loads_before_the_database_is_healthy_and_migrated(
    services: dict[str, dict[str, Any]],
) -> None:
    def conditions(name: str) -> dict[str, str]:
        return {other: dependency["condition"] for other, dependency in services[name]["depends_on"].items()}

    completed = "service_completed_successfully"
    assert conditions("accounts") == {"db": "service_healthy"}
    assert conditions("migrate") == {"accounts": completed}
    assert conditions("grants") == {"migrate": completed}
    assert conditions("api") == {"db": "service_healthy", "grants": completed, "data_loader": completed}
    assert conditions("data_loader") == {"db": "service_healthy", "migrate": completed}


def test_the_database_is_healthy_once_the_administrator_can_log_in_over_tcp(
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
    # The temporary server that the image runs while it initializes its data does not listen on TCP.
    expected = [PASSWORDS["MYSQL_ROOT_PASSWORD"], "--host=127.0.0.1", "--user=root", "--execute=SELECT 1", "ecommerce"]
    assert run.stdout.splitlines() == expected


def test_one_off_services_run_existing_commands_on_existing_files(services: dict[str, dict[str, Any]]) -> None:
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


def test_the_service_cannot_write_files_and_has_time_to_drain(services: dict[str, dict[str, Any]]) -> None:
    for name in ("accounts", "migrate", "grants", "api", "data_loader"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    drain_seconds = Settings.model_fields["drain_timeout_seconds"].default
    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > drain_seconds
