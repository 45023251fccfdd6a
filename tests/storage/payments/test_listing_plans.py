"""Lists are read from an index in index order, without a sort, however many rows there are."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.domain.listing import NumberedPageQuery, Order, PaymentFilter, Position
from server.domain.payment import PaymentMethod, Status
from server.storage.payments import listing
from server.storage.payments.codec import payment_from_text
from tests.support.databases import DatabaseServer, settings_of
from tests.support.tidb import except_on_tidb
from tools.database.connection import connect
from tools.operations.sample_data import insert_sample_payments

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = 200_000


@pytest.fixture(scope="module")
def large_database(make_migrated_database: Callable[[], dict[str, str]]) -> str:
    environment = make_migrated_database()
    with closing(connect(settings_of(environment))) as connection:
        insert_sample_payments(connection, ROWS, seed=1, now=NOW, report=lambda _: None)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE TABLE payments")
    return environment["MYSQL_DB"]


@pytest.mark.parametrize(
    ("payment_filter", "index"),
    [
        (PaymentFilter(), "payments_by_time"),
        (PaymentFilter(min_create_time=NOW - timedelta(days=40)), "payments_by_time"),
        (PaymentFilter(order_id=7), "payments_by_order"),
        (PaymentFilter(methods=frozenset({PaymentMethod.UPI})), "payments_by_method"),
        (PaymentFilter(statuses=frozenset({Status.FAILED})), "payments_by_status"),
        (PaymentFilter(statuses=frozenset({Status.PENDING})), "payments_by_status"),
        (PaymentFilter(caller="sample"), "payments_by_caller"),
        (PaymentFilter(customer_id="c", caller="sample"), "payments_by_customer"),
        (PaymentFilter(external_reference="ORD-7", customer_id="c"), "payments_by_external_reference"),
        (PaymentFilter(processor_reference="pi_1", external_reference="ORD-7"), "payments_by_processor_reference"),
        (PaymentFilter(order_id=7, customer_id="c"), "payments_by_order"),
    ],
)
@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("after", [None, Position(NOW - timedelta(days=30), 100_000)])
def test_a_page_is_read_from_its_index_without_a_sort(
    database_server: DatabaseServer,
    large_database: str,
    payment_filter: PaymentFilter,
    index: str,
    order: Order,
    after: Position | None,
) -> None:
    for part in listing.page_parts(payment_filter, order, after):
        (step,) = database_server.explain(part.text, (*part.values, 51), large_database)
        assert step.index == index
        assert "Using filesort" not in step.notes
        assert step.access != "ALL"


def numbered_query(skip: int, order: Order = Order.NEWEST_FIRST, **conditions: Any) -> NumberedPageQuery:  # noqa: ANN401
    return NumberedPageQuery(order=order, size=200, skip=skip, **conditions)


@except_on_tidb("its plan is a tree without DERIVED parts")
@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({}, "payments_by_time"),
        ({"order_id": 7}, "payments_by_order"),
        ({"method": "UPI"}, "payments_by_method"),
        ({"status": Status.FAILED}, "payments_by_status"),
    ],
)
@pytest.mark.parametrize("skip", [0, 1000, 199_000])
def test_a_numbered_page_skips_index_entries_only(
    database_server: DatabaseServer, large_database: str, conditions: dict[str, Any], index: str, skip: int
) -> None:
    page = listing.numbered_page(numbered_query(skip, **conditions), ROWS)
    plan = database_server.explain(page.text, page.values, large_database)
    (ids,) = (step for step in plan if step.part == "DERIVED")
    assert ids.index == index
    assert "Using index" in ids.notes
    assert "Using filesort" not in ids.notes


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("skip", [0, 1, 99_900, 100_000, 100_001, 199_799, 199_800, 199_900, 199_999])
def test_a_numbered_page_is_the_same_when_read_from_either_end(
    database_server: DatabaseServer, large_database: str, order: Order, skip: int
) -> None:
    page = listing.numbered_page(numbered_query(skip, order), ROWS)
    direction = "DESC" if order is Order.NEWEST_FIRST else "ASC"
    expected = database_server.execute(
        f"SELECT payment_id FROM payments ORDER BY created_at {direction}, payment_id {direction} LIMIT 200 OFFSET %s",
        (skip,),
        large_database,
    )
    found = database_server.execute(page.text, page.values, large_database)
    assert [payment_from_text(text).payment_id for (text,) in found] == [payment_id for (payment_id,) in expected]


@except_on_tidb("it has no loose index scan, and reads the whole index")
def test_the_spellings_of_a_method_are_found_by_a_loose_index_scan(
    database_server: DatabaseServer, large_database: str
) -> None:
    query = listing.method_spellings("upi")
    (step,) = database_server.explain(query.text, query.values, large_database)
    assert step.index == "payments_by_method"
    assert "Using index for group-by" in step.notes
    assert list(database_server.execute(query.text, query.values, large_database)) == [("UPI",)]


@except_on_tidb("its plan is a tree without DERIVED parts")
def test_a_page_with_several_spellings_of_a_method_is_read_from_the_index(
    database_server: DatabaseServer, large_database: str
) -> None:
    page = listing.numbered_page(numbered_query(0, method="upi"), ROWS, ["UPI", "Upi"])
    plan = database_server.explain(page.text, page.values, large_database)
    (ids,) = (step for step in plan if step.part == "DERIVED")
    assert ids.index == "payments_by_method"
    assert "Using index" in ids.notes


def test_a_method_and_a_status_are_counted_with_one_index(database_server: DatabaseServer, large_database: str) -> None:
    both = PaymentFilter(methods=frozenset({PaymentMethod.UPI}), statuses=frozenset({Status.FAILED}))
    for query in (
        listing.count(both),
        listing.numbered_count(numbered_query(0, method="UPI", status=Status.FAILED)),
    ):
        (step,) = database_server.explain(query.text, query.values, large_database)
        assert step.index == "payments_by_method"
        assert "Using index" in step.notes
