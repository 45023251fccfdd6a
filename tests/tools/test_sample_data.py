"""Sample payments in the database: consistent with each other, and with the generated payments."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import pytest

from server.config.settings import Settings
from server.storage.schema_check import SchemaOutdated
from tests.support.databases import settings_of
from tools.database.connection import DatabaseConnection, connect
from tools.operations.sample_data import insert_sample_payments, load_sample_payments
from tools.operations.sample_payments import sample_payments

NOW = datetime.fromisoformat("2026-03-04 15:16:17.181920")


@pytest.fixture
def connection(migrated_database: dict[str, str]) -> Iterator[DatabaseConnection]:
    with closing(connect(settings_of(migrated_database))) as connection:
        yield connection


@pytest.fixture
def settings(migrated_database: dict[str, str]) -> Settings:
    return settings_of(migrated_database)


def rows(connection: DatabaseConnection, text: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def test_the_stored_payments_and_refunds_are_consistent(connection: DatabaseConnection) -> None:
    insert_sample_payments(connection, 4_500, seed=3, now=NOW, report=lambda _: None)

    assert rows(connection, "SELECT COUNT(*), COUNT(caller), COUNT(request_id), MIN(currency) FROM payments") == [
        (4_500, 4_500, 4_500, "INR")
    ]
    assert rows(connection, "SELECT COUNT(*) > 200, MIN(status), MAX(status) FROM refunds") == [(1, 1, 1)]
    inconsistent = """
        SELECT COUNT(*) FROM payments p
        LEFT JOIN (SELECT payment_id, SUM(amount) AS refunded FROM refunds GROUP BY payment_id) r USING (payment_id)
        WHERE COALESCE(r.refunded, 0) <> p.refunded_amount OR p.refunded_amount > p.amount
            OR p.refunded <> (p.refunded_amount = p.amount) OR (p.refunded_amount > 0 AND p.status = 0)
    """
    assert rows(connection, inconsistent) == [(0,)]


def test_the_stored_payments_are_those_generated(connection: DatabaseConnection) -> None:
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


def test_if_empty_adds_nothing_to_existing_payments(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    load_sample_payments(settings, count=30, only_if_empty=True)
    load_sample_payments(settings, count=30, only_if_empty=True)

    assert "the database already has payments" in capsys.readouterr().out
    with closing(connect(settings)) as connection:
        assert rows(connection, "SELECT COUNT(*) FROM payments") == [(30,)]


def test_without_if_empty_each_run_adds_payments(settings: Settings) -> None:
    load_sample_payments(settings, count=30)
    load_sample_payments(settings, count=30)

    with closing(connect(settings)) as connection:
        assert rows(connection, "SELECT COUNT(*) FROM payments") == [(60,)]


def test_if_empty_adds_nothing_to_archived_payments(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(connect(settings)) as connection:
        rows(
            connection,
            "INSERT INTO payments_archive "
            "(payment_id, order_id, method, refunded, currency, refunded_amount, archived_at) "
            "VALUES (1, 1, 'UPI', 0, 'INR', 0, UTC_TIMESTAMP(6))",
        )

    load_sample_payments(settings, count=30, only_if_empty=True)

    assert "the database already has payments" in capsys.readouterr().out
    with closing(connect(settings)) as connection:
        assert rows(connection, "SELECT COUNT(*) FROM payments") == [(0,)]


def test_an_unmigrated_database_is_an_error(empty_database: dict[str, str]) -> None:
    with pytest.raises(SchemaOutdated, match="payments migrate"):
        load_sample_payments(settings_of(empty_database), count=30)
