"""``payments archive`` moves old payments, and affects callers only as ``docs/operations/retention.md`` describes."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import grpc
import pymysql
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.settings import Settings
from server.domain.dispute import Dispute, DisputeStatus
from server.storage.payments import insert_queries
from server.storage.payments.late_codec import dispute_to_json
from tests.cli.conftest import Payments, Table
from tests.support.databases import Accounts, DatabaseServer, settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.requests import charge, new_order_id, new_request_id, refund
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb
from tools.database.connection import DatabaseConnection, connect, execute
from tools.database.maintenance_locks import ARCHIVING, LockHeld, LockLost, MaintenanceLock, maintenance_lock
from tools.dev.database_accounts import ARCHIVER, grant_privileges
from tools.operations import archive as archive_tool
from tools.operations import archive_statements
from tools.operations.archive import ArchiveError, archive
from tools.progress import show_progress

OLD = "UTC_TIMESTAMP(6) - INTERVAL 500 DAY"
BEFORE = datetime.now(UTC) - timedelta(days=400)


@pytest.fixture
def service(start_service: Callable[..., RunningService]) -> RunningService:
    return start_service(EVENT_RELAY_INTERVAL_SECONDS="0.05")


@pytest.fixture
def calls(service: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(service.target) as channel:
        yield GrpcDriver(channel)


@pytest.fixture
def backdate_rows(table: Table) -> Callable[[], None]:
    """Make all stored rows 500 days old, once the event stream has caught up."""

    def backdate_rows() -> None:
        for _ in range(600):
            if table("SELECT COUNT(*) FROM payment_outbox") == [(0,)]:
                break
            time.sleep(0.05)
        table(f"UPDATE payments SET created_at = {OLD}")
        table(f"UPDATE refunds SET created_at = {OLD}")
        table(f"UPDATE payment_events SET occurred_at = {OLD}")

    return backdate_rows


@pytest.fixture
def run_archive(payments: Payments, accounts: Accounts, migrated_database: dict[str, str]) -> Callable[..., str]:
    """Run ``payments archive`` with its own account, and return its output."""

    def run_archive(*arguments: str, command: str = "archive") -> str:
        account = accounts.environment(migrated_database["MYSQL_DB"], ARCHIVER)
        run = payments(command, *(arguments or ("--before", "400d")), **account)
        assert run.returncode == 0, run.stderr
        return run.stdout

    return run_archive


@pytest.fixture
def owner(migrated_database: dict[str, str], database_server: DatabaseServer) -> Settings:
    """Return settings for an account with all rights."""
    return settings_of({"MYSQL_PASSWORD": "", **database_server.environment(migrated_database["MYSQL_DB"])})


@pytest.fixture
def after_selection(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen once an archive has selected its payments, and before it moves them."""
    wait_for_stream = archive_tool._Archiver._wait_for_stream

    def after_selection(happen: Callable[[], object]) -> None:
        def wait_and_let_it_happen(archiver: archive_tool._Archiver) -> None:
            wait_for_stream(archiver)
            happen()

        monkeypatch.setattr(archive_tool._Archiver, "_wait_for_stream", wait_and_let_it_happen)

    return after_selection


def failure(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(CallFailed) as failed:
        call()
    return failed.value.code, failed.value.reason


def test_a_repeated_charge_or_refund_of_an_archived_payment_returns_its_first_outcome(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str], table: Table
) -> None:
    charges = [charge(request_id=new_request_id()) for _ in range(5)]
    charge_responses = [calls.charge(request) for request in charges]
    ids = [response.payment.payment_id for response in charge_responses]
    refunds = [refund(payment_id, "1.00", request_id=new_request_id()) for payment_id in ids]
    refund_responses = [calls.refund(request) for request in refunds]
    backdate_rows()
    before = [calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)) for payment_id in ids]

    assert run_archive() == "archived: 5 payments, 5 refunds, 10 events\n"

    for name in ("payments", "refunds", "payment_events"):
        assert table(f"SELECT COUNT(*) FROM {name}") == [(0,)]
        assert table(f"SELECT COUNT(*) FROM {name}_archive") == [(10 if name == "payment_events" else 5,)]
    for request, first, details in zip(charges, charge_responses, before, strict=True):
        assert calls.charge(request).payment == details.payment
        assert details.payment.payment_id == first.payment.payment_id
    batch = pb.BatchChargeRequest(charges=charges)
    assert [result.payment for result in calls.batch_charge(batch).results] == [details.payment for details in before]
    for refund_request, response, details in zip(refunds, refund_responses, before, strict=True):
        again = calls.refund(refund_request)
        assert again.refund.refund_id == response.refund.refund_id
        assert again.payment == details.payment
    other = charge(request_id=charges[0].request_id)
    assert failure(lambda: calls.charge(other)) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    live = calls.charge(charge()).payment.payment_id
    reused = refund(live, "1.00", request_id=refunds[0].request_id)
    assert failure(lambda: calls.refund(reused)) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert table("SELECT COUNT(*) FROM payments") == [(1,)]


