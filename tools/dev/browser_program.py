"""Chromium, for the tests that look at pages: found on this machine, or installed."""

import shutil
from pathlib import Path

from tools.dev.system_package import ProgramFailed, obtain

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGE = "chromium"
_HOW_TO_GET_ONE = f"""\
There is no Chromium on this machine. One of these gives one:
  Debian:  sudo apt-get install --no-install-recommends {_PACKAGE}
  Fedora:  sudo dnf install chromium
  macOS:   brew install --cask chromium
Its program must then be on PATH as one of {", ".join(_NAMES)}."""


class NoBrowser(Exception):
    """There is no browser; the message says why, and what to do."""


def find_program() -> Path | None:
    """Return the browser of this machine, or None when there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    return None if found is None else Path(found)


def obtain_program() -> Path:
    """Return the browser of this machine; where there is none and apt can install one, install it first.

    Raises:
        NoBrowser: there is none and it cannot be installed; the message says how to get one.
    """
    try:
        return obtain(find_program, _PACKAGE, "for the tests of pages", _HOW_TO_GET_ONE)
    except ProgramFailed as error:
        raise NoBrowser(str(error)) from None
