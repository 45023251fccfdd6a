"""Amounts on the wire: in every currency, exactly the requested amount is charged, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import InvalidValue
from server.domain.money import MAX_MINOR, MINOR_DIGITS, Money
from server.processors.stripe.amounts import SUPPORTED_CURRENCIES, money_from_stripe, stripe_amount


@st.composite
def amounts(draw: st.DrawFn) -> Money:
    """Return money of any currency."""
    currency = draw(st.sampled_from(sorted(MINOR_DIGITS)))
    return Money(currency, draw(st.integers(1, MAX_MINOR)))


@given(amounts())
def test_an_amount_survives_the_round_trip_or_is_rejected(money: Money) -> None:
    try:
        amount = stripe_amount(money)
    except InvalidValue:
        return
    assert money_from_stripe(money.currency, amount) == money


@pytest.mark.parametrize("currency", sorted(MINOR_DIGITS))
def test_each_allowed_currency_is_converted_exactly_or_not_supported(currency: str) -> None:
    one = Money.from_units(currency, 1, 0)
    if currency in SUPPORTED_CURRENCIES:
        assert money_from_stripe(currency, stripe_amount(one)) == one
    else:
        with pytest.raises(InvalidValue):
            stripe_amount(one)


@pytest.mark.parametrize(
    ("money", "amount"),
    [
        (Money("INR", 56_125), 56_125),
        (Money("JPY", 500), 500),
        (Money("ISK", 5), 500),
        (Money("UGX", 5), 500),
        (Money("MGA", 500), 5),
        (Money("HUF", 1_045), 1_045),
        (Money("TWD", 80_045), 80_045),
        (Money("KWD", 5_120), 5_120),
        (Money("USD", 99_999_999), 99_999_999),
    ],
    ids=str,
)
def test_an_amount_is_converted_as_documented_by_stripe(money: Money, amount: int) -> None:
    assert stripe_amount(money) == amount


@pytest.mark.parametrize(
    "money",
    [
        Money("MGA", 150),
        Money("KWD", 5_124),
        Money("BHD", 1),
        Money("USD", 100_000_000),
        Money("ISK", 1_000_000),
        Money("CLF", 10_000),
        Money("IRR", 100),
    ],
    ids=str,
)
def test_an_amount_that_the_processor_cannot_charge_exactly_is_rejected(money: Money) -> None:
    with pytest.raises(InvalidValue):
        stripe_amount(money)


@pytest.mark.parametrize(
    ("money", "reason"),
    [
        (Money("IRR", 100), "must be another currency: the payment processor does not charge in IRR"),
        (Money("MGA", 150), "must be a multiple of 1 MGA, the smallest unit of the payment processor"),
        (Money("KWD", 5_124), "must be a multiple of 0.01 KWD, the smallest unit of the payment processor"),
        (Money("USD", 100_000_000), "must be smaller: the payment processor does not accept charges this large"),
    ],
    ids=str,
)
def test_the_error_of_an_amount_says_which_amounts_are_possible(money: Money, reason: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        stripe_amount(money)
    assert raised.value.description == reason


@pytest.mark.parametrize(("currency", "amount"), [("IRR", 100), ("ISK", 550), ("UGX", 1)])
def test_an_amount_of_the_processor_that_cannot_be_represented_is_rejected(currency: str, amount: int) -> None:
    with pytest.raises(InvalidValue, match=currency):
        money_from_stripe(currency, amount)


def test_an_amount_of_the_processor_becomes_whole_minor_units() -> None:
    money = money_from_stripe("ISK", 500)
    assert money == Money("ISK", 5)
    assert type(money.amount_minor) is int
