"""What the adapter asks of the processor: exactly what was reserved, under the key that makes it safe to repeat."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.domain.errors import InvalidValue, OutcomeUnknown, ProcessorUnavailable
from server.domain.money import Money
from server.domain.payment import PaymentMethod, Status
from server.domain.processing import Capture, GiveBack, Outcome
from server.observability.metrics import REGISTRY
from server.processors.circuit_breaker import Breaker
from server.processors.stripe.processor import StripeProcessor
from tests.processors.conftest import Use
from tests.processors.faulty_processor import Fault, FaultyProcessor
from tests.support.fakes import counted

CREATED = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
CHARGE = Capture(7, 342, "REF-1", Money("INR", 10_050), PaymentMethod.UPI, CREATED)
REFUND = GiveBack(9, "REF-1", Money("INR", 4_050), "pi_1")
TOKENS = {PaymentMethod.UPI: "pm_upi", PaymentMethod.CARD: "pm_card", PaymentMethod.COD: "pm_cod"}


@pytest.fixture
def method_tokens() -> dict[PaymentMethod, str]:
    return TOKENS


def timed(operation: str) -> float:
    """Return how many requests of an operation were answered with an object, as the metric has it."""
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
def test_a_charge_asks_for_the_amount_once_by_the_method_of_the_deployment(
    processor: FaultyProcessor, use: Use, method: PaymentMethod, token: str, kind: str
) -> None:
    outcome = use(lambda stripe: stripe.capture(replace(CHARGE, method=method)))
    assert outcome == Outcome(Status.SUCCEEDED, "pi_1")
    (asked,) = processor.requests
    assert (asked.method, asked.path, asked.key) == ("POST", "/v1/payment_intents", "charge-REF-1")
    assert asked.form == {
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


def test_a_refund_asks_for_the_amount_of_the_payment_once(processor: FaultyProcessor, use: Use) -> None:
    use(lambda stripe: stripe.capture(CHARGE))
    before = timed("give_back")
    assert use(lambda stripe: stripe.give_back(REFUND)) == Outcome(Status.SUCCEEDED, "re_1")
    assert timed("give_back") == before + 1
    asked = processor.requests[-1]
    assert (asked.method, asked.path, asked.key) == ("POST", "/v1/refunds", "refund-REF-1-9")
    assert asked.form == {
        "payment_intent": "pi_1",
        "amount": "4050",
        "metadata[reference]": "REF-1",
        "metadata[refund_id]": "9",
    }


def test_a_charge_is_looked_for_near_its_time_and_then_whenever_it_can_have_been_made(
    processor: FaultyProcessor, use: Use
) -> None:
    assert use(lambda stripe: stripe.find_capture(CHARGE)) is None
    near, ever = ({name: int(value) for name, value in asked.form.items()} for asked in processor.requests)
    begin = int(CREATED.timestamp())
    assert near == {"created[gte]": begin - 600, "created[lte]": begin + 601, "limit": 100}
    assert (ever["created[gte]"], ever["limit"]) == (begin - 3600, 100)
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
    assert in_an_hour - 60 < ever["created[lte]"] <= in_an_hour + 1


def test_a_refund_is_looked_for_among_those_of_its_payment(processor: FaultyProcessor, use: Use) -> None:
    before = timed("find_give_back")
    assert use(lambda stripe: stripe.find_give_back(REFUND)) is None
    assert timed("find_give_back") == before + 1
    (asked,) = processor.requests
    assert (asked.method, asked.path) == ("GET", "/v1/refunds")
    assert asked.form == {"payment_intent": "pi_1", "limit": "100"}


def test_a_refund_of_a_payment_that_this_processor_did_not_charge_fails_and_is_asked_of_nobody(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    elsewhere = replace(REFUND, processor_id=None)
    assert use(lambda stripe: stripe.give_back(elsewhere)) == Outcome(Status.FAILED, None)
    assert use(lambda stripe: stripe.find_give_back(elsewhere)) is None
    assert not processor.requests
    assert log == [{"event": "processor_has_no_payment", "log_level": "error", "refund_id": 9, "reference": "REF-1"}]


def test_an_amount_that_it_cannot_take_exactly_is_refused_before_and_asked_of_nobody_after(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    odd = Money("KWD", 5_124)

    async def refused(stripe: StripeProcessor) -> None:
        stripe.check_amount(Money("KWD", 5_120))
        with pytest.raises(InvalidValue):
            stripe.check_amount(odd)

    use(refused)
    for work in (
        lambda stripe: stripe.capture(replace(CHARGE, amount=odd)),
        lambda stripe: stripe.give_back(replace(REFUND, amount=odd)),
    ):
        with pytest.raises(OutcomeUnknown, match=r"^5\.124 KWD must be a multiple of 0\.01 KWD"):
            use(work)
    assert not processor.requests
    assert [event["amount"] for event in log] == ["5.124 KWD"] * 2


def test_what_is_wrong_with_an_answer_is_logged_with_the_payment_or_refund_it_is_about(
    processor: FaultyProcessor, use: Use, log: list[Any]
) -> None:
    use(lambda stripe: stripe.capture(CHARGE))
    wrong = {"object": "other", "currency": "usd", "payment_intent": "pi_2"}
    processor.altered = lambda shown: {**shown, **wrong}
    for work in (
        lambda stripe: stripe.capture(replace(CHARGE, reference="REF-2")),
        lambda stripe: stripe.give_back(REFUND),
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


def test_a_charge_whose_answer_is_not_final_is_read_again_and_is_as_it_is_then(
    processor: FaultyProcessor, use: Use
) -> None:
    before = timed("get")
    statuses = iter(["processing", "succeeded"])
    processor.altered = lambda shown: {**shown, "status": next(statuses)}
    assert use(lambda stripe: stripe.capture(CHARGE)) == Outcome(Status.SUCCEEDED, "pi_1")
    asked = [(request.method, request.path) for request in processor.requests]
    assert asked == [("POST", "/v1/payment_intents"), ("GET", "/v1/payment_intents/pi_1")]
    assert timed("get") == before + 1


def test_a_refund_whose_answer_leaves_out_its_currency_is_settled(processor: FaultyProcessor, use: Use) -> None:
    use(lambda stripe: stripe.capture(CHARGE))
    processor.altered = lambda shown: {name: value for name, value in shown.items() if name != "currency"}
    assert use(lambda stripe: stripe.give_back(REFUND)) == Outcome(Status.SUCCEEDED, "re_1")


def test_an_amount_finer_than_the_currency_has_leaves_a_charge_pending(processor: FaultyProcessor, use: Use) -> None:
    processor.altered = lambda shown: {**shown, "amount": 10_050, "amount_received": 10_050}
    with pytest.raises(OutcomeUnknown, match=r"does not match the request in amount$"):
        use(lambda stripe: stripe.capture(replace(CHARGE, amount=Money("ISK", 100))))


@pytest.mark.parametrize(
    ("field", "value"), [("id", None), ("amount", 9_999), ("amount_received", 5_000), ("currency", "usd")]
)
def test_a_wrong_answer_is_counted_and_its_wrong_field_is_named(
    processor: FaultyProcessor, use: Use, log: list[Any], field: str, value: object
) -> None:
    before = counted("payments_processor_problems", problem="wrong_answer")
    processor.altered = lambda shown: {**shown, "amount_received": None, field: value}
    with pytest.raises(OutcomeUnknown, match=f"does not match the request in {field}$"):
        use(lambda stripe: stripe.capture(CHARGE))
    (event,) = (event for event in log if event["event"] == "processor_answer_wrong")
    assert event["wrong"] == [field]
    assert counted("payments_processor_problems", problem="wrong_answer") == before + 1


def test_an_unexpected_status_is_counted_each_time_it_is_read(processor: FaultyProcessor, use: Use) -> None:
    before = counted("payments_processor_problems", problem="wrong_answer")
    processor.altered = lambda shown: {**shown, "status": "splendid"}
    with pytest.raises(OutcomeUnknown, match=r"still working on it: its status is splendid$"):
        use(lambda stripe: stripe.capture(CHARGE))
    assert counted("payments_processor_problems", problem="wrong_answer") == before + 2


@pytest.mark.parametrize(("code", "shown"), [("parameter_unknown", " parameter_unknown"), ("", "")])
def test_a_refusal_that_settles_nothing_is_named_with_its_status_and_code(
    processor: FaultyProcessor, use: Use, code: str, shown: str
) -> None:
    error = (("type", "invalid_request_error"), ("code", code))
    with (
        processor.failing(Fault(error_before=400, error=error)),
        pytest.raises(OutcomeUnknown, match=f"^capture: the processor rejected it with 400{shown}$"),
    ):
        use(lambda stripe: stripe.capture(CHARGE))


@pytest.mark.parametrize("status", ["succeeded", "processing", "requires_capture"])
def test_a_decline_of_a_payment_that_did_not_fail_leaves_it_pending_and_is_shown_to_people(
    processor: FaultyProcessor, use: Use, log: list[Any], status: str
) -> None:
    before = counted("payments_processor_problems", problem="wrong_answer")
    body = f'{{"error": {{"type": "card_error", "payment_intent": {{"id": "pi_7", "status": "{status}"}}}}}}'
    fault = Fault(error_before=402, body=body.encode())
    with processor.failing(fault), pytest.raises(OutcomeUnknown, match=f"declined a payment whose status is {status}$"):
        use(lambda stripe: stripe.capture(CHARGE))
    assert counted("payments_processor_problems", problem="wrong_answer") == before + 1
    (event,) = (event for event in log if event["event"] == "processor_answer_wrong")
    assert (event["wrong"], event["processor_id"]) == (["status"], "pi_7")


def test_a_list_without_end_is_given_up_and_says_nothing_of_the_payment(
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


def test_it_is_asked_by_the_methods_of_the_deployment_while_its_breaker_is_closed(use: Use, breaker: Breaker) -> None:
    async def look(stripe: StripeProcessor) -> None:
        assert stripe.methods == set(TOKENS)
        assert (stripe.may_be_asked, stripe.is_answering) == (True, True)
        stripe.check()
        breaker.record_failure()
        assert (stripe.may_be_asked, stripe.is_answering) == (False, False)
        with pytest.raises(ProcessorUnavailable):
            stripe.check()

    use(look)
