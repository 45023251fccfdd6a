"""The private database is started once, is as durable as a production server, and is closed to other users."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from tests.support.ports import free_port
from tools.dev.database_program import PrivateDatabaseError
from tools.dev.devdb import PrivateDatabase


@pytest.fixture
def private(tmp_path: Path) -> Iterator[PrivateDatabase]:
    database = PrivateDatabase(tmp_path / "devdb")
    yield database
    database.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateDatabase]:
    """A running database, for tests that only read."""
    with PrivateDatabase(tmp_path_factory.mktemp("running"), database="shop", user="clerk") as database:
        yield database


def command(folder: Path, action: str) -> list[str]:
    return [sys.executable, "-m", "tools.dev.devdb", action, "--folder", str(folder)]


def process_id(private: PrivateDatabase) -> int:
    return int((private.folder / "server.pid").read_text())


def test_a_second_start_finds_the_running_database(private: PrivateDatabase) -> None:
    assert private.start()
    first = process_id(private)

    assert not private.start()
    assert not PrivateDatabase(private.folder).start()
    assert process_id(private) == first


def test_rows_survive_a_kill_9_of_the_server(private: PrivateDatabase) -> None:
    private.start()
    with closing(private.connect("ecommerce")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (value INT)")
        cursor.execute("INSERT INTO kept VALUES (42)")
        os.kill(process_id(private), signal.SIGKILL)

    assert private.start()
    with closing(private.connect("ecommerce")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT value FROM kept")
        assert cursor.fetchall() == ((42,),)


def test_two_processes_that_start_it_at_the_same_time_share_one_server_which_outlives_them(
    private: PrivateDatabase,
) -> None:
    starting = [subprocess.Popen(command(private.folder, "start"), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in starting]

    assert [process.returncode for process in starting] == [0, 0]
    assert sorted(output.split(":")[0] for output in outputs) == ["already running", "started"]
    assert private.is_running()
    private.connect().close()


def test_stop_returns_whether_it_was_running(private: PrivateDatabase) -> None:
    assert not private.stop()
    private.start()

    assert private.stop()
    assert not private.is_running()
    assert not private.stop()


def test_the_process_id_left_by_a_killed_server_is_not_trusted(private: PrivateDatabase) -> None:
    private.start()
    private.kill()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (private.folder / "server.pid").write_text(f"{bystander.pid}\n")

        assert not private.stop()
        assert bystander.poll() is None
        bystander.kill()


def test_incomplete_data_is_not_used(private: PrivateDatabase) -> None:
    unfinished = private.folder / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "ibdata1").write_bytes(b"half")

    assert private.start()


def test_the_socket_is_in_a_private_folder_elsewhere_if_its_path_would_be_too_long(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["deep" * 5] * 5)
    with PrivateDatabase(folder) as private:
        socket_folder = private.socket_path.parent
        assert PrivateDatabase(folder).socket_path == private.socket_path
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        private.connect().close()
    assert not socket_folder.exists()


def test_a_socket_folder_that_others_may_enter_is_rejected(tmp_path: Path) -> None:
    private = PrivateDatabase(tmp_path.joinpath(*["deep" * 5] * 5))
    socket_folder = private.socket_path.parent
    socket_folder.mkdir()
    socket_folder.chmod(0o755)
    try:
        with pytest.raises(PrivateDatabaseError, match="not private"):
            private.start()
    finally:
        socket_folder.rmdir()


def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    private = PrivateDatabase(tmp_path, options=["--socket=/proc/no-such-folder/socket"])

    with pytest.raises(PrivateDatabaseError, match=r"(?s)exit code.*server\.log.*/no-such-folder"):
        private.start()


def test_the_folder_is_closed_to_other_users(running: PrivateDatabase) -> None:
    assert running.folder.stat().st_mode & 0o777 == 0o700


def test_it_is_durable_and_strict(running: PrivateDatabase) -> None:
    with closing(running.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT CAST(@@innodb_flush_log_at_trx_commit AS SIGNED), @@innodb_doublewrite <> 'OFF',"
            " @@character_set_server, @@sql_mode LIKE '%STRICT_TRANS_TABLES%'"
        )
        assert cursor.fetchone() == (1, 1, "utf8mb4", 1)


def listening_ports(process: int) -> list[str]:
    """Return the local addresses, in hexadecimal, at which a process accepts TCP connections."""
    rows = [
        row.split()
        for name in ("tcp", "tcp6")
        for row in Path(f"/proc/{process}/net/{name}").read_text(encoding="ascii").splitlines()[1:]
    ]
    files = {str(file.readlink()) for file in Path(f"/proc/{process}/fd").iterdir()}
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in files]


def test_it_listens_on_no_port(running: PrivateDatabase) -> None:
    assert listening_ports(process_id(running)) == []


def test_it_listens_on_a_port_of_the_loopback_address(tmp_path: Path) -> None:
    port = free_port()
    with PrivateDatabase(tmp_path / "devdb", port=port) as database:
        assert listening_ports(process_id(database)) == [f"0100007F:{port:04X}"]


def test_a_transaction_over_several_tables_survives_a_kill_9_as_a_whole(private: PrivateDatabase) -> None:
    private.start()
    with closing(private.connect("ecommerce")) as connection, connection.cursor() as cursor:
        for table in ("first", "second", "third"):
            cursor.execute(f"CREATE TABLE {table} (value INT)")
        for number in range(20):
            connection.begin()
            for table in ("first", "second", "third"):
                cursor.execute(f"INSERT INTO {table} VALUES ({number})")
            connection.commit()
        private.kill()

    private.start()
    with closing(private.connect("ecommerce")) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT COUNT(*) FROM first), (SELECT COUNT(*) FROM second), (SELECT COUNT(*) FROM third)"
        )
        assert cursor.fetchone() == (20, 20, 20)


def test_the_account_has_privileges_on_its_database_only(running: PrivateDatabase) -> None:
    environment = running.environment()
    password = environment.pop("MYSQL_PASSWORD")
    assert environment == {"MYSQL_SOCKET": str(running.socket_path), "MYSQL_USER": "clerk", "MYSQL_DB": "shop"}
    socket = environment["MYSQL_SOCKET"]
    with closing(pymysql.connect(unix_socket=socket, user="clerk", password=password, database="shop")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE mine (value INT)")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            connection.select_db("mysql")


def test_env_prints_commands_for_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    script = f'eval "$({sys.executable} -m tools.dev.devdb env --folder "$1")"; echo "$MYSQL_SOCKET"'
    shell = ["sh", "-c", script, "sh", str(folder)]

    output = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert output == f"{folder}/server.sock\n"


def test_status_exits_with_3_if_it_is_not_running(tmp_path: Path) -> None:
    status = subprocess.run(command(tmp_path / "none", "status"), capture_output=True, text=True, check=False)

    assert (status.returncode, status.stdout) == (3, "not running\n")
