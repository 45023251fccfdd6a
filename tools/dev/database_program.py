"""Find or install the server program of the private database, and initialize its data folder.

MariaDB's ``mariadbd`` is preferred; MySQL's ``mysqld`` works too. ``DATABASE`` selects another server instead
(``tools.dev.selected_database``).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.dev import tidb
from tools.dev.free_ports import free_ports
from tools.dev.galera_nodes import Node
from tools.dev.selected_database import selected_programs
from tools.dev.system_package import ProgramFailed, find_or_install, run

_NAMES = ("mariadbd", "mysqld")
_FOLDERS_OFF_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin", "/usr/local/bin")
"""Folders in which packages install server programs, and which are often not on the PATH."""

_SCRIPT_FOLDERS = ("share/mysql", "share/mariadb", "share", "usr/share/mariadb")
"""Folders below the program's prefix in which MariaDB has the SQL that creates its system tables.

The last is where an unpacked MariaDB has it.
"""

_SCRIPT_PREFIXES = ("mariadb", "mysql")
"""MariaDB 11 renamed ``mysql_system_tables.sql`` and its siblings."""

_SERVER_OPTIONS = (
    "--character-set-server=utf8mb4",
    "--max-connections=1000",  # enough for the services of many tests
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-autoinc-lock-mode=2",
    "--innodb-doublewrite=1",
    "--skip-log-bin",
)

_GALERA_PROVIDER = "usr/lib/galera/libgalera_smm.so"
_GALERA_OPTIONS = (
    "--wsrep-on=ON",
    "--wsrep-cluster-name=private",
    "--wsrep-sst-method=ist",
    "--plugin-wsrep-provider=OFF",  # would replace the option wsrep_provider_options by variables that lack some
    "--binlog-format=ROW",
)

_TIDB_CONFIGURATION = Path(__file__).with_name("tidb.toml")
_PACKAGE = "mariadb-server-core"
_INITIALIZE_TIMEOUT_SECONDS = 120

_INSTALL_ADVICE = f"""\
No database server program (mariadbd or mysqld) is installed on this machine. Install one with one of:
  Debian, Ubuntu:  sudo apt-get install --no-install-recommends {_PACKAGE}
  Fedora, RHEL:    sudo dnf install mariadb-server
  macOS:           brew install mariadb
Or set MYSQL_HOST (and MYSQL_USER, MYSQL_PASSWORD) to use a database server elsewhere."""


class PrivateDatabaseError(Exception):
    """The private database is not available; the message gives the reason and says what to do."""


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """The files of a private server: its data, its socket, the file with its process id, a scratch folder, its log."""

    data: Path
    socket: Path
    process_id: Path
    scratch: Path
    log: Path


class ServerProgram(Protocol):
    """A database server program."""

    @property
    def path(self) -> Path:
        """The program."""

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB."""

    def initialize(self, data_folder: Path) -> None:
        """Create the system tables in ``data_folder``, which must exist and be empty. ``root`` gets no password.

        Raises:
            PrivateDatabaseError: the program failed; the message quotes its output.
        """

    def command(self, files: ServerFiles, port: int | None, options: Sequence[str]) -> list[str]:
        """Return the command that runs the server until it is terminated.

        The server listens on the socket, and on ``port`` of 127.0.0.1 if it is given. It writes its process id, and a
        line feed, to a file. ``options`` are further options of the program.
        """


