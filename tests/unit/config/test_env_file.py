"""``.env``: a line that is not a setting stops the startup; the message suggests a setting, and shows no value."""

import os
import re
from pathlib import Path

import pytest

from server.config import env_file
from server.config.settings import Settings, SettingsError, environment_with_file, load_settings
from tests.support import programs
from tests.support.programs import ROOT
from tools.database.settings import named_settings

NAMES = [name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The test's own working folder, with no setting in the environment."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(text: str | bytes) -> list[str]:
    """Return the lines of the error that this file causes."""
    Path(".env").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as raised:
        load_settings()
    lines = str(raised.value).splitlines()
    assert not any("hunter2" in line for line in lines)
    return lines


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("MYSQL_PASWORD", "MYSQL_PASSWORD"),
        ("mysql_pasword", "MYSQL_PASSWORD"),
        ("MYSQL_DATABASE", "MYSQL_DB"),
        ("ANONYMUS_ROLES", "ANONYMOUS_ROLES"),
        ("GRPC_PROT", "GRPC_PORT"),
        ("MYSQL_ROOT_PASWORD", "MYSQL_ROOT_PASSWORD"),
    ],
)
def test_a_misspelled_name_stops_the_startup_and_the_nearest_setting_is_suggested(name: str, suggestion: str) -> None:
    text = f"# a comment\nMYSQL_HOST=db\n\n{name}=hunter2\n"

    assert problems(text) == [f".env line 4: {name} is not a setting; did you mean {suggestion}?"]


def test_if_a_required_setting_is_misspelled_that_is_the_only_problem() -> None:
    assert problems("MYSQL_HSOT=hunter2\n") == [".env line 1: MYSQL_HSOT is not a setting; did you mean MYSQL_HOST?"]


@pytest.mark.parametrize("line", ["hunter2=", "WHATEVER_ELSE=hunter2", "xYhunter2+Aa==", "'a b'=hunter2", "ké=hunter2"])
def test_a_name_that_resembles_no_setting_is_not_shown_because_it_may_be_part_of_a_secret(line: str) -> None:
    problem = ".env line 2: the name before = is not a setting; .env.example lists all settings"

    assert problems(f"MYSQL_HOST=db\n{line}\n") == [problem]


@pytest.mark.parametrize(
    "line", ["hunter2", "MYSQL_PASSWORD hunter2", "MYSQL_PASSWORD: hunter2", 'MYSQL_PASSWORD="hunter2']
)
def test_a_line_that_sets_nothing_is_rejected_and_not_shown(line: str) -> None:
    (problem,) = problems(f"MYSQL_HOST=db\n{line}\n")

    assert problem.startswith(".env line 2: must be NAME=VALUE")


@pytest.mark.parametrize("second", ["MYSQL_PASSWORD=other", "mysql_password=other", "export MYSQL_PASSWORD="])
def test_a_duplicate_setting_is_rejected(second: str) -> None:
    problem = ".env line 3: MYSQL_PASSWORD is already set on line 1; remove one of the two"

    assert problems(f"MYSQL_PASSWORD=hunter2\nMYSQL_HOST=db\n{second}\n") == [problem]


def test_all_problems_are_reported_together_with_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REST_PORT", "-1")

    name, grpc_port, rest_port, log_level = problems("GRPC_PORT=x\n\nLOG_LEVEL=loud\nMYSQL_HSOT=db\nREST_PORT=x\n")

    assert name == ".env line 4: MYSQL_HSOT is not a setting; did you mean MYSQL_HOST?"
    assert grpc_port.startswith(".env line 1: GRPC_PORT='x': ")
    assert rest_port.startswith("REST_PORT='-1': ")
    assert log_level.startswith(".env line 3: LOG_LEVEL='loud': ")


