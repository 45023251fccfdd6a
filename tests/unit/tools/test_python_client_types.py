"""The Python client without a service: conversion of values, errors, delays between attempts, and packaging."""

import copy
import dataclasses
import decimal
import itertools
import json
import pickle
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import grpc
import payments_client
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st
from payments_client import _channel, _messages
from payments_client._retries import Attempts, Resumptions
from payments_client.errors import error_from_rpc
from payments_client.v1 import payments_pb2 as pb

ROOT = Path(__file__).parents[3]


def charge_request(amount: object = Decimal(10), **changes: object) -> pb.ChargeRequest:
    """Return the request of a charge, with arguments of any type."""
    arguments: dict[str, object] = {"order_id": 1, "amount": amount, **changes}
    return _messages.charge_request(payments_client.NewCharge(**arguments))  # type: ignore[arg-type]


def get_request(**keys: object) -> pb.GetPaymentRequest:
    """Return the request of a payment, by any keys."""
    arguments: dict[str, object] = {"payment_id": None, "reference": None, "request_id": None, "caller": "", **keys}
    return _messages.get_request(**arguments)  # type: ignore[arg-type]


def list_request(**conditions: object) -> pb.ListPaymentsRequest:
    """Return the request of a list, with conditions of any type."""
    return _messages.list_request(conditions, order_by="", page_size=0)  # type: ignore[arg-type]


# Amounts


@given(st.decimals(min_value=-(2**62), max_value=2**62, places=4))
def test_any_amount_with_four_decimals_survives_a_round_trip(amount: Decimal) -> None:
    sent = charge_request(amount).amount
    assert _messages._amount(sent) == amount
    assert sent.units * sent.nanos >= 0, "units and nanos have the same sign"


@given(units=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(0, 999_999_999))
def test_any_money_from_the_service_is_read_exactly(units: int, nanos: int) -> None:
    signed_nanos = -nanos if units < 0 else nanos
    amount = _messages._amount(Money(units=units, nanos=signed_nanos))
    assert amount.as_integer_ratio() == Decimal(f"{units * 10**9 + signed_nanos}E-9").as_integer_ratio()


@pytest.mark.parametrize(
    ("units", "nanos", "text"),
    [
        (561, 0, "561.00"),
        (561, 500_000_000, "561.50"),
        (0, -10_000_000, "-0.01"),
        (-3, -250_000_000, "-3.25"),
        (0, 0, "0.00"),
        (1, 1, "1.000000001"),
    ],
)
def test_an_amount_has_at_least_two_decimals(units: int, nanos: int, text: str) -> None:
    assert str(_messages._amount(Money(units=units, nanos=nanos))) == text


def test_an_amount_is_exact_whatever_the_decimal_context_of_the_caller() -> None:
    with decimal.localcontext(prec=3):
        sent = charge_request(Decimal("-12345678.91")).amount
        assert (sent.units, sent.nanos) == (-12_345_678, -910_000_000)
        assert str(_messages._amount(sent)) == "-12345678.91"


@pytest.mark.parametrize(
    ("amount", "result"),
    [
        ("999999999999999", "999999999999999.00"),
        ("9999999999999.99", "9999999999999.99"),
        ("999999999999.999", "999999999999.999"),
        ("99999999999.9999", "99999999999.9999"),
        ("0.0001", "0.0001"),
    ],
)
def test_the_largest_amounts_of_currencies_with_0_to_4_decimals_are_exact(amount: str, result: str) -> None:
    assert str(_messages._amount(charge_request(Decimal(amount)).amount)) == result


@pytest.mark.parametrize("amount", [10.0, 10, "10.00", None, True])
def test_an_amount_that_is_not_a_decimal_is_rejected(amount: object) -> None:
    with pytest.raises(TypeError, match=r"amount must be a decimal\.Decimal, not "):
        charge_request(amount)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_an_amount_that_is_not_a_number_is_rejected(amount: str) -> None:
    with pytest.raises(ValueError, match="amount must be finite"):
        charge_request(Decimal(amount))


@pytest.mark.parametrize("amount", ["0.00001", "10.00005", "-0.00009", "1E-9", "1E-30"])
def test_an_amount_with_five_decimals_is_rejected(amount: str) -> None:
    with pytest.raises(ValueError, match="amount must have at most 4 decimals"):
        charge_request(Decimal(amount))


@pytest.mark.parametrize("amount", ["10.5000", "1.05E+1", "10.5"])
def test_trailing_zeros_and_exponents_do_not_matter(amount: str) -> None:
    assert charge_request(Decimal(amount)).amount == Money(units=10, nanos=500_000_000)


def test_an_amount_too_large_for_a_message_is_rejected() -> None:
    with pytest.raises(ValueError, match="out of range"):
        charge_request(Decimal(2**63))


def test_the_currency_is_sent_as_given_or_left_to_the_service() -> None:
    assert charge_request(currency="USD").amount.currency_code == "USD"
    assert charge_request().amount.currency_code == ""


# Times


def test_a_time_is_sent_in_utc_to_the_microsecond_and_received_as_aware() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2025, 9, 10, 5, 30, 0, 123_456, tzinfo=india)
    sent = list_request(min_create_time=moment).filter.min_create_time
    assert sent == Timestamp(seconds=1_757_462_400, nanos=123_456_000)
    received = _messages._time(sent)
    assert received == moment
    assert received.tzinfo is UTC


@pytest.mark.parametrize("bound", ["min_create_time", "max_create_time"])
def test_a_naive_time_is_rejected(bound: str) -> None:
    with pytest.raises(ValueError, match=f"{bound} must be aware"):
        list_request(**{bound: datetime(2025, 9, 10)})  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize("time", [date(2025, 9, 10), "2025-09-10T00:00:00Z", 1_757_462_400])