@dataclass(frozen=True, slots=True)
class DatabaseProgram:
    """A database server program of MariaDB or MySQL."""

    path: Path
    is_mariadb: bool

    def command(self, files: ServerFiles, port: int | None, options: Sequence[str]) -> list[str]:
        """Return the command that runs the server: see ``ServerProgram.command``."""
        network = ["--skip-networking"] if port is None else ["--bind-address=127.0.0.1", f"--port={port}"]
        return [
            str(self.path),
            *self.options(),
            f"--datadir={files.data}",
            f"--socket={files.socket}",
            f"--pid-file={files.process_id}",
            f"--tmpdir={files.scratch}",
            *network,
            *_SERVER_OPTIONS,
            *options,
        ]

    def options(self) -> list[str]:
        """Return the options for every run, which make the server ignore the machine's own configuration.

        A server that is started as root refuses to run without ``--user=root``.
        """
        return [
            "--no-defaults",
            *(["--user=root"] if os.geteuid() == 0 else []),
            # The X protocol of MySQL would open another socket, in a folder that all users share.
            *([] if self.is_mariadb else ["--mysqlx=OFF"]),
        ]

    def initialize(self, data_folder: Path) -> None:
        """Create the system tables: see ``ServerProgram.initialize``.

        This does the work of ``mariadb-install-db``, which does not run with only Debian's ``mariadb-server-core``: it
        needs ``my_print_defaults`` from another package.
        """
        # Not in /tmp itself, because a starting server deletes all temporary tables in its --tmpdir, even those of
        # other servers.
        with tempfile.TemporaryDirectory() as scratch:
            command = [str(self.path), *self.options(), f"--datadir={data_folder}", f"--tmpdir={scratch}"]
            if self.is_mariadb:
                _run([*command, "--bootstrap", "--log-warnings=0"], self._system_tables())
            else:
                _run([*command, "--initialize-insecure"], "")

    def _system_tables(self) -> str:
        """Return the SQL for a bootstrap run, which ends each statement at the end of a line."""
        folders = [self.path.resolve().parent.parent / folder for folder in _SCRIPT_FOLDERS]
        for folder in folders:
            for prefix in _SCRIPT_PREFIXES:
                parts = ("system_tables", "performance_tables", "system_tables_data")
                scripts = [folder / f"{prefix}_{part}.sql" for part in parts]
                if all(script.is_file() for script in scripts):
                    # mariadb-install-db sets this variable for a `root` without a password.
                    start = "create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n"
                    return start + "\n".join(script.read_text(encoding="utf-8") for script in scripts) + "\n"
        searched = ", ".join(str(folder) for folder in folders)
        msg = f"cannot find the mysql_system_tables.sql of {self.path} (searched {searched})"
        raise PrivateDatabaseError(msg)


@dataclass(frozen=True, slots=True)
class TidbProgram:
    """TiDB's server program, with its embedded storage."""

    path: Path
    is_mariadb = False

    def initialize(self, data_folder: Path) -> None:
        """Create nothing, because the first run does."""

    def command(self, files: ServerFiles, port: int | None, options: Sequence[str]) -> list[str]:
        """Return the command that runs the server: see ``ServerProgram.command``."""
        # The shell writes the process id, which TiDB does not. TMPDIR is for a folder that servers cannot share.
        launcher = ["env", f"TMPDIR={files.scratch}", "sh", "-c", 'echo $$ > "$0" && exec "$@"', str(files.process_id)]
        return [
            *launcher,
            str(self.path),
            "-store=unistore",
            f"-path={files.data}",
            f"-socket={files.socket}",
            "-host=127.0.0.1",
            f"-P={port or 0}",  # with port 0, it listens on the socket only
            "-report-status=false",
            f"-temp-dir={files.scratch}",
            f"-log-file={files.log}",
            f"-log-slow-query={files.log.with_name('slow.log')}",
            "-L=warn",
            f"-config={_TIDB_CONFIGURATION}",
            *options,
        ]


