"""What a payer must do, and the page to which the payer returns."""

from datetime import UTC, datetime

import pytest

from server.domain.approval import MAX_URL_LENGTH, NextAction, NextActionType, return_url
from server.domain.errors import InvalidValue

LONGEST = "https://" + "a" * (MAX_URL_LENGTH - len("https://"))


@pytest.mark.parametrize("url", ["https://a", "https://shop.example/paid?order=7#top", LONGEST])
def test_an_https_url_can_be_a_return_url(url: str) -> None:
    assert return_url(url, "pm_1") == url


@pytest.mark.parametrize(
    "url", ["", "https://", "http://a", "HTTPS://a", "javascript:alert(1)", "https://a b", "https://a\n", LONGEST + "a"]
)
def test_other_texts_cannot_be_return_urls(url: str) -> None:
    with pytest.raises(InvalidValue, match="must be an https URL of at most 2048 characters"):
        return_url(url, "pm_1")


def test_a_return_url_needs_a_source() -> None:
    with pytest.raises(InvalidValue, match="must be empty without a payment_source"):
        return_url("https://a", "")


def test_the_page_of_an_action_is_not_shown_in_its_representation() -> None:
    action = NextAction(NextActionType.REDIRECT, "https://a/secret", datetime(2026, 1, 2, tzinfo=UTC))
    assert "secret" not in repr(action)
