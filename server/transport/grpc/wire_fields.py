"""Count the fields of a serialized message before it is parsed (https://protobuf.dev/programming-guides/encoding).

A megabyte can hold half a million empty messages. The parser turns them into sixty megabytes of objects without ever
releasing the GIL.
"""

_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
"""The wire types of fields. 3 and 4 mark the start and the end of a group."""

_CONTINUATION_BIT = 0x80
"""Set in each byte of a varint except the last."""


def has_more_fields_than(payload: bytes, max_fields: int) -> bool:
    """Return whether a message has more than ``max_fields`` fields, counting each item of a repeated field.

    Fields of nested messages are not counted. Counting stops at malformed bytes, which the parser then rejects.
    """
    if len(payload) <= max_fields:
        return False  # each field takes at least one byte
    offset = count = 0
    try:
        while offset < len(payload):
            count += 1
            if count > max_fields:
                return True
            tag, offset = _read_varint(payload, offset)
            wire_type = tag & 7
            if wire_type == _VARINT:
                _, offset = _read_varint(payload, offset)
            elif wire_type == _LENGTH:
                length, offset = _read_varint(payload, offset)
                offset += length
            elif wire_type == _FIXED_64:
                offset += 8
            elif wire_type == _FIXED_32:
                offset += 4
            # The start and the end of a group each count as a field, and so does each field inside it.
    except IndexError:
        pass
    return False


def _read_varint(payload: bytes, offset: int) -> tuple[int, int]:
    """Return a varint, and the offset after it."""
    number = shift = 0
    while True:
        byte = payload[offset]
        offset += 1
        number |= (byte & ~_CONTINUATION_BIT) << shift
        if not byte & _CONTINUATION_BIT:
            return number, offset
        shift += 7
