"""``POST /webhooks/stripe``: only signed events are accepted, and none of them has an effect of its own."""

import random
import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.processors.faulty_processor import WEBHOOK_SECRET, FaultyProcessor
from tests.processors.services import NO_RECONCILER, Rows, Starter, get, make_charge
from tests.processors.webhook_sender import OTHER_SECRET, body_of, event_of, send, send_signed, signature
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import refund
from tests.support.waiting import wait_until

MAX_BODY_BYTES = 262_144


@pytest.fixture(params=list(Engine))
def engine_api(request: pytest.FixtureRequest, start: Starter) -> GrpcDriver:
    """A service whose reconciler does nothing without a webhook, behind the REST server of each engine."""
    return start(NO_RECONCILER, GRPC_ENGINE=request.param)


def counts(start: Starter) -> dict[str, float]:
    """Return the number of webhooks with each result, without the zeros."""
    names = ("accepted", "ignored", "refused", "failed")
    found = {name: start.metric(f'payments_webhooks_total{{result="{name}"}}') for name in names}
    return {name: count for name, count in found.items() if count}


def event_about(processor: FaultyProcessor, kind: str = "charge.dispute.created") -> dict[str, Any]:
    """Return an event about the only payment of the processor."""
    (intent,) = processor.intents.values()
    return event_of(intent.as_json(), kind)


def test_a_webhook_needs_no_credentials_but_its_signature(processor: FaultyProcessor, start: Starter) -> None:
    make_charge(start(NO_RECONCILER))
    start(NO_RECONCILER, ANONYMOUS_ROLES="-")
    response = send(start.webhooks_url, event_about(processor))
    assert (response.status_code, response.json()) == (200, {})
    assert counts(start) == {"accepted": 1}


def bad_signatures(body: bytes) -> dict[str, list[str]]:
    """Return the signature headers of each webhook that must be refused."""
    good = signature(body, WEBHOOK_SECRET)
    time, _, value = good.partition(",")
    other_time = f"t={int(time.removeprefix('t=')) + 1}"
    return {
        "missing": [],
        "empty": [""],
        "twice": [good, good],
        "joined twice": [f"{good},{good}"],
        "too old": [signature(body, WEBHOOK_SECRET, age_seconds=301)],
        "from the future": [signature(body, WEBHOOK_SECRET, age_seconds=-400)],
        "another secret": [signature(body, OTHER_SECRET)],
        "another body": [signature(body + b" ", WEBHOOK_SECRET)],
        "another time": [f"{other_time},{value}"],
        "two times": [f"{time},{other_time},{value}"],
        "no time": [value],
        "an unusual time": [f"t=+{time.removeprefix('t=')},{value}"],
        "a long time": [f"t={'9' * 5000},{value}"],
        "no value": [time],
        "another scheme": [good.replace("v1=", "v0=")],
        "a shortened value": [good[:-1]],
        "no hexadecimal value": [f"{time},v1=\xe9"],
        "too many values": [",".join([time, *repeat("v1=0", 16), value])],
    }


def test_a_webhook_without_a_valid_signature_is_refused_and_changes_nothing(
    processor: FaultyProcessor, start: Starter, rows: Rows, engine_api: GrpcDriver
) -> None:
    make_charge(engine_api)
    body = body_of(event_about(processor))
    signatures = bad_signatures(body)
    for name, headers in signatures.items():
        response = httpx.post(
            start.webhooks_url, content=body, headers=[(b"Stripe-Signature", one.encode("latin-1")) for one in headers]
        )
        assert (response.status_code, list(response.json())) == (400, ["detail"]), name
        assert WEBHOOK_SECRET not in response.text
    assert counts(start) == {"refused": len(signatures)}
    assert rows("SELECT COUNT(*) FROM processor_checks") == [(0,)]
    assert start.services[0].wait_for("webhook_refused", level="warning")
    assert start.services[0].stop() == 0