def test_archived_payments_whose_references_differ_only_in_trailing_spaces_are_told_apart(
    calls: GrpcDriver, run_archive: Callable[..., str], table: Table
) -> None:
    references = {1: "R", 2: "R ", 3: "r"}
    for payment_id, reference in references.items():
        table(
            "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at) "
            f"VALUES (%s, 1, 1, 'UPI', 1, %s, {OLD})",
            payment_id,
            reference,
        )

    assert run_archive() == "archived: 3 payments, 0 refunds, 0 events\n"

    for payment_id, reference in references.items():
        found = calls.get_payment(pb.GetPaymentRequest(reference=reference)).payment
        assert (found.payment_id, found.reference) == (payment_id, reference)
        run_archive(str(payment_id), command="unarchive")
        assert calls.get_payment(pb.GetPaymentRequest(reference=reference)).payment == found


def test_an_archived_payment_can_be_read_but_not_refunded_until_it_is_unarchived(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str], table: Table
) -> None:
    payment_id = calls.charge(charge()).payment.payment_id
    key = new_request_id()
    calls.refund(refund(payment_id, "1.00", request_id=key))
    declined = calls.charge(charge(method=pb.PAYMENT_METHOD_CARD)).payment.payment_id
    whole = calls.charge(charge()).payment.payment_id
    last = calls.refund(refund(whole)).refund.refund_id
    backdate_rows()
    before = calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id))
    history = pb.ListPaymentEventsRequest(payment_id=payment_id)
    events = calls.list_payment_events(history)
    assert len(events.events) == 2
    run_archive()

    assert calls.list_payment_events(history) == events
    assert calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)) == before
    assert calls.get_payment(pb.GetPaymentRequest(reference=before.payment.reference)) == before
    assert failure(lambda: calls.refund(refund(payment_id))) == ("FAILED_PRECONDITION", "PAYMENT_ARCHIVED")
    assert failure(lambda: calls.refund(refund(payment_id, "99999"))) == (
        "FAILED_PRECONDITION",
        "REFUND_EXCEEDS_PAYMENT",
    )
    assert failure(lambda: calls.refund(refund(declined))) == ("FAILED_PRECONDITION", "PAYMENT_FAILED")
    assert calls.refund(refund(whole)).refund.refund_id == last
    assert failure(lambda: calls.refund(refund(10**9))) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")

    assert "moved back, with 1 refunds" in run_archive(str(payment_id), command="unarchive")
    assert "already live" in run_archive(str(payment_id), command="unarchive")
    assert calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)) == before
    assert calls.list_payment_events(history) == events
    assert calls.refund(refund(payment_id)).payment.refund_state == pb.REFUND_STATE_FULL
    events_now = calls.list_payment_events(history).events
    assert list(events_now[:2]) == list(events.events)
    assert [event.payment.refund_state for event in events_now] == [
        pb.REFUND_STATE_NONE,
        pb.REFUND_STATE_PARTIAL,
        pb.REFUND_STATE_FULL,
    ]
    page = calls.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment_id, page_size=1))
    assert list(page.events) == list(events_now[:1])
    assert page.next_page_token
    assert calls.refund(refund(payment_id, "1.00", request_id=key)).refund == before.refunds[0]
    backdate_rows()
    assert run_archive().startswith("archived: 1 payments, 2 refunds,")
    details = calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id))
    assert details.payment.refund_state == pb.REFUND_STATE_FULL
    assert len(details.refunds) == 2
    assert table("SELECT COUNT(*) FROM refunds") == [(0,)]


