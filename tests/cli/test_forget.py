"""``payments forget`` erases a customer everywhere, keeps the money, and appears in the event stream."""

import json
from collections.abc import Callable, Iterator

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.cli.conftest import Payments, Table
from tests.support.databases import Accounts
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge, new_request_id, refund
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until
from tools.dev.database_accounts import ARCHIVER

CUSTOMER, OTHER = "customer 7", "customer 8"
LABELS = {"email": "someone@example.com"}


@pytest.fixture
def calls(start_service: Callable[..., RunningService]) -> Iterator[GrpcDriver]:
    service = start_service(EVENT_RELAY_INTERVAL_SECONDS="0.05")
    with grpc.insecure_channel(service.target) as channel:
        yield GrpcDriver(channel)


@pytest.fixture
def as_archiver(payments: Payments, accounts: Accounts, migrated_database: dict[str, str]) -> Callable[..., str]:
    """Run a command with the account of the archiver, and return its output."""

    def run(*arguments: str) -> str:
        done = payments(*arguments, **accounts.environment(migrated_database["MYSQL_DB"], ARCHIVER))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def get(calls: GrpcDriver, payment_id: int) -> pb.Payment:
    return calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)).payment


def test_a_customer_is_erased_from_all_its_payments_and_from_no_others(
    calls: GrpcDriver, as_archiver: Callable[..., str]
) -> None:
    mine = [
        calls.charge(charge(external_reference="ORD-7", customer_id=CUSTOMER, labels=LABELS)).payment for _ in range(3)
    ]
    calls.refund(refund(mine[0].payment_id, "61.00"))
    other = calls.charge(charge(customer_id=OTHER, labels=LABELS)).payment
    before = [get(calls, payment.payment_id) for payment in mine]
    assert as_archiver("forget", "--customer", CUSTOMER, "--yes") == "erased the customer from 3 payments\n"
    for payment in before:
        payment.customer_id = ""
        payment.labels.clear()
        assert get(calls, payment.payment_id) == payment
    assert get(calls, other.payment_id) == other
    listed = calls.list_payments(pb.ListPaymentsRequest(filter=pb.PaymentFilter(customer_id=CUSTOMER)))
    assert not listed.payments
    assert as_archiver("forget", "--customer", CUSTOMER, "--yes") == "erased the customer from 0 payments\n"


def test_an_erased_charge_is_replayed_whether_or_not_the_caller_repeats_the_customer(
    calls: GrpcDriver, as_archiver: Callable[..., str]
) -> None:
    request = charge(request_id=new_request_id(), external_reference="ORD-7", customer_id=CUSTOMER, labels=LABELS)
    payment_id = calls.charge(request).payment.payment_id
    as_archiver("forget", "--customer", CUSTOMER, "--yes")
    assert calls.charge(request).payment.payment_id == payment_id
    request.customer_id = ""
    request.labels.clear()
    assert calls.charge(request).payment.payment_id == payment_id
    request.external_reference = "ORD-8"
    with pytest.raises(CallFailed) as failed:
        calls.charge(request)
    assert failed.value.reason == "REQUEST_ID_REUSED"


def test_erasing_is_an_event_and_erases_the_earlier_events(calls: GrpcDriver, as_archiver: Callable[..., str]) -> None:
    stub = PaymentServiceStub(calls.channel)
    watch = stub.WatchPayments(pb.WatchPaymentsRequest(), timeout=30)
    token = next(watch).resume_token
    payment_id = calls.charge(charge(customer_id=CUSTOMER, labels=LABELS)).payment.payment_id
    charged = next(response for response in watch if response.HasField("event")).event
    assert (charged.payment.customer_id, dict(charged.payment.labels)) == (CUSTOMER, LABELS)
    as_archiver("forget", "--customer", CUSTOMER, "--yes")
    forgotten = next(response for response in watch if response.HasField("event")).event
    assert forgotten.type == pb.PAYMENT_EVENT_TYPE_FORGOTTEN
    assert (forgotten.payment.payment_id, forgotten.payment.customer_id) == (payment_id, "")
    assert (forgotten.caller, forgotten.request_id) == ("", "")
    again = stub.WatchPayments(pb.WatchPaymentsRequest(resume_token=token), timeout=30)
    events = [next(response for response in again if response.HasField("event")).event for _ in range(2)]
    assert [event.payment.customer_id for event in events] == ["", ""]
    assert [dict(event.payment.labels) for event in events] == [{}, {}]


