"""Amounts in Stripe's API: whole numbers of the smallest unit that Stripe defines for each currency.

That unit is not always the minor unit of ISO 4217: see "Supported currencies" (docs.stripe.com/currencies), sections
"Zero-decimal currencies", "Three-decimal currencies", "Special cases" and "Minimum and maximum charge amounts".
"""

from decimal import Decimal

from server.domain.errors import InvalidValue
from server.domain.money import MINOR_DIGITS, Money

_ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_TWO_DECIMAL = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR "
    "KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN "
    "PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH USD "
    "UYU UZS WST XCD XCG YER ZAR ZMW"
)
_TWO_DECIMAL_WITHOUT_FRACTIONS = "ISK UGX"
"""Charged in hundredths for backward compatibility, although these currencies have no decimals."""
_THREE_DECIMAL = "BHD JOD KWD OMR TND"
"""Charged in thousandths, whose last digit must be 0."""

_DIGITS = {
    code: digits
    for digits, codes in (
        (0, _ZERO_DECIMAL),
        (2, _TWO_DECIMAL),
        (2, _TWO_DECIMAL_WITHOUT_FRACTIONS),
        (3, _THREE_DECIMAL),
    )
    for code in codes.split()
}
_MULTIPLES = dict.fromkeys(_TWO_DECIMAL_WITHOUT_FRACTIONS.split(), 100) | dict.fromkeys(_THREE_DECIMAL.split(), 10)

_DEFAULT_MAX_DIGITS = 8
_MAX_DIGITS = {"INR": 9, "IDR": 12, "LBP": 12, "COP": 13, "HUF": 13, "JPY": 13}
"""The maximum number of digits of an amount."""

SUPPORTED_CURRENCIES = frozenset(_DIGITS)
"""The currencies that Stripe charges in."""


def stripe_amount(money: Money) -> int:
    """Convert ``money`` to an amount in Stripe's unit.

    Raises:
        InvalidValue: Stripe cannot express exactly this amount, or does not charge it.
    """
    digits = _DIGITS.get(money.currency)
    if digits is None:
        raise InvalidValue(f"must be another currency: the payment processor does not charge in {money.currency}")
    scaled = money.amount.scaleb(digits)
    amount = int(scaled)
    multiple = _MULTIPLES.get(money.currency, 1)
    if amount != scaled or amount % multiple:
        step = Decimal(multiple).scaleb(-digits)
        raise InvalidValue(
            f"must be a multiple of {step.normalize():f} {money.currency}, the smallest unit of the payment processor"
        )
    if amount >= 10 ** _MAX_DIGITS.get(money.currency, _DEFAULT_MAX_DIGITS):
        raise InvalidValue("must be smaller: the payment processor does not accept charges this large")
    return amount


def money_from_stripe(currency: str, amount: int) -> Money:
    """Convert Stripe's ``amount`` to money of ``currency``, a code in upper case.

    Raises:
        InvalidValue: this service cannot represent the amount.
    """
    digits = _DIGITS.get(currency)
    if digits is None:
        raise InvalidValue(f"must be a currency that the payment processor charges in, not {currency}")
    minor, rest = divmod(amount * 10 ** MINOR_DIGITS[currency], 10**digits)
    if rest:
        raise InvalidValue(f"must be a whole number of minor units of {currency}")
    return Money(currency, minor)
