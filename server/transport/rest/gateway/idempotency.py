"""Set the request_ids of a ``/v2`` request from its Idempotency-Key."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.identifiers import RequestKey, derive_request_id
from server.transport.headers import IDEMPOTENCY_KEY, InvalidHeader
from server.transport.service.requests import MAX_BATCH

_FIELD = "request_id"


@cache
def accepts_key(message: Descriptor) -> bool:
    """Return whether requests of this type accept an Idempotency-Key."""
    return _has_request_id(message) or any(_batches(message))


def fill_request_ids(message: Message, key: str) -> None:
    """Set the request_id of ``message`` to ``key``. In a batch, derive one for each item that has none.

    Raises:
        InvalidHeader: the key is not 1 to 255 printable ASCII characters.
        InvalidRequest: the message has a different request_id.
    """
    try:
        RequestKey.of("", key)
    except InvalidValue as error:
        raise InvalidHeader(IDEMPOTENCY_KEY, error.description) from error
    descriptor: Any = message.DESCRIPTOR
    if _has_request_id(descriptor):
        if message.HasField(_FIELD) and getattr(message, _FIELD) != key:
            raise InvalidRequest((FieldViolation(_FIELD, f"must equal the {IDEMPOTENCY_KEY} header if both are sent"),))
        setattr(message, _FIELD, key)
        return
    for field in _batches(descriptor):
        # Stop at the maximum, because a larger batch is rejected as a whole anyway.
        for position, item in zip(range(MAX_BATCH), getattr(message, field.name), strict=False):
            if not item.HasField(_FIELD):
                setattr(item, _FIELD, derive_request_id(key, field.name, position))


def _has_request_id(message: Descriptor) -> bool:
    field = message.fields_by_name.get(_FIELD)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and field.has_presence


def _batches(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Yield the repeated fields whose items have a request_id."""
    for field in message.fields:
        if field.is_repeated and field.message_type is not None and _has_request_id(field.message_type):
            yield field
