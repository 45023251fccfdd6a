"""The database's own client programs, which copy a database out and back: found on this machine, and how to log in.

MariaDB and MySQL each have a pair of them; either pair works with either server.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from server.config.settings import Settings
from tools.operations.system_package import ProgramFailed, has_apt, install

_DUMP_NAMES = ("mariadb-dump", "mysqldump")
_CLIENT_NAMES = ("mariadb", "mysql")

_PACKAGE = "mariadb-client"
_HOW_TO_GET_THEM = f"""\
There is no client program of the database (mariadb-dump and mariadb, or mysqldump and mysql) on this machine. One of \
these gives them:
  Debian, Ubuntu:  sudo apt-get install --no-install-recommends {_PACKAGE}
  Fedora, RHEL:    sudo dnf install mariadb
  macOS:           brew install mariadb-connector-c mariadb"""


_QUOTED_BYTES = 2_000
"""How much of what a program said is told: its last words, which say why it stopped."""


class ClientProgramError(Exception):
    """A client program cannot be had, or could not do what it was run for; the message says why."""


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """A client program. ``is_mariadb`` False means that it is MySQL's."""

    path: Path
    is_mariadb: bool


def dump_program(*, for_mariadb: bool) -> ClientProgram:
    """Return the program that writes a database out as SQL, of the server's own make if both are there.

    Raises:
        ClientProgramError: there is none; the message says how to get one.
    """
    return _find(_DUMP_NAMES, for_mariadb=for_mariadb)


def load_program(*, for_mariadb: bool) -> ClientProgram:
    """Return the program that executes SQL from its standard input, likewise.

    Raises:
        ClientProgramError: there is none; the message says how to get one.
    """
    return _find(_CLIENT_NAMES, for_mariadb=for_mariadb)


def obtain_programs() -> None:
    """Return when both programs are there; where they are not and apt can install them, install them first.

    Raises:
        ClientProgramError: they are not there and cannot be installed.
    """
    if all(any(map(shutil.which, names)) for names in (_DUMP_NAMES, _CLIENT_NAMES)):
        return
    if not has_apt():
        raise ClientProgramError(_HOW_TO_GET_THEM)
    try:
        install(_PACKAGE, "the client programs only")
    except ProgramFailed as error:
        msg = f"{error}\n{_HOW_TO_GET_THEM}"
        raise ClientProgramError(msg) from None


def _find(names: tuple[str, ...], *, for_mariadb: bool) -> ClientProgram:
    for name in names if for_mariadb else reversed(names):
        found = shutil.which(name)
        if found is not None:
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            return ClientProgram(Path(found), is_mariadb="mariadb" in version.lower())
    raise ClientProgramError(_HOW_TO_GET_THEM)


@contextmanager
def login_options(settings: Settings, program: ClientProgram) -> Iterator[str]:
    """Give the option that a program must get first: it names a file, for this user alone, with how to log in.

    So the password is neither in a command, which every user of the machine can read, nor in an environment; and what
    the machine's own option files say has no part in it. The file is gone at the end of the context.

    Raises:
        ClientProgramError: an option file cannot hold the password.
    """
    lines = ["[client]", f"user={_quoted(settings.mysql_user)}"]
    lines.append(f"password={_quoted(settings.mysql_password.get_secret_value())}")
    if settings.mysql_socket is not None:
        lines.append(f"socket={_quoted(os.fspath(settings.mysql_socket.absolute()))}")
    elif settings.mysql_host is not None:
        lines += [f"host={_quoted(settings.mysql_host)}", f"port={settings.mysql_port}", "protocol=tcp"]
    # The service talks to its database without TLS, over a network that is trusted with that. These talk TLS where the
    # server offers it, and do as it does where not: MariaDB's from 11.4 on would refuse, MySQL's could not log in.
    lines.append("loose-skip-ssl-verify-server-cert" if program.is_mariadb else "loose-get-server-public-key")
    with tempfile.TemporaryDirectory(prefix="payments-login-") as folder:
        path = Path(folder) / "login.cnf"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
        yield f"--defaults-file={path}"


@contextmanager
def reading_from(command: list[str]) -> Iterator[Iterable[bytes]]:
    """Run a program, and give the lines that it writes.

    Raises:
        ClientProgramError: it failed; the message has what it said.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=_environment()
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            if process.wait() <= 0:
                raise
            # It had failed by itself: that is why its reader could not go on.
        if process.wait() != 0:
            raise _failure(command, said)


def writing_to(command: list[str], pieces: Iterable[bytes]) -> None:
    """Run a program, and write to it.

    Raises:
        ClientProgramError: it failed; the message has what it said.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=_environment()
        ) as process,
    ):
        assert process.stdin is not None
        try:
            for piece in pieces:
                process.stdin.write(piece)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, and said why
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            raise _failure(command, said)


def _environment() -> dict[str, str]:
    """Return the environment without the settings of a database, the password first: the programs would heed some."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("MYSQL_")}


def _failure(command: list[str], said: BinaryIO) -> ClientProgramError:
    said.seek(0)
    words = said.read()[-_QUOTED_BYTES:].decode(errors="replace").strip()
    return ClientProgramError(f"{command[0]} failed: {words or 'it did not say why'}")


def _quoted(value: str) -> str:
    """Return a value as option files have it (the escapes of dev.mysql.com/doc/refman/8.0/en/option-files.html).

    Raises:
        ClientProgramError: they have no way to write it.
    """
    # Around the value either kind does, whatever is in it, but for a comment's sign: that must be seen to be quoted.
    quote = next((quote for quote in "\"'" if quote not in value or "#" not in value), None)
    if quote is None:
        raise ClientProgramError("an option file cannot hold a password that has both kinds of quotation marks and a #")
    for character, escape in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(character, escape)
    return f"{quote}{value}{quote}"
