"""The meaning of each response: only a decline fails a payment, and only a matching object settles anything."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvloop

from server.domain.errors import OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import Failure, FailureReason, PaymentMethod, Status
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.processor import StripeProcessor
from tests.processors.adapter import adapter
from tests.processors.conftest import Use
from tests.processors.faulty_processor import API_KEY, Fault, FaultyProcessor
from tests.support.fakes import NOW


@pytest.fixture
def method_tokens() -> dict[PaymentMethod, str]:
    return {PaymentMethod.UPI: "pm_upi", PaymentMethod.CARD: "pm_declined"}


UNKNOWN_FAILURE = Failure(FailureReason.DECLINED, "")
"""The failure of an object without a code."""


def refund_outcome(status: str) -> Outcome:
    """Return the outcome of refund re_1 with a final status."""
    if status == "succeeded":
        return Outcome(Status.SUCCEEDED, "re_1")
    return Outcome(Status.FAILED, "re_1", UNKNOWN_FAILURE)


def error_events(log: list[Any]) -> set[str]:
    return {entry["event"] for entry in log if entry["log_level"] == "error"}


@pytest.fixture
def resetting_port() -> Iterator[int]:
    """A port that resets each connection as soon as it is open."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:

        def reset_all() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        thread = threading.Thread(target=reset_all)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def capture_request(
    reference: str = "REF-1", method: PaymentMethod = PaymentMethod.UPI, create_time: datetime | None = None
) -> Capture:
    return Capture(7, 342, reference, Money("INR", 10_000), method, create_time or datetime.now(UTC))


def refund_request(amount_minor: int = 4_000, refund_id: int = 9, processor_id: str = "pi_1") -> ProcessorRefund:
    return ProcessorRefund(refund_id, "REF-1", Money("INR", amount_minor), processor_id, NOW)


REJECTIONS = [
    (400, {"type": "invalid_request_error", "code": "resource_missing", "param": "payment_method"}),
    (400, {"type": "invalid_request_error", "code": "parameter_unknown"}),
    (400, {"type": "invalid_request_error"}),
    (400, {"type": "idempotency_error"}),
    (400, {"type": "api_error"}),
    (400, {}),
    (401, {"type": "invalid_request_error"}),
    (402, {"type": "invalid_request_error"}),
    (403, {"type": "invalid_request_error", "code": "permission_denied"}),
    (404, {"type": "invalid_request_error", "code": "resource_missing"}),
    (405, {}),
    (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
    (410, {"type": "invalid_request_error"}),
    (424, {"type": "api_error"}),
    (429, {"type": "invalid_request_error", "code": "rate_limit"}),
    (429, {"type": "invalid_request_error", "code": "lock_timeout"}),
]


@pytest.mark.parametrize(("status", "error"), REJECTIONS, ids=str)
def test_a_rejection_that_is_not_a_decline_leaves_a_charge_pending_and_is_logged(
    processor: FaultyProcessor,
    use: Use,
    log: list[Any],
    status: int,
    error: dict[str, str],
) -> None:
    fault = Fault(error_before=status, error=tuple(error.items()))
    with processor.failing(fault), pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    assert error_events(log) or any(entry["event"] == "processor_cannot_answer" for entry in log)


@pytest.mark.parametrize("code", ["amount_too_small", "amount_too_large"])
def test_an_amount_that_the_processor_never_charges_fails_and_is_logged_as_an_error(
    processor: FaultyProcessor, use: Use, log: list[Any], code: str
) -> None:
    with processor.failing(Fault(error_before=400, error=(("type", "invalid_request_error"), ("code", code)))):
        outcome = use(lambda stripe: stripe.capture(capture_request()))
    assert outcome == Outcome(Status.FAILED, None, Failure(FailureReason.LIMIT_EXCEEDED, code))
    assert error_events(log) == {"processor_refuses"}


def test_a_decline_fails_a_charge_and_is_not_logged_as_an_error(use: Use, log: list[Any]) -> None:
    declined = capture_request(method=PaymentMethod.CARD)
    failure = Failure(FailureReason.DECLINED, "card_declined")
    assert use(lambda stripe: stripe.capture(declined)) == Outcome(Status.FAILED, "pi_1", failure)
    assert not error_events(log)


@pytest.mark.parametrize(
    ("status", "error", "is_open"),
    [
        (400, {"type": "invalid_request_error"}, False),
        (401, {"type": "invalid_request_error"}, True),
        (402, {"type": "card_error"}, False),
        (403, {"type": "invalid_request_error"}, False),
        (404, {"type": "invalid_request_error"}, False),
        (409, {"type": "idempotency_error"}, False),
        (424, {"type": "api_error"}, False),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, False),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, True),
        (500, {"type": "api_error"}, True),
        (503, {}, True),
    ],
    ids=str,
)
def test_the_breaker_opens_for_errors_that_concern_every_request(
    processor: FaultyProcessor,
    use: Use,
    breaker: Breaker,
    status: int,
    error: dict[str, str],
    is_open: bool,  # noqa: FBT001
) -> None:
    with processor.failing(Fault(error_before=status, error=tuple(error.items()))), suppress(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    assert breaker.is_open is is_open


def test_rate_limited_lookups_do_not_open_the_breaker(processor: FaultyProcessor, use: Use, breaker: Breaker) -> None:
    error = (("type", "invalid_request_error"), ("code", "rate_limit"))
    with processor.failing(Fault(error_before=429, error=error)), pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.find_capture(capture_request()))
    assert not breaker.is_open


