"""Protobuf messages of the stream of events to domain types, and back: see ``messages``."""

from payments.v1 import payments_pb2 as pb

from server.domain import tokens
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.events import EventKind, PaymentEvent
from server.transport.service.codec import fill_time, payment_message, refund_message

_TYPES = {kind: pb.PaymentEventType.Value(f"PAYMENT_EVENT_TYPE_{kind.name}") for kind in EventKind}


def watch_request(message: pb.WatchPaymentsRequest) -> int | None:
    """Read where a stream is to begin: after which place, or None for now.

    Raises:
        InvalidRequest: its resume_token is none.
    """
    if not message.resume_token:
        return None
    try:
        return tokens.decode_resume_token(message.resume_token)
    except InvalidValue as error:
        raise InvalidRequest((FieldViolation("resume_token", error.description),)) from None


def watch_response(place: int, event: PaymentEvent | None) -> pb.WatchPaymentsResponse:
    """Render an event, or that there was none, with the token of its place."""
    return pb.WatchPaymentsResponse(
        event=None if event is None else _event_message(event), resume_token=tokens.encode_resume_token(place)
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
