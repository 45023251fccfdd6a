"""The database of a running service stops, hangs, rejects its account, and recovers."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import pymysql
import pytest
from grpc_health.v1 import health_pb2
from payments_client.v1 import payments_pb2 as pb

from server.domain.callers import NewApiKey, Role
from server.storage import api_keys
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer, settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver, health_stub
from tests.support.drivers.requests import charge, new_order_id, new_request_id
from tests.support.keys import bearer, key_maker
from tests.support.running_service import RunningService
from tests.support.suspension import suspended
from tools.database.migrations import migrate
from tools.dev.database_accounts import SERVICE
from tools.dev.devdb import PrivateDatabase

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateDatabase]:
    """A database server that the tests of this module break."""
    with PrivateDatabase(tmp_path_factory.mktemp("broken")) as private:
        migrate(settings_of(private.environment()), report=lambda _: None)
        yield private


@pytest.fixture(scope="module")
def service_settings(own_database: PrivateDatabase) -> dict[str, str]:
    """The settings of a service that uses this database with the privileges of ``grants.sql``."""
    return own_database.service_environment()


@pytest.fixture
def running(own_database: PrivateDatabase, service_settings: dict[str, str]) -> Iterator[RunningService]:
    own_database.start()
    settings = {"MYSQL_STATEMENT_TIMEOUT_SECONDS": "2", "MYSQL_CONNECT_TIMEOUT_SECONDS": "2"}
    service = RunningService({**service_settings, **PROBABILITIES, **settings}).start()
    yield service
    own_database.start()
    assert service.stop() == 0


@pytest.fixture
def calls(running: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(running.target) as channel:
        yield GrpcDriver(channel)


def wait_until_health_is(api: GrpcDriver, status: int) -> None:
    for _ in range(150):
        if health_stub(api.channel).Check(health_pb2.HealthCheckRequest()).status == status:
            return
        time.sleep(0.1)
    pytest.fail(f"health is not {status}")


def open_files(process_id: int) -> int:
    return sum(1 for _ in Path(f"/proc/{process_id}/fd").iterdir())


def assert_unavailable(call: Callable[[], object]) -> None:
    with pytest.raises(CallFailed) as failed:
        call()
    assert (failed.value.code, failed.value.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
    assert failed.value.retry_after_seconds is not None
    assert failed.value.message == "the payment store cannot be reached at the moment"


def test_calls_are_unavailable_while_the_database_is_down_and_succeed_afterwards(
    own_database: PrivateDatabase, running: RunningService, calls: GrpcDriver
) -> None:
    calls.charge(charge())
    wait_until_health_is(calls, SERVING)
    files_before = open_files(running.process_id)
    for _ in range(2):
        own_database.kill()
        assert_unavailable(lambda: calls.charge(charge()))
        assert_unavailable(lambda: calls.list_payments(pb.ListPaymentsRequest()))
        wait_until_health_is(calls, NOT_SERVING)
        alive = health_stub(calls.channel).Check(health_pb2.HealthCheckRequest(service="liveness"))
        assert alive.status == SERVING
        own_database.start()
        wait_until_health_is(calls, SERVING)
        calls.charge(charge())
    assert open_files(running.process_id) <= files_before + 2


def test_callers_do_not_notice_dropped_database_connections(own_database: PrivateDatabase, calls: GrpcDriver) -> None:
    order_id = new_order_id()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: calls.charge(charge(order_id)), range(40)))
    connection = own_database.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (own_database.user,))
        for (connection_id,) in cursor.fetchall():
            with suppress(pymysql.err.MySQLError):  # the connection is closed already
                cursor.execute("KILL %s", (connection_id,))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: calls.charge(charge(order_id)), range(40)))
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=order_id), include_total_size=True)
    assert calls.list_payments(request).total_size == 80


def test_a_hanging_database_makes_calls_unavailable_within_a_time_limit(
    own_database: PrivateDatabase, calls: GrpcDriver
) -> None:
    calls.charge(charge())
    with suspended(own_database.process_id):
        started = time.monotonic()
        with ThreadPoolExecutor(30) as threads:
            for call in [threads.submit(calls.charge, charge()) for _ in range(30)]:
                assert_unavailable(call.result)
        assert time.monotonic() - started < 25
        wait_until_health_is(calls, NOT_SERVING)
    wait_until_health_is(calls, SERVING)
    calls.charge(charge())


@pytest.mark.parametrize(
    ("revoke", "restore"),
    [
        ("ALTER USER {0} ACCOUNT LOCK", "ALTER USER {0} ACCOUNT UNLOCK"),
        ("REVOKE INSERT ON {1}.payment_outbox FROM {0}", "GRANT INSERT (changes) ON {1}.payment_outbox TO {0}"),
        (
            "REVOKE INSERT (request_id) ON {1}.payments FROM {0}",
            "GRANT INSERT (request_id) ON {1}.payments TO {0}",
        ),
    ],
    ids=["the account", "a privilege", "a privilege on a column"],
)
def test_calls_are_unavailable_while_the_account_is_locked_or_lacks_privileges(
    own_database: PrivateDatabase, running: RunningService, calls: GrpcDriver, revoke: str, restore: str
) -> None:
    calls.charge(charge())

    def administer(text: str) -> None:
        with own_database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(text.format(SERVICE, own_database.database))
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (SERVICE,))
            for (connection_id,) in cursor.fetchall():
                with suppress(pymysql.err.MySQLError):
                    cursor.execute("KILL %s", (connection_id,))

    administer(revoke)
    try:
        for _ in range(3):
            assert_unavailable(lambda: calls.charge(charge()))
    finally:
        administer(restore)
    wait_until_health_is(calls, SERVING)
    calls.charge(charge())
    metrics = httpx.get(f"{running.rest_url}/metrics").text
    assert 'payments_database_errors_total{kind="access_denied"}' in metrics
    assert 'payments_database_errors_total{kind="refused"} ' not in metrics.replace('{kind="refused"} 0.0', "")


def test_cancelled_calls_leave_no_connection_with_an_unread_reply(calls: GrpcDriver) -> None:
    order_id = new_order_id()
    for round_number in range(10):
        futures = [calls.stub.Charge.future(charge(order_id)) for _ in range(20)]
        time.sleep(0.001 * round_number)
        for future in futures:
            future.cancel()
    with ThreadPoolExecutor(16) as threads:
        responses = list(threads.map(lambda number: calls.charge(charge(order_id, 1 + number)), range(100)))
    assert [int(response.payment.amount.units) for response in responses] == list(range(1, 101))


def test_a_charge_retried_after_a_kill_returns_the_same_payment(service_settings: dict[str, str]) -> None:
    service = RunningService({**service_settings, **PROBABILITIES}).start()
    requests = [charge(request_id=new_request_id()) for _ in range(100)]
    with grpc.insecure_channel(service.target) as channel, ThreadPoolExecutor(10) as threads:
        api = GrpcDriver(channel)

        def attempt(request: pb.ChargeRequest) -> pb.ChargeResponse | None:
            try:
                return api.charge(request)
            except CallFailed:
                return None

        before = [threads.submit(attempt, request) for request in requests]
        while sum(call.done() for call in before) < 20:
            time.sleep(0.005)
        service.kill()
        acknowledged = [call.result() for call in before]
    service.start()
    with grpc.insecure_channel(service.target) as channel:
        api = GrpcDriver(channel)
        for request, first in zip(requests, acknowledged, strict=True):
            again = api.charge(request)
            assert first is None or again == first
            listed = api.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=request.order_id)))
            assert list(listed.payments) == [again.payment]
    assert service.stop() == 0


def test_at_startup_the_service_waits_for_the_database_and_logs_the_wait(
    own_database: PrivateDatabase, service_settings: dict[str, str]
) -> None:
    own_database.stop()
    service = RunningService(service_settings)
    service.spawn()
    service.wait_for("waiting_for_database")
    own_database.start()
    service.wait_for("listening")
    assert service.stop() == 0


def test_at_startup_the_wait_for_the_database_times_out_with_an_error(tmp_path: Path) -> None:
    settings = {"MYSQL_SOCKET": str(tmp_path / "none.sock"), "MYSQL_STARTUP_TIMEOUT_SECONDS": "2"}
    service = RunningService(settings)
    service.spawn()
    assert service.wait() == 1
    assert any("MYSQL_STARTUP_TIMEOUT_SECONDS" in line for line in service.output)


def test_sigterm_stops_a_service_that_waits_for_the_database(tmp_path: Path) -> None:
    service = RunningService({"MYSQL_SOCKET": str(tmp_path / "none.sock")})
    service.spawn()
    service.wait_for("waiting_for_database")
    assert service.stop() == 0


def test_the_service_refuses_to_start_without_the_migrations(empty_database: dict[str, str]) -> None:
    service = RunningService(empty_database)
    service.spawn()
    assert service.wait() == 1
    assert any("payments migrate" in line for line in service.output)


def test_known_keys_authenticate_without_the_database_and_changes_apply_afterwards(
    own_database: PrivateDatabase,
) -> None:
    own_database.start()
    environment = own_database.environment()
    server = DatabaseServer({"unix_socket": environment["MYSQL_SOCKET"], "user": "root"})
    make_key = key_maker(server, environment["MYSQL_DB"])
    known, later = make_key("shop", Role.CHARGE), NewApiKey.generate()
    settings = {"ANONYMOUS_ROLES": "-", "API_KEY_REFRESH_INTERVAL_SECONDS": "0.1", "MYSQL_CONNECT_TIMEOUT_SECONDS": "2"}
    service = RunningService({**environment, **PROBABILITIES, **settings}).start()
    with grpc.insecure_channel(service.target) as channel:

        def code_with(key: NewApiKey) -> str:
            try:
                GrpcDriver(channel).stub.Charge(charge(), metadata=bearer(key), timeout=30)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        assert code_with(known) == "OK"
        own_database.kill()
        service.wait_for("api_keys", fresh=False)
        for _ in range(20):
            assert code_with(later) == "UNAUTHENTICATED"
        assert code_with(known) == "UNAVAILABLE"
        own_database.start()
        service.wait_for("api_keys", fresh=True)
        later = make_key("shop", Role.CHARGE)
        server.execute(api_keys.REVOKE_KEY, (known.key_id,), environment["MYSQL_DB"])
        for key, expected in ((later, "OK"), (known, "UNAUTHENTICATED")):
            for _ in range(300):
                if code_with(key) == expected:
                    break
                time.sleep(0.1)
            assert code_with(key) == expected
    assert service.stop() == 0