def test_young_pending_and_recently_changed_payments_are_not_archived(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str], table: Table
) -> None:
    ids = [calls.charge(charge()).payment.payment_id for _ in range(7)]
    for payment_id in ids[2:5]:
        calls.refund(refund(payment_id, "1.00"))
    backdate_rows()
    table("UPDATE payments SET created_at = UTC_TIMESTAMP(6) WHERE payment_id = %s", ids[0])
    table("UPDATE payments SET status = NULL WHERE payment_id = %s", ids[1])
    table("UPDATE refunds SET status = NULL WHERE payment_id = %s", ids[2])
    table("UPDATE refunds SET created_at = UTC_TIMESTAMP(6) WHERE payment_id = %s", ids[3])
    table("UPDATE payments SET created_at = NULL WHERE payment_id = %s", ids[5])
    table(
        "INSERT INTO payment_events (sequence, payment_id, kind, refunded_amount, occurred_at) "
        "SELECT last_sequence + 1, %s, 'IMPORTED', 0, UTC_TIMESTAMP(6) FROM payment_stream",
        ids[6],
    )

    run_archive()

    assert [row[0] for row in table("SELECT payment_id FROM payments_archive")] == [ids[4]]
    assert table("SELECT COUNT(*) FROM payments") == [(6,)]


def test_a_payment_that_may_still_change_at_the_processor_is_not_archived(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str], table: Table
) -> None:
    checked, disputed, won, other = (calls.charge(charge()).payment.payment_id for _ in range(4))
    backdate_rows()
    table("INSERT INTO processor_checks (payment_id, due_at) VALUES (%s, UTC_TIMESTAMP(6) + INTERVAL 1 DAY)", checked)
    for payment_id, status, close_time in ((disputed, "OPEN", None), (won, "WON", datetime(2025, 3, 2, tzinfo=UTC))):
        dispute = Dispute(DisputeStatus(status), None, "", datetime(2025, 3, 1, tzinfo=UTC), close_time, "dp_1")
        values = (status, dispute_to_json(dispute), payment_id)
        table("UPDATE payments SET dispute_status = %s, dispute = %s WHERE payment_id = %s", *values)

    run_archive()

    assert table("SELECT payment_id, dispute_status FROM payments_archive ORDER BY 1") == [(won, "WON"), (other, None)]
    assert calls.get_payment(pb.GetPaymentRequest(payment_id=won)).payment.dispute.status == pb.DISPUTE_STATUS_WON


def test_a_payment_about_which_a_hint_arrives_after_it_was_selected_stays(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    after_selection: Callable[[Callable[[], object]], None],
    table: Table,
) -> None:
    ids = [calls.charge(charge()).payment.payment_id for _ in range(3)]
    backdate_rows()

    def hint() -> None:
        check = "INSERT INTO processor_checks (payment_id, due_at) VALUES (%s, UTC_TIMESTAMP(6) + INTERVAL 1 DAY)"
        table(check, ids[0])
        table("UPDATE payments SET dispute_status = 'OPEN' WHERE payment_id = %s", ids[1])

    after_selection(hint)
    with show_progress("archive", None) as progress:
        assert archive(owner, BEFORE, progress=progress).payments == 1

    assert table("SELECT payment_id FROM payments ORDER BY 1") == [(ids[0],), (ids[1],)]


def test_pagination_continues_and_returns_each_remaining_payment_once(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str], table: Table
) -> None:
    order_id = new_order_id()
    for _ in range(20):
        calls.charge(charge(order_id))
    backdate_rows()
    young = [calls.charge(charge(order_id)).payment.payment_id for _ in range(6)]
    table("UPDATE payments SET created_at = created_at - INTERVAL payment_id SECOND")
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id), page_size=4)
    first = calls.list_payments(request)

    run_archive()

    ids = [payment.payment_id for payment in first.payments]
    request.page_token = first.next_page_token
    while request.page_token:
        page = calls.list_payments(request)
        ids += [payment.payment_id for payment in page.payments]
        request.page_token = page.next_page_token
    assert sorted(ids) == young


