"""The legacy service and this one share a migrated database while traffic moves from one to the other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest
from payments_client import PaymentMethod, PaymentsClient, RefundState

from bench.peers.legacy.table import TABLE
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer, settings_of
from tests.support.drivers.legacy_service import running_legacy_service
from tests.support.running_service import RunningService
from tools.database.migrations import migrate

OLD_PAYMENT = (
    "INSERT INTO payments (order_id, amount, method, status, reference, created_at) "
    "VALUES (7, 10.00, 'UPI', 1, 'ECI20250910-000001', '2025-02-07 05:28:54')"
)
"""A payment from before the migration."""

LEGACY_STATEMENTS = """
    INSERT INTO payments (order_id, amount, method, status, reference, created_at)
        VALUES (8, 5.125, 'COD', TRUE, 'ECI20250910-OLD001', NOW());
    INSERT INTO payments (order_id, amount, method, status, reference)
        VALUES (8, 5, 'COD', FALSE, 'ECI20250910-OLD002');
    INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, refunded)
        VALUES (1, 9, 11, 'CARD', 1, 'ECI20250910-000001', '2025-02-07 05:28:54', 0)
        ON DUPLICATE KEY UPDATE order_id = VALUES(order_id), amount = VALUES(amount), refunded = VALUES(refunded);
    UPDATE payments SET refunded = TRUE WHERE payment_id = 1;
    UPDATE payments SET status = 0 WHERE reference = 'ECI20250910-OLD001' AND status;
    SELECT * FROM payments WHERE payment_id = 1 FOR UPDATE;
    SELECT payment_id, amount FROM payments WHERE method = 'COD' AND created_at >= '2025-01-01'
        ORDER BY created_at DESC LIMIT 10 OFFSET 0;
    SELECT COUNT(*) FROM payments WHERE status = TRUE AND amount >= 1.5;
    DELETE FROM payments WHERE reference = 'ECI20250910-OLD002'
"""


@pytest.fixture
def database(empty_database: dict[str, str], database_server: DatabaseServer) -> dict[str, str]:
    """A migrated database of the legacy service, with one payment."""
    for text in (TABLE, OLD_PAYMENT):
        database_server.execute(text, database=empty_database["MYSQL_DB"])
    migrate(settings_of(empty_database), report=lambda _: None)
    return empty_database


@pytest.fixture
def legacy_url(database: dict[str, str]) -> Iterator[str]:
    with running_legacy_service(database | {"SUCCESS_PROBABILITY": "1"}) as url:
        yield url


@pytest.fixture
def new_service(database: dict[str, str]) -> Iterator[RunningService]:
    running = RunningService({**database, **PROBABILITIES}).start()
    yield running
    running.kill()


@pytest.fixture
def client(new_service: RunningService) -> Iterator[PaymentsClient]:
    with PaymentsClient(new_service.target) as client:
        yield client


def call(url: str, body: object = None, verb: str = "GET") -> Any:  # noqa: ANN401 - JSON
    response = httpx.request("POST" if body is not None else verb, url, json=body)
    assert response.is_success, response.text
    return response.json()


def test_both_services_see_the_charges_of_each(
    legacy_url: str, new_service: RunningService, client: PaymentsClient
) -> None:
    legacy_reference = call(f"{legacy_url}/v1/payments/charge", {"order_id": 342, "amount": 561.00})["reference"]
    new_reference = client.charge(order_id=342, amount=Decimal("61.50"), method=PaymentMethod.UPI).reference

    listed = {payment.reference: payment for payment in client.list_payments(order_id=342)}
    assert set(listed) == {legacy_reference, new_reference}
    for url in (legacy_url, new_service.rest_url):
        items = call(f"{url}/v1/payments?order_id=342")["items"]
        assert {item["reference"] for item in items} == {legacy_reference, new_reference}
        assert {item["amount"] for item in items} == {561.0, 61.5}


def test_a_refund_by_the_legacy_service_is_a_full_refund_here(
    legacy_url: str, new_service: RunningService, client: PaymentsClient
) -> None:
    payment = client.charge(order_id=1, amount=Decimal(20), method=PaymentMethod.UPI)

    call(f"{legacy_url}/v1/payments/{payment.payment_id}/refund", verb="POST")

    details = client.get_payment(payment_id=payment.payment_id)
    assert details.payment.refund_state is RefundState.FULL
    assert details.payment.refunded_amount == Decimal(20)
    assert details.refunds == ()
    again = call(f"{new_service.rest_url}/v1/payments/{payment.payment_id}/refund", verb="POST")
    assert again["message"].startswith("Amount 20.00 refunded")


def test_a_full_refund_here_is_a_refund_for_the_legacy_service(legacy_url: str, client: PaymentsClient) -> None:
    client.refund(payment_id=1)

    (item,) = call(f"{legacy_url}/v1/payments?order_id=7")["items"]
    assert item["refunded"] is True
    assert call(f"{legacy_url}/v1/payments/1/refund", verb="POST")["amount"] == 10.0
    assert len(client.get_payment(payment_id=1).refunds) == 1


def test_the_legacy_service_ignores_a_partial_refund_and_refunds_the_whole_payment(
    legacy_url: str, client: PaymentsClient
) -> None:
    client.refund(payment_id=1, amount=Decimal(4))

    (item,) = call(f"{legacy_url}/v1/payments?order_id=7")["items"]
    assert item["refunded"] is False
    call(f"{legacy_url}/v1/payments/1/refund", verb="POST")

    details = client.get_payment(payment_id=1)
    assert details.payment.refund_state is RefundState.FULL
    assert [refund.amount for refund in details.refunds] == [Decimal(4)]


def test_the_statements_of_the_legacy_service_and_its_loader_succeed(
    database: dict[str, str], database_server: DatabaseServer, client: PaymentsClient
) -> None:
    for text in LEGACY_STATEMENTS.split(";"):
        database_server.execute(text, database=database["MYSQL_DB"])

    listed = {payment.reference: payment for payment in client.list_payments()}
    assert set(listed) == {"ECI20250910-000001", "ECI20250910-OLD001"}
    assert listed["ECI20250910-OLD001"].amount == Decimal("5.13")
    assert listed["ECI20250910-OLD001"].create_time is not None
    assert listed["ECI20250910-000001"].refund_state is RefundState.FULL


def test_concurrent_charges_through_both_services_are_each_stored_once(
    legacy_url: str, new_service: RunningService, client: PaymentsClient
) -> None:
    urls = [legacy_url, new_service.rest_url] * 200
    with ThreadPoolExecutor(8) as callers:
        responses = callers.map(lambda url: call(f"{url}/v1/payments/charge", {"order_id": 5, "amount": 1}), urls)
        references = [response["reference"] for response in responses]

    assert len(set(references)) == len(references) == 400
    assert {payment.reference for payment in client.list_payments(order_id=5)} == set(references)
