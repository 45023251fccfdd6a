"""Find programs from the operating system's packages, and install missing ones with apt."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

Program = TypeVar("Program")

_INSTALL_TIMEOUT_SECONDS = 900
_QUOTED_LINES = 10


class ProgramFailed(Exception):
    """A program failed; the message quotes its output."""


def has_apt() -> bool:
    """Return whether this system has apt, as Debian and Ubuntu do."""
    return shutil.which("apt-get") is not None


def find_or_install(find: Callable[[], Program | None], package: str, note: str, advice: str) -> Program:
    """Return the program that ``find`` returns; if there is none, install ``package`` with apt first.

    Raises:
        ProgramFailed: there is none and it cannot be installed; the message ends with ``advice``.
    """
    program = find()
    if program is None and has_apt():
        try:
            install(package, note)
        except ProgramFailed as error:
            msg = f"{error}\n{advice}"
            raise ProgramFailed(msg) from None
        program = find()
    if program is None:
        raise ProgramFailed(advice)
    return program


def install(package: str, note: str) -> None:
    """Install ``package`` with apt, without recommended packages, and print a line with the ``note``.

    Raises:
        ProgramFailed: apt failed, or this user may not install packages.
    """
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and (shutil.which("sudo") is None or subprocess.run([*sudo, "true"], check=False).returncode != 0):
        msg = f"Only root can install {package}, and sudo is missing or needs a password."
        raise ProgramFailed(msg)
    print(f"Installing {package} with apt ({note}) ...", flush=True)
    # With `env`, because sudo would drop variables from our environment.
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"]
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        run([*apt, *arguments], timeout_seconds=_INSTALL_TIMEOUT_SECONDS)


def run(command: list[str], *, timeout_seconds: float, standard_input: str = "") -> str:
    """Run a program, wait until it ends, and return its output.

    Raises:
        ProgramFailed: it failed, or did not end in time.
    """
    try:
        process = subprocess.run(
            command, input=standard_input, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        msg = f"timed out after {timeout_seconds:.0f} s: {' '.join(command)}"
        raise ProgramFailed(msg) from None
    if process.returncode != 0:
        output = "\n".join((process.stdout + process.stderr).splitlines()[-_QUOTED_LINES:])
        msg = f"exit code {process.returncode} from: {' '.join(command)}\n{output}"
        raise ProgramFailed(msg)
    return process.stdout