def test_a_replayed_error_does_not_open_the_breaker_and_is_not_retried(
    processor: FaultyProcessor, use: Use, breaker: Breaker
) -> None:
    with processor.failing(Fault(error_after=500)), pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    was_open = breaker.is_open
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    assert (was_open, breaker.is_open) == (True, False)
    assert len(processor.requests) == 2


@pytest.mark.parametrize(
    ("status", "advice", "requests"),
    [(409, None, 3), (409, "false", 1), (424, None, 3), (400, None, 1), (400, "true", 3)],
    ids=str,
)
def test_a_request_is_retried_as_the_processor_advises(
    processor: FaultyProcessor,
    use: Use,
    status: int,
    advice: str | None,
    requests: int,
) -> None:
    error = (("type", "invalid_request_error"),)
    headers = () if advice is None else (("Stripe-Should-Retry", advice),)
    fault = Fault(error_before=status, error=error, headers=headers)
    with processor.failing(fault), pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    assert len(processor.requests) == requests


WRONG_INTENTS = [
    {"amount": 9_999},
    {"amount": 1_000_000},
    {"amount": "10000"},
    {"amount": 10_000.0},
    {"amount": True},
    {"amount": None},
    {"amount": -10_000},
    {"amount_received": 5_000},
    {"currency": "usd"},
    {"currency": "INR"},
    {"currency": None},
    {"object": "charge"},
    {"object": None},
    {"metadata": {"reference": "REF-2"}},
    {"id": None},
    {"id": ""},
    {"id": 7},
    {"status": "splendid"},
    {"status": None},
    {"status": ["succeeded"]},
    {"status": "requires_capture"},
    {"status": "processing"},
]


@pytest.mark.parametrize("changes", WRONG_INTENTS, ids=str)
def test_a_response_that_does_not_match_the_request_leaves_a_charge_pending(
    processor: FaultyProcessor, use: Use, log: list[Any], changes: dict[str, Any]
) -> None:
    processor.alter = lambda body: body | changes
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    assert bool(error_events(log)) is (changes != {"status": "processing"})


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 3_999},
        {"amount": "4000"},
        {"amount": None},
        {"currency": "usd"},
        {"currency": None},
        {"payment_intent": "pi_2"},
        {"payment_intent": None},
        {"object": "payment_intent"},
        {"metadata": {"refund_id": "10"}},
        {"metadata": {"refund_id": "9", "reference": "REF-2"}},
        {"id": None},
        {"status": "splendid"},
        {"status": "pending"},
        {"status": "requires_action"},
    ],
    ids=str,
)
def test_a_response_that_does_not_match_the_request_leaves_a_refund_pending(
    processor: FaultyProcessor, use: Use, log: list[Any], changes: dict[str, Any]
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    processor.alter = lambda body: body | changes
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.refund(refund_request()))
    assert bool(error_events(log)) is (changes.get("status") not in {"pending", "requires_action"})


