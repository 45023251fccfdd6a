"""The server program behind the private database: found on this machine, or installed, and how to prepare its data.

MariaDB's ``mariadbd`` is preferred; MySQL's ``mysqld`` works too.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.dev.system_package import ProgramFailed, obtain, run

_NAMES = ("mariadbd", "mysqld")
_FOLDERS_OFF_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin", "/usr/local/bin")
"""Where packages put server programs, which need not be on PATH."""

_SCRIPT_FOLDERS = ("share/mysql", "share/mariadb", "share")
"""Where, below the program's prefix, MariaDB keeps the SQL that makes its system tables."""

_SCRIPT_PREFIXES = ("mariadb", "mysql")
"""MariaDB 11 renamed ``mysql_system_tables.sql`` and its siblings."""

_PACKAGE = "mariadb-server-core"
_INITIALISE_TIMEOUT_SECONDS = 120

_HOW_TO_GET_ONE = f"""\
There is no database server program (mariadbd or mysqld) on this machine. One of these gives one:
  Debian, Ubuntu:  sudo apt-get install --no-install-recommends {_PACKAGE}
  Fedora, RHEL:    sudo dnf install mariadb-server
  macOS:           brew install mariadb
Or set MYSQL_HOST (and MYSQL_USER, MYSQL_PASSWORD) to use a database server that runs elsewhere."""


class PrivateDatabaseError(Exception):
    """The private database cannot be had; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class DatabaseProgram:
    """A database server program. ``is_mariadb`` False means MySQL."""

    path: Path
    is_mariadb: bool

    def options(self) -> list[str]:
        """Return the options that every run of it needs: those that keep the machine's own configuration out.

        A server that is started as root refuses to run unless it is told to.
        """
        return [
            "--no-defaults",
            *(["--user=root"] if os.geteuid() == 0 else []),
            # MySQL's second protocol would open a socket of its own in a folder that all users share.
            *([] if self.is_mariadb else ["--mysqlx=OFF"]),
        ]

    def initialise(self, data_folder: Path) -> None:
        """Make the system tables in ``data_folder``, which is there and empty; ``root`` gets no password.

        Does what ``mariadb-install-db`` does, which cannot run where only Debian's ``mariadb-server-core`` is
        installed: it wants ``my_print_defaults``, which another package has.

        Raises:
            PrivateDatabaseError: the program failed; the message has what it said.
        """
        # Not in /tmp itself: a server that starts deletes all temporary tables in its folder for them, others' too.
        with tempfile.TemporaryDirectory() as scratch:
            command = [str(self.path), *self.options(), f"--datadir={data_folder}", f"--tmpdir={scratch}"]
            if self.is_mariadb:
                _run([*command, "--bootstrap", "--log-warnings=0"], self._system_tables())
            else:
                _run([*command, "--initialize-insecure"], "")

    def _system_tables(self) -> str:
        """Return the SQL that a bootstrap run reads: statements that end where a line ends."""
        folders = [self.path.resolve().parent.parent / folder for folder in _SCRIPT_FOLDERS]
        for folder in folders:
            for prefix in _SCRIPT_PREFIXES:
                parts = ("system_tables", "performance_tables", "system_tables_data")
                scripts = [folder / f"{prefix}_{part}.sql" for part in parts]
                if all(script.is_file() for script in scripts):
                    # The variables are those that mariadb-install-db sets for `root` with no password.
                    start = "create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n"
                    return start + "\n".join(script.read_text(encoding="utf-8") for script in scripts) + "\n"
        searched = ", ".join(str(folder) for folder in folders)
        msg = f"{self.path} has no mysql_system_tables.sql beside it (searched {searched})"
        raise PrivateDatabaseError(msg)


def find_program() -> DatabaseProgram | None:
    """Return the server program of this machine, or None when there is none."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_FOLDERS_OFF_PATH])
    for name in _NAMES:
        found = shutil.which(name, path=folders)
        if found is not None:
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            return DatabaseProgram(Path(found), is_mariadb="mariadb" in version.lower())
    return None


def obtain_program() -> DatabaseProgram:
    """Return the server program of this machine; where there is none and apt can install one, install it first.

    Raises:
        PrivateDatabaseError: there is none and it cannot be installed; the message says how to get one.
    """
    try:
        return obtain(find_program, _PACKAGE, "the programs only, no system service", _HOW_TO_GET_ONE)
    except ProgramFailed as error:
        raise PrivateDatabaseError(str(error)) from None


def _run(command: list[str], standard_input: str) -> None:
    try:
        run(command, standard_input=standard_input, timeout_seconds=_INITIALISE_TIMEOUT_SECONDS)
    except ProgramFailed as error:
        raise PrivateDatabaseError(str(error)) from None
