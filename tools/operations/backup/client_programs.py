"""Find and run the database's own client programs, and pass them the login, which dump and load a database.

MariaDB and MySQL each have a pair of them. ``docs/operations/backup.md`` says which pair works with which server.
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
from server.storage.database.server_version import is_mariadb
from tools.errors import ToolError

DUMP = ("mariadb-dump", "mysqldump")
"""The programs of MariaDB and MySQL that write a database as SQL."""

CLIENT = ("mariadb", "mysql")
"""The programs of MariaDB and MySQL that execute SQL from standard input."""

_INSTALL_ADVICE = """\
The client programs of the database (mariadb-dump and mariadb, or mysqldump and mysql) are not installed on this \
machine. Install them with one of:
  Debian, Ubuntu:  sudo apt-get install --no-install-recommends mariadb-client
  Fedora, RHEL:    sudo dnf install mariadb
  macOS:           brew install mariadb-connector-c mariadb"""

_MARIADB_PROGRAMS = "mariadb-dump and mariadb (Debian, Ubuntu: mariadb-client; Fedora, RHEL: mariadb)"
_MYSQL_PROGRAMS = "mysqldump and mysql (Ubuntu: mysql-client; other systems: dev.mysql.com/downloads)"

_QUOTED_BYTES = 2_000
"""The maximum length of a quotation from the end of a program's error output, which says why the program stopped."""


class ClientProgramError(ToolError):
    """A client program of the database is missing or failed."""


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """A client program of MariaDB or MySQL, and whether the server is MariaDB."""

    path: Path
    is_mariadb: bool
    for_mariadb: bool


def find_program(names: tuple[str, str], *, for_mariadb: bool) -> ClientProgram:
    """Return one of a pair of programs, ``DUMP`` or ``CLIENT``, preferably the one of the server's product.

    Raises:
        ClientProgramError: neither is installed; the message says how to install one.
    """
    for name in names if for_mariadb else reversed(names):
        path = shutil.which(name)
        if path is not None:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            return ClientProgram(Path(path), is_mariadb=is_mariadb(version), for_mariadb=for_mariadb)
    raise ClientProgramError(_INSTALL_ADVICE)


@contextmanager
def login_options(settings: DatabaseSettings, program: ClientProgram) -> Iterator[str]:
    """Yield the first option to pass to a program, which names an option file with the login.

    Only this user can read the file, and it is deleted when the context ends. The password is therefore neither on a
    command line, which every user of the machine can read, nor in the environment. The option also makes the program
    ignore the machine's own option files.

    Raises:
        ClientProgramError: an option file cannot represent the password.
    """
    lines = ["[client]", f"user={_quote(settings.mysql_user)}"]
    lines.append(f"password={_quote(settings.mysql_password.get_secret_value())}")
    if settings.mysql_socket is not None:
        lines.append(f"socket={_quote(os.fspath(settings.mysql_socket.absolute()))}")
    elif settings.mysql_host is not None:
        lines += [f"host={_quote(settings.mysql_host)}", f"port={settings.mysql_port}", "protocol=tcp"]
    # Without TLS, like the service, which reaches its database through a trusted network. By default, MariaDB's
    # programs (11.4 and later) refuse a server without a certificate, and MySQL's cannot log in without TLS.
    lines += ["skip-ssl"] if program.is_mariadb else ["ssl-mode=DISABLED", "loose-get-server-public-key"]
    with tempfile.TemporaryDirectory(prefix="payments-login-") as folder:
        path = Path(folder) / "login.cnf"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
        yield f"--defaults-file={path}"


@contextmanager
def program_output(program: ClientProgram, arguments: list[str]) -> Iterator[Iterable[bytes]]:
    """Run a program, and yield an iterable over the lines that it writes.

    Raises:
        ClientProgramError: the program failed; the message quotes its error output.
    """
    with _run_program(program, arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout


def run_with_input(program: ClientProgram, arguments: list[str], chunks: Iterable[bytes]) -> None:
    """Run a program, and write the chunks to its standard input.

    Raises:
        ClientProgramError: the program failed; the message quotes its error output.
    """
    with _run_program(program, arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        for chunk in chunks:
            process.stdin.write(chunk)
        process.stdin.close()


@contextmanager
def _run_program(
    program: ClientProgram, arguments: list[str], *, stdin: int, stdout: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program to its end; kill it if the context raises."""
    command = [str(program.path), *arguments]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=errors, env=_environment()) as process,
    ):
        try:
            yield process
        except BaseException:
            process.kill()
            if process.wait() <= 0:
                raise
            # The program had already failed by itself, which is why reading or writing failed.
        if process.wait() != 0:
            raise _failure(program, errors)


def _environment() -> dict[str, str]:
    """Return the environment without MYSQL_* variables: one is the password, and the programs read others."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("MYSQL_")}


def _failure(program: ClientProgram, errors: BinaryIO) -> ClientProgramError:
    """Return the error of a program that failed. If it is the other product's, the message names those to install."""
    errors.seek(0)
    text = errors.read()[-_QUOTED_BYTES:].decode(errors="replace").strip()
    message = f"{program.path} failed: {text or 'no error output'}"
    if program.is_mariadb != program.for_mariadb:
        own, other = ("MySQL", "MariaDB") if program.for_mariadb else ("MariaDB", "MySQL")
        needed = _MARIADB_PROGRAMS if program.for_mariadb else _MYSQL_PROGRAMS
        message += f"\nIt is {own}'s program, and the server is {other}: install {needed}"
    return ClientProgramError(message)


def _quote(value: str) -> str:
    """Quote and escape a value for an option file (dev.mysql.com/doc/refman/8.0/en/option-files.html).

    Raises:
        ClientProgramError: an option file cannot represent the value.
    """
    # Either kind of quotation mark can enclose any value, except one that contains both the same mark and a #, because
    # the # would start a comment.
    quote = next((quote for quote in "\"'" if quote not in value or "#" not in value), None)
    if quote is None:
        raise ClientProgramError("cannot log in: a password with a # must not contain both kinds of quotation marks")
    for character, escape in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(character, escape)
    return f"{quote}{value}{quote}"
