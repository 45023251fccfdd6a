"""Exact amounts of money in the currencies of ISO 4217."""

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
"""The number of decimals of each currency, by its code: 2 for INR, whose minor unit is the paisa."""


AMOUNT_DIGITS = max(MINOR_DIGITS.values())
"""The number of decimals of an amount in the database."""

MAX_MINOR = 10**15 - 1
"""The largest absolute amount of any currency in minor units: a double, as in JSON, represents it exactly."""

NANOS_PER_UNIT = 1_000_000_000


@value()
class Money:
    """An exact amount of one currency.

    ``currency`` is an ISO 4217 code and ``amount_minor`` a whole number of its minor units: paise of INR, cents of USD,
    yen of JPY. The amount may be negative, because amounts of adopted rows may be.

    Raises:
        InvalidValue: the currency is unknown, or the amount is larger than the database can store.
    """

    currency: str
    amount_minor: int

    def __post_init__(self) -> None:
        """Check the currency and the size of the amount."""
        if self.currency not in MINOR_DIGITS:
            raise InvalidValue("must be an ISO 4217 currency code of three upper-case letters", "currency_code")
        if abs(self.amount_minor) > MAX_MINOR:
            largest = Decimal(MAX_MINOR).scaleb(-MINOR_DIGITS[self.currency])
            raise InvalidValue(f"must be at most {largest} in {self.currency}", "units")

    @classmethod
    def from_units(cls, currency: str, units: int, nanos: int) -> Self:
        """Create money from whole units and billionths of a unit, which must have the same sign (google.type.Money).

        Raises:
            InvalidValue: the signs differ, ``nanos`` is a whole unit or more, the currency is unknown, or the amount is
                too large or more precise than the currency's minor unit.
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
        """Create money from a decimal number of units.

        Raises:
            InvalidValue: the currency is unknown, or the amount is too large or more precise than its minor unit.
        """
        digits = MINOR_DIGITS.get(currency, 0)
        minor = amount.scaleb(digits)
        if minor != minor.to_integral_value():
            raise InvalidValue(f"must have at most {digits} decimals in {currency}")
        return cls(currency, int(minor))

    @classmethod
    def rounded(cls, currency: str, amount: Decimal) -> Self:
        """Create money from a finite decimal number of units, rounded half up (away from zero) to the minor unit.

        Raises:
            InvalidValue: the currency is unknown, or the amount is too large.
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
        """The amount in the form of google.type.Money: whole units and billionths of a unit, of the same sign."""
        minor_per_unit = 10 ** MINOR_DIGITS[self.currency]
        units, minor = divmod(abs(self.amount_minor), minor_per_unit)
        nanos = minor * (NANOS_PER_UNIT // minor_per_unit)
        return (units, nanos) if self.amount_minor >= 0 else (-units, -nanos)

    @property
    def is_positive(self) -> bool:
        """Whether the amount is more than zero."""
        return self.amount_minor > 0

    def minus(self, other: "Money") -> "Money":
        """Subtract ``other``, which must be in the same currency."""
        assert self.currency == other.currency, "amounts in different currencies cannot be subtracted"
        return Money(self.currency, self.amount_minor - other.amount_minor)

    def plus(self, other: "Money") -> "Money":
        """Add ``other``, which must be in the same currency."""
        assert self.currency == other.currency, "amounts in different currencies cannot be added"
        return Money(self.currency, self.amount_minor + other.amount_minor)

    def __str__(self) -> str:
        """Format the amount for people: ``561.00 INR``."""
        return f"{self.amount} {self.currency}"


def positive(money: Money) -> Money:
    """Return ``money`` if it is more than zero.

    Raises:
        InvalidValue: it is zero or negative.
    """
    if not money.is_positive:
        raise InvalidValue("must be more than zero")
    return money


@value()
class Currencies:
    """The currencies of a deployment: the default one, and all those that charges may use."""

    default: str
    allowed: frozenset[str]

    def code_or_default(self, code: str) -> str:
        """Return ``code``, or the default currency if it is empty."""
        return code or self.default

    def chargeable(self, code: str) -> str:
        """Return the currency of a charge: ``code``, or the default currency if it is empty.

        Raises:
            InvalidValue: the deployment does not allow charges in this currency.
        """
        currency = self.code_or_default(code)
        if currency not in self.allowed:
            raise InvalidValue(f"must be one of {', '.join(sorted(self.allowed))}, or empty", "currency_code")
        return currency
