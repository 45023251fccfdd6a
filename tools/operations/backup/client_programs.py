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

from server.config.database import DatabaseSettings
from tools.database.connection import is_mariadb
from tools.errors import ToolError

DUMP = ("mariadb-dump", "mysqldump")
"""They write a database out as SQL: MariaDB's program, and MySQL's."""

CLIENT = ("mariadb", "mysql")
"""They execute SQL from their standard input."""

_HOW_TO_GET_THEM = """\
There is no client program of the database (mariadb-dump and mariadb, or mysqldump and mysql) on this machine. One of \
these gives them:
  Debian, Ubuntu:  sudo apt-get install --no-install-recommends mariadb-client
  Fedora, RHEL:    sudo dnf install mariadb
  macOS:           brew install mariadb-connector-c mariadb"""


_QUOTED_BYTES = 2_000
"""How much of what a program said is told: its last words, which say why it stopped."""


class ClientProgramError(ToolError):
    """A client program of the database is missing or failed."""


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """A client program. ``is_mariadb`` False means that it is MySQL's."""

    path: Path
    is_mariadb: bool


def find_program(names: tuple[str, str], *, for_mariadb: bool) -> ClientProgram:
    """Return one of a pair of programs, ``DUMP`` or ``CLIENT``, preferably of the server's own product.

    Raises:
        ClientProgramError: there is none; the message says how to get one.
    """
    for name in names if for_mariadb else reversed(names):
        found = shutil.which(name)
        if found is not None:
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            return ClientProgram(Path(found), is_mariadb=is_mariadb(version))
    raise ClientProgramError(_HOW_TO_GET_THEM)


@contextmanager
def login_options(settings: DatabaseSettings, program: ClientProgram) -> Iterator[str]:
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
    with _running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout


def writing_to(command: list[str], pieces: Iterable[bytes]) -> None:
    """Run a program, and write to it.

    Raises:
        ClientProgramError: it failed; the message has what it said.
    """
    with _running(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        for piece in pieces:
            process.stdin.write(piece)
        process.stdin.close()


@contextmanager
def _running(command: list[str], *, stdin: int, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program to its end; kill it when the context raises."""
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=output, env=_environment()) as process,
    ):
        try:
            yield process
        except BaseException:
            process.kill()
            if process.wait() <= 0:
                raise
            # It had failed by itself, which is why its reader or writer could not go on.
        if process.wait() != 0:
            raise _failure(command, output)


def _environment() -> dict[str, str]:
    """Return the environment without the settings of a database, the password first: the programs would heed some."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("MYSQL_")}


def _failure(command: list[str], output: BinaryIO) -> ClientProgramError:
    output.seek(0)
    words = output.read()[-_QUOTED_BYTES:].decode(errors="replace").strip()
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
