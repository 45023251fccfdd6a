"""Settings of payments: currencies and references."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, field_validator

from server.config.values import CommaSeparated
from server.domain.money import MINOR_DIGITS

_PREFIX_MAX_LENGTH = 64
"""Leaves room for the dash and the suffix in the column of 100 characters."""


def _check_currency(code: str) -> str:
    if code not in MINOR_DIGITS:
        msg = "must be an ISO 4217 code of three upper-case letters, such as INR"
        raise ValueError(msg)
    return code


def _check_prefix(template: str) -> str:
    if not re.fullmatch(r"(\{date\}|[!-z|~])+", template) or len(template.format(date="20250910")) > _PREFIX_MAX_LENGTH:
        msg = (
            f"must be at most {_PREFIX_MAX_LENGTH} printable ASCII characters without spaces, "
            "in which {date} is replaced by the day (YYYYMMDD, UTC)"
        )
        raise ValueError(msg)
    return template


Currency = Annotated[str, AfterValidator(_check_currency)]


class PaymentSettings(BaseModel):
    """Currencies and references of payments."""

    default_currency: Currency = Field("INR", description="currency of amounts without one (ISO 4217)")
    allowed_currencies: Annotated[frozenset[Currency], *CommaSeparated] = Field(
        frozenset({"INR", "USD", "EUR", "GBP", "JPY"}), description="accepted currencies, separated by commas"
    )
    reference_prefix: Annotated[str, AfterValidator(_check_prefix)] = Field(
        "ECI{date}",
        description="prefix of a payment's reference; {date} is replaced by the day (YYYYMMDD, UTC)",
    )

    @field_validator("allowed_currencies")
    @classmethod
    def _check_currencies(cls, currencies: frozenset[str]) -> frozenset[str]:
        if not currencies:
            raise ValueError("must contain at least one currency")
        return currencies

    @property
    def currencies(self) -> frozenset[str]:
        """The accepted currencies: the allowed ones and the default."""
        return self.allowed_currencies | {self.default_currency}
