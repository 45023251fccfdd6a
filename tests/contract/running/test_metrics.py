"""The counts and times of ``/metrics``, parsed as Prometheus parses them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import product

import grpc
import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from server.transport.pipeline.errors import REASONS
from server.transport.service.servicer import SERVICE
from tests.support.databases import DatabaseServer, LockPaymentRows
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import FAILING, charge, new_request_id, refund
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb
from tests.support.waiting import wait_until

StartService = Callable[..., RunningService]


@pytest.fixture
def running(start_service: StartService) -> RunningService:
    """A server for one test, so that it counts no other calls."""
    return start_service()


@pytest.fixture
def calls(running: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(running.target) as channel:
        yield GrpcDriver(channel)


def read(running: RunningService) -> dict[str, float]:
    """Return the value of every sample, by its name and label values."""
    response = httpx.get(f"{running.rest_url}/metrics").raise_for_status()
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + "".join(f"[{value}]" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_calls_are_counted_and_timed_by_rpc_and_code(running: RunningService, calls: GrpcDriver) -> None:
    for _ in range(3):
        calls.charge(charge())
    with pytest.raises(CallFailed):
        calls.charge(charge(order_id=0))
    httpx.get(f"{running.rest_url}/v2/payments").raise_for_status()
    httpx.get(f"{running.rest_url}/v1/payments").raise_for_status()
    found = read(running)
    assert found["payments_call_duration_seconds_count[OK][Charge]"] == 3
    assert found["payments_call_duration_seconds_count[INVALID_ARGUMENT][Charge]"] == 1
    assert found["payments_call_duration_seconds_count[OK][ListPayments]"] == 2
    assert 0 < found["payments_call_duration_seconds_sum[OK][Charge]"] < 60
    assert found["payments_call_duration_seconds_bucket[OK][+Inf][Charge]"] == 3
    assert found["payments_calls_in_progress"] == 0
    assert found["payments_calls_limit"] == 1000


def test_errors_of_calls_are_counted_by_reason(running: RunningService, calls: GrpcDriver) -> None:
    for order_id in (0, -1):
        with pytest.raises(CallFailed):
            calls.charge(charge(order_id=order_id))
    httpx.get(f"{running.rest_url}/v2/payments/999999999")
    httpx.post(f"{running.rest_url}/v1/payments/999999999/refund")
    found = read(running)
    assert found["payments_call_errors_total[INVALID_REQUEST][Charge]"] == 2
    assert found["payments_call_errors_total[PAYMENT_NOT_FOUND][GetPayment]"] == 1
    assert found["payments_call_errors_total[PAYMENT_NOT_FOUND][Refund]"] == 1


def test_counters_are_zero_before_their_first_event(running: RunningService) -> None:
    found = read(running)
    for rpc, reason in product((method.name for method in SERVICE.methods), REASONS):
        assert found[f"payments_call_errors_total[{reason}][{rpc}]"] == 0
    for kind in ("lock", "connection_lost", "full", "timeout", "unavailable", "refused"):
        assert found[f"payments_database_errors_total[{kind}]"] == 0
    assert found["payments_charges_total[UPI][SUCCEEDED]"] == found["payments_charges_total[COD][FAILED]"] == 0
    assert found["payments_refunds_total[full]"] == found["payments_refunds_total[partial]"] == 0


def test_rejected_calls_are_counted(
    start_service: StartService, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    running = start_service(MAX_CONCURRENT_CALLS="1")
    with grpc.insecure_channel(running.target) as channel, ThreadPoolExecutor(1) as threads, lock_payments_table():
        calls = GrpcDriver(channel)
        blocked_charge = threads.submit(calls.charge, charge())
        wait_until(lambda: read(running)["payments_calls_in_progress"] == 1)
        with pytest.raises(CallFailed):
            calls.charge(charge())
        assert read(running)["payments_calls_refused_total"] == 1
    assert blocked_charge.result().payment.payment_id


def test_payments_and_refunds_are_counted_once_each(running: RunningService, calls: GrpcDriver) -> None:
    request = charge(request_id=new_request_id())
    payment = calls.charge(request).payment
    calls.charge(request)
    calls.charge(charge(method=FAILING))
    calls.batch_charge(pb.BatchChargeRequest(charges=[charge(), request, charge(order_id=0), charge(method=FAILING)]))
    part = refund(payment.payment_id, "1.00", request_id=new_request_id())
    for _ in range(2):
        calls.refund(part)
    for _ in range(2):
        calls.refund(refund(payment.payment_id))
    found = read(running)
    assert found["payments_charges_total[UPI][SUCCEEDED]"] == 2
    assert found["payments_charges_total[CARD][FAILED]"] == 2
    assert found["payments_refunds_total[partial]"] == 1
    assert found["payments_refunds_total[full]"] == 1


def test_batches_count_the_calls_that_share_a_statement(
    running: RunningService, calls: GrpcDriver, lock_payments_table: Callable[[], AbstractContextManager[None]]
) -> None:
    charges: list[Future[pb.ChargeResponse]] = []
    with ThreadPoolExecutor(60) as threads, lock_payments_table():

        def waits_after_another_charge() -> bool:
            # One after the other, because charges that arrive together share a statement, and none waits for the next.
            charges.append(threads.submit(calls.charge, charge()))
            wait_until(lambda: read(running)["payments_calls_in_progress"] == len(charges))
            return read(running).get("payments_group_waiting[charge]", 0) > 0

        wait_until(waits_after_another_charge)
        charges += [threads.submit(calls.charge, charge()) for _ in range(10)]
        wait_until(lambda: read(running)["payments_calls_in_progress"] == len(charges))
    assert all(call.result().payment.payment_id for call in charges)
    found = read(running)
    assert found["payments_group_items_sum[charge]"] == len(charges)
    assert found["payments_group_items_count[charge]"] < len(charges)
    assert found["payments_group_waiting[charge]"] == 0


def test_events_are_counted_by_kind_and_pending_events_show_as_lag(
    running: RunningService, calls: GrpcDriver, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database = migrated_database["MYSQL_DB"]
    database_server.execute("UPDATE payment_stream SET lease_number = 1, leased_until = '2100-01-01'", (), database)
    payment_id = calls.charge(charge()).payment.payment_id
    calls.charge(charge(method=FAILING))
    for _ in range(2):
        calls.refund(refund(payment_id, 1))
    wait_until(lambda: read(running)["payments_event_lag_seconds"] > 1)
    assert "payments_events_relayed_total[CHARGED]" not in read(running)
    database_server.execute("UPDATE payment_stream SET leased_until = UTC_TIMESTAMP(6)", (), database)
    wait_until(lambda: read(running).get("payments_events_relayed_total[REFUNDED]") == 2)
    wait_until(lambda: read(running)["payments_event_lag_seconds"] == 0)
    found = read(running)
    assert (found["payments_events_relayed_total[CHARGED]"], found["payments_events_relayed_total[FAILED]"]) == (1, 1)


def test_connections_and_waits_for_them_are_counted(
    start_service: StartService, lock_payment_rows: LockPaymentRows
) -> None:
    # After startup, only calls need a connection.
    intervals = ("EVENT_RELAY", "API_KEY_REFRESH", "PROCESSOR_JANITOR")
    long_intervals = {f"{name}_INTERVAL_SECONDS": "3600" for name in intervals}
    running = start_service(MYSQL_POOL_MIN="1", MYSQL_POOL_MAX="1", **long_intervals)
    with grpc.insecure_channel(running.target) as channel, ThreadPoolExecutor(2) as threads:
        calls = GrpcDriver(channel)
        payment = calls.charge(charge()).payment
        found = read(running)
        assert (found["payments_database_connections[in_use]"], found["payments_database_connections_max"]) == (0, 1)
        assert found["payments_database_connections[idle]"] == 1
        waits = found["payments_database_connection_wait_seconds_count"]
        with lock_payment_rows():
            refund_call = threads.submit(calls.refund, refund(payment.payment_id))
            wait_until(lambda: read(running)["payments_database_connections[in_use]"] == 1)
            queued_list = threads.submit(calls.list_payments, pb.ListPaymentsRequest())
            wait_until(lambda: read(running)["payments_calls_in_progress"] == 2)
        refund_call.result()
        queued_list.result()
        wait_until(lambda: read(running)["payments_database_connection_wait_seconds_count"] == waits + 1)


@except_on_tidb("a killed session gets error 1317 first, which is not retried")
def test_database_errors_are_counted_by_kind(
    running: RunningService,
    calls: GrpcDriver,
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
    lock_payment_rows: LockPaymentRows,
) -> None:
    database = migrated_database["MYSQL_DB"]
    payment = calls.charge(charge()).payment
    with ThreadPoolExecutor(1) as threads, lock_payment_rows():
        refund_call = threads.submit(calls.refund, refund(payment.payment_id))
        wait_until(lambda: len(database_server.blocked_refunds(database)) == 1)
        (blocked,) = database_server.blocked_refunds(database)
        database_server.execute(f"KILL CONNECTION {blocked}")
    refund_call.result()
    assert read(running)["payments_database_errors_total[connection_lost]"] == 1


def test_health_is_a_metric(running: RunningService) -> None:
    assert read(running)["payments_serving"] == 1


def test_memory_and_open_files_of_the_process_are_metrics(running: RunningService) -> None:
    found = read(running)
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert found["process_open_fds"] > 3


def test_openmetrics_is_served_on_request(running: RunningService) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = httpx.get(f"{running.rest_url}/metrics", headers=accept).raise_for_status()
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert list(openmetrics_parser.text_string_to_metric_families(response.text))  # type: ignore[no-untyped-call]


def test_metrics_can_be_turned_off(start_service: StartService) -> None:
    running = start_service(REST_METRICS="false")
    assert httpx.get(f"{running.rest_url}/metrics").status_code == 404