def test_a_stream_resumes_from_a_remaining_event_but_not_from_an_archived_one(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str]
) -> None:
    def watch(token: str) -> Iterator[pb.WatchPaymentsResponse]:
        return calls.stub.WatchPayments(pb.WatchPaymentsRequest(resume_token=token), timeout=60)

    start = next(watch("")).resume_token
    old = calls.charge(charge()).payment.payment_id
    stream = watch(start)
    assert [next(stream).event.payment.payment_id for _ in range(2)] == [0, old]
    after_old = next(watch("")).resume_token
    backdate_rows()
    young = calls.charge(charge()).payment.payment_id

    run_archive()

    stream = watch(after_old)
    assert [next(stream).event.payment.payment_id for _ in range(2)] == [0, young]
    with pytest.raises(grpc.RpcError) as failed:
        next(watch(start))
    error = call_failed(failed.value)  # type: ignore[arg-type]
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")


def test_the_history_of_a_payment_is_complete_wherever_its_events_are(
    calls: GrpcDriver, backdate_rows: Callable[[], None], run_archive: Callable[..., str], payments: Payments
) -> None:
    first, second = (calls.charge(charge()).payment.payment_id for _ in range(2))
    calls.refund(refund(first, "1.00", request_id="a-refund"))
    backdate_rows()
    before = [payments("history", str(payment_id), "--json").stdout for payment_id in (first, second)]
    run_archive()

    assert [payments("history", str(payment_id), "--json").stdout for payment_id in (first, second)] == before
    run_archive(str(first), command="unarchive")
    assert payments("history", str(first), "--json").stdout == before[0]
    calls.refund(refund(first, "1.00"))
    for _ in range(100):
        entries = payments("history", str(first), "--json").stdout.splitlines()
        if len(entries) == 3 and "null" not in entries[2].split("sequence")[1]:
            break
    assert entries[:2] == before[0].splitlines()
    assert '"REFUNDED"' in entries[2]


def test_charges_and_refunds_repeated_while_they_are_archived_are_replayed(
    service: RunningService,
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    run_archive: Callable[..., str],
    table: Table,
) -> None:
    charges = [charge(request_id=new_request_id()) for _ in range(300)]
    with ThreadPoolExecutor(8) as threads:
        payment_ids = [response.payment.payment_id for response in threads.map(calls.charge, charges)]
        refunds = [refund(payment_id, "1.00", request_id=new_request_id()) for payment_id in payment_ids[:100]]
        refund_ids = [response.refund.refund_id for response in threads.map(calls.refund, refunds)]
    backdate_rows()
    table("UPDATE payments SET created_at = created_at - INTERVAL payment_id SECOND")
    stopping = threading.Event()
    errors: list[object] = []
    rounds = [0]

    def keep_repeating(first: int) -> None:
        with grpc.insecure_channel(service.target) as channel:
            api = GrpcDriver(channel)
            while not stopping.is_set():
                for place in range(first, len(charges), 8):
                    try:
                        payment = api.charge(charges[place]).payment
                        details = api.get_payment(pb.GetPaymentRequest(payment_id=payment_ids[place]))
                        if (payment.payment_id, details.payment) != (payment_ids[place], payment):
                            errors.append((place, payment))
                        if place < len(refunds) and api.refund(refunds[place]).refund.refund_id != refund_ids[place]:
                            errors.append(place)
                    except CallFailed as error:
                        errors.append(error)
                rounds[0] += 1

    with ThreadPoolExecutor(8) as threads:
        for first in range(8):
            threads.submit(keep_repeating, first)
        try:
            output = run_archive("--before", "400d", "--batch-size", "10", "--pause-seconds", "0.01")
            done = rounds[0]
            while rounds[0] < done + 16 and not errors:
                time.sleep(0.05)
        finally:
            stopping.set()
    assert errors == []
    assert output == "archived: 300 payments, 100 refunds, 400 events\n"
    assert table("SELECT COUNT(*) FROM payments") == [(0,)]
    assert table("SELECT COUNT(*) FROM refunds") == [(0,)]


def charge_again(calls: GrpcDriver, _live: int) -> object:
    return calls.charge(charge(1, request_id="a-charge")).payment.payment_id


def charge_again_in_a_batch(calls: GrpcDriver, _live: int) -> object:
    batch = pb.BatchChargeRequest(charges=[charge(), charge(1, request_id="a-charge"), charge()])
    return calls.batch_charge(batch).results[1].payment.payment_id


def refund_again(calls: GrpcDriver, _live: int) -> object:
    return calls.refund(refund(1, "1.00", request_id="a-refund")).refund.payment_id