@pytest.mark.parametrize(
    ("status", "outcome", "failure"),
    [
        ("succeeded", Status.SUCCEEDED, None),
        ("canceled", Status.FAILED, UNKNOWN_FAILURE),
        ("requires_payment_method", Status.FAILED, UNKNOWN_FAILURE),
        ("requires_confirmation", Status.FAILED, UNKNOWN_FAILURE),
        (
            "requires_action",
            Status.FAILED,
            Failure(FailureReason.AUTHENTICATION_REQUIRED, "authentication_required"),
        ),
    ],
)
def test_a_final_status_decides_a_charge(
    processor: FaultyProcessor, use: Use, status: str, outcome: Status, failure: Failure | None
) -> None:
    received = {} if status == "succeeded" else {"amount_received": 0}
    processor.alter = lambda body: {**body, "status": status, **received}
    assert use(lambda stripe: stripe.capture(capture_request())) == Outcome(outcome, "pi_1", failure)


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_a_final_status_decides_a_refund(processor: FaultyProcessor, use: Use, status: str) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    processor.initial_status = status
    outcome = use(lambda stripe: stripe.refund(refund_request()))
    assert outcome == refund_outcome(status)


def test_a_charge_with_a_stored_error_is_found_in_a_list_of_many(processor: FaultyProcessor, use: Use) -> None:
    with processor.failing(Fault(error_after=500)), pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))

    async def make_many_and_find_first(stripe: StripeProcessor) -> Outcome | None:
        for number in range(250):
            await stripe.capture(capture_request(f"OTHER-{number}"))
        return await stripe.find_capture(capture_request())

    assert use(make_many_and_find_first) == Outcome(Status.SUCCEEDED, "pi_1")
    queries = [request.form for request in processor.requests if request.method == "GET"]
    assert [query.get("starting_after") for query in queries] == [None, "pi_152", "pi_52"]
    assert {query["limit"] for query in queries} == {"100"}
    assert not any("search" in request.path for request in processor.requests)


@pytest.mark.parametrize("minutes", [-50, -9, 0, 9, 50, 900])
def test_a_charge_is_found_if_clocks_differ_or_it_was_made_hours_later(
    processor: FaultyProcessor, use: Use, minutes: int
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    processor.intents["pi_1"].created_seconds = time.time()
    request = capture_request(create_time=datetime.now(UTC) - timedelta(minutes=minutes))
    assert use(lambda stripe: stripe.find_capture(request)) == Outcome(Status.SUCCEEDED, "pi_1")


def test_metadata_may_be_missing_if_the_response_has_the_idempotency_key(processor: FaultyProcessor, use: Use) -> None:
    processor.alter = lambda body: body | {"metadata": {}}
    assert use(lambda stripe: stripe.capture(capture_request())) == Outcome(Status.SUCCEEDED, "pi_1")
    processor.echoes_keys = False
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request("REF-2")))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"7", b"{}", b'{"object": 7}', b"\xff", b"[" * 100_000],
    ids=lambda body: body[:9],
)
def test_a_response_without_an_object_leaves_a_charge_pending(
    processor: FaultyProcessor, use: Use, log: list[Any], body: bytes
) -> None:
    with processor.failing(Fault(body=body)), pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.capture(capture_request()))
    assert error_events(log) == {"processor_answer_not_understood"}


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list"},
        {"object": "list", "data": {}, "has_more": False},
        {"object": "list", "data": []},
        {"object": "list", "data": [], "has_more": True},
        {"object": "list", "data": [7], "has_more": True},
        {"object": "list", "data": [{"object": "payment_intent"}], "has_more": True},
        {"object": "list", "data": [{"id": "pi_0"}], "has_more": True},
    ],
    ids=str,
)
def test_a_malformed_list_does_not_prove_that_a_payment_does_not_exist(
    processor: FaultyProcessor,
    use: Use,
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, Any],
) -> None:
    monkeypatch.setattr(processor, "_page", lambda _found, _form: (200, body))
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.find_capture(capture_request()))
    assert len(processor.requests) <= 100


