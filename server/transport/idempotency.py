"""Give the charges and refunds of a ``/v2`` request the request_ids that its Idempotency-Key stands for."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.request_key import check_request_id, derived_request_id
from server.transport.http_headers import IDEMPOTENCY_KEY, InvalidHeader

_FIELD = "request_id"


@cache
def takes_key(message: Descriptor) -> bool:
    """Return whether an Idempotency-Key has a meaning for a request of this type."""
    return _has_request_id(message) or any(_batches(message))


def fill_request_ids(message: Message, key: str) -> None:
    """Set the request_id of ``message`` to ``key``; in a batch, give each item without one a request_id of its own.

    Raises:
        InvalidRequest: the message has another request_id.
        InvalidHeader: the key is not 1 to 255 printable ASCII characters; in a batch, only what is made of it would be
            checked later.
    """
    descriptor: Any = message.DESCRIPTOR
    if _has_request_id(descriptor):
        if getattr(message, _FIELD) not in {"", key}:
            raise InvalidRequest((FieldViolation(_FIELD, f"must be the {IDEMPOTENCY_KEY} where both are given"),))
        setattr(message, _FIELD, key)
        return
    try:
        check_request_id(key)
    except InvalidValue as error:
        raise InvalidHeader(IDEMPOTENCY_KEY, error.description) from error
    for field in _batches(descriptor):
        for position, item in enumerate(getattr(message, field.name)):
            if not getattr(item, _FIELD):
                setattr(item, _FIELD, derived_request_id(key, field.name, position))


def _has_request_id(message: Descriptor) -> bool:
    field = message.fields_by_name.get(_FIELD)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _batches(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Yield the fields that hold many messages, each with a request_id."""
    for field in message.fields:
        if field.is_repeated and field.message_type is not None and _has_request_id(field.message_type):
            yield field
