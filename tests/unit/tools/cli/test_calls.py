"""The arguments of the commands that call a service, which are run against the client's in-memory fake."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from payments_client import PaymentEvent, PaymentEventType
from payments_client.testing import FakePayments
from typer.testing import CliRunner, Result

from tools.cli import calls, service_options, watch
from tools.cli.main import app


@pytest.mark.parametrize(
    ("values", "external_reference", "expected"),
    [
        (["342", "561.00"], "", (342, "561.00")),
        (["342", "561.00"], "ORD-1", (342, "561.00")),
        (["0", "5"], "", (0, "5")),
        (["561.00"], "ORD-1", (None, "561.00")),
    ],
)
def test_the_order_id_of_a_charge_may_be_left_out_with_an_external_reference(
    values: list[str], external_reference: str, expected: tuple[int | None, str]
) -> None:
    assert calls._order_and_amount(values, external_reference) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["charge"], "Missing argument"),
        (["charge", "561.00"], "needs an ORDER_ID and an AMOUNT, or an AMOUNT and --external-reference"),
        (["charge", "1", "2", "3"], "takes an ORDER_ID and an AMOUNT, and nothing else"),
        (["charge", "ORD-1", "561.00"], "must be a whole number"),
        (["charge", "561.00", "1", "--external-reference", "ORD-1"], "must be a whole number"),
        (["get"], "needs either a PAYMENT or a --request-id"),
        (["get", "7", "--request-id", "mine"], "needs either a PAYMENT or a --request-id"),
    ],
)
def test_a_call_with_missing_or_extra_arguments_is_rejected(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePayments:
    """Return the service that the commands call."""
    fake = FakePayments()
    monkeypatch.setattr(service_options, "PaymentsClient", lambda *_args, **_options: fake.client())
    return fake


def run(*arguments: str, exit_code: int = 0) -> Result:
    """Run the command, which must exit with this code."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == exit_code, result.output
    return result


def charge(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """Make a charge, and return the payment."""
    payment: dict[str, Any] = json.loads(run("charge", *arguments, "--json", exit_code=exit_code).stdout)
    return payment


def listed(*options: str) -> list[int]:
    """Return the ids of the payments that a list shows."""
    return [json.loads(line)["payment_id"] for line in run("list", *options, "--json").stdout.splitlines()]


@pytest.mark.usefixtures("fake")
def test_a_charge_has_the_names_the_source_and_the_request_id_of_its_options() -> None:
    names = ("--external-reference", "ORD-1", "--customer", "customer-7", "--label", "channel=web", "--label", "note=")
    payment = charge("561.00", *names, "--source", "sim_declined", "--request-id", "mine", exit_code=3)

    shown = ("order_id", "external_reference", "customer_id", "labels", "failure", "caller", "request_id")
    assert {name: payment[name] for name in shown} == {
        "order_id": 0,
        "external_reference": "ORD-1",
        "customer_id": "customer-7",
        "labels": {"channel": "web", "note": ""},
        "failure": "DECLINED",
        "caller": "anonymous",
        "request_id": "mine",
    }


@pytest.mark.usefixtures("fake")
def test_a_charge_with_both_names_of_its_order_has_both() -> None:
    payment = charge("342", "561.00", "--external-reference", "ORD-1")
    assert (payment["order_id"], payment["external_reference"], payment["amount"]) == (342, "ORD-1", "561.00")


@pytest.mark.usefixtures("fake")
def test_an_order_with_a_pending_payment_is_not_charged_again_on_request() -> None:
    charge("342", "561.00", "--source", "sim_pending_5s", "--unless-pending")
    message = str(run("charge", "342", "561.00", "--unless-pending", exit_code=1).exception)
    assert "ORDER_HAS_PENDING_PAYMENT: payment 1 of this order is pending" in message
    assert "payments get 1" in message
    charge("342", "561.00")


def test_a_charge_shows_the_payer_where_to_approve_it(fake: FakePayments) -> None:
    options = ("--source", "sim_approval_5s", "--return-url", "https://shop.example/orders/342")
    for arguments in (("charge", "342", "561.00", *options), ("get", "1")):
        out = run(*arguments).stdout
        assert "PENDING: REDIRECT" in out
        assert "The payer must approve payment 1 in a browser by " in out
        assert " UTC: https://payments.example/approve/ECI" in out
    assert "PENDING: REDIRECT" in run("list").stdout
    pending, required = run("events", "1").stdout.splitlines()
    assert (" PENDING " in pending, "REDIRECT by " in required) == (True, True)
    action = json.loads(run("get", "1", "--json").stdout)["payment"]["next_action"]
    assert action["redirect_url"].startswith("https://payments.example/approve/ECI")
    (payment,) = fake.client().list_payments()
    assert payment.next_action is not None


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--source", "sim_success", "--return-url", "http://shop.example"), "return_url: must be an https URL"),
        (("--return-url", "https://shop.example"), "return_url: must be empty without a payment_source"),
    ],
)
def test_an_invalid_return_url_is_rejected(options: tuple[str, ...], message: str) -> None:
    assert message in str(run("charge", "342", "561.00", *options, exit_code=1).exception)


