"""Resume tokens: each place has one, and nothing else is one."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain import tokens
from server.domain.errors import InvalidValue
from server.domain.listing import Order, PaymentFilter, Position

PLACES = st.integers(0, 2**63 - 1)


@given(PLACES)
def test_a_token_gives_its_place(place: int) -> None:
    token = tokens.encode_resume_token(place)
    assert tokens.decode_resume_token(token) == place
    assert len(token) == 24


@given(PLACES, st.integers(0, 18 * 8 - 1))
def test_a_token_with_any_bit_altered_is_refused(place: int, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(tokens.encode_resume_token(place)))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidValue):
        tokens.decode_resume_token(base64.urlsafe_b64encode(bytes(raw)).decode())


@given(st.text())
def test_any_text_is_refused_or_a_token(text: str) -> None:
    with suppress(InvalidValue):
        assert tokens.encode_resume_token(tokens.decode_resume_token(text)) == text


def test_a_page_token_is_no_resume_token() -> None:
    with pytest.raises(InvalidValue):
        tokens.decode_resume_token(tokens.encode_page_token(Position(None, 7), PaymentFilter(), Order.NEWEST_FIRST))
