"""Currencies and amounts. An amount is computed as a whole number of billionths of a unit (nanos), which is exact."""

from dataclasses import dataclass

from google.type.money_pb2 import Money

NANOS_PER_UNIT = 10**9
_NANO_DECIMALS = 9
_MAX_MINOR_UNITS = 10**15 - 1

_CODES_BY_DECIMALS = {
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

DECIMALS = {code: decimals for decimals, codes in _CODES_BY_DECIMALS.items() for code in codes.split()}
"""The number of decimals of each currency of ISO 4217."""


@dataclass(frozen=True)
class Currencies:
    """The default currency, and all those that a charge may have."""

    default: str
    allowed: frozenset[str]


def total_nanos(money: Money) -> int:
    """Return an amount in nanos."""
    return money.units * NANOS_PER_UNIT + money.nanos


def money_of(currency: str, nanos: int) -> Money:
    """Return an amount, which may not be negative, from nanos."""
    return Money(currency_code=currency, units=nanos // NANOS_PER_UNIT, nanos=nanos % NANOS_PER_UNIT)


def format_amount(currency: str, nanos: int) -> str:
    """Return an amount with the decimals of its currency: ``561.00 INR``."""
    units, rest = divmod(nanos, NANOS_PER_UNIT)
    decimals = f"{rest:0{_NANO_DECIMALS}}"[: DECIMALS[currency]]
    return f"{units}.{decimals} {currency}" if decimals else f"{units} {currency}"


def violation_of(money: Money, currency: str) -> tuple[str, str] | None:
    """Return the invalid part of an amount in a currency and what is allowed, or None if the amount is valid."""
    if currency not in DECIMALS:
        return "currency_code", "must be an ISO 4217 currency code of three upper-case letters"
    if not -NANOS_PER_UNIT < money.nanos < NANOS_PER_UNIT:
        return "nanos", "must be between -999,999,999 and +999,999,999"
    if money.units * money.nanos < 0:
        return "nanos", "must have the same sign as units"
    decimals = DECIMALS[currency]
    nanos_per_minor_unit = 10 ** (_NANO_DECIMALS - decimals)
    if money.nanos % nanos_per_minor_unit:
        return "nanos", f"must be a multiple of {nanos_per_minor_unit:,}: {currency} has {decimals} decimals"
    if abs(total_nanos(money)) > _MAX_MINOR_UNITS * nanos_per_minor_unit:
        return "units", f"must be at most {format_amount(currency, _MAX_MINOR_UNITS * nanos_per_minor_unit)}"
    return None
