"""What is taken for a card number, and what is not."""

import random
import uuid

import pytest

from server.domain.card_number import HIDDEN, has_card_number, without_card_numbers
from tests.support.secrecy import CARD_NUMBERS


@pytest.mark.parametrize("number", CARD_NUMBERS)
def test_a_card_number_is_found_among_other_text(number: str) -> None:
    for text in (number, f"card {number}, again", f"order_{number}.", f'{{"card": "{number}"}}'):
        assert has_card_number(text)
        assert without_card_numbers(text) == text.replace(number, HIDDEN)


def test_a_card_number_in_groups_is_found() -> None:
    for text in ("4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005"):
        assert without_card_numbers(f"<{text}>") == f"<{HIDDEN}>"


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # a wrong last digit
        "7111111111111114",  # no network's
        "411111111111111",  # too short
        "44111111111111110",  # Visa has none of 17
        "4111 1111-1111 1111",
        "a4111111111111111b",
        "9" * 128,
        "",
    ],
)
def test_other_numbers_are_left_as_they_are(text: str) -> None:
    assert not has_card_number(text)
    assert without_card_numbers(text) == text


def test_names_that_callers_give_calls_are_not_taken_for_card_numbers() -> None:
    chance = random.Random(8)
    names = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(2000)]
    names += [f"{chance.getrandbits(128):032x}" for _ in range(2000)]
    names += [str(chance.randrange(10**17, 10**18)) for _ in range(2000)]  # of 18 digits, as snowflakes have

    assert not [name for name in names if has_card_number(name)]