def refund_another_payment_with_the_same_key(calls: GrpcDriver, live: int) -> object:
    return failure(lambda: calls.refund(refund(live, "1.00", request_id="a-refund")))


@pytest.mark.parametrize(
    ("write", "outcome"),
    [
        (charge_again, 1),
        (charge_again_in_a_batch, 1),
        (refund_again, 1),
        (refund_another_payment_with_the_same_key, ("ALREADY_EXISTS", "REQUEST_ID_REUSED")),
    ],
)
def test_a_request_that_is_repeated_while_its_payment_is_moved_waits_and_is_replayed(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    database_server: DatabaseServer,
    monkeypatch: pytest.MonkeyPatch,
    table: Table,
    write: Callable[[GrpcDriver, int], object],
    outcome: object,
) -> None:
    """The archive has written the copies and deleted the live rows, and has not committed."""
    assert calls.charge(charge(1, request_id="a-charge")).payment.payment_id == 1
    calls.refund(refund(1, "1.00", request_id="a-refund"))
    backdate_rows()
    live = calls.charge(charge()).payment.payment_id
    is_moved, may_commit = threading.Event(), threading.Event()
    confirm = MaintenanceLock.confirm

    def confirm_later(lock: MaintenanceLock, connection: DatabaseConnection) -> None:
        confirm(lock, connection)
        if execute(connection, "SELECT COUNT(*) FROM payments_archive") == ((1,),):
            is_moved.set()
            may_commit.wait(60)

    monkeypatch.setattr(MaintenanceLock, "confirm", confirm_later)
    with ThreadPoolExecutor(2) as threads, show_progress("archive", None) as progress:
        archiving = threads.submit(archive, owner, BEFORE, progress=progress)
        try:
            assert is_moved.wait(60)
            writing = threads.submit(write, calls, live)
            database_server.wait_for_lock_wait(owner.mysql_db, writing)
            assert not writing.done()
        finally:
            may_commit.set()
        assert archiving.result().payments == 1
        assert writing.result() == outcome

    assert table("SELECT COUNT(*) FROM payments WHERE request_id = 'a-charge'") == [(0,)]
    assert table("SELECT COUNT(*) FROM refunds") == [(0,)]
    assert table("SELECT COUNT(*) FROM payments_archive") == [(1,)]
    assert table("SELECT COUNT(*) FROM refunds_archive") == [(1,)]


def test_an_archive_that_has_lost_its_lock_moves_nothing_more(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    after_selection: Callable[[Callable[[], object]], None],
    table: Table,
) -> None:
    calls.charge(charge())
    backdate_rows()
    after_selection(
        lambda: table("UPDATE maintenance_locks SET lease_number = lease_number + 1 WHERE name = 'archive'")
    )
    with show_progress("archive", None) as progress, pytest.raises(LockLost):
        archive(owner, BEFORE, progress=progress)

    assert table("SELECT COUNT(*) FROM payments") == [(1,)]
    assert table("SELECT COUNT(*) FROM payments_archive") == [(0,)]


def test_a_transaction_that_another_node_aborts_at_its_commit_is_retried(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    monkeypatch: pytest.MonkeyPatch,
    table: Table,
) -> None:
    calls.charge(charge())
    backdate_rows()
    commit = pymysql.connections.Connection.commit
    aborted: list[object] = []

    def abort_every_other(connection: DatabaseConnection) -> None:
        if len(aborted) % 2 == 0:
            connection.rollback()
            aborted.append(connection)
            raise pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")
        aborted.append(None)
        commit(connection)

    monkeypatch.setattr(pymysql.connections.Connection, "commit", abort_every_other)
    with show_progress("archive", None) as progress:
        result = archive(owner, BEFORE, progress=progress)

    assert (result.payments, result.events) == (1, 1)
    assert len(aborted) == 4
    assert table("SELECT COUNT(*) FROM payments") == [(0,)]


