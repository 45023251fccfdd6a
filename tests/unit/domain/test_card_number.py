"""Detection of card numbers."""

import random
import uuid

import pytest

from server.domain.card_number import REDACTED, has_card_number, without_card_numbers
from tests.support.secrecy import CARD_NUMBERS


@pytest.mark.parametrize("number", CARD_NUMBERS)
def test_a_card_number_is_found_in_other_text(number: str) -> None:
    for text in (number, f"card {number}, again", f"order_{number}.", f'{{"card": "{number}"}}'):
        assert has_card_number(text)
        assert without_card_numbers(text) == text.replace(number, REDACTED)


def test_a_card_number_in_groups_is_found() -> None:
    for text in ("4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005"):
        assert without_card_numbers(f"<{text}>") == f"<{REDACTED}>"


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # a wrong check digit
        "7111111111111114",  # the prefix of no card network
        "411111111111111",  # too short
        "44111111111111110",  # 17 digits, which Visa does not have
        "4111 1111-1111 1111",
        "a4111111111111111b",
        "9" * 128,
        "",
    ],
)
def test_other_numbers_are_not_replaced(text: str) -> None:
    assert not has_card_number(text)
    assert without_card_numbers(text) == text


def test_typical_request_ids_are_not_mistaken_for_card_numbers() -> None:
    rng = random.Random(8)
    request_ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(2000)]
    request_ids += [f"{rng.getrandbits(128):032x}" for _ in range(2000)]
    request_ids += [str(rng.randrange(10**17, 10**18)) for _ in range(2000)]  # 18 digits, like a snowflake id

    assert not [request_id for request_id in request_ids if has_card_number(request_id)]
