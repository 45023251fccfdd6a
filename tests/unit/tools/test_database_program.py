"""The server program of the private database is found or installed."""

import os
from pathlib import Path

import pytest

from tools.dev import database_program, selected_database
from tools.dev.database_program import DatabaseProgram, PrivateDatabaseError, find_or_install_program, find_program


@pytest.fixture(autouse=True)
def _no_selected_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selected_database, "SELECTED_DATABASE", "")


def test_without_a_server_program_and_apt_the_message_says_how_to_install_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(PrivateDatabaseError, match=r"(?s)apt-get install.*dnf install.*brew install.*MYSQL_HOST"):
        find_or_install_program()


def test_a_missing_server_program_is_installed_with_apt_without_a_system_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {tmp_path}/calls\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    installed = DatabaseProgram(Path("/usr/sbin/mariadbd"), is_mariadb=True)
    monkeypatch.setattr(database_program, "find_program", lambda: installed if (tmp_path / "calls").exists() else None)

    assert find_or_install_program() == installed
    assert (tmp_path / "calls").read_text().splitlines() == [
        "noninteractive -o DPkg::Lock::Timeout=120 update",
        "noninteractive -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends mariadb-server-core",
    ]
    assert capsys.readouterr().out.count("\n") == 1


def test_if_apt_fails_the_message_quotes_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'Unable to fetch some archives' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(database_program, "find_program", lambda: None)

    with pytest.raises(PrivateDatabaseError, match=r"(?s)exit code 100.*Unable to fetch.*MYSQL_HOST"):
        find_or_install_program()


def test_mysql_is_distinguished_from_mariadb_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mysqld"
    program.write_text("#!/bin/sh\necho 'mysqld  Ver 8.4.6 for Linux on x86_64 (MySQL Community Server - GPL)'\n")
    program.chmod(0o755)
    monkeypatch.setattr(database_program, "_FOLDERS_OFF_PATH", ())
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_program() == DatabaseProgram(program, is_mariadb=False)
