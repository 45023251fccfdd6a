"""Every currency survives gRPC, REST, CSV, Parquet, backups and the Python client to the last digit, or is refused."""

import csv
import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import grpc
import httpx
import pyarrow.parquet
import pytest
from payments_client import PaymentsClient
from payments_client.v1 import payments_pb2 as pb

from server.domain.money import MAX_MINOR, MINOR_DIGITS, Money
from tests.cli.conftest import Payments, Table
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import amount_of, charge, refund
from tests.support.drivers.rest import RestDriver
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb

RANDOM_AMOUNTS = 3
CURRENCIES = sorted(MINOR_DIGITS)


def amounts() -> list[Money]:
    """Return the smallest, the largest and some other amounts of every currency."""
    rng = random.Random(1)
    return [
        Money(currency, minor)
        for currency in CURRENCIES
        for minor in (1, MAX_MINOR, *(rng.randint(1, 10 ** rng.randint(1, 15) - 1) for _ in range(RANDOM_AMOUNTS)))
    ]


@pytest.fixture
def service(start_service: Callable[..., RunningService]) -> RunningService:
    return start_service(ALLOWED_CURRENCIES=",".join(CURRENCIES))


@pytest.fixture
def calls(service: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(service.target) as channel:
        yield GrpcDriver(channel)


@pytest.fixture
def charged(calls: GrpcDriver) -> dict[int, Money]:
    """A payment of each amount, by its id."""
    wanted = amounts()
    charges = [charge(amount=str(money.amount), currency=money.currency) for money in wanted]
    results = calls.batch_charge(pb.BatchChargeRequest(charges=charges)).results
    return {result.payment.payment_id: money for result, money in zip(results, wanted, strict=True)}


def money_of(payment: pb.Payment) -> Money:
    return Money.from_amount(payment.amount.currency_code, amount_of(payment.amount))


def test_every_amount_is_the_same_over_grpc_and_rest_and_in_the_python_client(
    calls: GrpcDriver, service: RunningService, charged: dict[int, Money]
) -> None:
    rest = RestDriver(service.rest_url)
    for driver in (calls, rest):
        listed = driver.list_payments(pb.ListPaymentsRequest(page_size=1000)).payments
        assert {payment.payment_id: money_of(payment) for payment in listed} == charged
    with PaymentsClient(service.target) as client:
        shown = {payment.payment_id: (payment.currency, payment.amount) for payment in client.list_payments()}
    assert shown == {payment_id: (money.currency, money.amount) for payment_id, money in charged.items()}


def test_v1_shows_each_amount_as_a_number_with_its_own_decimals(
    service: RunningService, charged: dict[int, Money]
) -> None:
    with httpx.Client(base_url=service.rest_url) as http:
        pages = [http.get(f"/v1/payments?per_page=200&page={page}").text for page in range(1, 10)]
    items = [item for page in pages for item in json.loads(page, parse_float=Decimal)["items"]]
    assert {item["payment_id"]: item["amount"] for item in items} == {
        payment_id: money.amount for payment_id, money in charged.items()
    }


def test_every_amount_is_charged_over_rest_and_refunded_in_two_parts(service: RunningService) -> None:
    rest = RestDriver(service.rest_url)
    for currency in ("JPY", "INR", "KWD", "CLF"):
        money, least = Money(currency, MAX_MINOR), Money(currency, 1)
        payment = rest.charge(charge(amount=str(money.amount), currency=currency)).payment
        assert money_of(payment) == money
        part = pb.RefundRequest(payment_id=payment.payment_id)
        part.amount.CopyFrom(charge(amount=str(least.amount), currency=currency).amount)
        assert amount_of(rest.refund(part).payment.refunded_amount) == least.amount
        rest_of_it = rest.refund(refund(payment.payment_id))
        assert amount_of(rest_of_it.refund.amount) == money.minus(least).amount
        assert rest_of_it.payment.refund_state == pb.REFUND_STATE_FULL
        body = rest.http.post(f"/v1/payments/{payment.payment_id}/refund").json()
        decimals = max(2, MINOR_DIGITS[currency])
        assert body["message"].startswith(f"Amount {money.amount:.{decimals}f} refunded")


@pytest.mark.parametrize("currency", CURRENCIES)
def test_an_amount_finer_or_larger_than_the_currency_allows_is_refused(calls: GrpcDriver, currency: str) -> None:
    digits = MINOR_DIGITS[currency]
    too_fine, too_large = Decimal(15).scaleb(-digits - 1), Decimal(MAX_MINOR + 1).scaleb(-digits)
    for amount, field in ((too_fine, "amount.nanos"), (too_large, "amount.units")):
        with pytest.raises(CallFailed) as failed:
            calls.charge(charge(amount=str(amount), currency=currency))
        assert (failed.value.code, failed.value.fields) == ("INVALID_ARGUMENT", [field])


def test_files_and_imports_keep_every_amount(
    calls: GrpcDriver,
    charged: dict[int, Money],
    payments: Payments,
    empty_database: dict[str, str],
    tmp_path: Path,
) -> None:
    for payment_id in charged:
        calls.refund(refund(payment_id))
    for arguments in (["p.csv", "--refunds", "r.csv"], ["p.parquet", "--refunds", "r.parquet"]):
        assert payments("export", *arguments).returncode == 0
    with (tmp_path / "p.csv").open(newline="") as file:
        exported = {int(row["payment_id"]): Decimal(row["amount"]) for row in csv.DictReader(file)}
    table = pyarrow.parquet.read_table(tmp_path / "p.parquet", columns=["payment_id", "amount", "refunded_amount"])
    rows = table.to_pylist()
    expected = {payment_id: money.amount for payment_id, money in charged.items()}
    assert exported == {row["payment_id"]: row["amount"] for row in rows} == expected
    assert {row["payment_id"]: row["refunded_amount"] for row in rows} == expected

    assert payments("migrate", **empty_database).returncode == 0
    for name in ("p.csv", "r.csv"):
        imported = payments("import", name, **empty_database)
        assert (imported.returncode, "0 rejected" in imported.stdout) == (0, True), imported.stdout + imported.stderr
    assert payments("export", "again.csv", "--refunds", "refunds-again.csv", **empty_database).returncode == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    assert (tmp_path / "refunds-again.csv").read_bytes() == (tmp_path / "r.csv").read_bytes()


@except_on_tidb("it has backup tools of its own")
@pytest.mark.usefixtures("client_programs")
def test_a_backup_keeps_every_amount(
    charged: dict[int, Money],
    payments: Payments,
    table: Table,
    empty_database: dict[str, str],
    database_server: DatabaseServer,
) -> None:
    assert payments("backup", "copy.sql.gz").returncode == 0
    assert payments("restore", "copy.sql.gz", **empty_database).returncode == 0
    query = "SELECT payment_id, currency, amount FROM payments ORDER BY payment_id"
    restored = database_server.execute(query, database=empty_database["MYSQL_DB"])
    assert restored == table(query)
    assert {payment_id: Money.from_amount(currency, amount) for payment_id, currency, amount in restored} == charged