def test_a_time_that_is_not_a_datetime_is_rejected(time: object) -> None:
    with pytest.raises(TypeError, match=r"min_create_time must be a datetime\.datetime, not "):
        list_request(min_create_time=time)


# Enums


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (payments_client.PaymentMethod, pb.PaymentMethod, "PAYMENT_METHOD_"),
        (payments_client.PaymentStatus, pb.PaymentStatus, "PAYMENT_STATUS_"),
        (payments_client.RefundState, pb.RefundState, "REFUND_STATE_"),
        (payments_client.RefundStatus, pb.RefundStatus, "REFUND_STATUS_"),
        (payments_client.Failure, pb.Failure, "FAILURE_"),
        (payments_client.PaymentEventType, pb.PaymentEventType, "PAYMENT_EVENT_TYPE_"),
        (payments_client.NextActionType, pb.NextActionType, "NEXT_ACTION_TYPE_"),
        (payments_client.DisputeStatus, pb.DisputeStatus, "DISPUTE_STATUS_"),
    ],
)
def test_the_enums_have_every_value_of_the_contract(
    ours: type[payments_client.PaymentMethod], theirs: type[pb.PaymentMethod], prefix: str
) -> None:
    expected = {name.removeprefix(prefix) for name in theirs.keys()}  # noqa: SIM118 - a protobuf enum is not a mapping
    assert {str(member) for member in ours} == expected - {"UNSPECIFIED"} | {"UNKNOWN"}


def test_every_value_of_the_contract_is_read_as_the_member_with_its_name() -> None:
    for number in pb.PaymentMethod.values()[1:]:
        method = _messages.payment(pb.Payment(method=number)).method
        assert pb.PaymentMethod.Name(number) == f"PAYMENT_METHOD_{method}"
    for status_number in pb.PaymentStatus.values()[1:]:
        status = _messages.payment(pb.Payment(status=status_number)).status
        assert pb.PaymentStatus.Name(status_number) == f"PAYMENT_STATUS_{status}"
    for state_number in pb.RefundState.values()[1:]:
        state = _messages.payment(pb.Payment(refund_state=state_number)).refund_state
        assert pb.RefundState.Name(state_number) == f"REFUND_STATE_{state}"
    for refund_number in pb.RefundStatus.values()[1:]:
        refund_status = _messages.refund(pb.Refund(status=refund_number)).status
        assert pb.RefundStatus.Name(refund_number) == f"REFUND_STATUS_{refund_status}"
    for failure_number in pb.Failure.values()[1:]:
        failure = _messages.payment(pb.Payment(failure=failure_number)).failure
        assert pb.Failure.Name(failure_number) == f"FAILURE_{failure}"
        assert _messages.refund(pb.Refund(failure=failure_number)).failure is failure
    for type_number in pb.PaymentEventType.values()[1:]:
        event_type = event_of_type(type_number).type
        assert pb.PaymentEventType.Name(type_number) == f"PAYMENT_EVENT_TYPE_{event_type}"
    for action_number in pb.NextActionType.values()[1:]:
        next_action = _messages.payment(pb.Payment(next_action=pb.NextAction(type=action_number))).next_action
        assert next_action is not None
        assert pb.NextActionType.Name(action_number) == f"NEXT_ACTION_TYPE_{next_action.type}"
    for dispute_number in pb.DisputeStatus.values()[1:]:
        dispute = _messages.payment(pb.Payment(dispute=pb.Dispute(status=dispute_number))).dispute
        assert dispute is not None
        assert pb.DisputeStatus.Name(dispute_number) == f"DISPUTE_STATUS_{dispute.status}"


def event_of_type(number: pb.PaymentEventType.ValueType) -> payments_client.PaymentEvent:
    """Return the event that a watch returns for an event of this type."""
    event = _messages.payment_update(pb.WatchPaymentsResponse(event=pb.PaymentEvent(type=number))).event
    assert event is not None
    return event


def test_values_from_a_newer_service_are_unknown_and_not_an_error() -> None:
    newer_field = bytes([1 << 3, 99])
    action_and_dispute = b"".join(bytes([0x80 | tag & 0x7F, tag >> 7, 2]) + newer_field for tag in (154, 162))
    payment = pb.Payment.FromString(bytes([4 << 3, 99, 6 << 3, 98, 10 << 3, 97, 14 << 3, 96]) + action_and_dispute)
    read = _messages.payment(payment)
    assert read.method is payments_client.PaymentMethod.UNKNOWN
    assert read.status is payments_client.PaymentStatus.UNKNOWN
    assert read.refund_state is payments_client.RefundState.UNKNOWN
    assert read.failure is payments_client.Failure.UNKNOWN
    assert read.next_action is not None
    assert read.next_action.type is payments_client.NextActionType.UNKNOWN
    assert read.dispute is not None
    assert read.dispute.status is payments_client.DisputeStatus.UNKNOWN
    refund = _messages.refund(pb.Refund.FromString(bytes([4 << 3, 99, 10 << 3, 96])))
    assert refund.status is payments_client.RefundStatus.UNKNOWN
    assert refund.failure is payments_client.Failure.UNKNOWN
    response = pb.WatchPaymentsResponse(event=pb.PaymentEvent.FromString(bytes([1 << 3, 99])))
    event = _messages.payment_update(response).event
    assert event is not None
    assert event.type is payments_client.PaymentEventType.UNKNOWN


def test_unknown_cannot_be_requested() -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        charge_request(method=payments_client.PaymentMethod.UNKNOWN)
    with pytest.raises(ValueError, match="cannot be sent"):
        list_request(statuses=[payments_client.PaymentStatus.UNKNOWN])
    with pytest.raises(ValueError, match="cannot be sent"):
        _messages.watch_request({"types": [payments_client.PaymentEventType.UNKNOWN]}, resume_token="")


