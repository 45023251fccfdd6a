"""The replaced service and this one on one migrated database, while traffic moves from the one to the other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest
from payments import PaymentMethod, PaymentsClient, RefundState

from bench.peers.replaced.table import TABLE
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer, settings_of
from tests.support.drivers.peer import running_peer
from tests.support.running_service import RunningService
from tools.database.migrations import migrate

BEFORE = (
    "INSERT INTO payments (order_id, amount, method, status, reference, created_at) "
    "VALUES (7, 10.00, 'UPI', 1, 'ECI20250910-000001', '2025-02-07 05:28:54')"
)
"""A payment of the time before."""

OLD_STATEMENTS = """
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
    """A database of the replaced service, with a payment, adopted."""
    for text in (TABLE, BEFORE):
        database_server.execute(text, database=empty_database["MYSQL_DB"])
    migrate(settings_of(empty_database), say=lambda _: None)
    return empty_database


@pytest.fixture
def old_url(database: dict[str, str]) -> Iterator[str]:
    with running_peer(database | {"SUCCESS_PROBABILITY": "1"}) as url:
        yield url


@pytest.fixture
def new(database: dict[str, str]) -> Iterator[RunningService]:
    running = RunningService({**database, **PROBABILITIES}).start()
    yield running
    running.kill()


@pytest.fixture
def client(new: RunningService) -> Iterator[PaymentsClient]:
    with PaymentsClient(new.target) as client:
        yield client


def call(url: str, body: object = None, verb: str = "GET") -> Any:  # noqa: ANN401 - JSON
    answer = httpx.request("POST" if body is not None else verb, url, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def test_charges_of_each_are_seen_by_both(old_url: str, new: RunningService, client: PaymentsClient) -> None:
    of_old = call(f"{old_url}/v1/payments/charge", {"order_id": 342, "amount": 561.00})["reference"]
    of_new = client.charge(order_id=342, amount=Decimal("61.50"), method=PaymentMethod.UPI).reference

    listed = {payment.reference: payment for payment in client.list_payments(order_id=342)}
    assert set(listed) == {of_old, of_new}
    for url in (old_url, new.rest_url):
        items = call(f"{url}/v1/payments?order_id=342")["items"]
        assert {item["reference"] for item in items} == {of_old, of_new}
        assert {item["amount"] for item in items} == {561.0, 61.5}


def test_a_refund_by_the_replaced_service_is_a_whole_one_here(
    old_url: str, new: RunningService, client: PaymentsClient
) -> None:
    payment = client.charge(order_id=1, amount=Decimal(20), method=PaymentMethod.UPI)

    call(f"{old_url}/v1/payments/{payment.payment_id}/refund", verb="POST")

    details = client.get_payment(payment_id=payment.payment_id)
    assert details.payment.refund_state is RefundState.FULL
    assert details.payment.refunded_amount == Decimal(20)
    assert details.refunds == ()
    again = call(f"{new.rest_url}/v1/payments/{payment.payment_id}/refund", verb="POST")
    assert again["message"].startswith("Amount 20.00 refunded")


def test_a_whole_refund_here_is_one_for_the_replaced_service(old_url: str, client: PaymentsClient) -> None:
    client.refund(payment_id=1)

    (item,) = call(f"{old_url}/v1/payments?order_id=7")["items"]
    assert item["refunded"] is True
    assert call(f"{old_url}/v1/payments/1/refund", verb="POST")["amount"] == 10.0
    assert len(client.get_payment(payment_id=1).refunds) == 1


def test_a_part_that_was_refunded_here_is_not_seen_by_the_replaced_service_which_then_gives_all_back(
    old_url: str, client: PaymentsClient
) -> None:
    client.refund(payment_id=1, amount=Decimal(4))

    (item,) = call(f"{old_url}/v1/payments?order_id=7")["items"]
    assert item["refunded"] is False
    call(f"{old_url}/v1/payments/1/refund", verb="POST")

    details = client.get_payment(payment_id=1)
    assert details.payment.refund_state is RefundState.FULL
    assert [refund.amount for refund in details.refunds] == [Decimal(4)]


def test_statements_like_those_of_the_replaced_service_and_its_loader_succeed(
    database: dict[str, str], database_server: DatabaseServer, client: PaymentsClient
) -> None:
    for text in OLD_STATEMENTS.split(";"):
        database_server.execute(text, database=database["MYSQL_DB"])

    listed = {payment.reference: payment for payment in client.list_payments()}
    assert set(listed) == {"ECI20250910-000001", "ECI20250910-OLD001"}
    assert listed["ECI20250910-OLD001"].amount == Decimal("5.13")
    assert listed["ECI20250910-OLD001"].create_time is not None
    assert listed["ECI20250910-000001"].refund_state is RefundState.FULL


def test_charging_through_both_at_once_loses_and_doubles_nothing(
    old_url: str, new: RunningService, client: PaymentsClient
) -> None:
    urls = [old_url, new.rest_url] * 200
    with ThreadPoolExecutor(8) as callers:
        answers = callers.map(lambda url: call(f"{url}/v1/payments/charge", {"order_id": 5, "amount": 1}), urls)
        references = [answer["reference"] for answer in answers]

    assert len(set(references)) == len(references) == 400
    assert {payment.reference for payment in client.list_payments(order_id=5)} == set(references)
