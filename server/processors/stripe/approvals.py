"""What the payer of a PaymentIntent must do: "The PaymentIntent object", ``next_action`` (docs.stripe.com/api)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from server.domain.approval import MAX_URL_LENGTH, NextAction, NextActionType
from server.processors.stripe.responses import integer, nested, text

_URLS = ("url", "hosted_instructions_url", "mobile_auth_url")
"""The fields with the page of an action: that of ``redirect_to_url``, and those of wallets and of UPI."""

_ON_PHONE = frozenset({"card_await_notification", "blik_authorize", "upi_handle_redirect_or_display_qr_code"})
"""The actions that the payer takes on the phone if they have no page."""

_END_TIMES = ("expires_at", "charge_attempt_at")
"""The fields with the time at which an action ends, in seconds since 1970."""

_MAX_SECONDS = 253_402_300_799
"""The end of the year 9999."""


def next_action_of(intent: Mapping[str, Any], latest_end: datetime) -> NextAction | None:
    """Return what the payer must do, until ``latest_end`` at most; None if a caller cannot make the payer do it."""
    action = nested(intent, "next_action")
    kind = text(action, "type") or ""
    details = nested(action, kind)
    end_time = min([latest_end, *_end_times(details), *_end_times(nested(details, "qr_code"))])
    for url in (text(details, name) for name in _URLS):
        if url is not None and url.startswith("https://") and len(url) <= MAX_URL_LENGTH:
            return NextAction(NextActionType.REDIRECT, url, end_time)
    if kind in _ON_PHONE:
        return NextAction(NextActionType.APPROVE_ON_PHONE, "", end_time)
    return None


def _end_times(details: Mapping[str, Any]) -> list[datetime]:
    times = []
    for name in _END_TIMES:
        seconds = integer(details, name)
        if seconds is not None and 0 < seconds <= _MAX_SECONDS:
            times.append(datetime.fromtimestamp(seconds, UTC))
    return times