def test_a_declined_refund_fails_and_is_logged_as_an_error(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    processor.rejects_refunds, processor.rejection = True, (402, {"type": "card_error"})
    assert use(lambda stripe: stripe.refund(refund_request())) == Outcome(Status.FAILED, None, UNKNOWN_FAILURE)
    assert error_events(log) == {"processor_refuses"}


def test_a_charge_that_was_never_made_is_not_found(use: Use) -> None:
    assert use(lambda stripe: stripe.find_capture(capture_request())) is None


def test_a_found_charge_with_another_amount_settles_nothing(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    processor.intents["pi_1"].amount_minor = 1
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.find_capture(capture_request()))
    assert error_events(log) == {"processor_answer_wrong"}


def test_a_payment_that_was_refunded_elsewhere_counts_as_refunded(use: Use) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    use(lambda stripe: stripe.refund(refund_request(10_000, refund_id=1)))
    assert use(lambda stripe: stripe.refund(refund_request())) == Outcome(Status.SUCCEEDED, None)


@pytest.mark.parametrize("status", ["succeeded", "failed", "pending"])
def test_a_refund_that_is_rejected_because_it_was_made_before_has_the_earlier_outcome(
    processor: FaultyProcessor, use: Use, status: str
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    use(lambda stripe: stripe.refund(refund_request(10_000)))
    processor.refunds["re_1"].status = status
    processor.rejects_refunds = True
    processor.forget_keys()
    if status == "pending":
        with pytest.raises(OutcomeUnknown):
            use(lambda stripe: stripe.refund(refund_request(10_000)))
    else:
        assert use(lambda stripe: stripe.refund(refund_request(10_000))) == refund_outcome(status)


def test_a_refund_of_more_than_remains_fails_and_is_logged_as_an_error(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    use(lambda stripe: stripe.refund(refund_request(9_000, refund_id=1)))
    assert use(lambda stripe: stripe.refund(refund_request())) == Outcome(Status.FAILED, None, UNKNOWN_FAILURE)
    assert error_events(log) == {"processor_refuses"}
    assert len(processor.refunds) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"type": "invalid_request_error", "code": "parameter_unknown"}),
        (400, {"type": "invalid_request_error", "code": "resource_missing"}),
        (400, {"type": "invalid_request_error", "code": "livemode_mismatch"}),
        (400, {"type": "invalid_request_error", "code": "secret_key_required"}),
        (400, {"type": "invalid_request_error", "code": "testmode_charges_only"}),
        (400, {"type": "idempotency_error"}),
        (403, {"type": "invalid_request_error"}),
        (404, {"type": "invalid_request_error", "code": "resource_missing"}),
        (409, {"type": "idempotency_error"}),
        (424, {"type": "api_error"}),
    ],
    ids=str,
)
def test_a_rejection_that_is_not_about_the_refund_leaves_it_pending(
    processor: FaultyProcessor, use: Use, status: int, error: dict[str, str]
) -> None:
    use(lambda stripe: stripe.capture(capture_request()))
    processor.rejects_refunds, processor.rejection = True, (status, error)
    with pytest.raises(OutcomeUnknown):
        use(lambda stripe: stripe.refund(refund_request()))


def test_a_connection_that_is_reset_as_soon_as_it_is_open_leaves_a_charge_pending(resetting_port: int) -> None:
    async def capture_many() -> list[Outcome | BaseException]:
        async with adapter(
            f"http://127.0.0.1:{resetting_port}",
            API_KEY,
            method_tokens={PaymentMethod.UPI: "pm_upi"},
            breaker=Breaker(1000, 3600),
            timeout_seconds=60,
        ) as stripe:
            # How far a connection gets before the reset is random; 200 of them cover every case.
            return await asyncio.gather(
                *(stripe.capture(capture_request(f"REF-{number}")) for number in range(200)), return_exceptions=True
            )

    assert [outcome for outcome in uvloop.run(capture_many()) if not isinstance(outcome, OutcomeUnknown)] == []
