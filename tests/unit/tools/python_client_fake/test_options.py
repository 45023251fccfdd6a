"""The options of the fake, and its clients, where the conformance cases do not cover them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import payments_client
import pytest
from payments_client import PaymentsClient
from payments_client.testing import FakePayments


def test_a_charge_must_have_an_allowed_currency() -> None:
    with FakePayments(default_currency="USD", allowed_currencies=["USD", "EUR"]).client() as client:
        assert client.charge(order_id=1, amount=Decimal(1)).currency == "USD"
        assert client.charge(order_id=1, amount=Decimal(1), currency="EUR").currency == "EUR"
        with pytest.raises(payments_client.InvalidRequest, match="must be one of EUR, USD, or empty"):
            client.charge(order_id=1, amount=Decimal(1), currency="INR")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default_currency": "XYZ"}, "default_currency must be an allowed ISO 4217 code, not XYZ"),
        ({"allowed_currencies": ["USD"]}, "default_currency must be an allowed ISO 4217 code, not INR"),
        ({"allowed_currencies": ["INR", "XYZ"]}, "allowed_currencies must be ISO 4217 codes, not XYZ"),
        ({"default_source": "sim_unknown"}, "default_source must be one of sim_success, "),
        ({"clock": lambda: datetime(2026, 1, 2)}, "clock must return an aware time"),  # noqa: DTZ001 - naive on purpose
    ],
)
def test_invalid_options_are_rejected(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FakePayments(**options)  # type: ignore[arg-type]


def test_the_time_is_that_of_the_system_by_default() -> None:
    before = datetime.now(UTC)
    with FakePayments().client() as client:
        payment = client.charge(order_id=1, amount=Decimal(1))
    assert payment.create_time is not None
    assert before <= payment.create_time <= datetime.now(UTC)


def test_each_fake_has_its_own_payments_which_all_its_clients_share(fake: FakePayments) -> None:
    payment = fake.client().charge(order_id=1, amount=Decimal(1))
    assert fake.client().get_payment(payment_id=1).payment == payment
    with pytest.raises(payments_client.PaymentNotFound):
        FakePayments().client().get_payment(payment_id=1)

    async def get() -> payments_client.Payment:
        async with fake.async_client() as client:
            return (await client.get_payment(payment_id=1)).payment

    assert asyncio.run(get()) == payment


def test_a_closed_client_makes_no_calls_but_others_do(fake: FakePayments) -> None:
    client, other = fake.client(), fake.client()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.charge(order_id=1, amount=Decimal(1))
    with pytest.raises(ValueError, match="closed"):
        next(client.watch_payments())
    assert other.charge(order_id=1, amount=Decimal(1)).payment_id == 1


def test_many_threads_with_one_request_id_charge_once(client: PaymentsClient) -> None:
    with ThreadPoolExecutor(8) as threads:
        charges = [threads.submit(client.charge, order_id=1, amount=Decimal(1), request_id="mine") for _ in range(100)]
    assert {charge.result().payment_id for charge in charges} == {1}
