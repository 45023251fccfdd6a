"""``payments import`` during ``payments archive``: no archived row is inserted again, however the two interleave."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
import pytest

from server.config.settings import Settings
from tests.cli.conftest import HEADER, Table, csv_of, payment_line
from tests.support.databases import DatabaseServer, settings_of
from tools.database.connection import DatabaseConnection
from tools.operations import archive_statements
from tools.operations.archive import archive, unarchive
from tools.progress import show_progress
from tools.transfer.import_csv import ImportOptions, Report, import_csv
from tools.transfer.tables.batches import Outcome
from tools.transfer.tables.payment_loader import PaymentLoader

BEFORE = datetime.now(UTC) - timedelta(days=400)
EXPORT_HEADER = HEADER + ",refunded,currency,refunded_amount,requested_method,caller,request_id"
REFUND_HEADER = "refund_id,payment_id,amount,requested_amount,status,reason,caller,request_id,created_at"

Load = Callable[..., Report]


@pytest.fixture
def owner(migrated_database: dict[str, str], database_server: DatabaseServer) -> Settings:
    return settings_of({"MYSQL_PASSWORD": "", **database_server.environment(migrated_database["MYSQL_DB"])})


@pytest.fixture
def load(migrated_database: dict[str, str], tmp_path: Path) -> Load:
    def run(text: str) -> Report:
        path = tmp_path / "a.csv"
        path.write_text(text)
        with path.open("rb") as file, show_progress("test", None) as progress:
            return import_csv(
                settings_of(migrated_database), file, tmp_path / "rejects.csv", ImportOptions(), progress=progress
            )

    return run


@pytest.fixture
def old_payment(table: Table) -> None:
    """Payment 2, charged long ago for the caller ``shop`` with the request_id ``old-key``."""
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, caller, request_id)"
        " VALUES (2, 342, 100, 'UPI', 1, 'OLD', UTC_TIMESTAMP(6) - INTERVAL 500 DAY, 'shop', 'old-key')"
    )


def archive_now(owner: Settings) -> None:
    with show_progress("archive", None) as progress:
        assert archive(owner, BEFORE, pause_seconds=0, progress=progress).payments == 1


@contextmanager
def hold_locks(
    database_server: DatabaseServer, owner: Settings, statement: str, *, commit: bool = False
) -> Iterator[Callable[[Future[Report]], None]]:
    """Hold the locks of a statement, then roll it back or commit it.

    Yields a function that returns once another session waits for a lock.
    """
    with database_server.connection(owner.mysql_db) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute(statement)
        yield partial(database_server.wait_for_lock_wait, owner.mysql_db)
        (connection.commit if commit else connection.rollback)()


EXTRA = "77,342,100.00,UPI,SUCCESS,{reference},2024-01-01 00:00:00,0,INR,0.00,,{caller},{request_id}"
LINES = {
    "payment_id": EXTRA.replace("77", "2").format(reference="ANOTHER", caller="", request_id=""),
    "reference": EXTRA.format(reference="OLD", caller="", request_id=""),
    "request_id": EXTRA.format(reference="ANOTHER", caller="shop", request_id="old-key"),
}
FIRST = payment_line(1) + ",0,INR,0.00,,,"


@pytest.mark.usefixtures("old_payment")
@pytest.mark.parametrize("field", LINES)
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_payment_that_is_archived_while_an_import_waits_is_not_inserted_again(
    load: Load,
    table: Table,
    owner: Settings,
    database_server: DatabaseServer,
    tmp_path: Path,
    field: str,
    *,
    is_stored: bool,
) -> None:
    """The import waits for the row of payment 1, or for another session that inserts it and rolls back."""
    insert = "INSERT INTO payments (payment_id, order_id, method, status, reference) VALUES (1, 9, 'UPI', 1, 'ONE')"
    if is_stored:
        load(csv_of(FIRST, header=EXPORT_HEADER))
        table("UPDATE payments SET created_at = UTC_TIMESTAMP(6) WHERE payment_id = 1")
        # The archive waits until the stream has these changes, but no service relays them in this test.
        table("DELETE FROM payment_outbox")
    hold = "SELECT * FROM payments WHERE payment_id = 1 FOR UPDATE" if is_stored else insert
    with ThreadPoolExecutor(1) as threads:
        with hold_locks(database_server, owner, hold) as wait_until_blocked:
            importing = threads.submit(load, csv_of(FIRST, LINES[field], header=EXPORT_HEADER))
            wait_until_blocked(importing)
            archive_now(owner)
        report = importing.result()

    assert report.rejected == 1
    assert table("SELECT payment_id FROM payments") == [(1,)]
    assert table("SELECT payment_id FROM payments_archive") == [(2,)]
    rejects = (tmp_path / "rejects.csv").read_text().splitlines()
    assert rejects[1].startswith(f"3,{field},")
    assert "archived" in rejects[1]


@pytest.mark.parametrize("field", LINES)
def test_a_payment_that_is_archived_between_the_look_up_and_the_insert_is_rejected(
    load: Load, table: Table, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """This can happen on another node of a cluster, where the archive's table lock does not wait for the look-up."""
    original, calls = PaymentLoader._write, 0

    def write_after_archive(loader: PaymentLoader, *arguments: Any) -> None:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == 1:
            table(
                "INSERT INTO payments_archive (payment_id, order_id, method, reference, refunded, currency, "
                "refunded_amount, caller, request_id, archived_at) "
                "VALUES (2, 342, 'UPI', 'OLD', 0, 'INR', 0, 'shop', 'old-key', UTC_TIMESTAMP(6))"
            )
        original(loader, *arguments)

    load(csv_of(FIRST, header=EXPORT_HEADER))
    monkeypatch.setattr(PaymentLoader, "_write", write_after_archive)

    report = load(csv_of(FIRST, LINES[field], header=EXPORT_HEADER))

    assert (report.counts[Outcome.UNCHANGED], report.rejected, calls) == (1, 1, 2)
    assert table("SELECT payment_id FROM payments") == [(1,)]