def test_a_payment_that_is_refunded_after_it_was_selected_stays(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    after_selection: Callable[[Callable[[], object]], None],
    table: Table,
) -> None:
    ids = [calls.charge(charge()).payment.payment_id for _ in range(2)]
    backdate_rows()
    after_selection(lambda: calls.refund(refund(ids[0], "1.00")))
    with show_progress("archive", None) as progress:
        assert archive(owner, BEFORE, progress=progress).payments == 1

    assert table("SELECT payment_id FROM payments") == [(ids[0],)]
    details = calls.get_payment(pb.GetPaymentRequest(payment_id=ids[0]))
    assert details.payment.refund_state == pb.REFUND_STATE_PARTIAL
    assert calls.refund(refund(ids[0])).payment.refund_state == pb.REFUND_STATE_FULL


def test_a_stopped_run_is_completed_by_the_next(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    run_archive: Callable[..., str],
    owner: Settings,
    monkeypatch: pytest.MonkeyPatch,
    table: Table,
) -> None:
    charges = [charge(request_id=new_request_id()) for _ in range(30)]
    payment_ids = [calls.charge(request).payment.payment_id for request in charges]
    backdate_rows()
    table("UPDATE payments SET created_at = created_at - INTERVAL payment_id SECOND")
    move = archive_tool._Archiver._move
    moved: list[object] = []

    def move_twice(archiver: archive_tool._Archiver, batch: list[int]) -> list[int]:
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(batch)
        return move(archiver, batch)

    monkeypatch.setattr(archive_tool._Archiver, "_move", move_twice)
    with show_progress("archive", None) as progress, pytest.raises(KeyboardInterrupt):
        archive(owner, BEFORE, batch_payments=5, progress=progress)
    assert table("SELECT COUNT(*) FROM payments") == [(20,)]
    assert table("SELECT COUNT(*) FROM payments_archive") == [(10,)]
    assert [calls.charge(request).payment.payment_id for request in charges] == payment_ids

    assert run_archive() == "archived: 20 payments, 0 refunds, 0 events\n"
    assert [calls.charge(request).payment.payment_id for request in charges] == payment_ids


def test_the_archive_fails_during_another_run_and_names_it(owner: Settings) -> None:
    with (
        closing(connect(owner)) as connection,
        maintenance_lock(connection, owner, ARCHIVING),
        show_progress("archive", None) as progress,
        pytest.raises(LockHeld, match=r"another process is archiving or unarchiving payments of \S+: process \d+ on"),
    ):
        archive(owner, BEFORE, progress=progress)
    with show_progress("archive", None) as progress:
        archive(owner, BEFORE, progress=progress)


def test_no_payment_is_moved_while_the_stream_is_behind(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    monkeypatch: pytest.MonkeyPatch,
    service: RunningService,
    table: Table,
) -> None:
    calls.charge(charge())
    backdate_rows()
    service.kill()
    table("INSERT INTO payment_outbox (changes) VALUES ('[]')")
    monkeypatch.setattr(archive_tool, "_OUTBOX_TIMEOUT_SECONDS", 0.3)

    with show_progress("archive", None) as progress, pytest.raises(ArchiveError, match="event stream has been behind"):
        archive(owner, BEFORE, progress=progress)

    assert table("SELECT COUNT(*) FROM payments") == [(1,)]


def test_a_payment_is_never_deleted_if_another_archived_payment_has_its_key(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    owner: Settings,
    table: Table,
) -> None:
    payment = calls.charge(charge()).payment
    backdate_rows()
    table(
        "INSERT INTO payments_archive (payment_id, order_id, method, reference, refunded, currency, refunded_amount, "
        "archived_at) VALUES (999999, 1, 'UPI', %s, 0, 'INR', 0, UTC_TIMESTAMP(6))",
        payment.reference,
    )

    with show_progress("archive", None) as progress, pytest.raises(ArchiveError, match="were not moved"):
        archive(owner, BEFORE, progress=progress)

    assert table("SELECT payment_id FROM payments") == [(payment.payment_id,)]


