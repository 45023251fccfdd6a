"""Money: exact amounts, and the currencies of ISO 4217."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Self

from server.domain.errors import InvalidValue
from server.domain.value import value

_CODES_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
        "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG "
        "HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
        "MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
        "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD "
        "XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

MINOR_DIGITS: dict[str, int] = {code: digits for digits, codes in _CODES_BY_DIGITS.items() for code in codes.split()}
"""Decimals of the minor unit by currency code: 2 for INR, whose minor unit is the paisa."""


AMOUNT_DIGITS = 2
"""Decimals that the database keeps of an amount."""

MAX_AMOUNT = Decimal("99999999.99")
"""The largest amount, of either sign, that the database can keep."""

_MAX_MINOR = {currency: int(MAX_AMOUNT.scaleb(digits)) for currency, digits in MINOR_DIGITS.items()}

NANOS_PER_UNIT = 1_000_000_000


@value()
class Money:
    """An exact amount of one currency.

    ``currency`` is an ISO 4217 code and ``amount_minor`` a whole number of its minor units: paise of INR, cents of USD,
    yen of JPY. Either sign is possible, since adopted payments may have any.

    Raises:
        InvalidValue: the currency is unknown, or the amount is over what the database can keep.
    """

    currency: str
    amount_minor: int

    def __post_init__(self) -> None:
        """Refuse to exist when wrong."""
        if self.currency not in MINOR_DIGITS:
            raise InvalidValue("must be an ISO 4217 currency code of three upper-case letters", "currency_code")
        if abs(self.amount_minor) > _MAX_MINOR[self.currency]:
            raise InvalidValue(f"must be at most {MAX_AMOUNT}", "units")

    @classmethod
    def from_units(cls, currency: str, units: int, nanos: int) -> Self:
        """Make money from whole units and billionths of one, which must have the same sign (google.type.Money).

        Raises:
            InvalidValue: the two have different signs, ``nanos`` is a unit or more, or the amount is finer than the
                currency's minor unit, of an unknown currency or too large.
        """
        digits = MINOR_DIGITS.get(currency)
        if digits is None:
            return cls(currency, 0)
        if not -NANOS_PER_UNIT < nanos < NANOS_PER_UNIT:
            raise InvalidValue("must be between -999,999,999 and +999,999,999", "nanos")
        if units * nanos < 0:
            raise InvalidValue("must have the same sign as units", "nanos")
        nanos_per_minor = NANOS_PER_UNIT // 10**digits
        if nanos % nanos_per_minor:
            raise InvalidValue(f"must be a multiple of {nanos_per_minor:,}: {currency} has {digits} decimals", "nanos")
        return cls(currency, units * 10**digits + nanos // nanos_per_minor)

    @classmethod
    def from_amount(cls, currency: str, amount: Decimal) -> Self:
        """Make money from a decimal number of units.

        Raises:
            InvalidValue: the amount is finer than the currency's minor unit, of an unknown currency or too large.
        """
        digits = MINOR_DIGITS.get(currency, 0)
        minor = amount.scaleb(digits)
        if minor != minor.to_integral_value():
            raise InvalidValue(f"must have at most {digits} decimals in {currency}")
        return cls(currency, int(minor))

    @classmethod
    def rounded(cls, currency: str, amount: Decimal) -> Self:
        """Make money from a finite decimal number of units, rounded half up (away from zero) to the minor unit.

        Raises:
            InvalidValue: the currency is unknown, or the amount too large.
        """
        return cls.from_amount(
            currency, amount.quantize(Decimal(1).scaleb(-MINOR_DIGITS.get(currency, 0)), rounding=ROUND_HALF_UP)
        )

    @property
    def amount(self) -> Decimal:
        """The amount in whole units of the currency: 561.00 for 56,100 paise."""
        return Decimal(self.amount_minor).scaleb(-MINOR_DIGITS[self.currency])

    @property
    def units_and_nanos(self) -> tuple[int, int]:
        """The amount as google.type.Money has it: whole units, and billionths of one, of the same sign."""
        minor_per_unit = 10 ** MINOR_DIGITS[self.currency]
        units, minor = divmod(abs(self.amount_minor), minor_per_unit)
        nanos = minor * (NANOS_PER_UNIT // minor_per_unit)
        return (units, nanos) if self.amount_minor >= 0 else (-units, -nanos)

    @property
    def is_positive(self) -> bool:
        """Whether it is more than nothing."""
        return self.amount_minor > 0

    def minus(self, other: "Money") -> "Money":
        """Return what is left when ``other``, of the same currency, is taken away."""
        assert self.currency == other.currency, "amounts of two currencies cannot be subtracted"
        return Money(self.currency, self.amount_minor - other.amount_minor)

    def plus(self, other: "Money") -> "Money":
        """Return the sum with ``other``, of the same currency."""
        assert self.currency == other.currency, "amounts of two currencies cannot be added"
        return Money(self.currency, self.amount_minor + other.amount_minor)

    def __str__(self) -> str:
        """Return it for people: ``561.00 INR``."""
        return f"{self.amount} {self.currency}"


def positive(money: Money) -> Money:
    """Return ``money`` when it is more than nothing.

    Raises:
        InvalidValue: it is zero or negative.
    """
    if not money.is_positive:
        raise InvalidValue("must be more than zero")
    return money


@value()
class Currencies:
    """The currencies of a deployment: the one that is meant when none is named, and all that a charge may name."""

    default: str
    allowed: frozenset[str]

    def named(self, code: str) -> str:
        """Return ``code``, or the default one when it is empty."""
        return code or self.default

    def chargeable(self, code: str) -> str:
        """Return the currency of a charge that names ``code``.

        Raises:
            InvalidValue: this deployment takes no charges in it.
        """
        currency = self.named(code)
        if currency not in self.allowed:
            raise InvalidValue(f"must be one of {', '.join(sorted(self.allowed))}, or empty", "currency_code")
        return currency