def test_a_disputed_payment_is_shown_and_cannot_be_refunded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    fake = FakePayments(clock=lambda: now)
    monkeypatch.setattr(service_options, "PaymentsClient", lambda *_args, **_options: fake.client())
    charge("342", "561.00", "--source", "sim_dispute_5s_lost")
    assert "dispute" not in run("get", "1").stdout
    now += timedelta(seconds=10)
    for command in (("get", "1"), ("list",)):
        assert "SUCCEEDED, dispute LOST" in run(*command).stdout
    assert "sim_dispute_1" in run("get", "1").stdout
    _, _, opened, lost = run("events", "1").stdout.splitlines()
    assert (" DISPUTE_OPENED " in opened, " DISPUTE_LOST " in lost) == (True, True)
    assert all(line.endswith("  sim_dispute_1 fraudulent") for line in (opened, lost))
    assert json.loads(run("list", "--json").stdout)["dispute"]["status"] == "LOST"
    error = str(run("refund", "1", exit_code=1).exception)
    assert error == "PAYMENT_DISPUTED: the payer got the money back by a dispute; it cannot be refunded"


@pytest.mark.usefixtures("fake")
def test_a_payment_is_shown_by_the_request_id_of_its_charge() -> None:
    payment = charge("342", "561.00", "--request-id", "mine")
    for options in (("--request-id", "mine"), ("--request-id", "mine", "--caller", "anonymous"), ("1",)):
        assert json.loads(run("get", *options, "--json").stdout)["payment"] == payment
    assert payment["reference"] in run("get", payment["reference"]).stdout
    result = run("get", "--request-id", "mine", "--caller", "another shop", exit_code=1)
    assert "ROLE_MISSING: " in str(result.exception)
    result = run("get", "1", "--caller", "anonymous", exit_code=1)
    assert "caller: must be empty" in str(result.exception)


@pytest.mark.usefixtures("fake")
def test_a_list_contains_the_payments_that_match_the_names() -> None:
    charge("1", "5.00", "--external-reference", "ORD-1", "--customer", "customer-7", "--request-id", "mine")
    charge("1", "5.00", "--external-reference", "ORD-2", "--customer", "customer-7")
    assert listed("--external-reference", "ORD-1") == [1]
    assert listed("--customer", "customer-7") == [2, 1]
    assert listed("--customer", "customer-8") == []
    assert listed("--request-id", "mine") == listed("--request-id", "mine", "--caller", "anonymous") == [1]
    assert listed("--caller", "anonymous") == [2, 1]
    assert listed("--caller", "another shop") == []
    assert listed("--processor-reference", "pi_1") == []


class WatchedClient:
    """A client whose watch records its arguments and ends at once."""

    def __init__(self) -> None:
        """Start without arguments."""
        self.arguments: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def watch_payments(self, **arguments: object) -> list[Any]:
        """Record the arguments."""
        self.arguments = arguments
        return []


def test_a_watch_has_the_filter_of_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    client = WatchedClient()
    monkeypatch.setattr(service_options, "PaymentsClient", lambda *_args, **_options: client)
    names = ("--caller", "shop", "--order-id", "0", "--external-reference", "ORD-1", "--customer", "customer-7")
    types = ("--type", "refunded", "--type", "FORGOTTEN", "--type", "dispute_opened")
    run("watch", *names, *types, "--resume-token", "token")
    assert client.arguments == {
        "resume_token": "token",
        "timeout_seconds": 60.0,
        "caller": "shop",
        "order_id": 0,
        "external_reference": "ORD-1",
        "customer_id": "customer-7",
        "types": [PaymentEventType.REFUNDED, PaymentEventType.FORGOTTEN, PaymentEventType.DISPUTE_OPENED],
    }


def test_a_watch_can_select_every_type_of_event() -> None:
    assert {it.value for it in watch.WatchedType} == {it.value for it in PaymentEventType} - {"UNKNOWN"}


def test_a_watch_without_options_shows_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    client = WatchedClient()
    monkeypatch.setattr(service_options, "PaymentsClient", lambda *_args, **_options: client)
    run("watch")
    filters = ("caller", "order_id", "external_reference", "customer_id", "types")
    assert [client.arguments[name] for name in filters] == [None, None, None, None, []]


def test_a_watch_shows_only_the_events_that_match(fake: FakePayments, monkeypatch: pytest.MonkeyPatch) -> None:
    token = next(fake.client().watch_payments()).resume_token
    for order_id in ("1", "2"):
        charge(order_id, "5.00")
        run("refund", order_id)
    shown: list[tuple[str, int]] = []

    def show(event: PaymentEvent) -> None:
        shown.append((event.type, event.payment.order_id))
        if event.type is PaymentEventType.REFUNDED:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch, "print_event", show)
    result = run("watch", "--resume-token", token, "--order-id", "2")
    assert shown == [("CHARGED", 2), ("REFUNDED", 2)]
    assert "To resume: payments watch --resume-token " in result.stderr
