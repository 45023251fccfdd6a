"""Chromium is found or installed; otherwise the message says how to install it."""

from pathlib import Path

import pytest

from tools.dev import browser_program
from tools.dev.browser_program import NoBrowser, find_or_install_program, find_program


def test_a_browser_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chromium-browser"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_program() == program


def test_without_a_browser_and_apt_the_message_says_how_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(NoBrowser, match=r"(?s)apt-get install.*dnf install.*brew install"):
        find_or_install_program()


def test_a_missing_browser_is_installed_without_recommended_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    installed = Path("/usr/bin/chromium")
    monkeypatch.setattr(browser_program, "find_program", lambda: installed if (tmp_path / "calls").exists() else None)

    assert find_or_install_program() == installed
    assert "install --yes --no-install-recommends chromium\n" in (tmp_path / "calls").read_text()
