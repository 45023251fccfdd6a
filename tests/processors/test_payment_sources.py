"""The payer's own means of payment: who gets the token, how a retry compares it, and which tokens are rejected."""

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb

from tests.processors.fake_objects import DECLINED, MISSING
from tests.processors.faulty_processor import SOURCE_KEY, Fault, FaultyProcessor
from tests.processors.services import NO_RECONCILER, RETURN_URL, Rows, Starter, new_source, wait_until_settled
from tests.support.drivers.calls import CallFailed
from tests.support.drivers.requests import FAILING, charge, new_request_id
from tests.support.secrecy import CARD_NUMBERS, register_secret

NEW_KEY = "the-next-key-of-the-payment-sources-of-the-tests"

register_secret(NEW_KEY)


def test_a_source_is_charged_in_place_of_the_deployment_s_own_means(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    source = new_source()
    # Without a source, charges of this method are declined.
    payment = api.charge(charge(method=FAILING, payment_source=source, return_url=RETURN_URL)).payment

    assert payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert payment.processor_reference == "pi_1"
    (request,) = processor.requests
    assert (request.form["payment_method"], request.form["return_url"]) == (source, RETURN_URL)
    assert (request.form["confirm"], request.form["payment_method_types[0]"]) == ("true", "card")
    assert "error_on_requires_action" not in request.form, "the payer may be asked to approve"


def test_each_charge_of_a_batch_has_its_own_source(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER)
    sources = [new_source(), "", new_source(DECLINED), new_source(), "sim_success"]
    batch = pb.BatchChargeRequest(charges=[charge(payment_source=source) for source in sources])
    results = api.batch_charge(batch).results
    assert [result.payment.status for result in results[:4]] == [
        pb.PAYMENT_STATUS_SUCCEEDED,
        pb.PAYMENT_STATUS_SUCCEEDED,
        pb.PAYMENT_STATUS_FAILED,
        pb.PAYMENT_STATUS_SUCCEEDED,
    ]
    assert results[4].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    sent = {request.form["metadata[reference]"]: request.form["payment_method"] for request in processor.requests}
    assert sent == {
        result.payment.reference: source or "pm_upi" for result, source in zip(results[:4], sources, strict=False)
    }


@pytest.mark.parametrize(
    ("kind", "failure", "code"),
    [
        (DECLINED, pb.FAILURE_DECLINED, "card_declined"),
        (MISSING, pb.FAILURE_INVALID_METHOD, "resource_missing"),
    ],
)
def test_a_charge_with_a_source_that_the_processor_does_not_accept_fails(
    start: Starter, kind: str, failure: pb.Failure.ValueType, code: str
) -> None:
    api = start(NO_RECONCILER)
    payment = api.charge(charge(payment_source=new_source(kind))).payment
    assert (payment.status, payment.failure, payment.failure_code) == (pb.PAYMENT_STATUS_FAILED, failure, code)


def test_a_retry_with_the_same_source_returns_the_payment_and_another_source_is_rejected(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(NO_RECONCILER)
    request_id, source, order_id = new_request_id(), new_source(), 343
    first = api.charge(charge(order_id, request_id=request_id, payment_source=source, return_url=RETURN_URL))
    again = api.charge(charge(order_id, request_id=request_id, payment_source=source))
    assert again == first, "the return_url is not compared"
    for other in (new_source(), ""):
        with pytest.raises(CallFailed) as reused:
            api.charge(charge(order_id, request_id=request_id, payment_source=other))
        assert (reused.value.code, reused.value.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
        assert source not in str(reused.value)
    without = api.charge(charge(order_id, request_id="without a source"))
    with pytest.raises(CallFailed) as reused:
        api.charge(charge(order_id, request_id="without a source", payment_source=source))
    assert reused.value.reason == "REQUEST_ID_REUSED"
    assert processor.capture_counts() == {first.payment.reference: 1, without.payment.reference: 1}


def test_a_key_can_be_rotated_while_old_request_ids_keep_working(
    processor: FaultyProcessor, start: Starter, rows: Rows
) -> None:
    def request(request_id: str, source: str) -> pb.ChargeRequest:
        return charge(343, request_id=request_id, payment_source=source)

    old, new, other = new_source(), new_source(), new_source()
    before = start(NO_RECONCILER).charge(request("old", old)).payment

    rotated = start(NO_RECONCILER, PAYMENT_SOURCE_KEYS=f"{NEW_KEY}, {SOURCE_KEY}")
    assert rotated.charge(request("old", old)).payment == before
    after = rotated.charge(request("new", new)).payment
    with pytest.raises(CallFailed, match="old"):
        rotated.charge(request("old", other))

    removed = start(NO_RECONCILER, PAYMENT_SOURCE_KEYS=NEW_KEY)
    assert removed.charge(request("new", new)).payment == after
    with pytest.raises(CallFailed, match="new"):
        removed.charge(request("new", other))
    # Nobody can tell any more which source the old request had, only that it had one.
    assert removed.charge(request("old", other)).payment == before
    with pytest.raises(CallFailed, match="old"):
        removed.charge(charge(343, request_id="old"))

    # A replica that has only the old key cannot tell either.
    assert start(NO_RECONCILER).charge(request("new", other)).payment == after
    marks = [mark for (mark,) in rows("SELECT source_mark FROM payments ORDER BY payment_id")]
    assert len({mark.partition(":")[0] for mark in marks}) == 2
    assert len(processor.requests) == 2


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("sim_success", "must not begin with sim_"),
        (CARD_NUMBERS[0], "not a card number"),
        (
            f"tok_{CARD_NUMBERS[0][:4]}-{CARD_NUMBERS[0][4:8]}-{CARD_NUMBERS[0][8:12]}-{CARD_NUMBERS[0][12:]}",
            "card number",
        ),
        ("pm_1 2", "printable ASCII"),
        ("pm_é", "printable ASCII"),
        ("p" * 256, "1 to 255"),
    ],
    ids=lambda value: value[:12],
)
def test_a_source_that_cannot_be_a_token_is_rejected_before_anything_is_stored(
    processor: FaultyProcessor, start: Starter, rows: Rows, source: str, problem: str
) -> None:
    api = start(NO_RECONCILER)
    with pytest.raises(CallFailed) as rejected:
        api.charge(charge(payment_source=source))
    assert (rejected.value.code, rejected.value.fields) == ("INVALID_ARGUMENT", ["payment_source"])
    assert problem in rejected.value.descriptions[0]
    assert source not in str(rejected.value)
    assert rows("SELECT COUNT(*) FROM payments") == [(0,)]
    assert not processor.requests
    assert start.services[0].stop() == 0


def test_a_method_without_a_means_of_the_deployment_requires_a_source(
    processor: FaultyProcessor, start: Starter
) -> None:
    api = start(NO_RECONCILER, PROCESSOR_METHODS="UPI,CARD=pm_own")
    with pytest.raises(CallFailed) as rejected:
        api.charge(charge())
    assert (rejected.value.fields, rejected.value.descriptions) == (["payment_source"], ["is required for UPI"])
    source = new_source()
    for request in (charge(payment_source=source), charge(method=pb.PAYMENT_METHOD_CARD)):
        assert api.charge(request).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert [request.form["payment_method"] for request in processor.requests] == [source, "pm_own"]


def test_a_deployment_without_keys_charges_only_its_own_means(processor: FaultyProcessor, start: Starter) -> None:
    api = start(NO_RECONCILER, PAYMENT_SOURCE_KEYS="")
    with pytest.raises(CallFailed) as rejected:
        api.charge(charge(payment_source=new_source()))
    assert rejected.value.descriptions == ["must be empty: this deployment charges only its own means of payment"]
    assert api.charge(charge()).payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    assert len(processor.requests) == 1


@pytest.mark.parametrize(
    ("return_url", "source", "problem"),
    [
        ("http://shop.example", "pm_1", "must be an https URL"),
        ("https://shop.example/" + "x" * 2028, "pm_1", "at most 2048 characters"),
        (RETURN_URL, "", "must be empty without a payment_source"),
    ],
    ids=["http", "long", "without a source"],
)
def test_an_unusable_return_url_is_rejected(
    processor: FaultyProcessor, start: Starter, return_url: str, source: str, problem: str
) -> None:
    api = start(NO_RECONCILER)
    with pytest.raises(CallFailed) as rejected:
        api.charge(charge(payment_source=source, return_url=return_url))
    assert rejected.value.fields == ["return_url"]
    assert problem in rejected.value.descriptions[0]
    assert not processor.requests


def test_an_answer_that_repeats_the_payment_method_is_not_stored(processor: FaultyProcessor, start: Starter) -> None:
    """Stripe's objects have the id of the payment method, and its errors have a message that may quote it."""
    api = start()
    source = new_source()
    register_secret(source)
    processor.alter = lambda body: body | {"payment_method": source}
    error = (("type", "invalid_request_error"), ("code", "other"), ("message", f"No such PaymentMethod: '{source}'"))
    with processor.failing(Fault(error_before=400, error=error)):
        payment = api.charge(charge(payment_source=source)).payment
        assert payment.status == pb.PAYMENT_STATUS_PENDING
    settled = wait_until_settled(api, payment.payment_id).payment
    assert (settled.status, settled.failure_code) == (pb.PAYMENT_STATUS_FAILED, "never_received")
    assert start.services[0].stop() == 0