def test_a_nonexistent_method_is_rejected() -> None:
    with pytest.raises(ValueError, match="'CHEQUE' is not a valid PaymentMethod"):
        charge_request(method="CHEQUE")


# Requests


def test_a_charge_has_all_given_values() -> None:
    request = charge_request(
        Decimal("561.50"),
        order_id=342,
        currency="INR",
        method=payments_client.PaymentMethod.UPI,
        request_id="mine",
        external_reference=" ORD-1 ",
        customer_id="customer-7",
        labels={"channel": "web"},
        payment_source="sim_declined",
        unless_pending=True,
        return_url="https://shop.example/orders/342",
    )
    assert request == pb.ChargeRequest(
        order_id=342,
        amount=Money(currency_code="INR", units=561, nanos=500_000_000),
        method=pb.PAYMENT_METHOD_UPI,
        request_id="mine",
        external_reference=" ORD-1 ",
        customer_id="customer-7",
        labels={"channel": "web"},
        payment_source="sim_declined",
        unless_pending=True,
        return_url="https://shop.example/orders/342",
    )
    assert {field.name for field, _ in request.ListFields()} == set(pb.ChargeRequest.DESCRIPTOR.fields_by_name)


def test_a_charge_may_have_an_external_reference_instead_of_an_order_id() -> None:
    request = charge_request(order_id=None, external_reference="ORD-1", request_id="mine")
    assert request == pb.ChargeRequest(amount=Money(units=10), external_reference="ORD-1", request_id="mine")


def test_a_charge_without_any_name_of_its_order_is_sent_so_that_the_service_rejects_it() -> None:
    assert charge_request(order_id=None, request_id="mine") == pb.ChargeRequest(
        amount=Money(units=10), request_id="mine"
    )


@pytest.mark.parametrize("labels", [{"channel": 1}, {1: "web"}])
def test_labels_that_are_not_text_are_rejected(labels: object) -> None:
    with pytest.raises(TypeError):
        charge_request(labels=labels)


def test_a_charge_without_a_method_lets_the_processor_pick() -> None:
    assert charge_request().method == pb.PAYMENT_METHOD_UNSPECIFIED


def test_each_charge_and_refund_without_a_request_id_gets_its_own() -> None:
    refunds = [
        _messages.refund_request(payment_id=7, amount=None, currency=None, reason="", request_id=None) for _ in range(2)
    ]
    request_ids = [charge_request().request_id, charge_request().request_id, *(each.request_id for each in refunds)]
    assert len(set(request_ids)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in request_ids)


def test_an_empty_request_id_is_sent_so_that_the_service_rejects_it() -> None:
    request = charge_request(request_id="")
    assert request.HasField("request_id")
    assert request.request_id == ""


def test_a_refund_without_an_amount_requests_the_rest() -> None:
    request = _messages.refund_request(payment_id=7, amount=None, currency=None, reason="damaged", request_id="mine")
    assert request == pb.RefundRequest(payment_id=7, reason="damaged", request_id="mine")
    assert not request.HasField("amount")


def test_a_partial_refund_has_its_amount() -> None:
    request = _messages.refund_request(
        payment_id=7, amount=Decimal("2.50"), currency="USD", reason="", request_id="mine"
    )
    assert request.amount == Money(currency_code="USD", units=2, nanos=500_000_000)


def test_a_currency_without_an_amount_is_rejected() -> None:
    with pytest.raises(ValueError, match="currency needs an amount"):
        _messages.refund_request(payment_id=7, amount=None, currency="INR", reason="", request_id=None)
    with pytest.raises(ValueError, match="currency needs min_amount or max_amount"):
        list_request(currency="INR")


def test_a_payment_is_requested_by_exactly_one_key() -> None:
    assert get_request(payment_id=7) == pb.GetPaymentRequest(payment_id=7)
    assert get_request(reference="E-1") == pb.GetPaymentRequest(reference="E-1")
    assert get_request(request_id="mine", caller="shop") == pb.GetPaymentRequest(request_id="mine", caller="shop")
    keys = {"payment_id": 7, "reference": "E-1", "request_id": "mine"}
    for count in (0, 2, 3):
        for names in itertools.combinations(keys, count):
            with pytest.raises(TypeError, match="exactly one of payment_id, reference and request_id"):
                get_request(**{name: keys[name] for name in names})


def test_an_empty_or_zero_key_is_sent_so_that_the_service_rejects_it() -> None:
    assert get_request(payment_id=0).WhichOneof("key") == "payment_id"
    assert get_request(reference="").WhichOneof("key") == "reference"
    assert get_request(request_id="").WhichOneof("key") == "request_id"


def test_a_caller_without_a_request_id_is_sent_so_that_the_service_rejects_it() -> None:
    assert get_request(payment_id=7, caller="shop") == pb.GetPaymentRequest(payment_id=7, caller="shop")


