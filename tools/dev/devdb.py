"""A private MariaDB for development and tests: its data in one folder, reached by a Unix socket, no network.

``python -m tools.dev.devdb start`` brings it up as a daemon that outlives the command, and is safe to repeat; ``stop``,
``status`` and ``env`` (shell lines that point the service at it) go with it. It is as durable as a real one: a commit
is on the disk before it is answered.
"""

import argparse
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pymysql

from tools.database.connection import DatabaseConnection, is_unreachable, quoted
from tools.database.private_database import (
    DEFAULT_DATABASE,
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    PROJECT_FOLDER,
    PrivateDatabasePlace,
    try_lock,
)
from tools.dev.database_accounts import SERVICE, grant, make_accounts
from tools.dev.database_program import DatabaseProgram, PrivateDatabaseError, obtain_program

ADMINISTRATOR = "root"

_START_TIMEOUT_SECONDS = 120.0
"""Bounds a start after a crash too, which first replays what the log holds."""

_STOP_TIMEOUT_SECONDS = 60.0
_PING_TIMEOUT_SECONDS = 5
_POLL_SECONDS = 0.05
_QUOTED_LOG_LINES = 15
_EXIT_NOT_RUNNING = 3
"""As in ``systemctl status``."""

_SERVER_OPTIONS = (
    "--skip-networking",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-autoinc-lock-mode=2",
    "--innodb-doublewrite=1",
    "--skip-log-bin",
)