@pytest.mark.parametrize("secrets", [[WEBHOOK_SECRET], [OTHER_SECRET], [OTHER_SECRET, WEBHOOK_SECRET]])
def test_while_the_secret_is_rotated_both_are_accepted(
    processor: FaultyProcessor, start: Starter, secrets: list[str]
) -> None:
    make_charge(start(NO_RECONCILER, PROCESSOR_WEBHOOK_SECRETS=f"{OTHER_SECRET}, {WEBHOOK_SECRET}"))
    body = body_of(event_about(processor))
    # The processor signs with both secrets for a while.
    assert send_signed(start.webhooks_url, body, signature(body, *secrets, age_seconds=60)).status_code == 200
    start(NO_RECONCILER, PROCESSOR_WEBHOOK_SECRETS=OTHER_SECRET)
    status = send_signed(start.webhooks_url, body, signature(body, *secrets)).status_code
    assert status == (200 if OTHER_SECRET in secrets else 400)


def test_the_tolerance_is_a_setting(processor: FaultyProcessor, start: Starter) -> None:
    make_charge(start(NO_RECONCILER, PROCESSOR_WEBHOOK_TOLERANCE_SECONDS="3600"))
    for age_seconds, status in ((3000, 200), (-3000, 200), (4000, 400)):
        response = send(start.webhooks_url, event_about(processor), age_seconds=age_seconds)
        assert response.status_code == status


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b"{}", b'{"object": "list"}', b"\xff", b"[" * 100_000],
    ids=lambda body: str(body[:10]),
)
def test_a_signed_body_that_is_no_event_is_refused(start: Starter, body: bytes) -> None:
    start(NO_RECONCILER)
    response = send_signed(start.webhooks_url, body, signature(body, WEBHOOK_SECRET))
    assert response.status_code == 400
    assert counts(start) == {"refused": 1}


@pytest.mark.parametrize(
    "subject",
    [
        {"object": "payment_intent", "id": "pi_unknown"},
        {"object": "payment_intent", "id": "pi_1", "metadata": {"reference": "of another deployment"}},
        {"object": "refund", "id": "re_1", "payment_intent": None},
        {"object": "customer", "id": "cus_1"},
        {"object": "dispute", "payment_intent": 7, "metadata": ["reference"]},
        {"object": "payment_intent", "id": "x" * 100_000},
        {"object": "payment_intent", "id": "pi_\ud800", "metadata": {"reference": "\ud800"}},
        {"object": "payment_intent", "id": "\0"},
        None,
        [],
    ],
    ids=lambda subject: str(subject)[:60],
)
def test_an_event_about_a_payment_that_is_not_ours_is_ignored(
    start: Starter, rows: Rows, subject: dict[str, Any] | None
) -> None:
    start(NO_RECONCILER)
    body = body_of(event_of(subject))  # type: ignore[arg-type]
    response = send_signed(start.webhooks_url, body, signature(body, WEBHOOK_SECRET))
    assert response.status_code == 200
    assert counts(start) == {"ignored": 1}
    assert rows("SELECT COUNT(*) FROM processor_checks") == [(0,)]