def test_every_condition_of_a_list_reaches_the_filter() -> None:
    conditions: payments_client.PaymentConditions = {
        "order_id": 0,
        "methods": [payments_client.PaymentMethod.UPI, payments_client.PaymentMethod.OTHER],
        "statuses": iter([payments_client.PaymentStatus.FAILED]),
        "refund_states": {payments_client.RefundState.PARTIAL},
        "reference": "E-1",
        "min_amount": Decimal("-1.00"),
        "max_amount": Decimal("1.25"),
        "currency": "USD",
        "min_create_time": datetime(2025, 1, 1, tzinfo=UTC),
        "max_create_time": datetime(2025, 1, 2, tzinfo=UTC),
        "request_id": "mine",
        "caller": "shop",
        "processor_reference": "pi_1",
        "external_reference": "ORD-1",
        "customer_id": "customer-7",
    }
    request = _messages.list_request(
        conditions, order_by="create_time asc", page_size=7, page_token="t", include_total_size=True
    )
    assert request == pb.ListPaymentsRequest(
        filter=pb.PaymentFilter(
            order_id=0,
            methods=[pb.PAYMENT_METHOD_UPI, pb.PAYMENT_METHOD_OTHER],
            statuses=[pb.PAYMENT_STATUS_FAILED],
            refund_states=[pb.REFUND_STATE_PARTIAL],
            reference="E-1",
            min_amount=Money(currency_code="USD", units=-1),
            max_amount=Money(currency_code="USD", units=1, nanos=250_000_000),
            min_create_time=Timestamp(seconds=1_735_689_600),
            max_create_time=Timestamp(seconds=1_735_776_000),
            request_id="mine",
            caller="shop",
            processor_reference="pi_1",
            external_reference="ORD-1",
            customer_id="customer-7",
        ),
        order_by="create_time asc",
        page_size=7,
        page_token="t",
        include_total_size=True,
    )
    assert {field.name for field, _ in request.filter.ListFields()} == set(pb.PaymentFilter.DESCRIPTOR.fields_by_name)


def test_conditions_of_none_are_ignored() -> None:
    nothing = dict.fromkeys(payments_client.PaymentConditions.__annotations__)
    assert list_request(**nothing) == list_request() == pb.ListPaymentsRequest(filter=pb.PaymentFilter())


def test_a_nonexistent_condition_is_rejected() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'color'"):
        list_request(color="red")


def test_every_condition_of_a_watch_reaches_the_filter() -> None:
    conditions: payments_client.PaymentEventConditions = {
        "caller": "shop",
        "order_id": 0,
        "external_reference": "ORD-1",
        "customer_id": "customer-7",
        "types": iter([payments_client.PaymentEventType.REFUNDED, payments_client.PaymentEventType.FORGOTTEN]),
    }
    request = _messages.watch_request(conditions, resume_token="t")
    assert request == pb.WatchPaymentsRequest(
        resume_token="t",
        filter=pb.PaymentEventFilter(
            caller="shop",
            order_id=0,
            external_reference="ORD-1",
            customer_id="customer-7",
            types=[pb.PAYMENT_EVENT_TYPE_REFUNDED, pb.PAYMENT_EVENT_TYPE_FORGOTTEN],
        ),
    )
    assert {field.name for field, _ in request.filter.ListFields()} == set(
        pb.PaymentEventFilter.DESCRIPTOR.fields_by_name
    )
    assert set(conditions) == set(payments_client.PaymentEventConditions.__annotations__)


def test_a_watch_without_conditions_has_an_empty_filter() -> None:
    nothing = dict.fromkeys(payments_client.PaymentEventConditions.__annotations__)
    for conditions in ({}, nothing):
        request = _messages.watch_request(conditions, resume_token="")  # type: ignore[arg-type]
        assert request == pb.WatchPaymentsRequest(filter=pb.PaymentEventFilter())


# Responses


def test_all_fields_of_a_payment_are_read() -> None:
    message = pb.Payment(
        payment_id=2**53 + 1,
        order_id=342,
        amount=Money(currency_code="INR", units=561),
        method=pb.PAYMENT_METHOD_OTHER,
        other_method="cheque",
        status=pb.PAYMENT_STATUS_SUCCEEDED,
        reference="ECI20250910-1A2B",
        create_time=Timestamp(seconds=1_757_462_400, nanos=1_000),
        refunded_amount=Money(currency_code="INR", units=1, nanos=500_000_000),
        refund_state=pb.REFUND_STATE_PARTIAL,
        caller="shop",
        request_id="mine",
        processor_reference="pi_1",
        failure=pb.FAILURE_INSUFFICIENT_FUNDS,
        failure_code="insufficient_funds",
        external_reference=" ORD-1 ",
        customer_id="customer-7",
        labels={"channel": "web", "note": ""},
        next_action=pb.NextAction(
            type=pb.NEXT_ACTION_TYPE_REDIRECT,
            redirect_url="https://bank.example/approve/1",
            expire_time=Timestamp(seconds=1_757_462_700),
        ),
        dispute=pb.Dispute(
            status=pb.DISPUTE_STATUS_LOST,
            amount=Money(currency_code="INR", units=60),
            reason="fraudulent",
            open_time=Timestamp(seconds=1_757_548_800),
            close_time=Timestamp(seconds=1_757_635_200),
            processor_reference="dp_1",
        ),
    )
    for each in (message, message.next_action, message.dispute):
        assert {field.name for field, _ in each.ListFields()} == set(each.DESCRIPTOR.fields_by_name)
    assert _messages.payment(message) == payments_client.Payment(
        payment_id=2**53 + 1,
        order_id=342,
        amount=Decimal("561.00"),
        currency="INR",
        method=payments_client.PaymentMethod.OTHER,
        other_method="cheque",
        status=payments_client.PaymentStatus.SUCCEEDED,
        reference="ECI20250910-1A2B",
        create_time=datetime(2025, 9, 10, 0, 0, 0, 1, tzinfo=UTC),
        refunded_amount=Decimal("1.50"),
        refund_state=payments_client.RefundState.PARTIAL,
        caller="shop",
        request_id="mine",
        processor_reference="pi_1",
        failure=payments_client.Failure.INSUFFICIENT_FUNDS,
        failure_code="insufficient_funds",
        external_reference=" ORD-1 ",
        customer_id="customer-7",
        labels={"channel": "web", "note": ""},
        next_action=payments_client.NextAction(
            type=payments_client.NextActionType.REDIRECT,
            redirect_url="https://bank.example/approve/1",
            expire_time=datetime(2025, 9, 10, 0, 5, tzinfo=UTC),
        ),
        dispute=payments_client.Dispute(
            status=payments_client.DisputeStatus.LOST,
            amount=Decimal("60.00"),
            currency="INR",
            reason="fraudulent",
            open_time=datetime(2025, 9, 11, tzinfo=UTC),
            close_time=datetime(2025, 9, 12, tzinfo=UTC),
            processor_reference="dp_1",
        ),
    )


