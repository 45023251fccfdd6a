"""Programs that the operating system's packages have, installed with apt where they are missing."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_INSTALL_TIMEOUT_SECONDS = 900
_QUOTED_LINES = 10


class ProgramFailed(Exception):
    """A program could not do what it was run for; the message has what it said."""


def has_apt() -> bool:
    """Tell whether this system has apt: Debian, Ubuntu and their kin."""
    return shutil.which("apt-get") is not None


def obtain(find: Callable[[], Found | None], package: str, scope: str, advice: str) -> Found:
    """Return the program that ``find`` finds; install ``package`` first if there is none and apt can install it.

    Raises:
        ProgramFailed: there is none and it cannot be installed; the message ends with ``advice``.
    """
    program = find()
    if program is None and has_apt():
        try:
            install(package, scope)
        except ProgramFailed as error:
            msg = f"{error}\n{advice}"
            raise ProgramFailed(msg) from None
        program = find()
    if program is None:
        raise ProgramFailed(advice)
    return program


def install(package: str, scope: str) -> None:
    """Install ``package`` with apt, without what it only recommends, and say so; ``scope`` tells people how much it is.

    Raises:
        ProgramFailed: it cannot be had, or this user may not.
    """
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if rights and (shutil.which("sudo") is None or subprocess.run([*rights, "true"], check=False).returncode != 0):
        msg = f"Only root can install {package}, and sudo gives no rights without a password."
        raise ProgramFailed(msg)
    print(f"Installing {package} with apt ({scope}) ...", flush=True)
    # `env` rather than an environment of our own: sudo would drop that.
    apt = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"]
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        run([*apt, *arguments], timeout_seconds=_INSTALL_TIMEOUT_SECONDS)


def run(command: list[str], *, timeout_seconds: float, standard_input: str = "") -> None:
    """Run a program to its end.

    Raises:
        ProgramFailed: it failed, or was not done in time.
    """
    try:
        done = subprocess.run(
            command, input=standard_input, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        msg = f"not done after {timeout_seconds:.0f} s: {' '.join(command)}"
        raise ProgramFailed(msg) from None
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_QUOTED_LINES:])
        msg = f"exit code {done.returncode} from: {' '.join(command)}\n{said}"
        raise ProgramFailed(msg)