def body_in_parts(size: int) -> Iterator[bytes]:
    """Yield a body without a Content-Length."""
    for _ in range(size // 65_536):
        yield b" " * 65_536
    yield b" " * (size % 65_536)


@pytest.mark.parametrize("content", [lambda size: b" " * size, body_in_parts], ids=["whole", "in parts"])
def test_a_body_above_the_limit_is_refused(
    processor: FaultyProcessor,
    start: Starter,
    engine_api: GrpcDriver,
    content: Callable[[int], bytes | Iterator[bytes]],
) -> None:
    response = httpx.post(start.webhooks_url, content=content(MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert httpx.post(start.webhooks_url, content=content(MAX_BODY_BYTES)).status_code == 400
    assert counts(start) == {"refused": 2}
    make_charge(engine_api)
    assert send(start.webhooks_url, event_about(processor)).status_code == 200


def test_other_methods_are_not_allowed_and_without_secrets_there_are_no_webhooks(
    start: Starter, rows: Rows, engine_api: GrpcDriver
) -> None:
    assert engine_api
    assert httpx.get(start.webhooks_url).status_code == 405
    start(NO_RECONCILER, PROCESSOR_WEBHOOK_SECRETS="")
    assert httpx.post(start.webhooks_url).status_code == 404
    assert rows("SELECT COUNT(*) FROM processor_checks") == [(0,)]


def test_a_webhook_is_answered_while_the_processor_is_silent(
    processor: FaultyProcessor, start: Starter, engine_api: GrpcDriver, rows: Rows
) -> None:
    payment = make_charge(engine_api)
    may_answer = threading.Event()

    def wait_in_vain(_: object) -> None:
        may_answer.wait(120)

    processor.fault = wait_in_vain
    processor.open_dispute(processor.intent_of(payment.reference))
    try:
        for event in processor.events:
            assert send(start.webhooks_url, event).status_code == 200
        assert rows("SELECT COUNT(*) FROM processor_checks") == [(1,)]
        assert not get(engine_api, payment.payment_id).payment.HasField("dispute")
    finally:
        may_answer.set()
    wait_until(lambda: get(engine_api, payment.payment_id).payment.HasField("dispute"))


@pytest.mark.parametrize("order", ["in order", "reversed", "shuffled"])
def test_repeated_and_disordered_webhooks_change_each_thing_once(
    processor: FaultyProcessor, start: Starter, rows: Rows, engine_api: GrpcDriver, order: str
) -> None:
    payment = make_charge(engine_api)
    first = engine_api.refund(refund(payment.payment_id, 40)).refund
    intent = processor.intent_of(payment.reference)
    processor.fail_refund(processor.refunds["re_1"])
    dispute = processor.open_dispute(intent, 6000)
    events = processor.events * 3
    if order == "reversed":
        events.reverse()
    elif order == "shuffled":
        random.Random(7).shuffle(events)
    for event in events:
        assert send(start.webhooks_url, event).status_code == 200
    opened = ["PENDING", "CHARGED", "REFUND_PENDING", "REFUNDED", "REFUND_FAILED", "DISPUTE_OPENED"]
    rows.wait_for_events(payment.payment_id, *opened)
    rows.wait_until_checked()

    processor.close_dispute(dispute, "won")
    # The events are about a dispute that is open, but a webhook is only a hint.
    for event in events:
        assert send(start.webhooks_url, event).status_code == 200
    rows.wait_for_events(payment.payment_id, *opened, "DISPUTE_WON")
    rows.wait_until_checked()
    for event in [*events, *processor.events]:
        assert send(start.webhooks_url, event).status_code == 200
    rows.wait_until_checked()

    details = get(engine_api, payment.payment_id)
    assert details.payment.dispute.status == pb.DISPUTE_STATUS_WON
    assert details.payment.dispute.amount.units == 60
    assert [(one.refund_id, one.status) for one in details.refunds] == [(first.refund_id, pb.REFUND_STATUS_FAILED)]
    assert details.payment.refunded_amount.units == 0
    assert rows.event_kinds(payment.payment_id) == [*opened, "DISPUTE_WON"]
    assert rows("SELECT kind FROM late_outcomes ORDER BY late_outcome_id") == [
        (kind,) for kind in ("REFUND_FAILED", "DISPUTE_OPENED", "DISPUTE_WON")
    ]


def test_a_signed_forgery_changes_nothing(
    processor: FaultyProcessor, start: Starter, rows: Rows, engine_api: GrpcDriver
) -> None:
    """Even with the secret, nobody can make the service believe what the processor does not say itself."""
    payment = make_charge(engine_api)
    made = engine_api.refund(refund(payment.payment_id, 40)).refund
    before = get(engine_api, payment.payment_id)
    dispute = {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "amount": 10_000, "currency": "inr"}
    failed = {**processor.refunds["re_1"].as_json(), "status": "failed"}
    canceled = {**processor.intents["pi_1"].as_json(), "status": "canceled", "amount": 1}
    forgeries = [
        event_of({**dispute, "status": "needs_response", "reason": "fraudulent"}, "charge.dispute.created"),
        event_of({**dispute, "status": "lost", "reason": "fraudulent"}, "charge.dispute.closed"),
        event_of(failed, "refund.failed"),
        event_of({**failed, "metadata": {"reference": payment.reference}}, "refund.failed"),
        event_of(canceled, "payment_intent.canceled"),
    ]
    for forgery in forgeries:
        assert send(start.webhooks_url, forgery).status_code == 200
        rows.wait_until_checked()
    assert get(engine_api, payment.payment_id) == before
    assert rows.event_kinds(payment.payment_id) == ["PENDING", "CHARGED", "REFUND_PENDING", "REFUNDED"]
    assert counts(start) == {"accepted": len(forgeries)}
    assert made.status == pb.REFUND_STATUS_SUCCEEDED
    assert rows("SELECT COUNT(*) FROM late_outcomes") == [(0,)]