def test_an_open_dispute_in_another_currency_has_no_amount_and_no_close_time() -> None:
    dispute = _messages.payment(pb.Payment(dispute=pb.Dispute(status=pb.DISPUTE_STATUS_OPEN))).dispute
    assert dispute is not None
    assert (dispute.amount, dispute.currency, dispute.close_time) == (None, None, None)


def test_a_payment_without_an_approval_and_a_dispute_has_neither() -> None:
    payment = _messages.payment(pb.Payment())
    assert (payment.next_action, payment.dispute) == (None, None)


def test_the_repr_of_a_payment_and_of_a_charge_has_no_secrets() -> None:
    action = pb.NextAction(type=pb.NEXT_ACTION_TYPE_REDIRECT, redirect_url="https://bank.example/secret")
    charge = payments_client.NewCharge(
        amount=Decimal(1), payment_source="pm_secret", return_url="https://shop.example/secret"
    )
    shown = repr((_messages.payment(pb.Payment(next_action=action)), charge))
    assert "REDIRECT" in shown
    assert "secret" not in shown


def test_a_payment_that_did_not_fail_has_no_failure() -> None:
    assert _messages.payment(pb.Payment()).failure is None
    assert _messages.refund(pb.Refund()).failure is None


def test_a_payment_can_be_compared_hashed_copied_and_pickled_but_its_labels_cannot_be_changed() -> None:
    payment, same = (_messages.payment(pb.Payment(labels={"channel": "web", "note": ""})) for _ in range(2))
    other = _messages.payment(pb.Payment(labels={"channel": "app", "note": ""}))
    assert len({payment, same, other}) == 2
    assert copy.deepcopy(payment) == pickle.loads(pickle.dumps(payment)) == payment  # noqa: S301 - our own bytes
    assert dataclasses.asdict(payment)["labels"] == payment.labels == {"note": "", "channel": "web"}
    assert repr(payment.labels) == "{'channel': 'web', 'note': ''}"
    with pytest.raises(TypeError, match="does not support item assignment"):
        payment.labels["channel"] = "app"  # type: ignore[index]


def test_a_new_charge_with_labels_can_be_hashed() -> None:
    charge, same = (payments_client.NewCharge(amount=Decimal(1), labels={"channel": "web"}) for _ in range(2))
    assert len({charge, same}) == 1


def test_a_missing_amount_or_time_of_an_adopted_payment_is_none() -> None:
    payment = _messages.payment(pb.Payment(payment_id=1))
    assert (payment.amount, payment.currency, payment.refunded_amount, payment.create_time) == (None,) * 4


def test_an_amount_of_zero_is_not_a_missing_amount() -> None:
    payment = _messages.payment(pb.Payment(amount=Money(), refunded_amount=Money()))
    assert (payment.amount, payment.refunded_amount) == (Decimal(0), Decimal(0))


def test_all_fields_of_a_refund_are_read() -> None:
    message = pb.Refund(
        refund_id=3,
        payment_id=7,
        amount=Money(currency_code="INR", units=1),
        status=pb.REFUND_STATUS_SUCCEEDED,
        reason="damaged",
        create_time=Timestamp(seconds=1_757_462_400),
        caller="shop",
        request_id="mine",
        processor_reference="re_1",
        failure=pb.FAILURE_DECLINED,
        failure_code="declined",
    )
    assert {field.name for field, _ in message.ListFields()} == set(pb.Refund.DESCRIPTOR.fields_by_name)
    expected = payments_client.Refund(
        refund_id=3,
        payment_id=7,
        amount=Decimal("1.00"),
        currency="INR",
        status=payments_client.RefundStatus.SUCCEEDED,
        reason="damaged",
        create_time=datetime(2025, 9, 10, tzinfo=UTC),
        caller="shop",
        request_id="mine",
        processor_reference="re_1",
        failure=payments_client.Failure.DECLINED,
        failure_code="declined",
    )
    payment = pb.Payment(payment_id=7)
    result = _messages.refund_result(pb.RefundResponse(refund=message, payment=payment))
    assert result.refund == expected
    assert result.payment.payment_id == 7
    details = _messages.payment_details(
        pb.GetPaymentResponse(payment=payment, refunds=[message], next_refunds_page_token="t")
    )
    assert (details.refunds, details.next_refunds_page_token) == ((expected,), "t")
    page = _messages.refund_page(pb.ListRefundsResponse(refunds=[message], next_page_token="t"))
    assert page == payments_client.RefundPage(refunds=(expected,), next_page_token="t")


def test_the_refund_is_none_if_an_earlier_system_made_it() -> None:
    assert _messages.refund_result(pb.RefundResponse(payment=pb.Payment(payment_id=7))).refund is None


def test_a_page_has_a_total_size_only_if_the_response_has_one() -> None:
    page = _messages.payment_page(pb.ListPaymentsResponse(payments=[pb.Payment(payment_id=7)], next_page_token="t"))
    assert [payment.payment_id for payment in page.payments] == [7]
    assert (page.next_page_token, page.total_size) == ("t", None)
    assert _messages.payment_page(pb.ListPaymentsResponse(total_size=0)).total_size == 0


# Errors


