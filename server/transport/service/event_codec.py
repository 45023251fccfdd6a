"""Convert the messages of the event stream to domain types, and back."""

from payments_client.v1 import payments_pb2 as pb

from server.domain import tokens
from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.events import EventKind, PaymentEvent
from server.transport.service.codec import fill_time, payment_message, refund_message

_TYPES = {kind: pb.PaymentEventType.Value(f"PAYMENT_EVENT_TYPE_{kind.name}") for kind in EventKind}


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
