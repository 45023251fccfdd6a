"""A private database server for development and tests, with its data in one folder, and reached through a Unix socket.

``python -m tools.dev.devdb start`` starts it as a daemon, unless it is already running. ``stop`` stops it, ``status``
shows whether it is running, and ``env`` prints shell commands that point the service at it. It is as durable as a
production server: commits are on disk before they are acknowledged.
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

from tools.database.connection import DatabaseConnection, is_unreachable, quote_identifier
from tools.database.private_database import (
    DEFAULT_DATABASE,
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    PROJECT_FOLDER,
    PrivateDatabaseLocation,
    try_lock,
)
from tools.dev.database_accounts import SERVICE, create_accounts, grant_privileges
from tools.dev.database_program import (
    PrivateDatabaseError,
    ServerFiles,
    ServerProgram,
    find_or_install_program,
)

ADMINISTRATOR = "root"

_START_TIMEOUT_SECONDS = 120.0
"""Long enough for a start after a crash, which first replays the log."""

_STOP_TIMEOUT_SECONDS = 60.0
_PING_TIMEOUT_SECONDS = 5
_POLL_SECONDS = 0.05
_QUOTED_LOG_LINES = 15
_EXIT_NOT_RUNNING = 3
"""The same as in ``systemctl status``."""


class PrivateDatabase(PrivateDatabaseLocation):
    """A database server with all its files in ``folder``, for the current user only.

    ``folder`` is created if it does not exist, and closed to other users. The server has a database ``database``, an
    account ``user`` with all privileges on it, and an account ``root`` without a password. Only users that may enter
    the folder can reach the socket. With a ``port``, the server also listens on that port of 127.0.0.1. ``options`` are
    additional options of the server program, and ``program`` replaces the server program that
    ``find_or_install_program`` returns.

    While the server runs, it holds the lock that ``is_running`` checks, which it inherits from the process that started
    it. A second lock lets one process at a time start or stop the server.

    As a context manager, it starts the server, and stops it at the end.
    """

    def __init__(  # noqa: PLR0913 - keyword arguments, each with a default
        self,
        folder: Path,
        *,
        database: str = DEFAULT_DATABASE,
        user: str = DEFAULT_USER,
        port: int | None = None,
        options: Sequence[str] = (),
        program: ServerProgram | None = None,
    ) -> None:
        """Set the folder and the names; nothing is started."""
        super().__init__(folder, database=database, user=user)
        self._program = program
        self._port = port
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    def service_environment(self) -> dict[str, str]:
        """Create the service's own account with the privileges in ``deploy/sql``, and return the environment to use it.

        The server must be running, and its database must be migrated.
        """
        with closing(self.connect(self.database)) as connection:
            create_accounts(connection, {SERVICE: DEFAULT_PASSWORD})
            grant_privileges(connection)
        return self.environment() | {"MYSQL_USER": SERVICE}

    def start(self) -> bool:
        """Start the server unless it is running, and wait until it accepts connections. Create its data if necessary.

        Returns whether this call started it. It did not if the server was running, or another process was starting it.

        Raises:
            PrivateDatabaseError: there is no server program, the folder cannot be used, or the server did not start
                within two minutes.
        """
        program = self._program or find_or_install_program()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except PermissionError as error:
            msg = f"{self.folder} cannot be made private to this user; it may belong to another user: {error}"
            raise PrivateDatabaseError(msg) from error
        with self._control_lock(_START_TIMEOUT_SECONDS):
            before = self._process
            try:
                has_started = self._start_server(program)
                self._create_database_and_account()
            except BaseException:
                # A server started by this call must not outlive its failure, because nobody would stop it.
                if self._process is not None and self._process is not before:
                    self._process.terminate()
                    self._process.wait()
                raise
        return has_started

    def stop(self) -> bool:
        """Shut the server down cleanly and wait until it has ended. Returns False if it was not running.

        Raises:
            PrivateDatabaseError: the server did not stop within a minute; it is left running.
        """
        return self._end(signal.SIGTERM)

    @property
    def process_id(self) -> int:
        """The process id of the running server; on Galera, of the process that keeps its nodes running."""
        return self._process_id(time.monotonic() + _STOP_TIMEOUT_SECONDS)

    def kill(self) -> bool:
        """Kill the server with SIGKILL, to simulate a crash in tests, and wait until it has ended.

        Returns False if it was not running.
        """
        return self._end(signal.SIGKILL)

    def connect(self, database: str | None = None) -> DatabaseConnection:
        """Connect as the administrator, with autocommit.

        Raises:
            pymysql.err.OperationalError: the server does not accept the connection.
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
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def _data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def _process_id_path(self) -> Path:
        return self.folder / "server.pid"

    @contextmanager
    def _control_lock(self, timeout_seconds: float) -> Iterator[None]:
        """Hold the lock that lets one process at a time start or stop the server."""
        descriptor = os.open(self.folder / "control.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + timeout_seconds
            while not try_lock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    msg = (
                        f"another process has been starting or stopping the database in {self.folder} for more than "
                        f"{timeout_seconds:.0f} s"
                    )
                    raise PrivateDatabaseError(msg)
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def _start_server(self, program: ServerProgram) -> bool:
        self._initialize(program)
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        has_started = False
        while not self._accepts_connections():
            if has_started and self._process is not None and self._process.poll() is not None:
                raise self._error(f"ended with exit code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._error(f"did not accept connections within {_START_TIMEOUT_SECONDS:.0f} s")
            # A server may be starting already: the process that started it may have been killed while it waited.
            if not has_started:
                has_started = self._spawn(program)
            time.sleep(_POLL_SECONDS)
        return has_started

    def _initialize(self, program: ServerProgram) -> None:
        """Create the data in a temporary folder and then rename it, so that incomplete data is never used."""
        if self._data_folder.exists():
            return
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        program.initialize(unfinished)
        unfinished.rename(self._data_folder)

    def _spawn(self, program: ServerProgram) -> bool:
        """Start the server process unless one is running; return whether this call started it."""
        server_lock = os.open(self.server_lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not try_lock(server_lock, fcntl.LOCK_EX):
                return False
            self._make_socket_folder()
            # A killed server leaves these behind. MySQL refuses to start if some process has the id in the old file.
            for stale in (self._process_id_path, self.socket_path, Path(f"{self.socket_path}.lock")):
                stale.unlink(missing_ok=True)
            files = ServerFiles(
                data=self._data_folder,
                socket=self.socket_path,
                process_id=self._process_id_path,
                scratch=self.folder / "tmp",
                log=self.log_path,
            )
            files.scratch.mkdir(exist_ok=True)
            command = program.command(files, self._port, self._options)
            with self.log_path.open("ab") as log:
                # A new session, so that neither Ctrl-C nor the end of the terminal reaches the server.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[server_lock],
                )
        finally:
            os.close(server_lock)
        return True

    def _make_socket_folder(self) -> None:
        folder = self.socket_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if folder.is_symlink() or state.st_uid != os.geteuid() or state.st_mode & 0o077:
            msg = f"the folder of the database's socket is not private to this user; remove {folder}"
            raise PrivateDatabaseError(msg)

    def _accepts_connections(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError as error:
            if is_unreachable(error):
                return False
            raise
        return True

    def _create_database_and_account(self) -> None:
        """Create the database and the account with all privileges on it, if they do not exist."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quote_identifier(self.database)} CHARACTER SET utf8mb4")
            except pymysql.err.MySQLError as error:
                msg = f"cannot create the database MYSQL_DB={self.database!r}: {error.args[-1]}"
                raise PrivateDatabaseError(msg) from error
            cursor.execute("SELECT 1 FROM mysql.user WHERE user = %s AND host = 'localhost'", [self.user])
            if cursor.fetchone() is None:
                cursor.execute("CREATE USER %s@'localhost' IDENTIFIED BY %s", [self.user, DEFAULT_PASSWORD])
            cursor.execute(
                f"GRANT ALL PRIVILEGES ON {quote_identifier(self.database)}.* TO %s@'localhost'", [self.user]
            )

    def _end(self, signal_number: signal.Signals) -> bool:
        if not self.folder.is_dir():
            return False
        with self._control_lock(_START_TIMEOUT_SECONDS):
            if not self.is_running():
                return False
            deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
            os.kill(self._process_id(deadline), signal_number)
            while self.is_running():
                if time.monotonic() > deadline:
                    raise self._error(f"did not stop within {_STOP_TIMEOUT_SECONDS:.0f} s")
                time.sleep(_POLL_SECONDS)
            if self._process is not None:
                self._process.wait()
                self._process = None
            if self.socket_folder != self.folder:
                shutil.rmtree(self.socket_folder, ignore_errors=True)
            return True

    def _process_id(self, deadline: float) -> int:
        """Return the process id of the running server, which writes it to a file while it starts."""
        while time.monotonic() < deadline:
            text = self._process_id_path.read_text(encoding="ascii") if self._process_id_path.exists() else ""
            if text.endswith("\n"):
                return int(text)
            time.sleep(_POLL_SECONDS)
        raise self._error(f"has not written {self._process_id_path}")

    def _error(self, failure: str) -> PrivateDatabaseError:
        """Return an error that quotes the end of the server's log."""
        log = self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""
        tail = "\n".join(log.splitlines()[-_QUOTED_LOG_LINES:])
        return PrivateDatabaseError(f"The private database {failure}. The end of its log, {self.log_path}:\n{tail}")


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.devdb", description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "status", "env"])
    parser.add_argument(
        "--folder", type=Path, default=PROJECT_FOLDER, help="folder of its files (default: %(default)s)"
    )
    parser.add_argument("--database", default=DEFAULT_DATABASE, help="name of the database (default: %(default)s)")
    arguments = parser.parse_args()
    private = PrivateDatabase(arguments.folder, database=arguments.database)
    try:
        _run(private, arguments.action)
    except PrivateDatabaseError as error:
        sys.exit(str(error))


def _run(private: PrivateDatabase, action: str) -> None:
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
