"""Convert the messages of events to domain types, and back."""

from collections.abc import Callable
from typing import Literal

from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.domain.callers import Caller, searched_caller_name
from server.domain.events import EVERY_EVENT, EventFilter, EventKind, EventsPage, EventsQuery, PaymentEvent
from server.domain.names import name
from server.transport.service.enums import EnumTable
from server.transport.service.reader import Reader
from server.transport.service.requests import page_of_payment
from server.transport.service.responses import fill_time, payment_message, refund_message

_TYPES = EnumTable("PAYMENT_EVENT_TYPE_", pb.PaymentEventType.Value, EventKind)


def events_request(message: pb.ListPaymentEventsRequest) -> EventsQuery:
    """Decode a query for a page of a payment's events.

    Raises:
        InvalidRequest: the request is invalid.
    """
    return EventsQuery(*page_of_payment(message, tokens.decode_events_token))


def events_response(page: EventsPage, payment_id: int, viewer: Caller) -> pb.ListPaymentEventsResponse:
    """Encode a page of a payment's events, with the token of the next page, for ``viewer``."""
    return pb.ListPaymentEventsResponse(
        events=(_event_message(event, viewer) for event in page.events),
        next_page_token=tokens.encode_events_token(page.events[-1].sequence, payment_id) if page.has_more else "",
    )


def watch_request(message: pb.WatchPaymentsRequest) -> tuple[int | None, EventFilter]:
    """Return the position after which a stream starts, or None to start from now on, and the filter of its events.

    Raises:
        InvalidRequest: the request is invalid.
    """
    reader = Reader()
    token = message.resume_token
    after = reader.read("resume_token", tokens.decode_resume_token, token) if token else None
    event_filter = _filter(reader, message.filter) if message.HasField("filter") else EVERY_EVENT
    reader.raise_violations()
    return after, event_filter


def _filter(reader: Reader, message: pb.PaymentEventFilter) -> EventFilter:
    def optional(
        field: Literal["caller", "external_reference", "customer_id"], parse: Callable[[str], str]
    ) -> str | None:
        return reader.read(f"filter.{field}", parse, getattr(message, field)) if message.HasField(field) else None

    return EventFilter(
        caller=optional("caller", searched_caller_name),
        order_id=message.order_id if message.HasField("order_id") else None,
        external_reference=optional("external_reference", name),
        customer_id=optional("customer_id", name),
        kinds=reader.read("filter.types", _TYPES.members, message.types),
    )


def watch_response(position: int, event: PaymentEvent | None, viewer: Caller) -> pb.WatchPaymentsResponse:
    """Encode an event, or a heartbeat if it is None, with the resume token of its position, for ``viewer``."""
    return pb.WatchPaymentsResponse(
        event=None if event is None else _event_message(event, viewer),
        resume_token=tokens.encode_resume_token(position),
    )


def _event_message(event: PaymentEvent, viewer: Caller) -> pb.PaymentEvent:
    message = pb.PaymentEvent(
        type=_TYPES.numbers[event.kind],
        payment=payment_message(event.payment, viewer),
        refund=None if event.refund is None else refund_message(event.refund, viewer),
        caller=event.caller,
        request_id=event.request_id if viewer.sees_request_ids_of(event.caller) else "",
    )
    if event.occurred_at is not None:
        fill_time(message.event_time, event.occurred_at)
    return message