@pytest.mark.usefixtures("old_payment")
@pytest.mark.parametrize("field", LINES)
def test_an_archived_payment_is_not_inserted_again(load: Load, table: Table, owner: Settings, field: str) -> None:
    archive_now(owner)

    report = load(csv_of(FIRST, LINES[field], header=EXPORT_HEADER))

    assert report.rejected == 1
    assert table("SELECT payment_id FROM payments") == [(1,)]


@pytest.mark.usefixtures("old_payment")
def test_an_unarchived_payment_is_recognized(load: Load, table: Table, owner: Settings) -> None:
    archive_now(owner)
    unarchive(owner, [2], lambda _: None)
    line = "2,342,100.00,UPI,SUCCESS,OLD,{},0,INR,0.00,,shop,old-key"
    ((created_at,),) = table("SELECT CAST(created_at AS CHAR) FROM payments")

    report = load(csv_of(line.format(created_at), header=EXPORT_HEADER))

    assert (report.counts.total(), report.rejected) == (1, 0)
    assert table("SELECT payment_id FROM payments") == [(2,)]


@pytest.mark.usefixtures("old_payment")
@pytest.mark.parametrize("commit", [True, False])
def test_an_import_that_waits_for_an_unarchive_inserts_nothing(
    load: Load, table: Table, owner: Settings, database_server: DatabaseServer, *, commit: bool
) -> None:
    archive_now(owner)
    ((created_at,),) = table("SELECT CAST(created_at AS CHAR) FROM payments_archive")
    line = f"2,342,100.00,UPI,SUCCESS,OLD,{created_at},0,INR,0.00,,shop,old-key"
    unarchive_statement = archive_statements.UNARCHIVE_PAYMENT % 2
    with ThreadPoolExecutor(1) as threads:
        with hold_locks(database_server, owner, unarchive_statement, commit=commit) as wait_until_blocked:
            importing = threads.submit(load, csv_of(line, header=EXPORT_HEADER))
            wait_until_blocked(importing)
        report = importing.result()

    assert (report.counts[Outcome.UNCHANGED], report.rejected) == ((1, 0) if commit else (0, 1))
    assert table("SELECT COUNT(*) FROM payments") == [(int(commit),)]


@pytest.fixture
def old_refund(table: Table) -> None:
    """Refund 5, of the whole payment 2, and payment 3, which an earlier system refunded."""
    table("UPDATE payments SET refunded = 1, refunded_amount = 100")
    table(
        "INSERT INTO refunds (refund_id, payment_id, amount, status, reason, caller, request_id, created_at) "
        "VALUES (5, 2, 100, 1, '', 'shop', 'refund-key', UTC_TIMESTAMP(6) - INTERVAL 500 DAY)"
    )
    table(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, refunded) "
        "VALUES (3, 342, 100, 'UPI', 1, 'THREE', 1)"
    )