def test_a_payment_that_stays_locked_is_not_moved_and_is_reported(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    run_archive: Callable[..., str],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    ids = [calls.charge(charge()).payment.payment_id for _ in range(2)]
    backdate_rows()
    with database_server.connection(migrated_database["MYSQL_DB"]) as connection, connection.cursor() as cursor:
        connection.begin()
        cursor.execute("SELECT payment_id FROM payments WHERE payment_id = %s FOR UPDATE", (ids[0],))
        output = run_archive()

    assert output == (
        "archived: 1 payments, 0 refunds, 2 events; 1 payments were in use; run the command again to move them\n"
    )
    assert run_archive() == "archived: 1 payments, 0 refunds, 0 events\n"


def test_an_import_does_not_insert_an_archived_payment_again(
    calls: GrpcDriver,
    backdate_rows: Callable[[], None],
    run_archive: Callable[..., str],
    payments: Payments,
    table: Table,
) -> None:
    calls.charge(charge())
    calls.charge(charge())
    assert payments("export", "all.csv").returncode == 0
    ((created_at,),) = table("SELECT CAST(created_at AS CHAR) FROM payments WHERE payment_id = 2")
    backdate_rows()
    table("UPDATE payments SET created_at = %s WHERE payment_id = 2", created_at)
    run_archive()

    run = payments("import", "all.csv")

    assert run.returncode == 3
    assert "1 unchanged" in run.stdout
    assert "1 rejected" in run.stdout
    assert "1 rejected" in payments("import", "all.csv.rejects.csv").stdout
    assert table("SELECT payment_id FROM payments") == [(2,)]


@pytest.mark.parametrize("name", archive_statements.MOVED_COLUMNS)
def test_the_archive_has_every_column_of_the_live_table_and_the_tool_moves_all_of_them(table: Table, name: str) -> None:
    def columns(of: str) -> dict[str, str]:
        rows = table(
            "SELECT column_name, CONCAT(column_type, ' ', COALESCE(collation_name, '')) "
            "FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s",
            of,
        )
        return {str(column): str(kind) for column, kind in rows}

    live, archive_columns = columns(name), columns(f"{name}_archive")
    archive_columns.pop("archived_at", None)

    assert archive_columns == live
    assert set(archive_statements.MOVED_COLUMNS[name].split(", ")) == set(live)


@pytest.mark.parametrize("name", archive_statements.MOVED_COLUMNS)
def test_no_row_is_moved_if_a_later_release_added_a_column(
    payments: Payments, accounts: Accounts, migrated_database: dict[str, str], table: Table, name: str
) -> None:
    database = migrated_database["MYSQL_DB"]
    table(f"ALTER TABLE {name} ADD COLUMN channel INT NULL, ADD COLUMN device INT NULL")
    with accounts.server.connection(database) as connection:
        grant_privileges(connection, accounts.suffix)
    account = accounts.environment(database, ARCHIVER)

    for arguments in (("archive", "--before", "400d"), ("unarchive", "1")):
        run = payments(*arguments, **account)

        assert run.returncode == 1
        assert run.stderr == (
            f"{name} has columns that this release cannot move: channel, device. Use the release that added them; "
            "nothing was moved\n"
        )


@pytest.mark.parametrize("before", ["2d", "2999-01-01", "yesterday"])
def test_a_time_less_than_30_days_ago_is_rejected(payments: Payments, before: str) -> None:
    assert payments("archive", "--before", before).returncode == 2


@except_on_tidb("it evaluates the subquery while it makes the plan")
def test_a_charge_looks_up_its_key_in_the_archive_by_an_index(
    migrated_database: dict[str, str], database_server: DatabaseServer, table: Table
) -> None:
    """Inserts enough rows that the optimizer has the statistics of a large table."""
    rows = ", ".join(
        f"({number}, 1, 'UPI', 0, 'INR', 0, 'caller-{number}', 'request-{number}', NOW())" for number in range(20_000)
    )
    table(
        "INSERT INTO payments_archive (payment_id, order_id, method, refunded, currency, refunded_amount, caller, "
        f"request_id, archived_at) VALUES {rows}"
    )
    table("ANALYZE TABLE payments_archive")

    # A payment that exists, because MySQL plans no subquery for an empty result.
    table("INSERT INTO payments (payment_id, order_id, method) VALUES (1, 1, 'UPI')")
    statement = next(text for text in insert_queries.INSERT_PAYMENTS.split(";") if "payments_archive" in text)
    statement = statement.replace("LAST_INSERT_ID()", "1")
    for count in (1, 32, 1_000):
        keys = tuple((f"caller-{number}", f"request-{number}") for number in range(count))
        plan = database_server.explain(statement, (keys, "5B5D"), migrated_database["MYSQL_DB"])
        archive = next(step for step in plan if step.index == "payments_archive_by_request")
        assert archive.access not in {"ALL", "index"}, plan
