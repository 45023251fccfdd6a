"""The compose file, as Docker Compose's own loader reads it; what its services run is tested with the image's steps."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from server.config import Settings, SettingsError, check_exposure
from tests.running_service import ROOT
from tools.commands import app

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


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    run = load(ROOT, MYSQL_PASSWORD=PASSWORD)
    assert run.returncode == 0, run.stderr
    services: dict[str, dict[str, Any]] = yaml.safe_load(run.stdout)["services"]
    return services


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the compose file, and no ``.env`` of this clone."""
    shutil.copy(ROOT / COMPOSE, tmp_path)
    return tmp_path


@pytest.mark.parametrize("environment", [{}, {"MYSQL_PASSWORD": ""}], ids=["missing", "empty"])
def test_without_a_password_nothing_starts_and_what_to_do_is_told(folder: Path, environment: dict[str, str]) -> None:
    run = load(folder, **environment)

    assert run.returncode == 1
    assert (
        "MYSQL_PASSWORD is missing a value: set MYSQL_PASSWORD in .env (see .env.example) or in the env" in run.stderr
    )
    assert "MYSQL_PASSWORD" in (ROOT / ".env.example").read_text()


def test_the_password_of_env_is_that_of_the_database_and_of_all_that_use_it(folder: Path) -> None:
    (folder / ".env").write_text("MYSQL_PASSWORD=s3cret\n")

    run = load(folder)

    assert run.returncode == 0, run.stderr
    services = yaml.safe_load(run.stdout)["services"]
    assert {service["environment"]["MYSQL_PASSWORD"] for service in services.values()} == {"s3cret"}


def test_a_password_with_quotes_and_signs_arrives_as_it_is(services: dict[str, dict[str, Any]]) -> None:
    assert {service["environment"]["MYSQL_PASSWORD"] for service in services.values()} == {PASSWORD}


def test_services_agree_on_the_database_and_set_what_the_service_knows(services: dict[str, dict[str, Any]]) -> None:
    database = services["db"]["environment"]
    names = {name.upper() for name in Settings.model_fields}

    for name in ("migrate", "api", "data_loader"):
        environment = services[name]["environment"]
        assert environment.keys() <= names
        assert environment["MYSQL_HOST"] in services
        assert environment["MYSQL_USER"] == database["MYSQL_USER"]
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
        "api": [("127.0.0.1", "50051", 50051), ("127.0.0.1", "8001", 8001)],
        "migrate": [],
        "data_loader": [],
    }


def test_nothing_serves_or_loads_before_the_database_is_healthy_and_migrated(
    services: dict[str, dict[str, Any]],
) -> None:
    def waits(name: str) -> dict[str, str]:
        return {other: wait["condition"] for other, wait in services[name]["depends_on"].items()}

    assert waits("migrate") == {"db": "service_healthy"}
    for name in ("api", "data_loader"):
        assert waits(name) == {"db": "service_healthy", "migrate": "service_completed_successfully"}


def test_the_database_is_healthy_once_it_lets_the_service_in_over_tcp(
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
    where, who = "--host=127.0.0.1", f"--user={environment['MYSQL_USER']}"
    assert run.stdout.splitlines() == [PASSWORD, where, who, "--execute=SELECT 1", environment["MYSQL_DATABASE"]]


def test_what_is_run_is_a_command_of_the_service_on_files_that_are_there(services: dict[str, dict[str, Any]]) -> None:
    commands = get_command(app).list_commands(None)  # type: ignore[attr-defined]

    for name in ("migrate", "data_loader"):
        assert services[name]["command"][0] in commands
        assert services[name]["restart"] == "no"
    (volume,) = services["data_loader"]["volumes"]
    assert volume["target"] == services["data_loader"]["command"][1]
    assert volume["read_only"]
    lines = Path(volume["source"]).read_text().splitlines()
    assert lines[0] == "payment_id,order_id,amount,method,status,reference,created_at"
    form = r"\d+,\d+,\d+\.\d\d,(UPI|CARD|COD),(SUCCESS|FAILED),ECI20250910-[0-9A-Z]{6},2025-\d\d-\d\d \d\d:\d\d:\d\d"
    assert len(lines) == 401
    assert all(re.fullmatch(form, line) for line in lines[1:])


def test_the_service_may_write_nowhere_and_has_time_to_drain(services: dict[str, dict[str, Any]]) -> None:
    for name in ("migrate", "api", "data_loader"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    drain_seconds = Settings.model_fields["drain_timeout_seconds"].default
    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > drain_seconds
