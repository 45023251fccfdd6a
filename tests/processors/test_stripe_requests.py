"""The adapter's requests: they match the stored payment, and have an idempotency key, so that retries are safe."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.domain.errors import InvalidValue, OutcomeUnknown, ProcessorUnavailable
from server.domain.money import Money
from server.domain.payment import Failure, FailureReason, PaymentMethod, Status
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.observability.metrics import REGISTRY
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.processor import StripeProcessor
from tests.processors.conftest import Use
from tests.processors.faulty_processor import Fault, FaultyProcessor
from tests.support.fakes import counter_value

CREATED = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
CHARGE = Capture(7, 342, "REF-1", Money("INR", 10_050), PaymentMethod.UPI, CREATED)
REFUND = ProcessorRefund(9, "REF-1", Money("INR", 4_050), "pi_1", CREATED)
TOKENS = {PaymentMethod.UPI: "pm_upi", PaymentMethod.CARD: "pm_card", PaymentMethod.COD: "pm_cod"}


@pytest.fixture
def method_tokens() -> dict[PaymentMethod, str]:
    return TOKENS


def successes(operation: str) -> float:
    """Return the metric's number of successful requests of an operation."""
    labels = {"operation": operation, "outcome": "http_200"}
    return REGISTRY.get_sample_value("payments_processor_duration_seconds_count", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "token", "kind"),
    [
        (PaymentMethod.UPI, "pm_upi", "upi"),
        (PaymentMethod.CARD, "pm_card", "card"),
        (PaymentMethod.COD, "pm_cod", "card"),
    ],
)
def test_a_charge_is_sent_once_with_the_deployment_s_payment_method(
    processor: FaultyProcessor, use: Use, method: PaymentMethod, token: str, kind: str
) -> None:
    outcome = use(lambda stripe: stripe.capture(replace(CHARGE, method=method)))
    assert outcome == Outcome(Status.SUCCEEDED, "pi_1")
    (request,) = processor.requests
    assert (request.method, request.path, request.key) == ("POST", "/v1/payment_intents", "charge-REF-1")
    assert request.form == {
        "amount": "10050",
        "currency": "inr",
        "confirm": "true",
        "payment_method": token,
        "payment_method_types[0]": kind,
        "error_on_requires_action": "true",
        "metadata[reference]": "REF-1",
        "metadata[payment_id]": "7",
        "metadata[order_id]": "342",
    }


def test_a_refund_is_sent_once_with_its_amount(processor: FaultyProcessor, use: Use) -> None:
    use(lambda stripe: stripe.capture(CHARGE))
    before = successes("give_back")
    assert use(lambda stripe: stripe.refund(REFUND)) == Outcome(Status.SUCCEEDED, "re_1")
    assert successes("give_back") == before + 1
    request = processor.requests[-1]
    assert (request.method, request.path, request.key) == ("POST", "/v1/refunds", "refund-REF-1-9")
    assert request.form == {
        "payment_intent": "pi_1",
        "amount": "4050",
        "metadata[reference]": "REF-1",
        "metadata[refund_id]": "9",
    }


def test_a_charge_is_looked_up_near_its_time_and_then_over_all_possible_times(
    processor: FaultyProcessor, use: Use
) -> None:
    assert use(lambda stripe: stripe.find_capture(CHARGE)) is None
    near, possible = ({name: int(value) for name, value in request.form.items()} for request in processor.requests)
    begin = int(CREATED.timestamp())
    assert near == {"created[gte]": begin - 600, "created[lte]": begin + 601, "limit": 100}
    assert (possible["created[gte]"], possible["limit"]) == (begin - 3600, 100)
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
    assert in_an_hour - 60 < possible["created[lte]"] <= in_an_hour + 1


def test_a_refund_is_looked_up_among_the_refunds_of_its_payment(processor: FaultyProcessor, use: Use) -> None:
    before = successes("find_give_back")
    assert use(lambda stripe: stripe.find_refund(REFUND)) is None
    assert successes("find_give_back") == before + 1
    (request,) = processor.requests
    assert (request.method, request.path) == ("GET", "/v1/refunds")
    assert request.form == {"payment_intent": "pi_1", "limit": "100"}


