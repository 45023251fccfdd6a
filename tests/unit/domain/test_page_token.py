"""Page tokens: what was encoded is decoded, and nothing else is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain import tokens
from server.domain.errors import InvalidValue
from server.domain.listing import Order, PaymentFilter, Position
from server.domain.money import Money
from server.domain.payment import PaymentMethod, RefundState, Status

TIMES = st.datetimes(timezones=st.just(UTC))
POSITIONS = st.builds(Position, st.none() | TIMES, st.integers(1, 2**63 - 1))


def filter_of(conditions: dict[str, Any]) -> PaymentFilter | None:
    try:
        return PaymentFilter(**conditions)
    except InvalidValue:
        return None


AMOUNTS = st.none() | st.builds(Money, st.sampled_from(["INR", "USD"]), st.integers(-(10**9), 10**9))
CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "order_id": st.none() | st.integers(-(2**63), 2**63 - 1),
    "methods": st.frozensets(st.sampled_from(PaymentMethod)),
    "statuses": st.frozensets(st.sampled_from(Status)),
    "refund_states": st.frozensets(st.sampled_from(RefundState)),
    "reference": st.none() | st.text(min_size=1, max_size=20),
    "min_amount": AMOUNTS,
    "max_amount": AMOUNTS,
    "min_create_time": st.none() | TIMES,
    "max_create_time": st.none() | TIMES,
}
FILTERS = st.fixed_dictionaries(CONDITIONS).map(filter_of).filter(bool)
ORDERS = st.sampled_from(Order)
EVERY = PaymentFilter()


@pytest.mark.parametrize("name", CONDITIONS)
@given(POSITIONS, st.data())
def test_a_token_is_bound_to_each_condition(name: str, position: Position, data: st.DataObject) -> None:
    mine, other = (filter_of({name: data.draw(CONDITIONS[name])}) for _ in range(2))
    assert mine is not None
    assert other is not None
    token = tokens.encode_page_token(position, mine, Order.NEWEST_FIRST)
    if mine != other:
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(token, other, Order.NEWEST_FIRST)


@given(POSITIONS, FILTERS, ORDERS)
def test_a_position_comes_back(position: Position, payment_filter: PaymentFilter, order: Order) -> None:
    token = tokens.encode_page_token(position, payment_filter, order)
    assert tokens.decode_page_token(token, payment_filter, order) == position


@given(POSITIONS, st.integers(0, 39), st.characters())
def test_a_token_with_any_letter_altered_is_refused(position: Position, place: int, letter: str) -> None:
    token = tokens.encode_page_token(position, EVERY, Order.NEWEST_FIRST)
    altered = token[:place] + letter + token[place + 1 :]
    if altered != token:
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(altered, EVERY, Order.NEWEST_FIRST)


@given(st.text() | st.binary().map(lambda data: data.hex()))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        tokens.decode_page_token(text, EVERY, Order.NEWEST_FIRST)


@given(POSITIONS, FILTERS, FILTERS, ORDERS, ORDERS)
def test_a_token_is_bound_to_its_filter_and_order(
    position: Position, mine: PaymentFilter, other: PaymentFilter, my_order: Order, other_order: Order
) -> None:
    token = tokens.encode_page_token(position, mine, my_order)
    if (mine, my_order) != (other, other_order):
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(token, other, other_order)


def test_a_token_with_padding_or_white_space_added_is_refused() -> None:
    token = tokens.encode_page_token(Position(datetime.now(UTC), 7), EVERY, Order.NEWEST_FIRST)
    for altered in (token + "=", token + "====", token + "\n", " " + token, token.replace("A", "A\n", 1) + "\n"):
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(altered, EVERY, Order.NEWEST_FIRST)
