"""Resume tokens are decoded to the encoded position, and any other text is rejected."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain import tokens
from server.domain.errors import InvalidValue
from server.domain.listing import Order, PaymentFilter, Position

SEQUENCES = st.integers(0, 2**63 - 1)


@given(SEQUENCES)
def test_the_encoded_position_is_decoded(sequence: int) -> None:
    token = tokens.encode_resume_token(sequence)
    assert tokens.decode_resume_token(token) == sequence
    assert len(token) == 24


@given(SEQUENCES, st.integers(0, 18 * 8 - 1))
def test_a_token_with_an_altered_bit_is_rejected(sequence: int, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(tokens.encode_resume_token(sequence)))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidValue):
        tokens.decode_resume_token(base64.urlsafe_b64encode(bytes(raw)).decode())


@given(st.text())
def test_any_text_is_a_token_or_rejected(text: str) -> None:
    with suppress(InvalidValue):
        assert tokens.encode_resume_token(tokens.decode_resume_token(text)) == text


def test_a_page_token_is_not_a_resume_token() -> None:
    with pytest.raises(InvalidValue):
        tokens.decode_resume_token(tokens.encode_page_token(Position(None, 7), PaymentFilter(), Order.NEWEST_FIRST))
