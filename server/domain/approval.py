"""Approvals: the action that a payer must take before a charge can succeed."""

import re
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from server.domain.errors import InvalidValue
from server.domain.value import value

MAX_URL_LENGTH = 2048

_HTTPS_URL = re.compile(r"https://[!-~]+")


class NextActionType(StrEnum):
    """How the payer approves a payment."""

    REDIRECT = "REDIRECT"
    APPROVE_ON_PHONE = "APPROVE_ON_PHONE"


@value()
class NextAction:
    """The action that the payer must take, before ``expire_time``.

    ``redirect_url`` is the page to open, for REDIRECT, and otherwise empty. Anyone who has it can approve the payment,
    so it must not reach a log.
    """

    type: NextActionType
    redirect_url: str = field(repr=False)
    expire_time: datetime


def return_url(text: str, source: str) -> str:
    """Return ``text`` if it can be the page to which a payer returns, in a charge with the payment source ``source``.

    Raises:
        InvalidValue: it cannot, or there is no source.
    """
    if not source:
        raise InvalidValue("must be empty without a payment_source")
    if len(text) > MAX_URL_LENGTH or not _HTTPS_URL.fullmatch(text):
        raise InvalidValue(f"must be an https URL of at most {MAX_URL_LENGTH} characters")
    return text
