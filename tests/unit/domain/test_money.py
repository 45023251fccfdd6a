"""Amounts of money are exact; an amount that cannot be represented exactly is rejected."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import InvalidValue
from server.domain.money import MAX_MINOR, MINOR_DIGITS, Currencies, Money, positive

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
SMALL = st.integers(-(2 * 10**13), 2 * 10**13)


def largest(currency: str) -> Decimal:
    """Return the largest amount of a currency."""
    return Decimal(MAX_MINOR).scaleb(-MINOR_DIGITS[currency])


@given(st.sampled_from(sorted(MINOR_DIGITS)), INT64 | SMALL, INT32 | st.integers(-99, 99).map(lambda n: n * 10_000_000))
def test_units_and_nanos_are_either_preserved_exactly_or_rejected(currency: str, units: int, nanos: int) -> None:
    try:
        money = Money.from_units(currency, units, nanos)
    except InvalidValue:
        nanos_per_minor = 10 ** (9 - MINOR_DIGITS[currency])
        assert abs(units) > largest(currency) - 1 or abs(nanos) >= 10**9 or units * nanos < 0 or nanos % nanos_per_minor
        return
    assert type(money.amount_minor) is int
    assert money.units_and_nanos == (units, nanos)
    assert money.amount == units + Decimal(nanos).scaleb(-9)
    assert abs(money.amount) <= largest(currency)


@given(st.sampled_from(["INR", "JPY", "KWD", "CLF"]), st.decimals(-(10**14), 10**14, places=5))
def test_a_decimal_is_either_preserved_exactly_or_rejected(currency: str, amount: Decimal) -> None:
    try:
        money = Money.from_amount(currency, amount)
    except InvalidValue:
        assert abs(amount) > largest(currency) or amount != round(amount, MINOR_DIGITS[currency])
        return
    assert money.amount == amount


@pytest.mark.parametrize("currency", ["", "inr", "XYZ", "INRR", "NaN"])
def test_an_unknown_currency_is_rejected(currency: str) -> None:
    with pytest.raises(InvalidValue) as rejected:
        Money.from_units(currency, 1, 0)
    assert rejected.value.part == "currency_code"


@pytest.mark.parametrize(
    ("currency", "units", "nanos", "part", "allowed"),
    [
        ("INR", 0, 10**9, "nanos", "must be between -999,999,999 and +999,999,999"),
        ("INR", 0, -(10**9), "nanos", "must be between -999,999,999 and +999,999,999"),
        ("INR", 1, -10_000_000, "nanos", "must have the same sign as units"),
        ("INR", -1, 10_000_000, "nanos", "must have the same sign as units"),
        ("INR", 1, 10_000_001, "nanos", "must be a multiple of 10,000,000: INR has 2 decimals"),
        ("JPY", 1, 500_000_000, "nanos", "must be a multiple of 1,000,000,000: JPY has 0 decimals"),
        ("KWD", 1, 100_000, "nanos", "must be a multiple of 1,000,000: KWD has 3 decimals"),
        ("INR", 10**13, 0, "units", "must be at most 9999999999999.99 in INR"),
        ("INR", -(10**13), 0, "units", "must be at most 9999999999999.99 in INR"),
        ("JPY", 10**15, 0, "units", "must be at most 999999999999999 in JPY"),
        ("KWD", 10**12, 0, "units", "must be at most 999999999999.999 in KWD"),
        ("CLF", 10**11, 0, "units", "must be at most 99999999999.9999 in CLF"),
        ("inr", 1, 0, "currency_code", "must be an ISO 4217 currency code of three upper-case letters"),
    ],
)
def test_the_error_names_the_invalid_part_and_what_is_allowed(
    currency: str, units: int, nanos: int, part: str, allowed: str
) -> None:
    with pytest.raises(InvalidValue) as rejected:
        Money.from_units(currency, units, nanos)
    assert (rejected.value.part, rejected.value.description) == (part, allowed)


@pytest.mark.parametrize(
    ("units", "nanos", "amount_minor"),
    [(561, 250_000_000, 56_125), (0, 990_000_000, 99), (-1, -10_000_000, -101), (0, -990_000_000, -99), (0, 0, 0)],
)
def test_units_and_nanos_of_the_same_sign_are_one_amount(units: int, nanos: int, amount_minor: int) -> None:
    money = Money.from_units("INR", units, nanos)
    assert money.amount_minor == amount_minor
    assert money.units_and_nanos == (units, nanos)


def test_the_largest_amount_is_accepted_and_a_larger_one_is_rejected() -> None:
    for currency, amount in (("INR", "9999999999999.99"), ("JPY", "999999999999999"), ("CLF", "99999999999.9999")):
        assert Money(currency, MAX_MINOR).amount == Decimal(amount)
        assert Money(currency, -MAX_MINOR).amount == -Decimal(amount)
        for minor in (MAX_MINOR + 1, -MAX_MINOR - 1):
            with pytest.raises(InvalidValue):
                Money(currency, minor)


@given(st.integers(-MAX_MINOR, MAX_MINOR), st.integers(0, 4))
def test_a_double_represents_every_amount_exactly(minor: int, digits: int) -> None:
    amount = Decimal(minor).scaleb(-digits)
    assert Decimal(repr(float(amount))) == amount


@pytest.mark.parametrize(("currency", "digits"), [("INR", 2), ("JPY", 0), ("KWD", 3)])
def test_the_error_for_too_many_decimals_names_the_limit(currency: str, digits: int) -> None:
    assert Money.from_amount(currency, Decimal(1).scaleb(-digits)).amount_minor == 1
    with pytest.raises(InvalidValue) as rejected:
        Money.from_amount(currency, Decimal(1).scaleb(-digits - 1))
    assert rejected.value.description == f"must have at most {digits} decimals in {currency}"


@pytest.mark.parametrize(
    ("currency", "amount", "amount_minor"),
    [
        ("INR", "1.005", 101),
        ("INR", "1.0049", 100),
        ("INR", "-1.005", -101),
        ("JPY", "1.5", 2),
        ("JPY", "2.5", 3),
        ("KWD", "1.0005", 1001),
    ],
)
def test_amounts_are_rounded_half_away_from_zero_to_the_minor_unit(
    currency: str, amount: str, amount_minor: int
) -> None:
    assert Money.rounded(currency, Decimal(amount)) == Money(currency, amount_minor)


def test_an_unknown_currency_of_a_decimal_is_rejected() -> None:
    for create in (Money.from_amount, Money.rounded):
        with pytest.raises(InvalidValue) as rejected:
            create("XYZ", Decimal(1))
        assert rejected.value.part == "currency_code"


def test_only_amounts_of_the_same_currency_can_be_added_and_subtracted() -> None:
    assert Money("INR", 500).plus(Money("INR", 70)) == Money("INR", 570)
    assert Money("INR", 500).minus(Money("INR", 570)) == Money("INR", -70)
    for mixed in (Money("INR", 1).plus, Money("INR", 1).minus):
        with pytest.raises(AssertionError):
            mixed(Money("USD", 1))


def test_money_is_formatted_with_the_decimals_of_its_currency() -> None:
    assert [str(Money(currency, 56_100)) for currency in ("INR", "JPY", "KWD")] == [
        "561.00 INR",
        "56100 JPY",
        "56.100 KWD",
    ]


def test_only_amounts_above_zero_are_positive() -> None:
    assert positive(Money("INR", 1)) == Money("INR", 1)
    for minor in (0, -1):
        with pytest.raises(InvalidValue) as rejected:
            positive(Money("INR", minor))
        assert (rejected.value.part, rejected.value.description) == ("", "must be more than zero")


def test_a_charge_is_in_an_allowed_currency_and_by_default_in_the_default_one() -> None:
    currencies = Currencies("INR", frozenset({"USD", "INR"}))
    assert (currencies.code_or_default(""), currencies.code_or_default("XYZ")) == ("INR", "XYZ")
    assert [currencies.chargeable(code) for code in ("", "INR", "USD")] == ["INR", "INR", "USD"]
    with pytest.raises(InvalidValue) as rejected:
        currencies.chargeable("EUR")
    assert (rejected.value.part, rejected.value.description) == ("currency_code", "must be one of INR, USD, or empty")
