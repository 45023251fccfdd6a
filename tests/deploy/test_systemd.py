"""The systemd unit: systemd's own check accepts it, and it starts and stops the service as the service expects."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from server.config.settings import Settings
from tests.support.databases import settings_of
from tests.support.programs import ROOT
from tools.cli.main import app

UNIT = ROOT / "deploy/systemd/payments.service"


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "payments"
    program.symlink_to("/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/payments/bin/payments", str(program)))

    run = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


def test_it_runs_a_command_that_exists(unit: configparser.ConfigParser) -> None:
    program, command = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "payments"
    assert command in get_command(app).commands  # type: ignore[attr-defined]


def test_the_service_has_time_to_drain(unit: configparser.ConfigParser) -> None:
    drain_seconds = settings_of({"MYSQL_HOST": "none"}).drain_timeout_seconds
    assert int(unit["Service"]["TimeoutStopSec"]) > drain_seconds


def test_its_environment_names_settings(unit: configparser.ConfigParser) -> None:
    names = {entry.partition("=")[0] for entry in unit["Service"]["Environment"].split()} - {"PYTHONUNBUFFERED"}
    assert names <= {name.upper() for name in Settings.model_fields}