def rpc_error(
    code: grpc.StatusCode, *details: Message, message: str = "why", trailer: bytes | None = None
) -> grpc.aio.AioRpcError:
    """Return gRPC's error for a status with ``details``, or with the given bytes as the details ``trailer``."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    metadata = grpc.aio.Metadata(
        ("x-request-id", "call-1"), ("grpc-status-details-bin", trailer or status.SerializeToString())
    )
    return grpc.aio.AioRpcError(code, None, metadata, message)


def info(reason: str, domain: str = "payments", **metadata: str) -> error_details_pb2.ErrorInfo:
    """Return the detail with the reason of an error."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", payments_client.InvalidRequest),
        (grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND", payments_client.PaymentNotFound),
        (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_FAILED", payments_client.PaymentFailed),
        (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_PENDING", payments_client.PaymentPending),
        (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DISPUTED", payments_client.PaymentDisputed),
        (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_ARCHIVED", payments_client.PaymentArchived),
        (grpc.StatusCode.FAILED_PRECONDITION, "REFUND_EXCEEDS_PAYMENT", payments_client.RefundExceedsPayment),
        (grpc.StatusCode.FAILED_PRECONDITION, "ORDER_HAS_PENDING_PAYMENT", payments_client.OrderHasPendingPayment),
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", payments_client.RequestIdReused),
        (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", payments_client.Unavailable),
        (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", payments_client.Unavailable),
        (grpc.StatusCode.UNAVAILABLE, "READER_TOO_SLOW", payments_client.Unavailable),
        (grpc.StatusCode.UNAVAILABLE, "PROCESSOR_UNAVAILABLE", payments_client.Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING", payments_client.Unauthenticated),
        (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID", payments_client.Unauthenticated),
        (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_INVALID", payments_client.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING", payments_client.PermissionDenied),
        (grpc.StatusCode.PERMISSION_DENIED, "ORIGIN_NOT_ALLOWED", payments_client.PermissionDenied),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", payments_client.Overloaded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", payments_client.Overloaded),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "CALL_TOO_LONG", payments_client.DeadlineExceeded),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", payments_client.DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, "INTERNAL", payments_client.InternalError),
    ],
)
def test_each_reason_of_the_contract_has_an_exception(
    code: grpc.StatusCode, reason: str, kind: type[payments_client.PaymentsError]
) -> None:
    cause = rpc_error(code, info(reason))
    error = error_from_rpc(cause, "mine")
    assert type(error) is kind
    assert (error.code, error.reason, error.message, str(error)) == (code, reason, "why", "why")
    assert (error.request_id, error.call_id) == ("mine", "call-1")
    assert error.retry_after_seconds is None
    assert error.__cause__ is cause


def test_every_reason_in_the_contract_has_an_exception() -> None:
    contract = (ROOT / "proto" / "payments" / "v1" / "payments.proto").read_text("utf-8")
    reasons = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", contract))
    assert "REFUND_EXCEEDS_PAYMENT" in reasons
    for reason in reasons:
        # This code has no exception of its own, so only the reason can decide.
        error = error_from_rpc(rpc_error(grpc.StatusCode.DATA_LOSS, info(reason)), None)
        assert type(error) is not payments_client.PaymentsError, reason


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, payments_client.InvalidRequest),
        (grpc.StatusCode.UNAVAILABLE, payments_client.Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, payments_client.PaymentsError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, payments_client.DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, payments_client.InternalError),
        (grpc.StatusCode.CANCELLED, payments_client.OutcomeUnknown),
        (grpc.StatusCode.UNKNOWN, payments_client.OutcomeUnknown),
        (grpc.StatusCode.NOT_FOUND, payments_client.PaymentsError),
        (grpc.StatusCode.UNAUTHENTICATED, payments_client.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, payments_client.PermissionDenied),
    ],
)
def test_the_exception_for_an_error_from_grpc_itself_depends_on_its_code(
    code: grpc.StatusCode, kind: type[payments_client.PaymentsError]
) -> None:
    error = error_from_rpc(grpc.aio.AioRpcError(code, None, None, None), None)
    assert type(error) is kind
    assert (error.reason, error.message, error.request_id, error.call_id) == ("", code.name, None, None)


def test_the_exception_for_an_unknown_reason_depends_on_the_code_and_has_the_reason() -> None:
    error = error_from_rpc(rpc_error(grpc.StatusCode.UNAVAILABLE, info("MOON_IN_THE_WAY")), None)
    assert type(error) is payments_client.Unavailable
    assert error.reason == "MOON_IN_THE_WAY"


def test_a_reason_from_another_domain_is_ignored() -> None:
    error = error_from_rpc(rpc_error(grpc.StatusCode.UNAVAILABLE, info("PAYMENT_FAILED", "proxy.example")), None)
    assert type(error) is payments_client.Unavailable
    assert error.reason == ""


@pytest.mark.parametrize("trailer", [b"\xff\xff\xff", b"\x1a\x7f"])
def test_malformed_details_do_not_hide_the_error(trailer: bytes) -> None:
    error = error_from_rpc(rpc_error(grpc.StatusCode.UNAVAILABLE, trailer=trailer), None)
    assert type(error) is payments_client.Unavailable
    assert error.message == "why"


def test_a_malformed_detail_does_not_affect_the_others() -> None:
    broken = Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff\xff")
    status = status_pb2.Status(details=[broken])
    status.details.add().Pack(info("OVERLOADED"))
    error = error_from_rpc(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, trailer=status.SerializeToString()), None)
    assert (error.reason, error.retry_after_seconds) == ("OVERLOADED", None)


def test_an_invalid_request_error_names_each_invalid_field() -> None:
    bad_request = error_details_pb2.BadRequest()
    bad_request.field_violations.add(field="order_id", description="must be 1 or more")
    bad_request.field_violations.add(field="amount.nanos", description="must be a multiple of 10,000,000")
    error = error_from_rpc(rpc_error(grpc.StatusCode.INVALID_ARGUMENT, info("INVALID_REQUEST"), bad_request), None)
    assert isinstance(error, payments_client.InvalidRequest)
    assert error.violations == (
        payments_client.FieldViolation("order_id", "must be 1 or more"),
        payments_client.FieldViolation("amount.nanos", "must be a multiple of 10,000,000"),
    )


@pytest.mark.parametrize(
    ("text", "payment_id"),
    [("9007199254740993", 2**53 + 1), ("1", 1), ("", None), ("seven", None), ("-7", None), ("\u0667", None)],
)
def test_the_error_of_an_order_with_a_pending_payment_names_that_payment(text: str, payment_id: int | None) -> None:
    detail = info("ORDER_HAS_PENDING_PAYMENT", payment_id=text)
    error = error_from_rpc(rpc_error(grpc.StatusCode.FAILED_PRECONDITION, detail), "mine")
    assert isinstance(error, payments_client.OrderHasPendingPayment)
    assert (error.payment_id, error.request_id) == (payment_id, "mine")
    with pytest.raises(payments_client.OrderHasPendingPayment):
        Attempts(10).delay_seconds(error)


def test_the_error_of_a_charge_in_a_batch_names_the_pending_payment_of_its_order() -> None:
    status = status_pb2.Status(code=grpc.StatusCode.FAILED_PRECONDITION.value[0])
    status.details.add().Pack(info("ORDER_HAS_PENDING_PAYMENT", payment_id="7", call_id="call-1"))
    response = pb.BatchChargeResponse(results=[pb.BatchChargeResult(error=status)])
    (error,) = _messages.batch_charge_outcomes(pb.BatchChargeRequest(charges=[pb.ChargeRequest()]), response)
    assert isinstance(error, payments_client.OrderHasPendingPayment)
    assert (error.payment_id, error.call_id) == (7, "call-1")


def test_an_error_without_a_detail_has_no_pending_payment() -> None:
    detail = info("ORDER_HAS_PENDING_PAYMENT")
    error = error_from_rpc(rpc_error(grpc.StatusCode.FAILED_PRECONDITION, detail), "mine")
    assert isinstance(error, payments_client.OrderHasPendingPayment)
    assert error.payment_id is None


def test_an_error_has_the_retry_delay_from_the_service() -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    assert error_from_rpc(rpc_error(grpc.StatusCode.UNAVAILABLE, retry), None).retry_after_seconds == 1.5
    no_delay = error_details_pb2.RetryInfo()
    assert error_from_rpc(rpc_error(grpc.StatusCode.UNAVAILABLE, no_delay), None).retry_after_seconds == 0


def test_pickling_preserves_an_error() -> None:
    bad_request = error_details_pb2.BadRequest()
    bad_request.field_violations.add(field="order_id", description="must be 1 or more")
    error = error_from_rpc(rpc_error(grpc.StatusCode.INVALID_ARGUMENT, info("INVALID_REQUEST"), bad_request), "mine")
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(restored) is payments_client.InvalidRequest
    assert str(restored) == "why"
    assert vars(restored) == vars(error)


# Attempts


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        """Start at an arbitrary time."""
        self.now_seconds = 1_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_seconds


def unavailable(retry_after_seconds: float | None = None) -> payments_client.PaymentsError:
    """Return a transient error."""
    return payments_client.Unavailable(
        "down", code=grpc.StatusCode.UNAVAILABLE, retry_after_seconds=retry_after_seconds
    )


def test_the_backoff_doubles_from_a_tenth_of_a_second_to_one_second() -> None:
    attempts = Attempts(60, clock=Clock(), jitter=lambda: 1.0)
    delays = [attempts.delay_seconds(unavailable()) for _ in range(6)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_the_delay_is_a_random_part_of_the_backoff() -> None:
    assert Attempts(60, clock=Clock(), jitter=lambda: 0.0).delay_seconds(unavailable()) == 0
    delays = {Attempts(60).delay_seconds(unavailable()) for _ in range(50)}
    assert len(delays) > 40
    assert all(0 <= delay <= 0.1 for delay in delays)


def test_the_delay_is_never_less_than_the_service_requested() -> None:
    attempts = Attempts(60, clock=Clock(), jitter=lambda: 0.5)
    assert [attempts.delay_seconds(unavailable(2.0)) for _ in range(3)] == [2.05, 2.1, 2.2]


def test_there_is_no_retry_after_the_deadline() -> None:
    clock = Clock()
    attempts = Attempts(10, clock=clock, jitter=lambda: 1.0)
    assert attempts.remaining_seconds() == 10
    clock.now_seconds += 9.85
    assert attempts.delay_seconds(unavailable()) == 0.1
    error = unavailable()
    with pytest.raises(payments_client.Unavailable) as raised:
        attempts.delay_seconds(error)
    assert raised.value is error
    clock.now_seconds += 1
    assert attempts.remaining_seconds() < 0


def test_there_is_no_retry_if_the_requested_delay_exceeds_the_deadline() -> None:
    with pytest.raises(payments_client.Unavailable):
        Attempts(10, clock=Clock()).delay_seconds(unavailable(10.0))


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}]
)
def test_a_permanent_error_is_raised_immediately(code: grpc.StatusCode) -> None:
    error = payments_client.PaymentsError("no", code=code, retry_after_seconds=0.1)
    with pytest.raises(payments_client.PaymentsError) as raised:
        Attempts(10).delay_seconds(error)
    assert raised.value is error