@dataclass(frozen=True, slots=True)
class GaleraProgram:
    """MariaDB as three nodes of a Galera cluster. Node 1 is the server; node ``n`` listens on 127.0.0.n."""

    server: DatabaseProgram
    provider: Path
    is_mariadb = True

    @property
    def path(self) -> Path:
        """The program of each node."""
        return self.server.path

    def initialize(self, data_folder: Path) -> None:
        """Create the system tables: see ``ServerProgram.initialize``."""
        first = _node_folders(data_folder)[0]
        first.mkdir()
        self.server.initialize(first)

    def command(self, files: ServerFiles, port: int | None, options: Sequence[str]) -> list[str]:
        """Return the command that runs the server: see ``ServerProgram.command``."""
        group_ports = free_ports(2 * len(_node_folders(files.data)))
        listening = [f"127.0.0.1:{group_port}" for group_port in group_ports[::2]]
        nodes = []
        for number, data in enumerate(_node_folders(files.data), start=1):
            node_files = ServerFiles(
                data=data,
                socket=files.socket.with_name(f"{files.socket.name}{number}"),
                process_id=files.data / f"{data.name}.pid",
                scratch=files.scratch / data.name,
                log=files.log,
            )
            node_files.scratch.mkdir(exist_ok=True)
            address, transfer_port = listening[number - 1], group_ports[2 * number - 1]
            provider_options = {
                "gmcast.listen_addr": f"tcp://{address}",
                "ist.recv_addr": f"127.0.0.1:{transfer_port}",
                "gcache.size": "256M",
            }
            node_options = [
                *(() if port is None else [f"--bind-address=127.0.0.{number}"]),
                *_GALERA_OPTIONS,
                f"--wsrep-provider={self.provider}",
                f"--wsrep-cluster-address=gcomm://{','.join(listening)}",
                f"--wsrep-node-name={data.name}",
                f"--wsrep-node-address={address}",
                f"--wsrep-provider-options={';'.join(f'{name}={value}' for name, value in provider_options.items())}",
                *options,
            ]
            nodes.append(Node(data, node_files.socket, self.server.command(node_files, port, node_options)))
        descriptions = [json.dumps(node.to_json()) for node in nodes]
        search_path = f"PATH={Path(__file__).parent}{os.pathsep}{os.environ['PATH']}"  # of wsrep_sst_ist
        keeper = [sys.executable, "-m", "tools.dev.galera_nodes", str(files.process_id), str(files.socket)]
        return ["env", search_path, *keeper, *descriptions]


def _node_folders(data_folder: Path) -> list[Path]:
    return [data_folder / f"node{number}" for number in (1, 2, 3)]


def program_in(folder: Path) -> ServerProgram | None:
    """Return the server program in a folder, or None if there is none."""
    if (folder / tidb.SERVER).exists():
        return TidbProgram(folder / tidb.SERVER)
    program, provider = _first_program([str(folder)]), folder.parent / _GALERA_PROVIDER
    return GaleraProgram(program, provider) if program and provider.exists() else program


def find_program() -> DatabaseProgram | None:
    """Return the server program on this machine, or None if there is none."""
    return _first_program([os.environ.get("PATH", os.defpath), *_FOLDERS_OFF_PATH])


def find_or_install_program() -> ServerProgram:
    """Return the server program to use: the one that ``DATABASE`` selects, or else the one on this machine.

    The selected one is unpacked or built if necessary, and a missing one is installed with apt.

    Raises:
        PrivateDatabaseError: there is none, and it cannot be installed, unpacked or built; the message says what to do.
    """
    try:
        if folder := selected_programs():
            program = program_in(folder)
            assert program is not None
            return program
        return find_or_install(find_program, _PACKAGE, "only the programs, without a system service", _INSTALL_ADVICE)
    except ProgramFailed as error:
        raise PrivateDatabaseError(str(error)) from None


def _first_program(folders: Sequence[str]) -> DatabaseProgram | None:
    for name in _NAMES:
        path = shutil.which(name, path=os.pathsep.join(folders))
        if path is not None:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            return DatabaseProgram(Path(path), is_mariadb="mariadb" in version.lower())
    return None


def _run(command: list[str], standard_input: str) -> None:
    try:
        run(command, standard_input=standard_input, timeout_seconds=_INITIALIZE_TIMEOUT_SECONDS)
    except ProgramFailed as error:
        raise PrivateDatabaseError(str(error)) from None
