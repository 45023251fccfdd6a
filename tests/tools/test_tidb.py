"""The private TiDB keeps what was committed, and reads from a snapshot in both directions of an index."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.tidb import IS_SELECTED
from tools.database.connection import execute
from tools.dev.devdb import PrivateDatabase

pytestmark = [pytest.mark.skipif(not IS_SELECTED, reason="for DATABASE=tidb"), pytest.mark.timeout(300)]

_READS = 200


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PrivateDatabase]:
    with PrivateDatabase(tmp_path / "devdb") as database:
        with closing(database.connect(database.database)) as connection:
            execute(
                connection,
                "CREATE TABLE things (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6), text CHAR(9), KEY (at))",
            )
        yield database


def test_it_keeps_its_rows_when_it_is_killed(database: PrivateDatabase) -> None:
    with closing(database.connect(database.database)) as connection:
        execute(connection, "INSERT INTO things (at) VALUES (NOW(6))")

    database.kill()
    database.start()

    with closing(database.connect(database.database)) as connection:
        assert execute(connection, "SELECT COUNT(*) FROM things") == ((1,),)


def test_the_newest_rows_can_be_read_while_rows_are_inserted(database: PrivateDatabase) -> None:
    """See ``tools.dev.tidb``: its embedded storage had index entries of a later time than their rows."""
    is_over = threading.Event()

    def insert() -> None:
        with closing(database.connect(database.database)) as connection:
            while not is_over.is_set():
                execute(connection, "INSERT INTO things (at) VALUES (NOW(6)), (NOW(6))")

    threads = [threading.Thread(target=insert) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with closing(database.connect(database.database)) as connection:
            for _ in range(_READS):
                # The index does not have all columns, so that the rows are read too.
                execute(connection, "SELECT * FROM things FORCE INDEX (at) ORDER BY at DESC LIMIT 50")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
