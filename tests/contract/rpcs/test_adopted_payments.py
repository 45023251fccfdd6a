"""Payments that were adopted in place from the legacy service's table, as callers see them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import grpc
import httpx
import pymysql
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from payments_client.v1 import payments_pb2 as pb

from bench.peers.legacy.table import TABLE
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer, settings_of
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge, money, refund
from tests.support.legacy_table import LEGACY_INSERT, NO_PAD
from tests.support.running_service import RunningService
from tools.database.migration_files import MigrationError
from tools.database.migrations import migrate

ROWS = [
    (1, 355, "1757.91", "UPI", 0, "ECI20250910-ID9VVN", "2025-02-07 05:28:54", 0),
    (2, 355, "561.00", "CARD", 1, "ECI20250910-1A2B3C", "2025-02-07 05:28:54", 1),
    (3, 0, "0.00", "Net Banking \u20b9", 1, "ECI20250910-AAAAAA", "2025-02-07 05:28:55", 0),
    (4, -7, "-5.00", "upi", 1, "ECI20250910-BBBBBB", "2025-03-01 00:00:00", 0),
    (5, 356, None, "COD", None, None, None, 0),
    (6, 356, "10.00", "COD", 1, None, None, 0),
    (7, 357, "99999999.99", "", None, "x", None, 0),
]

REFERENCES = [
    *("R-1", "R-1 ", "R-1  ", " R-1", "R-1\t", "R-1\n", "R-1\0", "\0R-1", "R-1\x01", "R-1\u00a0", "R-1\u200b"),
    *("r-1", "R\u00e9-1", "Re-1", "Re\u0301-1", "r\u00c9-1", "\u00df", "ss", "SS", "\u0130", "i", "I", "\u0131"),
    *("\U0001f4b3", "\U0001f4b3 ", "\U0001f4b3\U0001f4b3", "\uff32-1", "\ufeffR-1"),
    *(" ", "  ", "\t", "\0", "%", "_", "R-_", "\\", "'", '"', "NULL", ",", "1", "01", "1.0"),
    *("x" * 100, "x" * 99 + " ", "x" * 99, "\U0001f4b3" * 100),
    *("", None),
]
"""References that a careless comparison confuses with one another. An empty one becomes NULL."""

METHODS = [
    *("UPI", "UPI ", "UPI  ", " UPI", "upi", "upi ", "UPI\t", "UPI\0", "\u00daPI", "U\u0301PI", "\uff35PI"),
    *("CARD", "COD", "\u00e9cu", "\u00c9CU", "ecu", "\U0001f4b3", "\U0001f4b3 ", "\u023a", "x" * 255),
    *("", " ", "\t", "\0"),
]
"""Methods of which some differ only in letter case."""


@pytest.fixture
def adopted_api(database_server: DatabaseServer, empty_database: dict[str, str]) -> Iterator[GrpcDriver]:
    name = empty_database["MYSQL_DB"]
    database_server.execute(TABLE, database=name)
    for row in ROWS:
        database_server.execute(LEGACY_INSERT, row, name)
    migrate(settings_of(empty_database), report=lambda _: None)
    with running_on(empty_database) as api:
        yield api


def insert_without_strict_mode(
    database_server: DatabaseServer, name: str, payment_id: int, created_at: str | None
) -> None:
    """Insert a row with a SQL mode that accepts a zero date."""
    connection = pymysql.connect(**database_server.connect_kwargs, database=name, autocommit=True)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        cursor.execute(
            "INSERT INTO payments (payment_id, order_id, amount, method, created_at) VALUES (%s, 1, 2, 'UPI', %s)",
            (payment_id, created_at),
        )


@contextmanager
def service_on(database: dict[str, str]) -> Iterator[tuple[RunningService, GrpcDriver]]:
    service = RunningService({**database, **PROBABILITIES}).start()
    with grpc.insecure_channel(service.target) as channel:
        yield service, GrpcDriver(channel)
    assert service.stop() == 0


@contextmanager
def running_on(database: dict[str, str]) -> Iterator[GrpcDriver]:
    with service_on(database) as (_, api):
        yield api


def get(api: GrpcDriver, payment_id: int) -> pb.Payment:
    return api.get_payment(pb.GetPaymentRequest(payment_id=payment_id)).payment


def time(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


def test_every_adopted_row_is_returned_unchanged(adopted_api: GrpcDriver) -> None:
    statuses = {None: pb.PAYMENT_STATUS_PENDING, 0: pb.PAYMENT_STATUS_FAILED, 1: pb.PAYMENT_STATUS_SUCCEEDED}
    methods = {
        "UPI": pb.PAYMENT_METHOD_UPI,
        "CARD": pb.PAYMENT_METHOD_CARD,
        "COD": pb.PAYMENT_METHOD_COD,
    }
    for payment_id, order_id, amount, method, status, reference, created_at, refunded in ROWS:
        payment = get(adopted_api, payment_id)
        assert payment.order_id == order_id
        assert payment.HasField("amount") == (amount is not None)
        assert amount is None or payment.amount == money(amount, "INR")
        assert payment.method == methods.get(method, pb.PAYMENT_METHOD_OTHER)
        assert payment.other_method == ("" if method in methods else method)
        assert payment.status == statuses[status]
        assert payment.reference == (reference or "")
        assert payment.HasField("create_time") == (created_at is not None)
        assert created_at is None or payment.create_time == time(created_at.replace(" ", "T") + "Z")
        assert payment.refund_state == (pb.REFUND_STATE_FULL if refunded else pb.REFUND_STATE_NONE)


@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
def test_payments_without_a_create_time_are_listed_once_each_as_the_oldest(
    adopted_api: GrpcDriver, page_size: int
) -> None:
    for order_by, expected in (("create_time desc", [4, 3, 2, 1, 7, 6, 5]), ("create_time", [5, 6, 7, 1, 2, 3, 4])):
        request = pb.ListPaymentsRequest(order_by=order_by, page_size=page_size)
        seen: list[int] = []
        while True:
            page = adopted_api.list_payments(request)
            seen += [payment.payment_id for payment in page.payments]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert seen == expected


def test_a_payment_that_the_legacy_service_refunded_is_refunded_in_full(adopted_api: GrpcDriver) -> None:
    response = adopted_api.refund(refund(2))
    assert not response.HasField("refund")
    assert response.payment.refund_state == pb.REFUND_STATE_FULL
    assert response.payment.refunded_amount == money("561.00", "INR")
    with pytest.raises(CallFailed) as failed:
        adopted_api.refund(refund(2, "1.00"))
    assert failed.value.reason == "REFUND_EXCEEDS_PAYMENT"


def test_a_pending_payment_cannot_be_refunded_yet(adopted_api: GrpcDriver) -> None:
    with pytest.raises(CallFailed) as failed:
        adopted_api.refund(refund(7))
    assert (failed.value.code, failed.value.reason) == ("FAILED_PRECONDITION", "PAYMENT_PENDING")


def test_an_adopted_payment_can_be_refunded_in_parts(adopted_api: GrpcDriver) -> None:
    assert adopted_api.refund(refund(6, "4.00")).payment.refund_state == pb.REFUND_STATE_PARTIAL
    assert adopted_api.refund(refund(6)).payment.refund_state == pb.REFUND_STATE_FULL


def test_unknown_methods_are_listed_as_other(adopted_api: GrpcDriver) -> None:
    other = pb.PaymentFilter(methods=[pb.PAYMENT_METHOD_OTHER])
    listed = adopted_api.list_payments(pb.ListPaymentsRequest(filter=other))
    assert [payment.payment_id for payment in listed.payments] == [4, 3, 7]


def test_new_payment_ids_follow_the_adopted_ones(adopted_api: GrpcDriver) -> None:
    assert adopted_api.charge(charge()).payment.payment_id == 8


@pytest.mark.parametrize("collation", [None, NO_PAD], ids=["default", "binary"])
def test_every_adopted_reference_is_kept_and_found_and_never_confused_with_another(
    database_server: DatabaseServer, empty_database: dict[str, str], collation: str | None
) -> None:
    name = empty_database["MYSQL_DB"]
    database_server.execute(TABLE, database=name)
    if collation is not None:
        database_server.execute(f"ALTER TABLE payments CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}", (), name)
    for payment_id, reference in enumerate(REFERENCES, start=1):
        # Depending on its collation, the unique key of the legacy table rejects references that are similar.
        with suppress(pymysql.err.IntegrityError):
            row = (payment_id, 1, "1.00", "UPI", 1, reference, "2025-03-01", 0)
            database_server.execute(LEGACY_INSERT, row, name)
    (*_, (count,)) = database_server.execute("SELECT COUNT(*) FROM payments", database=name)
    migrate(settings_of(empty_database), report=lambda _: None)

    with running_on(empty_database) as api:
        adopted = api.list_payments(pb.ListPaymentsRequest(page_size=1000)).payments
        assert len(adopted) == count
        assert collation is None or count == len(REFERENCES)
        assert [it.reference for it in adopted] == [REFERENCES[it.payment_id - 1] or "" for it in adopted]
        for payment in adopted:
            assert get(api, payment.payment_id) == payment
        by_reference = {payment.reference: payment for payment in adopted}
        for reference in filter(None, [*REFERENCES, "R-1   ", "R-"]):
            expected = by_reference.get(reference)
            query = pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference=reference))
            assert list(api.list_payments(query).payments) == ([expected] if expected else [])
            if expected:
                assert api.get_payment(pb.GetPaymentRequest(reference=reference)).payment == expected
            else:
                with pytest.raises(CallFailed, match="payment not found"):
                    api.get_payment(pb.GetPaymentRequest(reference=reference))


def test_adopted_methods_are_told_apart_by_everything_except_letter_case_in_v1(
    database_server: DatabaseServer, empty_database: dict[str, str]
) -> None:
    name = empty_database["MYSQL_DB"]
    database_server.execute(TABLE, database=name)
    for payment_id, method in enumerate(METHODS, start=1):
        row = (payment_id, 1, "1.00", method, 1, None, "2025-03-01", 0)
        database_server.execute(LEGACY_INSERT, row, name)
    migrate(settings_of(empty_database), report=lambda _: None)

    chargeable = {"UPI": pb.PAYMENT_METHOD_UPI, "CARD": pb.PAYMENT_METHOD_CARD, "COD": pb.PAYMENT_METHOD_COD}
    with service_on(empty_database) as (service, api):
        for known, kind in [*chargeable.items(), ("", pb.PAYMENT_METHOD_OTHER)]:
            query = pb.ListPaymentsRequest(filter=pb.PaymentFilter(methods=[kind]), order_by="create_time")
            found = [(it.payment_id, it.other_method) for it in api.list_payments(query).payments]
            assert found == [
                (payment_id, "" if known else text)
                for payment_id, text in enumerate(METHODS, start=1)
                if text == known or not (known or text in chargeable)
            ]
        for method in filter(None, [*METHODS, "UPI   ", "upI", "  "]):
            parameters = {"method": method, "sort_by_created": "asc"}
            response = httpx.get(f"{service.rest_url}/v1/payments", params=parameters, trust_env=False)
            found_methods = [item["method"] for item in response.json()["items"]]
            assert found_methods == [text for text in METHODS if text.lower() == method.lower()]


def test_any_adopted_status_except_zero_is_a_success(
    database_server: DatabaseServer, empty_database: dict[str, str]
) -> None:
    name = empty_database["MYSQL_DB"]
    database_server.execute(TABLE, database=name)
    for payment_id, status in enumerate((0, 1, 2, -1), start=1):
        row = (payment_id, 1, "1.00", "UPI", status, f"r{payment_id}", "2025-03-01", 0)
        database_server.execute(LEGACY_INSERT, row, name)
    migrate(settings_of(empty_database), report=lambda _: None)
    with running_on(empty_database) as api:
        succeeded = pb.PaymentFilter(statuses=[pb.PAYMENT_STATUS_SUCCEEDED])
        listed = api.list_payments(pb.ListPaymentsRequest(filter=succeeded)).payments
        assert [payment.payment_id for payment in listed] == [4, 3, 2]
        assert {payment.status for payment in listed} == {pb.PAYMENT_STATUS_SUCCEEDED}


def test_amounts_with_too_many_decimals_for_the_currency_fail_the_migration(
    database_server: DatabaseServer, empty_database: dict[str, str]
) -> None:
    name = empty_database["MYSQL_DB"]
    database_server.execute(TABLE, database=name)
    database_server.execute("INSERT INTO payments (order_id, amount, method) VALUES (1, 561.50, 'UPI')", database=name)
    with pytest.raises(MigrationError, match="DEFAULT_CURRENCY=JPY"):
        migrate(settings_of({**empty_database, "DEFAULT_CURRENCY": "JPY"}), report=lambda _: None)
    assert migrate(settings_of(empty_database), report=lambda _: None)


def test_a_zero_create_time_is_unset(database_server: DatabaseServer, empty_database: dict[str, str]) -> None:
    name = empty_database["MYSQL_DB"]
    database_server.execute(TABLE, database=name)
    for payment_id, created_at in ((1, "0000-00-00"), (2, None), (3, "0000-00-00"), (4, "2025-03-01")):
        insert_without_strict_mode(database_server, name, payment_id, created_at)
    migrate(settings_of(empty_database), report=lambda _: None)
    insert_without_strict_mode(database_server, name, 5, "0000-00-00")
    with running_on(empty_database) as api:
        assert not get(api, 5).HasField("create_time")
        database_server.execute("DELETE FROM payments WHERE payment_id = 5", database=name)
        request = pb.ListPaymentsRequest(page_size=2)
        first = api.list_payments(request)
        second = api.list_payments(pb.ListPaymentsRequest(page_size=2, page_token=first.next_page_token))
        listed = [*first.payments, *second.payments]
        assert [payment.payment_id for payment in listed] == [4, 3, 2, 1]
        assert [payment.HasField("create_time") for payment in listed] == [True, False, False, False]