class PrivateDatabase(PrivateDatabasePlace):
    """A MariaDB server whose files are all in ``folder``, for the user that runs this and nobody else.

    ``folder`` is made when it is missing, and closed to other users. The server has a database ``database``, an
    account ``user`` with all rights on it, and an account ``root``; neither has a password, as only who may enter the
    folder can reach the socket. ``options`` are further options of the server program.

    While the server lives it holds the lock that ``is_running`` looks at, inherited from the process that started it. A
    second lock lets only one process at a time start or stop it.

    As a context manager it starts the server and stops it at the end.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str = DEFAULT_DATABASE,
        user: str = DEFAULT_USER,
        options: Sequence[str] = (),
    ) -> None:
        """Name the database; nothing is started."""
        super().__init__(folder, database=database, user=user)
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    def service_environment(self) -> dict[str, str]:
        """Give the service's own account what ``deploy/sql`` says, and return the environment that makes it use that.

        The server must run, and its database be migrated.
        """
        with closing(self.connect(self.database)) as connection:
            make_accounts(connection, {SERVICE: DEFAULT_PASSWORD})
            grant(connection)
        return self.environment() | {"MYSQL_USER": SERVICE}

    def start(self) -> bool:
        """Bring the server up, unless it is, and return once it answers. Makes the data when there is none yet.

        Returns whether this call started it: False when it was running, or another process was just starting it.

        Raises:
            PrivateDatabaseError: no server program, no right to use the folder, or it did not come up in two minutes.
        """
        program = obtain_program()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except PermissionError as error:
            msg = f"{self.folder} cannot be made private to this user; it may belong to another: {error}"
            raise PrivateDatabaseError(msg) from error
        with self._sole_control(_START_TIMEOUT_SECONDS):
            before = self._process
            try:
                started = self._bring_up(program)
                self._prepare()
            except BaseException:
                # What this call started must not outlive its failure: nobody would stop it.
                if self._process is not None and self._process is not before:
                    self._process.terminate()
                    self._process.wait()
                raise
        return started

    def stop(self) -> bool:
        """Shut the server down in good order and wait until it is gone. Returns False when it was not running.

        Raises:
            PrivateDatabaseError: it was not gone within a minute; it is left alone.
        """
        return self._end(signal.SIGTERM)

    def kill(self) -> bool:
        """End the server with SIGKILL, as a power cut would, and wait until it is gone. For tests.

        Returns False when it was not running.
        """
        return self._end(signal.SIGKILL)

    def connect(self, database: str | None = None) -> DatabaseConnection:
        """Connect as the administrator, with autocommit.

        Raises:
            pymysql.err.OperationalError: the server does not answer.
        """
        return pymysql.connect(
            unix_socket=str(self.socket_path),
            user=ADMINISTRATOR,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=_PING_TIMEOUT_SECONDS,
        )

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def _data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def _process_id_path(self) -> Path:
        return self.folder / "server.pid"

    @contextmanager
    def _sole_control(self, timeout_seconds: float) -> Iterator[None]:
        descriptor = os.open(self.folder / "control.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + timeout_seconds
            while not try_lock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    msg = f"another process has been starting or stopping the database in {self.folder} for too long"
                    raise PrivateDatabaseError(msg)
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def _bring_up(self, program: DatabaseProgram) -> bool:
        self._initialise(program)
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        started = False
        while not self._answers():
            if started and self._process is not None and self._process.poll() is not None:
                raise PrivateDatabaseError(self._explained(f"ended with exit code {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise PrivateDatabaseError(self._explained(f"did not answer within {_START_TIMEOUT_SECONDS:.0f} s"))
            # Running without an answer: a process that was killed while it waited for it has left it behind.
            if not started:
                started = self._spawn(program)
            time.sleep(_POLL_SECONDS)
        return started

    def _initialise(self, program: DatabaseProgram) -> None:
        """Make the data aside and move it into place, so that half-made data is never used."""
        if self._data_folder.exists():
            return
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        program.initialise(unfinished)
        unfinished.rename(self._data_folder)

    def _spawn(self, program: DatabaseProgram) -> bool:
        """Start the server's process, unless one lives; return whether it did."""
        life = os.open(self.life_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not try_lock(life, fcntl.LOCK_EX):
                return False
            self._make_socket_folder()
            # Left by a server that was killed. MySQL refuses to start when a process happens to have its old id.
            for stale in (self._process_id_path, self.socket_path, Path(f"{self.socket_path}.lock")):
                stale.unlink(missing_ok=True)
            scratch = self.folder / "tmp"
            scratch.mkdir(exist_ok=True)
            command = [
                str(program.path),
                *program.options(),
                f"--datadir={self._data_folder}",
                f"--socket={self.socket_path}",
                f"--pid-file={self._process_id_path}",
                f"--tmpdir={scratch}",
                *_SERVER_OPTIONS,
                *self._options,
            ]
            with self.log_path.open("ab") as log:
                # A session of its own: neither Ctrl-C in the terminal nor its end reaches the server.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[life],
                )
        finally:
            os.close(life)
        return True

    def _make_socket_folder(self) -> None:
        folder = self.socket_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if folder.is_symlink() or state.st_uid != os.geteuid() or state.st_mode & 0o077:
            msg = f"{folder}, meant for the database's socket, is not private to this user; remove it"
            raise PrivateDatabaseError(msg)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError as error:
            if is_unreachable(error):
                return False
            raise
        return True

    def _prepare(self) -> None:
        """Make the database and the service's account, where they are missing."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(self.database)} CHARACTER SET utf8mb4")
            except pymysql.err.MySQLError as error:
                msg = f"MYSQL_DB={self.database!r} cannot be made: {error.args[-1]}"
                raise PrivateDatabaseError(msg) from error
            cursor.execute("SELECT 1 FROM mysql.user WHERE user = %s AND host = 'localhost'", [self.user])
            if cursor.fetchone() is None:
                cursor.execute("CREATE USER %s@'localhost'", [self.user])
            cursor.execute("ALTER USER %s@'localhost' IDENTIFIED BY %s", [self.user, DEFAULT_PASSWORD])
            cursor.execute(f"GRANT ALL PRIVILEGES ON {quoted(self.database)}.* TO %s@'localhost'", [self.user])

    def _end(self, signal_number: signal.Signals) -> bool:
        if not self.folder.is_dir():
            return False
        with self._sole_control(_START_TIMEOUT_SECONDS):
            if not self.is_running():
                return False
            deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
            os.kill(self._process_id(deadline), signal_number)
            while self.is_running():
                if time.monotonic() > deadline:
                    raise PrivateDatabaseError(self._explained(f"did not stop within {_STOP_TIMEOUT_SECONDS:.0f} s"))
                time.sleep(_POLL_SECONDS)
            if self._process is not None:
                self._process.wait()
                self._process = None
            if self.socket_folder != self.folder:
                shutil.rmtree(self.socket_folder, ignore_errors=True)
            return True

    def _process_id(self, deadline: float) -> int:
        """Return the id of the running server, which writes it down itself while it starts."""
        while time.monotonic() < deadline:
            text = self._process_id_path.read_text(encoding="ascii") if self._process_id_path.exists() else ""
            if text.endswith("\n"):
                return int(text)
            time.sleep(_POLL_SECONDS)
        raise PrivateDatabaseError(self._explained(f"has not written {self._process_id_path}"))

    def _explained(self, what: str) -> str:
        log = self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""
        tail = "\n".join(log.splitlines()[-_QUOTED_LOG_LINES:])
        return f"The private database {what}. Its log, {self.log_path}, ends:\n{tail}"


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.devdb", description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "status", "env"])
    parser.add_argument("--folder", type=Path, default=PROJECT_FOLDER, help="where its files are (%(default)s)")
    parser.add_argument("--database", default=DEFAULT_DATABASE, help="the database in it (%(default)s)")
    arguments = parser.parse_args()
    private = PrivateDatabase(arguments.folder, database=arguments.database)
    try:
        _act(private, arguments.action)
    except PrivateDatabaseError as error:
        sys.exit(str(error))


def _act(private: PrivateDatabase, action: str) -> None:
    where = f"socket {private.socket_path}, log {private.log_path}"
    match action:
        case "start":
            print(f"{'started' if private.start() else 'already running'}: {where}")
        case "stop":
            print("stopped" if private.stop() else "was not running")
        case "status" if private.is_running():
            print(f"running: {where}")
        case "status":
            print("not running")
            sys.exit(_EXIT_NOT_RUNNING)
        case _:
            for name, value in private.environment().items():
                print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
