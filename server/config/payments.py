"""Settings of payments: currencies and references."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, field_validator

from server.config.values import CommaSeparated
from server.domain.money import AMOUNT_DIGITS, MINOR_DIGITS

_PREFIX_MAX_LENGTH = 64
"""Leaves room for the dash and the suffix in the column's 100 characters."""


def _usable_currency(code: str) -> str:
    digits = MINOR_DIGITS.get(code)
    if digits is None:
        msg = "must be an ISO 4217 code of three upper-case letters, such as INR"
        raise ValueError(msg)
    if digits > AMOUNT_DIGITS:
        msg = f"has {digits} decimals; amounts are stored with {AMOUNT_DIGITS}"
        raise ValueError(msg)
    return code


def _prefix(template: str) -> str:
    if not re.fullmatch(r"(\{date\}|[!-z|~])+", template) or len(template.format(date="20250910")) > _PREFIX_MAX_LENGTH:
        msg = (
            f"must be at most {_PREFIX_MAX_LENGTH} printable ASCII characters without spaces, "
            "in which {date} stands for the day (YYYYMMDD, UTC)"
        )
        raise ValueError(msg)
    return template


Currency = Annotated[str, AfterValidator(_usable_currency)]


class PaymentSettings(BaseModel):
    """What charges may name, and how payments are named."""

    default_currency: Currency = Field("INR", description="currency of amounts that name none (ISO 4217)")
    allowed_currencies: Annotated[frozenset[Currency], *CommaSeparated] = Field(
        frozenset({"INR", "USD", "EUR", "GBP", "JPY"}), description="currencies accepted, separated by commas"
    )
    reference_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "ECI{date}",
        description="start of a payment's reference; {date} is the day (YYYYMMDD, UTC)",
    )

    @field_validator("allowed_currencies")
    @classmethod
    def _some_currency(cls, currencies: frozenset[str]) -> frozenset[str]:
        if not currencies:
            raise ValueError("must name at least one currency")
        return currencies

    @property
    def currencies(self) -> frozenset[str]:
        """Every currency that a charge may name: the allowed ones and the default."""
        return self.allowed_currencies | {self.default_currency}
