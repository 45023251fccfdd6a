"""The endpoint of webhooks: which status each webhook gets, and that nothing is done about a refused one."""

import asyncio
import json
from typing import Any, cast

import pytest
from starlette.requests import Request

from server.application.late_outcomes import LateOutcomes
from server.domain.errors import StoreUnavailable
from server.domain.late_outcomes import Hint
from server.processors.stripe.webhooks import InvalidWebhook
from server.transport.rest.webhooks import PATH, webhook_endpoints
from tests.support.fakes import counter_value

pytestmark = pytest.mark.asyncio

MAX_BODY_BYTES = 262_144
HINT = Hint("pi_1", "R1")


class FakeLateOutcomes:
    """Records hints, and says that their payment is known, or raises ``error``."""

    def __init__(self, *, is_known: bool = True, error: Exception | None = None) -> None:
        """Set what ``receive`` returns or raises."""
        self._is_known = is_known
        self._error = error
        self.hints: list[Hint] = []

    async def receive(self, hint: Hint) -> bool:
        """Record a hint."""
        self.hints.append(hint)
        if self._error is not None:
            raise self._error
        return self._is_known


def read(body: bytes, signatures: list[str]) -> Hint | None:
    """Read a webhook whose only valid signature is ``good``, and that has a hint unless its body is ``other``."""
    if signatures != ["good"]:
        raise InvalidWebhook("the signature does not match the body")
    return None if body == b"other" else HINT


async def post(
    late_outcomes: FakeLateOutcomes, body: bytes | None = b"event", *signatures: str
) -> tuple[int, dict[str, Any], dict[str, float]]:
    """Send a webhook; return its status, its response, and how many more webhooks of each result are counted.

    The body None never arrives.
    """
    results = ("accepted", "ignored", "refused", "failed")
    before = {name: counter_value("payments_webhooks", result=name) for name in results}
    parts = [] if body is None else [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    scope = {
        "type": "http",
        "headers": [(b"stripe-signature", one.encode()) for one in signatures],
        "client": ("127.0.0.1", 343),
        "call_id": "c1",
    }
    endpoints = webhook_endpoints(cast("LateOutcomes", late_outcomes), read, body_timeout_seconds=0.2)
    (endpoint,) = endpoints
    assert (endpoint.verb, endpoint.path) == ("POST", PATH)
    response = await endpoint.answer(Request(scope, receive))
    counts = {name: counter_value("payments_webhooks", result=name) - before[name] for name in results}
    return (
        response.status_code,
        json.loads(bytes(response.body)),
        {name: count for name, count in counts.items() if count},
    )


async def test_without_a_secret_there_is_no_endpoint() -> None:
    assert webhook_endpoints(cast("LateOutcomes", FakeLateOutcomes()), None, body_timeout_seconds=1) == []


async def test_the_hint_of_a_webhook_is_received() -> None:
    late_outcomes = FakeLateOutcomes()
    assert await post(late_outcomes, b"event", "good") == (200, {}, {"accepted": 1})
    assert late_outcomes.hints == [HINT]


async def test_a_webhook_about_no_payment_of_ours_is_answered_so_that_it_is_not_sent_again() -> None:
    assert await post(FakeLateOutcomes(is_known=False), b"event", "good") == (200, {}, {"ignored": 1})
    late_outcomes = FakeLateOutcomes()
    assert await post(late_outcomes, b"other", "good") == (200, {}, {"ignored": 1})
    assert late_outcomes.hints == []


@pytest.mark.parametrize("signatures", [[], ["bad"], ["good", "good"], ["good", "bad"]], ids=str)
async def test_a_webhook_without_one_valid_signature_is_refused(signatures: list[str]) -> None:
    late_outcomes = FakeLateOutcomes()
    status, response, counts = await post(late_outcomes, b"event", *signatures)
    assert (status, counts) == (400, {"refused": 1})
    assert response == {"detail": "the signature does not match the body"}
    assert late_outcomes.hints == []


@pytest.mark.parametrize(("body", "status"), [(b" " * (MAX_BODY_BYTES + 1), 413), (None, 408)], ids=["large", "slow"])
async def test_a_body_that_is_too_large_or_too_slow_is_refused(body: bytes | None, status: int) -> None:
    late_outcomes = FakeLateOutcomes()
    answer = await post(late_outcomes, body, "good")
    assert (answer[0], answer[2]) == (status, {"refused": 1})
    assert late_outcomes.hints == []


async def test_the_largest_body_is_accepted() -> None:
    assert (await post(FakeLateOutcomes(), b" " * MAX_BODY_BYTES, "good"))[0] == 200


async def test_a_webhook_that_cannot_be_stored_must_be_sent_again() -> None:
    late_outcomes = FakeLateOutcomes(error=StoreUnavailable("the database cannot be reached"))
    status, response, counts = await post(late_outcomes, b"event", "good")
    assert (status, counts) == (503, {"failed": 1})
    assert response == {"detail": "the database cannot be reached"}
