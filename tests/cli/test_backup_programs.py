"""Which client programs back up and restore which servers, over TCP, as ``docs/operations/backup.md`` says.

The tests use the installed database, and those that ``DATABASE=mariadb11`` and ``DATABASE=mysql`` have unpacked.
"""

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.config.settings import Settings
from tests.support import tidb
from tests.support.databases import settings_of
from tests.support.ports import free_port
from tools.database.connection import connect, execute
from tools.database.migrations import migrate
from tools.dev.database_program import ServerProgram, program_in
from tools.dev.devdb import PrivateDatabase
from tools.dev.unpacked_database import RELEASES, programs_folder
from tools.operations.backup.backup import back_up
from tools.operations.backup.backup_file import BackupError
from tools.operations.backup.client_programs import ClientProgramError
from tools.operations.backup.restore import restore
from tools.operations.sample_data import insert_sample_payments

INSTALLED = "installed"
MARIADB_SERVERS = (INSTALLED, "mariadb11")
SERVERS = (*MARIADB_SERVERS, "mysql")
PROGRAMS = ("mariadb-dump", "mariadb", "mysqldump", "mysql")

PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])

Rows = dict[str, list[tuple[object, ...]]]
UsePrograms = Callable[[str], None]


def folders_of(name: str) -> list[Path]:
    """Return the folders with the programs of a database."""
    if name == INSTALLED:
        unpacked = {programs_folder(release) for release in RELEASES}
        return [folder for folder in map(Path, PATH.split(os.pathsep)) if folder not in unpacked]
    return [programs_folder(name)]


def server_program(name: str) -> ServerProgram:
    """Return the server program of a database; skip the test if there is none, or the installed one is not MariaDB."""
    found = next(filter(None, map(program_in, folders_of(name))), None)
    if found is None or found.is_mariadb != (name in MARIADB_SERVERS):
        pytest.skip(f"the database {name!r} is not unpacked: run the tests with DATABASE={name}")
    return found


def available_clients() -> list[str]:
    """Return the databases whose client programs are on this machine."""
    dumps = {name: "mariadb-dump" if name in MARIADB_SERVERS else "mysqldump" for name in SERVERS}
    return [name for name, dump in dumps.items() if dump in client_programs(name)]


def client_programs(name: str) -> dict[str, str]:
    """Return the paths of the client programs of a database, by name."""
    path = os.pathsep.join(map(str, folders_of(name)))
    return {program: found for program in PROGRAMS if (found := shutil.which(program, path=path)) is not None}


@pytest.fixture
def use_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> UsePrograms:
    """Return a function that leaves only the client programs of one database on the PATH."""

    def use(name: str) -> None:
        folder = tmp_path / f"programs of {name}"
        if not folder.exists():
            folder.mkdir()
            for program, path in client_programs(name).items():
                (folder / program).symlink_to(path)
        monkeypatch.setenv("PATH", str(folder))

    return use


@dataclass(frozen=True)
class Server:
    """A running server with some payments, and the settings to reach it over TCP with a password."""

    private: PrivateDatabase
    settings: Settings

    def rows(self) -> Rows:
        """Return all rows of all tables."""
        with closing(connect(self.settings)) as connection:
            tables = sorted(table for (table,) in execute(connection, "SHOW TABLES"))
            return {table: sorted(execute(connection, f"SELECT * FROM {table}"), key=str) for table in tables}

    def change(self) -> None:
        """Change every payment."""
        with closing(connect(self.settings)) as connection:
            execute(connection, "UPDATE payments SET order_id = order_id + 1")


@contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    port = free_port()
    options = ("--log-bin=binlog", "--server-id=1")
    with PrivateDatabase(folder, port=port, options=options, program=server_program(name)) as private:
        with private.connect() as connection:
            execute(connection, f"GRANT RELOAD, REPLICATION CLIENT ON *.* TO {private.user}@localhost")
        environment = {**private.environment(), "MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(port)}
        del environment["MYSQL_SOCKET"]
        settings = settings_of(environment)
        migrate(settings, report=lambda _: None)
        with closing(connect(settings)) as connection:
            insert_sample_payments(connection, 50, seed=1, now=datetime.now(UTC), report=lambda _: None)
        yield Server(private, settings)


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
def test_each_pair_of_programs_restores_the_backups_of_each_other(
    name: str, tmp_path: Path, use_programs: UsePrograms
) -> None:
    clients = [client for client in available_clients() if client != "mysql" or name == "mysql"]
    with running(name, tmp_path / "server") as server:
        expected = server.rows()
        for dumped_by in clients:
            use_programs(dumped_by)
            back_up(server.settings, tmp_path / dumped_by)
            for restored_by in clients:
                server.change()
                use_programs(restored_by)
                restore(server.settings, tmp_path / dumped_by, overwrite=True)
                assert server.rows() == expected, (dumped_by, restored_by)


def failure_of_backup(settings: Settings, path: Path) -> str | None:
    """Make a backup with its position in the binary log; return the message if the client program fails."""
    try:
        back_up(settings, path, with_position=True)
    except ClientProgramError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", SERVERS)
def test_programs_record_the_position_in_the_binary_log_or_say_which_to_install(
    name: str, tmp_path: Path, use_programs: UsePrograms
) -> None:
    with running(name, tmp_path / "server") as server:
        for client in {name, INSTALLED}.intersection(available_clients()):
            use_programs(client)
            failure = failure_of_backup(server.settings, tmp_path / client)
            if failure is None:
                assert b"_LOG_POS=" in gzip.decompress((tmp_path / client).read_bytes())
            else:
                assert client != name, failure
                assert "the server is MySQL: install mysqldump and mysql" in failure


@pytest.mark.parametrize("name", MARIADB_SERVERS)
def test_mysql_programs_cannot_log_in_to_mariadb_and_leave_everything_unchanged(
    name: str, tmp_path: Path, use_programs: UsePrograms
) -> None:
    if "mysql" not in available_clients():
        pytest.skip("the programs of MySQL are not unpacked: run the tests with DATABASE=mysql")
    with running(name, tmp_path / "server") as server:
        use_programs(name)
        back_up(server.settings, tmp_path / "copy")
        use_programs("mysql")
        advice = "It is MySQL's program, and the server is MariaDB: install mariadb-dump and mariadb"

        with pytest.raises(ClientProgramError, match=advice):
            back_up(server.settings, tmp_path / "other")
        before = server.rows()
        with pytest.raises(ClientProgramError, match=advice):
            restore(server.settings, tmp_path / "copy", overwrite=True)

        assert not (tmp_path / "other").exists()
        assert server.rows() == before


@pytest.mark.long
def test_backups_move_between_versions_of_mariadb_in_both_directions(tmp_path: Path, use_programs: UsePrograms) -> None:
    older, newer = MARIADB_SERVERS
    with running(older, tmp_path / older) as old_server, running(newer, tmp_path / newer) as new_server:
        expected = old_server.rows()
        use_programs(older)
        back_up(old_server.settings, tmp_path / "copy")
        use_programs(newer)
        restore(new_server.settings, tmp_path / "copy", overwrite=True)
        assert new_server.rows() == expected

        back_up(new_server.settings, tmp_path / "newer copy")
        old_server.change()
        use_programs(older)
        restore(old_server.settings, tmp_path / "newer copy", overwrite=True)
        assert old_server.rows() == expected


@pytest.mark.skipif(not tidb.IS_SELECTED, reason="for DATABASE=tidb")
def test_a_backup_of_tidb_is_refused_before_a_file_is_made(migrated_database: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="Use TiDB's own BR or Dumpling"):
        back_up(settings_of(migrated_database), tmp_path / "backup.sql.gz")
    assert not list(tmp_path.iterdir())