def test_overload_is_retried() -> None:
    error = payments_client.Overloaded("busy", code=grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.2)
    assert Attempts(10, jitter=lambda: 0.0).delay_seconds(error) == 0.2


def test_if_the_deadline_passes_during_a_retry_the_previous_error_is_raised() -> None:
    attempts = Attempts(10)
    error = unavailable()
    attempts.delay_seconds(error)
    with pytest.raises(payments_client.Unavailable) as raised:
        attempts.delay_seconds(payments_client.DeadlineExceeded("late", code=grpc.StatusCode.DEADLINE_EXCEEDED))
    assert raised.value is error
    assert raised.value.__notes__ == ["The deadline passed during the next attempt."]


@pytest.mark.parametrize(
    ("code", "call_id", "is_resumed"),
    [
        (grpc.StatusCode.UNAVAILABLE, "c", True),
        (grpc.StatusCode.CANCELLED, None, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None, True),
        (grpc.StatusCode.INTERNAL, None, True),
        (grpc.StatusCode.UNKNOWN, None, True),
        # An INTERNAL error with a call_id comes from the service itself, not from the connection.
        (grpc.StatusCode.INTERNAL, "c", False),
        (grpc.StatusCode.INVALID_ARGUMENT, None, False),
        (grpc.StatusCode.FAILED_PRECONDITION, None, False),
        (grpc.StatusCode.UNAUTHENTICATED, None, False),
        (grpc.StatusCode.PERMISSION_DENIED, None, False),
        (grpc.StatusCode.UNIMPLEMENTED, None, False),
    ],
)
def test_a_stream_is_resumed_after_transient_errors_and_lost_connections(
    code: grpc.StatusCode, call_id: str | None, *, is_resumed: bool
) -> None:
    error = payments_client.PaymentsError("cut", code=code, call_id=call_id)
    resumptions = Resumptions(None, jitter=lambda: 1.0)
    if is_resumed:
        assert [resumptions.delay_seconds(error) for _ in range(2)] == [0.1, 0.2]
        return
    with pytest.raises(payments_client.PaymentsError) as raised:
        resumptions.delay_seconds(error)
    assert raised.value is error


