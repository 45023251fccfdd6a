"""``.env``: a line that is no setting stops the start, with what was meant, and without its value."""

import os
import re
from pathlib import Path

import pytest

from server.config import env_file
from server.config.settings import Settings, SettingsError, load_settings
from tests.support import programs
from tests.support.programs import ROOT
from tools.database.settings import named_settings

NAMES = [name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working folder, which is the test's own, and nothing is set in the environment."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(text: str | bytes) -> list[str]:
    """Return the lines with which loading the settings from this file fails."""
    Path(".env").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    lines = str(wrong.value).splitlines()
    assert not any("hunter2" in line for line in lines)
    return lines


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MYSQL_PASWORD", "MYSQL_PASSWORD"),
        ("mysql_pasword", "MYSQL_PASSWORD"),
        ("MYSQL_DATABASE", "MYSQL_DB"),
        ("ANONYMUS_ROLES", "ANONYMOUS_ROLES"),
        ("GRPC_PROT", "GRPC_PORT"),
        ("MYSQL_ROOT_PASWORD", "MYSQL_ROOT_PASSWORD"),
    ],
)
def test_a_misspelt_name_stops_the_start_and_the_nearest_is_named(name: str, meant: str) -> None:
    text = f"# where it is\nMYSQL_HOST=db\n\n{name}=hunter2\n"

    assert problems(text) == [f".env line 4: {name} is no setting; did you mean {meant}?"]


def test_a_misspelt_name_of_what_is_needed_is_the_only_problem() -> None:
    assert problems("MYSQL_HSOT=hunter2\n") == [".env line 1: MYSQL_HSOT is no setting; did you mean MYSQL_HOST?"]


@pytest.mark.parametrize("line", ["hunter2=", "WHATEVER_ELSE=hunter2", "xYhunter2+Aa==", "'a b'=hunter2", "ké=hunter2"])
def test_a_name_that_is_like_no_setting_is_not_shown_as_it_may_be_a_part_of_a_secret(line: str) -> None:
    said = ".env line 2: the name before = is no setting; .env.example lists them all"

    assert problems(f"MYSQL_HOST=db\n{line}\n") == [said]


@pytest.mark.parametrize(
    "line", ["hunter2", "MYSQL_PASSWORD hunter2", "MYSQL_PASSWORD: hunter2", 'MYSQL_PASSWORD="hunter2']
)
def test_a_line_that_sets_nothing_is_refused_without_showing_it(line: str) -> None:
    (problem,) = problems(f"MYSQL_HOST=db\n{line}\n")

    assert problem.startswith(".env line 2: must be NAME=VALUE")


@pytest.mark.parametrize("second", ["MYSQL_PASSWORD=other", "mysql_password=other", "export MYSQL_PASSWORD="])
def test_a_setting_that_is_there_twice_is_refused(second: str) -> None:
    said = ".env line 3: MYSQL_PASSWORD is on line 1 already; remove one of the two"

    assert problems(f"MYSQL_PASSWORD=hunter2\nMYSQL_HOST=db\n{second}\n") == [said]


def test_everything_that_is_wrong_is_told_at_once_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REST_PORT", "-1")

    name, port, level, rest = problems("GRPC_PORT=x\n\nLOG_LEVEL=loud\nMYSQL_HSOT=db\nREST_PORT=x\n")

    assert name == ".env line 4: MYSQL_HSOT is no setting; did you mean MYSQL_HOST?"
    assert port.startswith(".env line 1: GRPC_PORT='x': ")
    assert rest.startswith(".env line 3: LOG_LEVEL='loud': ")
    assert level.startswith("REST_PORT='-1': ")


def test_what_compose_and_its_accounts_need_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = (ROOT / "docker-compose.yml").read_text() + (ROOT / "deploy" / "sql" / "passwords.sh").read_text()
    needed = sorted(set(re.findall(r"\$\{(\w+)", compose)) - {"MYSQL_PASSWORD"})
    others = [*needed, "COMPOSE_PROJECT_NAME", "DOCKER_HOST"]
    assert "MYSQL_ROOT_PASSWORD" in others
    monkeypatch.setenv("MYSQL_HOST", "db")

    Path(".env").write_text("".join(f"{name}=hunter2\n" for name in ["MYSQL_PASSWORD", *others]))

    assert load_settings().mysql_password.get_secret_value() == "hunter2"


def test_the_example_is_right_also_with_everything_set() -> None:
    text = (ROOT / ".env.example").read_text()
    Path(".env").write_text(
        re.sub(r"^# ([A-Z_]+=)", r"\1", text, flags=re.MULTILINE).replace("MYSQL_HOST=", "MYSQL_HOST=db")
    )

    assert load_settings().mysql_host == "db"


def test_the_mark_of_some_editors_before_the_text_belongs_to_no_name() -> None:
    Path(".env").write_bytes(b"\xef\xbb\xbfMYSQL_HOST=db\r\nGRPC_PORT=50052\r\n")

    assert (load_settings().mysql_host, load_settings().grpc_port) == ("db", 50052)
    assert named_settings()["MYSQL_HOST"] == "db"


@pytest.mark.parametrize("module", ["server", "tools.dev.run", "tools.cli.main migrate", "tools.cli.main doctor"])
def test_every_program_says_so_and_starts_nothing(folder: Path, module: str) -> None:
    Path(".env").write_text("MYSQL_HSOT=hunter2\n")

    done = programs.run(*module.split(), environment={"PATH": os.environ["PATH"]}, folder=folder)

    (line,) = (done.stdout + done.stderr).splitlines()
    assert line.endswith(".env line 1: MYSQL_HSOT is no setting; did you mean MYSQL_HOST?")
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("name", "value", "meant"),
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
def test_a_variable_that_is_nearly_a_setting_is_found_and_those_of_others_are_not(
    name: str, value: str, meant: list[str]
) -> None:
    assert list(env_file.misspelt({name: value}, NAMES)) == [(name, it) for it in meant]
