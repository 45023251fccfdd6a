"""Convert the messages of events to domain types, and back."""

from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.events import EventKind, EventsPage, EventsQuery, PaymentEvent
from server.transport.service.codec import fill_time, page_of_payment, payment_message, refund_message

_TYPES = {kind: pb.PaymentEventType.Value(f"PAYMENT_EVENT_TYPE_{kind.name}") for kind in EventKind}


def events_request(message: pb.ListPaymentEventsRequest) -> EventsQuery:
    """Decode a query for a page of a payment's events.

    Raises:
        InvalidRequest: the request is invalid.
    """
    return EventsQuery(*page_of_payment(message, tokens.decode_events_token))


def events_response(page: EventsPage, payment_id: int) -> pb.ListPaymentEventsResponse:
    """Encode a page of a payment's events, with the token of the next page."""
    return pb.ListPaymentEventsResponse(
        events=map(_event_message, page.events),
        next_page_token=tokens.encode_events_token(page.events[-1].sequence, payment_id) if page.has_more else "",
    )


def watch_request(message: pb.WatchPaymentsRequest) -> int | None:
    """Return the position after which a stream starts, or None to start from now on.

    Raises:
        InvalidRequest: the resume_token is invalid.
    """
    if not message.resume_token:
        return None
    try:
        return tokens.decode_resume_token(message.resume_token)
    except InvalidValue as error:
        raise InvalidRequest((FieldViolation("resume_token", error.description),)) from None


def watch_response(position: int, event: PaymentEvent | None) -> pb.WatchPaymentsResponse:
    """Encode an event, or a heartbeat if it is None, with the resume token of its position."""
    return pb.WatchPaymentsResponse(
        event=None if event is None else _event_message(event), resume_token=tokens.encode_resume_token(position)
    )


def _event_message(event: PaymentEvent) -> pb.PaymentEvent:
    message = pb.PaymentEvent(
        type=_TYPES[event.kind],
        payment=payment_message(event.payment),
        refund=None if event.refund is None else refund_message(event.refund),
        caller=event.caller,
        request_id=event.request_id,
    )
    if event.occurred_at is not None:
        fill_time(message.event_time, event.occurred_at)
    return message