REFUND_LINES = {
    "refund_id": "5,3,1.00,,SUCCESS,,shop,other-key,2024-01-01",
    "request_id": "6,3,1.00,,SUCCESS,,shop,refund-key,2024-01-01",
    "payment_id": "6,2,1.00,,FAILED,,shop,other-key,2024-01-01",
}


@pytest.mark.usefixtures("old_payment", "old_refund")
@pytest.mark.parametrize("field", REFUND_LINES)
def test_a_refund_with_a_key_of_an_archived_one_is_rejected(
    load: Load, table: Table, owner: Settings, tmp_path: Path, field: str
) -> None:
    archive_now(owner)

    report = load(csv_of(REFUND_LINES[field], header=REFUND_HEADER))

    assert report.rejected == 1
    assert table("SELECT COUNT(*) FROM refunds") == [(0,)]
    rejects = (tmp_path / "rejects.csv").read_text().splitlines()
    assert rejects[1].startswith(f"2,{field},")
    assert "archived" in rejects[1]


@pytest.mark.usefixtures("old_payment", "old_refund")
@pytest.mark.parametrize("field", ["refund_id", "request_id"])
def test_a_refund_that_is_archived_while_an_import_waits_is_not_inserted_again(
    load: Load, table: Table, owner: Settings, database_server: DatabaseServer, field: str
) -> None:
    """The import has looked in the archive, and waits for another session that inserts refund 4 and rolls back."""
    table("INSERT INTO payments (payment_id, order_id, amount, method, status) VALUES (4, 342, 100, 'UPI', 1)")
    insert = (
        "INSERT INTO refunds (refund_id, payment_id, amount, status, reason, caller, request_id, created_at) "
        "VALUES (4, 4, 1, 1, '', 'x', 'x', UTC_TIMESTAMP(6))"
    )
    lines = ("4,3,1.00,,SUCCESS,,shop,first,2024-01-01", REFUND_LINES[field])
    with ThreadPoolExecutor(1) as threads:
        with hold_locks(database_server, owner, insert) as wait_until_blocked:
            importing = threads.submit(load, csv_of(*lines, header=REFUND_HEADER))
            wait_until_blocked(importing)
            archive_now(owner)
        report = importing.result()

    assert report.rejected == 1
    assert table("SELECT refund_id FROM refunds") == [(4,)]


@pytest.mark.usefixtures("old_payment", "old_refund")
def test_a_payment_is_not_archived_while_its_refunds_are_imported(
    load: Load, table: Table, owner: Settings, database_server: DatabaseServer
) -> None:
    table("UPDATE payments SET refunded_amount = 100, created_at = NULL WHERE payment_id = 3")
    table("UPDATE refunds SET amount = 99")
    with ThreadPoolExecutor(1) as threads:
        with hold_locks(
            database_server, owner, "SELECT * FROM payments WHERE payment_id = 3 FOR UPDATE"
        ) as wait_until_blocked:
            lines = ("6,2,1.00,,SUCCESS,,shop,other-key,2024-01-01", "7,3,1.00,,SUCCESS,,shop,key,2024-01-01")
            importing = threads.submit(load, csv_of(*lines, header=REFUND_HEADER))
            wait_until_blocked(importing)
            with show_progress("archive", None) as progress:
                assert archive(owner, BEFORE, pause_seconds=0, progress=progress).in_use == 1
        report = importing.result()

    assert (report.counts.total(), report.rejected) == (2, 0)
    assert table("SELECT refund_id FROM refunds ORDER BY 1") == [(5,), (6,), (7,)]


def test_a_batch_that_another_node_aborts_at_its_commit_is_loaded_again(
    load: Load, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = pymysql.connections.Connection.commit
    aborted: list[object] = []

    def abort_first(connection: DatabaseConnection) -> None:
        if not aborted:
            aborted.append(connection)
            connection.rollback()
            raise pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")
        commit(connection)

    monkeypatch.setattr(pymysql.connections.Connection, "commit", abort_first)

    assert load(csv_of(payment_line(7))).counts == {Outcome.INSERTED: 1}
    assert len(aborted) == 1
    assert table("SELECT COUNT(*) FROM payments") == [(1,)]
    assert table("SELECT COUNT(*) FROM payment_outbox") == [(1,)]