def test_variables_of_compose_and_its_accounts_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = (ROOT / "docker-compose.yml").read_text() + (ROOT / "deploy" / "sql" / "passwords.sh").read_text()
    compose_names = sorted(set(re.findall(r"\$\{(\w+)", compose)) - {"MYSQL_PASSWORD"})
    others = [*compose_names, "COMPOSE_PROJECT_NAME", "DOCKER_HOST"]
    assert "MYSQL_ROOT_PASSWORD" in others
    monkeypatch.setenv("MYSQL_HOST", "db")

    Path(".env").write_text("".join(f"{name}=hunter2\n" for name in ["MYSQL_PASSWORD", *others]))

    assert load_settings().mysql_password.get_secret_value() == "hunter2"


def test_the_example_loads_with_every_line_uncommented() -> None:
    text = (ROOT / ".env.example").read_text()
    Path(".env").write_text(
        re.sub(r"^# ([A-Z_]+=)", r"\1", text, flags=re.MULTILINE).replace("MYSQL_HOST=", "MYSQL_HOST=db")
    )

    assert load_settings().mysql_host == "db"


def test_a_byte_order_mark_is_ignored() -> None:
    Path(".env").write_bytes(b"\xef\xbb\xbfMYSQL_HOST=db\r\nGRPC_PORT=50052\r\n")

    assert (load_settings().mysql_host, load_settings().grpc_port) == ("db", 50052)
    assert named_settings()["MYSQL_HOST"] == "db"


@pytest.mark.parametrize("module", ["server", "tools.dev.run", "tools.cli.main migrate", "tools.cli.main doctor"])
def test_every_program_reports_the_problem_and_exits(folder: Path, module: str) -> None:
    Path(".env").write_text("MYSQL_HSOT=hunter2\n")

    run = programs.run(*module.split(), environment={"PATH": os.environ["PATH"]}, folder=folder)

    (line,) = (run.stdout + run.stderr).splitlines()
    assert line.endswith(".env line 1: MYSQL_HSOT is not a setting; did you mean MYSQL_HOST?")
    assert run.returncode != 0


@pytest.mark.parametrize(
    ("name", "value", "suggestions"),
    [
        ("MYSQL_PASWORD", "hunter2", ["MYSQL_PASSWORD"]),
        ("GRPC_PROT", "1", ["GRPC_PORT"]),
        ("ANONYMUS_ROLES", "-", ["ANONYMOUS_ROLES"]),
        *(
            (name, value, [])
            for name, value in {
                "MYSQL_PASSWORD": "hunter2",
                "mysql_password": "hunter2",
                "MYSQL_ROOT_PASSWORD": "hunter2",
                "MYSQL_PWD": "hunter2",
                "MYSQL_TCP_PORT": "3306",
                "MYSQL_UNIX_PORT": "/run/mysqld.sock",
                "MYSQL_SERVICE_HOST": "10.0.0.1",
                "MYSQL_SERVICE_PORT": "3306",
                "MYSQL_1_PORT": "tcp://10.0.0.1:3306",
                "MYSQL_PORT_3306_TCP_PORT": "3306",
                "GRPC_VERBOSITY": "debug",
                "POSTGRES_PASSWORD": "hunter2",
                "PATH": "/bin",
            }.items()
        ),
    ],
)
def test_a_variable_that_resembles_a_setting_is_found_and_those_of_other_programs_are_not(
    name: str, value: str, suggestions: list[str]
) -> None:
    assert list(env_file.find_misspelled({name: value}, NAMES)) == [(name, setting) for setting in suggestions]


def test_a_process_that_is_started_later_gets_the_settings_of_the_file_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("MYSQL_HOST=db\nmysql_db=of_file\nMYSQL_USER=shop\nGRPC_PORT=\nCOMPOSE_FILE=x\n")
    monkeypatch.setenv("MYSQL_DB", "of_environment")
    monkeypatch.setenv("mysql_user", "")
    before = load_settings()

    environment = environment_with_file()
    Path(".env").write_text("MYSQL_HOST=other\nnonsense\n")
    for name in ("MYSQL_DB", "mysql_user"):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert load_settings(reads_file=False) == before
    assert (before.mysql_host, before.mysql_db, before.mysql_user) == ("db", "of_environment", "shop")
    assert not environment.keys() & {"COMPOSE_FILE", "GRPC_PORT", "mysql_user"}
