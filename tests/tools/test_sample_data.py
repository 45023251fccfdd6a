"""Sample payments: plausible, repeatable, and true to the rules of money."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import mean, median

import pytest

from tests.support.databases import settings_of
from tools.database.connection import DatabaseConnection, connect
from tools.database.migration_files import MigrationError
from tools.database.migrations import migrate
from tools.operations.sample_data import (
    SamplePayment,
    insert_sample_payments,
    load_sample_payments,
    sample_payments,
)

NOW = datetime.fromisoformat("2026-03-04 15:16:17.181920")


@pytest.fixture(scope="module")
def payments() -> list[SamplePayment]:
    return list(sample_payments(5_000, seed=1, now=NOW))


@pytest.fixture
def connection(migrated_database: dict[str, str]) -> Iterator[DatabaseConnection]:
    with closing(connect(settings_of(migrated_database))) as connection:
        yield connection


@pytest.fixture
def in_environment(empty_database: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Have this process's environment name an empty database."""
    for name, value in empty_database.items():
        monkeypatch.setenv(name, value)
    return empty_database


def rows(connection: DatabaseConnection, text: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def test_the_same_seed_and_now_give_the_same_payments(payments: list[SamplePayment]) -> None:
    assert list(sample_payments(5_000, seed=1, now=NOW)) == payments
    assert list(sample_payments(5_000, seed=1, now=NOW.replace(tzinfo=UTC))) == payments


def test_another_seed_or_now_gives_other_payments(payments: list[SamplePayment]) -> None:
    names = {payment.reference for payment in payments} | {payment.request_id for payment in payments}
    for other in (
        sample_payments(5_000, seed=2, now=NOW),
        sample_payments(5_000, seed=1, now=NOW + timedelta(microseconds=1)),
    ):
        assert names.isdisjoint(name for payment in other for name in (payment.reference, payment.request_id))


@pytest.mark.parametrize("count", [1, 7, 400, 2_001])
def test_there_are_as_many_as_asked_for(count: int) -> None:
    assert len(list(sample_payments(count, seed=1, now=NOW))) == count


def test_amounts_are_skewed(payments: list[SamplePayment]) -> None:
    amounts = [payment.amount_minor for payment in payments]

    assert mean(amounts) > median(amounts) * 3 // 2
    assert max(amounts) > 20 * median(amounts)
    assert min(amounts) > 0


def test_about_two_in_five_fail_and_upi_is_used_most(payments: list[SamplePayment]) -> None:
    failed = sum(not payment.has_succeeded for payment in payments)
    methods = Counter(payment.method for payment in payments)

    assert 1_800 < failed < 2_200
    assert methods["UPI"] > methods["CARD"] > methods["COD"] > 500
    assert set(methods) == {"UPI", "CARD", "COD"}


def test_times_are_in_order_over_all_months_up_to_now_and_denser_by_day(payments: list[SamplePayment]) -> None:
    times = [payment.create_time for payment in payments]
    hours = Counter(time.hour for time in times)

    assert times == sorted(times)
    assert NOW - timedelta(days=180) <= times[0] < NOW - timedelta(days=178)
    assert NOW - timedelta(days=2) < times[-1] <= NOW
    assert hours[14] > 4 * hours[21]


def test_references_and_request_ids_are_unique_and_references_have_the_payments_date(
    payments: list[SamplePayment],
) -> None:
    assert len({payment.reference for payment in payments}) == len(payments)
    request_ids = [payment.request_id for payment in payments]
    request_ids += [refund.request_id for payment in payments for refund in payment.refunds]
    assert len(set(request_ids)) == len(request_ids)
    for payment in payments:
        prefix, suffix = payment.reference.split("-")
        assert prefix == f"ECI{payment.create_time:%Y%m%d}"
        assert len(suffix) == 20
        assert set(suffix) <= set("0123456789ABCDEF")


def test_some_orders_are_paid_again_after_a_payment_failed(payments: list[SamplePayment]) -> None:
    earlier: dict[int, SamplePayment] = {}
    again = 0
    for payment in payments:
        if payment.order_id in earlier:
            again += 1
            assert not earlier[payment.order_id].has_succeeded
        earlier[payment.order_id] = payment
    assert again > 500


def test_refunds_never_exceed_their_payment_and_come_after_it(payments: list[SamplePayment]) -> None:
    refunded = [payment for payment in payments if payment.refunds]
    in_whole = [payment for payment in refunded if payment.refunded_minor == payment.amount_minor]

    assert len(refunded) > len(in_whole) > 50
    for payment in refunded:
        assert payment.has_succeeded
        assert 0 < payment.refunded_minor <= payment.amount_minor
        times = [payment.create_time, *(refund.create_time for refund in payment.refunds), NOW]
        assert times == sorted(times)
        assert all(refund.amount_minor > 0 for refund in payment.refunds)


def test_what_is_stored_agrees_with_itself(connection: DatabaseConnection) -> None:
    insert_sample_payments(connection, 4_500, seed=3, now=NOW, say=lambda _: None)

    assert rows(connection, "SELECT COUNT(*), COUNT(caller), COUNT(request_id), MIN(currency) FROM payments") == [
        (4_500, 4_500, 4_500, "INR")
    ]
    assert rows(connection, "SELECT COUNT(*) > 200, MIN(status), MAX(status) FROM refunds") == [(1, 1, 1)]
    wrong = """
        SELECT COUNT(*) FROM payments p
        LEFT JOIN (SELECT payment_id, SUM(amount) AS refunded FROM refunds GROUP BY payment_id) r USING (payment_id)
        WHERE COALESCE(r.refunded, 0) <> p.refunded_amount OR p.refunded_amount > p.amount
            OR p.refunded <> (p.refunded_amount = p.amount) OR (p.refunded_amount > 0 AND p.status = 0)
    """
    assert rows(connection, wrong) == [(0,)]


def test_what_is_stored_is_what_was_made(connection: DatabaseConnection) -> None:
    insert_sample_payments(connection, 50, seed=4, now=NOW, months=1)

    assert rows(connection, "SELECT order_id, amount, reference, created_at FROM payments ORDER BY payment_id") == [
        (payment.order_id, Decimal(payment.amount_minor) / 100, payment.reference, payment.create_time)
        for payment in sample_payments(50, seed=4, now=NOW, months=1)
    ]


def test_amounts_of_a_currency_without_minor_units_are_whole(connection: DatabaseConnection) -> None:
    insert_sample_payments(connection, 500, seed=1, now=NOW, currency="JPY")

    assert rows(connection, "SELECT COUNT(*) FROM payments WHERE amount <> FLOOR(amount) OR currency <> 'JPY'") == [
        (0,)
    ]


def test_if_empty_leaves_payments_that_are_there_alone(
    in_environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(in_environment)
    migrate(settings, say=lambda _: None)

    load_sample_payments(count=30, only_if_empty=True)
    load_sample_payments(count=30, only_if_empty=True)

    assert "there are payments already" in capsys.readouterr().out
    with closing(connect(settings)) as connection:
        assert rows(connection, "SELECT COUNT(*) FROM payments") == [(30,)]


def test_without_if_empty_more_are_added_each_time(in_environment: dict[str, str]) -> None:
    settings = settings_of(in_environment)
    migrate(settings, say=lambda _: None)

    load_sample_payments(count=30)
    load_sample_payments(count=30)

    with closing(connect(settings)) as connection:
        assert rows(connection, "SELECT COUNT(*) FROM payments") == [(60,)]


def test_if_empty_leaves_archived_payments_alone(
    in_environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(in_environment)
    migrate(settings, say=lambda _: None)
    with closing(connect(settings)) as connection:
        rows(
            connection,
            "INSERT INTO payments_archive "
            "(payment_id, order_id, method, refunded, currency, refunded_amount, archived_at) "
            "VALUES (1, 1, 'UPI', 0, 'INR', 0, UTC_TIMESTAMP(6))",
        )

    load_sample_payments(count=30, only_if_empty=True)

    assert "there are payments already" in capsys.readouterr().out
    with closing(connect(settings)) as connection:
        assert rows(connection, "SELECT COUNT(*) FROM payments") == [(0,)]


@pytest.mark.usefixtures("in_environment")
def test_a_database_that_is_not_migrated_is_said_so() -> None:
    with pytest.raises(MigrationError, match="payments migrate"):
        load_sample_payments(count=30)
