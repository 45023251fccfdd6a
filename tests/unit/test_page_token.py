"""Page tokens: what was encoded is decoded, and nothing else is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain import page_token
from server.domain.errors import InvalidValue
from server.domain.listing import Order, PaymentFilter, Position
from server.domain.payment import Status

TIMES = st.datetimes(timezones=st.just(UTC))
POSITIONS = st.builds(Position, st.none() | TIMES, st.integers(1, 2**63 - 1))
FILTERS = st.builds(
    PaymentFilter,
    order_id=st.none() | st.integers(-(2**63), 2**63 - 1),
    statuses=st.frozensets(st.sampled_from(Status)),
    reference=st.none() | st.text(min_size=1, max_size=20),
)
ORDERS = st.sampled_from(Order)
EVERY = PaymentFilter()


@given(POSITIONS, FILTERS, ORDERS)
def test_a_position_comes_back(position: Position, payment_filter: PaymentFilter, order: Order) -> None:
    token = page_token.encode(position, payment_filter, order)
    assert page_token.decode(token, payment_filter, order) == position


@given(POSITIONS, st.integers(0, 39), st.characters())
def test_a_token_with_any_letter_altered_is_refused(position: Position, place: int, letter: str) -> None:
    token = page_token.encode(position, EVERY, Order.NEWEST_FIRST)
    altered = token[:place] + letter + token[place + 1 :]
    if altered != token:
        with pytest.raises(InvalidValue):
            page_token.decode(altered, EVERY, Order.NEWEST_FIRST)


@given(st.text() | st.binary().map(lambda data: data.hex()))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        page_token.decode(text, EVERY, Order.NEWEST_FIRST)


@given(POSITIONS, FILTERS, FILTERS, ORDERS, ORDERS)
def test_a_token_is_bound_to_its_filter_and_order(
    position: Position, mine: PaymentFilter, other: PaymentFilter, my_order: Order, other_order: Order
) -> None:
    token = page_token.encode(position, mine, my_order)
    if (mine, my_order) != (other, other_order):
        with pytest.raises(InvalidValue):
            page_token.decode(token, other, other_order)


def test_a_token_with_padding_or_white_space_added_is_refused() -> None:
    token = page_token.encode(Position(datetime.now(UTC), 7), EVERY, Order.NEWEST_FIRST)
    for altered in (token + "=", token + "====", token + "\n", " " + token, token.replace("A", "A\n", 1) + "\n"):
        with pytest.raises(InvalidValue):
            page_token.decode(altered, EVERY, Order.NEWEST_FIRST)