def test_a_refund_of_a_payment_that_another_processor_charged_fails_and_is_not_sent(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    refund = replace(REFUND, processor_id=None)
    failure = Failure(FailureReason.INVALID_METHOD, "")
    assert use(lambda stripe: stripe.refund(refund)) == Outcome(Status.FAILED, None, failure)
    assert use(lambda stripe: stripe.find_refund(refund)) is None
    assert not processor.requests
    assert log == [{"event": "processor_has_no_payment", "log_level": "error", "refund_id": 9, "reference": "REF-1"}]


def test_an_amount_that_cannot_be_charged_exactly_is_rejected_and_never_sent(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    too_fine = Money("KWD", 5_124)

    async def check(stripe: StripeProcessor) -> None:
        stripe.check_amount(Money("KWD", 5_120))
        with pytest.raises(InvalidValue):
            stripe.check_amount(too_fine)

    use(check)
    for work in (
        lambda stripe: stripe.capture(replace(CHARGE, amount=too_fine)),
        lambda stripe: stripe.refund(replace(REFUND, amount=too_fine)),
    ):
        with pytest.raises(OutcomeUnknown, match=r"^5\.124 KWD must be a multiple of 0\.01 KWD"):
            use(work)
    assert not processor.requests
    assert [event["amount"] for event in log] == ["5.124 KWD"] * 2


def test_a_mismatch_is_logged_with_the_id_of_the_payment_or_refund(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    use(lambda stripe: stripe.capture(CHARGE))
    wrong = {"object": "other", "currency": "usd", "payment_intent": "pi_2"}
    processor.alter = lambda body: {**body, **wrong}
    for work in (
        lambda stripe: stripe.capture(replace(CHARGE, reference="REF-2")),
        lambda stripe: stripe.refund(REFUND),
    ):
        with pytest.raises(OutcomeUnknown):
            use(work)
    charge, refund = (event for event in log if event["event"] == "processor_answer_wrong")
    assert (charge["wrong"], charge["payment_id"], charge["processor_id"]) == (["object", "currency"], 7, "pi_2")
    assert (refund["wrong"], refund["refund_id"], refund["processor_id"]) == (
        ["object", "currency", "payment_intent"],
        9,
        "re_1",
    )
    assert (charge["amount"], refund["amount"]) == ((10_050, "usd"), (4_050, "usd"))


def test_a_charge_that_is_not_final_is_read_again(processor: FaultyProcessor, use: Use) -> None:
    before = successes("get")
    statuses = iter(["processing", "succeeded"])
    processor.alter = lambda body: {**body, "status": next(statuses)}
    assert use(lambda stripe: stripe.capture(CHARGE)) == Outcome(Status.SUCCEEDED, "pi_1")
    requests = [(request.method, request.path) for request in processor.requests]
    assert requests == [("POST", "/v1/payment_intents"), ("GET", "/v1/payment_intents/pi_1")]
    assert successes("get") == before + 1


def test_a_refund_without_a_currency_in_the_response_is_settled(processor: FaultyProcessor, use: Use) -> None:
    use(lambda stripe: stripe.capture(CHARGE))
    processor.alter = lambda body: {name: value for name, value in body.items() if name != "currency"}
    assert use(lambda stripe: stripe.refund(REFUND)) == Outcome(Status.SUCCEEDED, "re_1")


def test_an_amount_finer_than_the_minor_unit_leaves_a_charge_pending(processor: FaultyProcessor, use: Use) -> None:
    processor.alter = lambda body: {**body, "amount": 10_050, "amount_received": 10_050}
    with pytest.raises(OutcomeUnknown, match=r"does not match the request in amount$"):
        use(lambda stripe: stripe.capture(replace(CHARGE, amount=Money("ISK", 100))))


@pytest.mark.parametrize(
    ("field", "value"), [("id", None), ("amount", 9_999), ("amount_received", 5_000), ("currency", "usd")]
)
def test_a_mismatch_is_counted_and_its_field_is_named(
    processor: FaultyProcessor, use: Use, log: list[Any], field: str, value: object
) -> None:
    before = counter_value("payments_processor_problems", problem="wrong_answer")
    processor.alter = lambda body: {**body, "amount_received": None, field: value}
    with pytest.raises(OutcomeUnknown, match=f"does not match the request in {field}$"):
        use(lambda stripe: stripe.capture(CHARGE))
    (event,) = (event for event in log if event["event"] == "processor_answer_wrong")
    assert event["wrong"] == [field]
    assert counter_value("payments_processor_problems", problem="wrong_answer") == before + 1


def test_an_unexpected_status_is_counted_each_time_it_is_read(processor: FaultyProcessor, use: Use) -> None:
    before = counter_value("payments_processor_problems", problem="wrong_answer")
    processor.alter = lambda body: {**body, "status": "splendid"}
    with pytest.raises(OutcomeUnknown, match=r"still working on it: its status is splendid$"):
        use(lambda stripe: stripe.capture(CHARGE))
    assert counter_value("payments_processor_problems", problem="wrong_answer") == before + 2


@pytest.mark.parametrize(("code", "suffix"), [("parameter_unknown", " parameter_unknown"), ("", "")])
def test_the_error_of_a_rejection_has_its_status_and_code(
    processor: FaultyProcessor, use: Use, code: str, suffix: str
) -> None:
    error = (("type", "invalid_request_error"), ("code", code))
    with (
        processor.failing(Fault(error_before=400, error=error)),
        pytest.raises(OutcomeUnknown, match=f"^capture: the processor rejected it with 400{suffix}$"),
    ):
        use(lambda stripe: stripe.capture(CHARGE))


@pytest.mark.parametrize("status", ["succeeded", "processing", "requires_capture"])
def test_a_decline_of_a_payment_that_did_not_fail_leaves_it_pending_and_is_logged(
    processor: FaultyProcessor, use: Use, log: list[Any], status: str
) -> None:
    before = counter_value("payments_processor_problems", problem="wrong_answer")
    body = f'{{"error": {{"type": "card_error", "payment_intent": {{"id": "pi_7", "status": "{status}"}}}}}}'
    fault = Fault(error_before=402, body=body.encode())
    with processor.failing(fault), pytest.raises(OutcomeUnknown, match=f"declined a payment whose status is {status}$"):
        use(lambda stripe: stripe.capture(CHARGE))
    assert counter_value("payments_processor_problems", problem="wrong_answer") == before + 1
    (event,) = (event for event in log if event["event"] == "processor_answer_wrong")
    assert (event["wrong"], event["processor_id"]) == (["status"], "pi_7")


def test_a_list_that_is_too_long_leaves_a_charge_pending(
    processor: FaultyProcessor, use: Use, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = {"object": "list", "data": [{"id": "pi_w"}, {"id": "pi_x", "metadata": {}}], "has_more": True}
    monkeypatch.setattr(processor, "_page", lambda _found, _form: (200, page))
    with pytest.raises(OutcomeUnknown, match="more than 10000 objects"):
        use(lambda stripe: stripe.find_capture(CHARGE))
    assert len(processor.requests) == 100
    last = processor.requests[-1].form
    assert (last["starting_after"], last["limit"]) == ("pi_x", "100")
    (event,) = (event for event in log if event["event"] == "processor_list_too_long")
    assert (event["operation"], event["pages"]) == ("find_capture", 100)


def test_the_adapter_has_the_deployment_s_methods_and_reports_its_breaker(use: Use, breaker: Breaker) -> None:
    async def check(stripe: StripeProcessor) -> None:
        assert stripe.methods == set(TOKENS)
        assert (stripe.accepts_requests, stripe.is_answering) == (True, True)
        stripe.check()
        breaker.record_failure()
        assert (stripe.accepts_requests, stripe.is_answering) == (False, False)
        with pytest.raises(ProcessorUnavailable):
            stripe.check()

    use(check)
