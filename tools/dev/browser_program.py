"""Find or install Chromium, for the tests of web pages."""

import shutil
from pathlib import Path

from tools.dev.system_package import ProgramFailed, find_or_install

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGE = "chromium"
_INSTALL_ADVICE = f"""\
Chromium is not installed on this machine. Install it with one of:
  Debian:  sudo apt-get install --no-install-recommends {_PACKAGE}
  Fedora:  sudo dnf install chromium
  macOS:   brew install --cask chromium
Its program must be on the PATH as one of {", ".join(_NAMES)}."""


class NoBrowser(Exception):
    """No browser is available; the message gives the reason and says what to do."""


def find_program() -> Path | None:
    """Return the browser on this machine, or None if there is none."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    return None if path is None else Path(path)


def find_or_install_program() -> Path:
    """Return the browser on this machine; if there is none, install it with apt.

    Raises:
        NoBrowser: there is none and it cannot be installed; the message says how to install one.
    """
    try:
        return find_or_install(find_program, _PACKAGE, "for the tests of web pages", _INSTALL_ADVICE)
    except ProgramFailed as error:
        raise NoBrowser(str(error)) from None
