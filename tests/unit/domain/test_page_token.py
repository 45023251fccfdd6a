"""Page tokens are decoded to the encoded position, and any other text is rejected."""

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
NO_FILTER = PaymentFilter()


@pytest.mark.parametrize("name", CONDITIONS)
@given(POSITIONS, st.data())
def test_a_token_is_bound_to_each_condition(name: str, position: Position, data: st.DataObject) -> None:
    own, other = (filter_of({name: data.draw(CONDITIONS[name])}) for _ in range(2))
    assert own is not None
    assert other is not None
    token = tokens.encode_page_token(position, own, Order.NEWEST_FIRST)
    if own != other:
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(token, other, Order.NEWEST_FIRST)


@given(POSITIONS, FILTERS, ORDERS)
def test_the_encoded_position_is_decoded(position: Position, payment_filter: PaymentFilter, order: Order) -> None:
    token = tokens.encode_page_token(position, payment_filter, order)
    assert tokens.decode_page_token(token, payment_filter, order) == position


@given(POSITIONS, st.integers(0, 39), st.characters())
def test_a_token_with_an_altered_character_is_rejected(position: Position, index: int, character: str) -> None:
    token = tokens.encode_page_token(position, NO_FILTER, Order.NEWEST_FIRST)
    altered = token[:index] + character + token[index + 1 :]
    if altered != token:
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(altered, NO_FILTER, Order.NEWEST_FIRST)


@given(st.text() | st.binary().map(lambda data: data.hex()))
def test_any_other_text_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValue):
        tokens.decode_page_token(text, NO_FILTER, Order.NEWEST_FIRST)


@given(POSITIONS, FILTERS, FILTERS, ORDERS, ORDERS)
def test_a_token_is_bound_to_its_filter_and_order(
    position: Position, own: PaymentFilter, other: PaymentFilter, own_order: Order, other_order: Order
) -> None:
    token = tokens.encode_page_token(position, own, own_order)
    if (own, own_order) != (other, other_order):
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(token, other, other_order)


def test_a_token_with_added_padding_or_white_space_is_rejected() -> None:
    token = tokens.encode_page_token(Position(datetime.now(UTC), 7), NO_FILTER, Order.NEWEST_FIRST)
    for altered in (token + "=", token + "====", token + "\n", " " + token, token.replace("A", "A\n", 1) + "\n"):
        with pytest.raises(InvalidValue):
            tokens.decode_page_token(altered, NO_FILTER, Order.NEWEST_FIRST)
