"""The contract of ListPaymentEvents."""

from collections.abc import Iterator

import pytest
from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.transport.service import event_codec
from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, new_request_id, refund


def charge_and_refund(api: Driver, refunds: int) -> int:
    """Create a payment with ``refunds`` partial refunds, and return its id."""
    payment_id = api.charge(charge(amount="1000.00")).payment.payment_id
    for number in range(refunds):
        api.refund(refund(payment_id, "0.01", f"part {number}"))
    return payment_id


def pages(api: Driver, payment_id: int, page_size: int) -> Iterator[list[pb.PaymentEvent]]:
    """Yield the events of each page."""
    token = ""
    while True:
        request = pb.ListPaymentEventsRequest(payment_id=payment_id, page_size=page_size, page_token=token)
        page = api.list_payment_events(request)
        yield list(page.events)
        token = page.next_page_token
        if not token:
            return


def test_every_change_that_was_answered_is_listed_with_its_state_and_its_request(api: Driver) -> None:
    keys = [new_request_id() for _ in range(3)]
    charged = api.charge(charge(request_id=keys[0], amount="561.00")).payment
    part = api.refund(refund(charged.payment_id, "61.00", "late", request_id=keys[1]))
    rest = api.refund(refund(charged.payment_id, request_id=keys[2]))

    (events,) = pages(api, charged.payment_id, 0)

    assert [event.type for event in events] == [
        pb.PAYMENT_EVENT_TYPE_CHARGED,
        pb.PAYMENT_EVENT_TYPE_REFUNDED,
        pb.PAYMENT_EVENT_TYPE_REFUNDED,
    ]
    assert [event.payment for event in events] == [charged, part.payment, rest.payment]
    assert [event.refund for event in events] == [pb.Refund(), part.refund, rest.refund]
    assert [event.request_id for event in events] == keys
    assert {event.caller for event in events} == {"anonymous"}
    assert [event.event_time for event in events] == [
        charged.create_time,
        part.refund.create_time,
        rest.refund.create_time,
    ]


def test_a_declined_charge_has_one_event(api: Driver) -> None:
    payment = api.charge(charge(method=pb.PAYMENT_METHOD_CARD)).payment
    assert [[event.type for event in page] for page in pages(api, payment.payment_id, 0)] == [
        [pb.PAYMENT_EVENT_TYPE_FAILED]
    ]


def test_events_are_listed_in_pages_oldest_first_and_of_one_payment_only(api: Driver) -> None:
    payment_id, other_id = charge_and_refund(api, 4), charge_and_refund(api, 1)
    (events,) = pages(api, payment_id, 5)
    assert [event.refund.reason for event in events] == ["", "part 0", "part 1", "part 2", "part 3"]
    assert list(pages(api, payment_id, 2)) == [events[:2], events[2:4], events[4:]]
    assert list(pages(api, payment_id, 2**31 - 1)) == [events]
    assert [len(page) for page in pages(api, other_id, 0)] == [2]


def test_a_change_between_two_pages_comes_last(api: Driver) -> None:
    payment_id = charge_and_refund(api, 2)
    following = pages(api, payment_id, 2)
    assert len(next(following)) == 2
    last = api.refund(refund(payment_id, "0.02")).refund
    assert [event.refund for page in following for event in page][1:] == [last]


def test_a_page_has_at_most_a_thousand_events() -> None:
    assert event_codec.events_request(pb.ListPaymentEventsRequest(payment_id=1, page_size=5000)).size == 1000


def test_events_of_an_unknown_payment_are_not_found(api: Driver) -> None:
    with pytest.raises(CallFailed) as failed:
        api.list_payment_events(pb.ListPaymentEventsRequest(payment_id=2**63 - 1))
    assert (failed.value.code, failed.value.reason) == ("NOT_FOUND", "PAYMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ListPaymentEventsRequest(payment_id=0), ["payment_id"]),
        (pb.ListPaymentEventsRequest(payment_id=-1, page_size=-1), ["payment_id", "page_size"]),
        (pb.ListPaymentEventsRequest(payment_id=1, page_size=-1), ["page_size"]),
        (pb.ListPaymentEventsRequest(payment_id=1, page_token="x"), ["page_token"]),
        (pb.ListPaymentEventsRequest(payment_id=1, page_token=tokens.encode_events_token(1, 2)), ["page_token"]),
        (pb.ListPaymentEventsRequest(payment_id=1, page_token=tokens.encode_refunds_token(1, 1)), ["page_token"]),
        (pb.ListPaymentEventsRequest(payment_id=1, page_token=tokens.encode_resume_token(1)), ["page_token"]),
    ],
)
def test_an_invalid_request_for_events_is_rejected_with_its_fields_named(
    api: Driver, request_: pb.ListPaymentEventsRequest, fields: list[str]
) -> None:
    with pytest.raises(CallFailed) as failed:
        api.list_payment_events(request_)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert failed.value.fields == fields
