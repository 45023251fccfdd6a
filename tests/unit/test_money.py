"""Money: exact, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.currency import MINOR_DIGITS
from server.domain.errors import InvalidValue
from server.domain.money import MAX_AMOUNT, Money

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
NEAR = st.integers(-200_000_000, 200_000_000)


@given(st.sampled_from(sorted(MINOR_DIGITS)), INT64 | NEAR, INT32 | st.integers(-99, 99).map(lambda n: n * 10_000_000))
def test_any_units_and_nanos_come_back_exactly_or_are_refused(currency: str, units: int, nanos: int) -> None:
    try:
        money = Money.from_units(currency, units, nanos)
    except InvalidValue:
        minor_nanos = 10 ** (9 - MINOR_DIGITS[currency])
        assert abs(units) > MAX_AMOUNT - 1 or abs(nanos) >= 10**9 or units * nanos < 0 or nanos % minor_nanos
        return
    assert money.units_and_nanos == (units, nanos)
    assert money.amount == units + Decimal(nanos).scaleb(-9)
    assert abs(money.amount) <= MAX_AMOUNT


@given(st.sampled_from(["INR", "JPY", "USD"]), st.decimals(-(10**9), 10**9, places=3))
def test_any_decimal_comes_back_exactly_or_is_refused(currency: str, amount: Decimal) -> None:
    try:
        money = Money.from_amount(currency, amount)
    except InvalidValue:
        assert abs(amount) > MAX_AMOUNT or amount != round(amount, MINOR_DIGITS[currency])
        return
    assert money.amount == amount


@pytest.mark.parametrize("currency", ["", "inr", "XYZ", "INRR", "NaN"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Money.from_units(currency, 1, 0)
    assert refused.value.part == "currency_code"
