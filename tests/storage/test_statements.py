"""The list of all statements, which traces and checks of a database use."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.listing import Order, PaymentFilter, Position
from server.domain.money import Money
from server.domain.payment import PaymentMethod, RefundState, Status
from server.storage.payments import insert_queries, listing
from server.storage.statements import explanations, name_of
from tests.storage.listed_statements import is_listed

TIME = datetime(2026, 1, 2, tzinfo=UTC)
FILTERS = st.builds(
    PaymentFilter,
    order_id=st.none() | st.just(1),
    methods=st.frozensets(st.sampled_from(PaymentMethod)),
    statuses=st.frozensets(st.sampled_from(Status)),
    refund_states=st.frozensets(st.sampled_from(RefundState)),
    reference=st.none() | st.just("reference"),
    min_amount=st.none() | st.just(Money("INR", 1)),
    max_amount=st.none() | st.just(Money("INR", 2)),
    min_create_time=st.none() | st.just(TIME),
    max_create_time=st.none() | st.just(TIME),
)
POSITIONS = st.none() | st.builds(Position, st.none() | st.just(TIME), st.just(1))


@given(FILTERS, st.sampled_from(Order), POSITIONS)
def test_every_clause_of_every_list_is_in_a_listed_statement(
    payment_filter: PaymentFilter, order: Order, after: Position | None
) -> None:
    for query in (
        *listing.page_parts(payment_filter, order, after),
        listing.count(payment_filter),
        listing.export_payments(payment_filter),
        listing.export_refunds(payment_filter),
    ):
        assert is_listed(query.text), query.text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT COUNT(*) FROM payments p WHERE p.amount IS NULL",
        "SELECT MAX(p.amount) FROM payments p",
        insert_queries.SELECT_IDS + " FOR UPDATE",
    ],
)
def test_a_statement_with_another_clause_is_not_listed(text: str) -> None:
    assert not is_listed(text)


def test_a_statement_has_the_name_of_its_constant_for_any_number_of_rows() -> None:
    assert name_of(insert_queries.for_payments(insert_queries.INSERT_PAYMENTS, 3)) == "INSERT_PAYMENTS"
    assert is_listed(insert_queries.for_payments(insert_queries.INSERT_PAYMENTS, 3))


def test_each_statement_of_a_script_that_touches_rows_is_explained_without_values() -> None:
    script = "SET autocommit = 0; SELECT 1 FROM t WHERE x IN %s LIMIT %s; (SELECT 2); SET @x = 1; DELETE FROM t; COMMIT"
    assert [explanation for _, explanation in explanations(script)] == [
        "EXPLAIN SELECT 1 FROM t WHERE x IN (NULL) LIMIT 1",
        "EXPLAIN (SELECT 2)",
        "EXPLAIN DELETE FROM t",
    ]