def test_an_archived_payment_is_erased_too_and_has_its_event(
    calls: GrpcDriver, as_archiver: Callable[..., str], table: Table
) -> None:
    payment_id = calls.charge(charge(customer_id=CUSTOMER, labels=LABELS)).payment.payment_id
    calls.refund(refund(payment_id))
    wait_until(lambda: table("SELECT COUNT(*) FROM payment_outbox") == [(0,)])
    for rows, column in (("payments", "created_at"), ("refunds", "created_at"), ("payment_events", "occurred_at")):
        table(f"UPDATE {rows} SET {column} = UTC_TIMESTAMP(6) - INTERVAL 500 DAY")
    assert as_archiver("archive", "--before", "400d").startswith("archived: 1 payments")
    assert get(calls, payment_id).customer_id == CUSTOMER
    assert as_archiver("forget", "--customer", CUSTOMER, "--yes") == "erased the customer from 1 payments\n"
    assert not table("SELECT 1 FROM payments_archive WHERE customer_id IS NOT NULL OR labels IS NOT NULL")
    events = calls.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment_id)).events
    assert [event.type for event in events] == [
        pb.PAYMENT_EVENT_TYPE_CHARGED,
        pb.PAYMENT_EVENT_TYPE_REFUNDED,
        pb.PAYMENT_EVENT_TYPE_FORGOTTEN,
    ]
    wait_until(lambda: table("SELECT COUNT(*) FROM payment_outbox") == [(0,)])
    assert as_archiver("archive", "--before", "400d").startswith("archived: 0 payments")


def test_a_customer_may_have_more_payments_than_a_batch(
    calls: GrpcDriver, as_archiver: Callable[..., str], table: Table
) -> None:
    charges = [charge(customer_id=CUSTOMER) for _ in range(600)]
    calls.batch_charge(pb.BatchChargeRequest(charges=charges))
    assert as_archiver("forget", "--customer", CUSTOMER, "--yes") == "erased the customer from 600 payments\n"
    assert table("SELECT COUNT(*) FROM payments WHERE customer_id IS NULL AND forgotten_at IS NOT NULL") == [(600,)]


def test_the_command_needs_a_confirmation_and_rejects_an_invalid_customer(payments: Payments, table: Table) -> None:
    declined = payments("forget", "--customer", CUSTOMER)
    assert (declined.returncode, declined.stdout.count("[y/N]")) == (1, 1)
    invalid = payments("forget", "--customer", "x" * 101, "--yes")
    assert invalid.returncode == 2
    assert "1 to 100 characters" in " ".join(invalid.stderr.replace("\u2502", " ").split())
    assert table("SELECT COUNT(*) FROM payment_outbox") == [(0,)]


def test_the_history_shows_when_a_customer_was_erased(
    calls: GrpcDriver, as_archiver: Callable[..., str], payments: Payments
) -> None:
    payment_id = calls.charge(charge(customer_id=CUSTOMER)).payment.payment_id
    as_archiver("forget", "--customer", CUSTOMER, "--yes")
    calls.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment_id))
    entries = [json.loads(line) for line in payments("history", str(payment_id), "--json").stdout.splitlines()]
    assert [(entry["type"], entry["caller"]) for entry in entries] == [("CHARGED", "anonymous"), ("FORGOTTEN", None)]