def test_a_stream_fails_if_the_service_is_continuously_unavailable_for_too_long() -> None:
    clock = Clock()
    resumptions = Resumptions(10, clock=clock, jitter=lambda: 1.0)
    assert resumptions.delay_seconds(unavailable()) == 0.1
    clock.now_seconds += 9
    resumptions.record_response()
    assert resumptions.delay_seconds(unavailable()) == 0.1
    clock.now_seconds += 9.9
    with pytest.raises(payments_client.Unavailable):
        resumptions.delay_seconds(unavailable())


def test_a_stream_that_ends_without_an_error_is_always_resumed() -> None:
    resumptions = Resumptions(None, jitter=lambda: 1.0)
    assert [resumptions.delay_seconds(None) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


# Packaging


def test_the_service_config_retries_every_unary_rpc_and_balances_load() -> None:
    config = json.loads(_channel._SERVICE_CONFIG)
    (method_config,) = config["methodConfig"]
    service = pb.DESCRIPTOR.services_by_name["PaymentService"]
    # A new RPC belongs in the config only if it is safe to retry. If it is not, change this test. Streams do not belong
    # there, because the clients resume them.
    assert method_config["name"] == [
        {"service": service.full_name, "method": each.name} for each in service.methods if not each.server_streaming
    ]
    assert method_config["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        ("ipv4:10.0.0.1:50051,10.0.0.2:50051", "10.0.0.1:50051"),
        ("ipv4:///10.0.0.1:50051,10.0.0.2:50051", "10.0.0.1:50051"),
        ("ipv6:[::1]:50051,[::2]:50051", "[::1]:50051"),
        ("ipv4:10.0.0.1:50051", None),
        ("dns:///payments.internal:50051", None),
        ("localhost:50051", None),
    ],
)
def test_the_authority_for_a_list_of_addresses_is_the_first_one(target: str, authority: str | None) -> None:
    assert dict(_channel.channel_options(target, [], "")).get("grpc.default_authority") == authority


def test_the_callers_channel_options_replace_the_clients_own() -> None:
    options = _channel.channel_options("here:1", [("grpc.keepalive_time_ms", 1), ("grpc.mine", 2)], "checkout/1.4")
    assert len(dict(options)) == len(options)
    assert dict(options)["grpc.keepalive_time_ms"] == 1
    assert dict(options)["grpc.mine"] == 2
    assert dict(options)["grpc.enable_retries"] == 1
    assert re.fullmatch(
        r"checkout/1\.4 payments-client-python/\d+\.\d+\.\d+", str(dict(options)["grpc.primary_user_agent"])
    )


def test_all_names_in_all_exist_and_the_package_is_typed() -> None:
    assert all(hasattr(payments_client, name) for name in payments_client.__all__)
    assert payments_client.__file__ is not None
    assert Path(payments_client.__file__).with_name("py.typed").exists()


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    for name, call in vars(payments_client.PaymentsClient).items():
        if not name.startswith("_"):
            asynchronous = getattr(payments_client.AsyncPaymentsClient, name)
            assert call.__kwdefaults__ == asynchronous.__kwdefaults__, name
            assert list(call.__annotations__)[:-1] == list(asynchronous.__annotations__)[:-1], name


def test_an_async_client_needs_a_running_event_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        payments_client.AsyncPaymentsClient()


def test_a_batch_response_of_another_length_leaves_the_outcome_unknown() -> None:
    request = pb.BatchChargeRequest(charges=[pb.ChargeRequest(order_id=1), pb.ChargeRequest(order_id=2)])
    for count in (0, 1, 3):
        response = pb.BatchChargeResponse(results=[pb.BatchChargeResult(payment=pb.Payment())] * count)
        with pytest.raises(payments_client.OutcomeUnknown):
            _messages.batch_charge_outcomes(request, response)
