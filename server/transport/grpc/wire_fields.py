"""Count the fields of a serialized message before it is parsed (https://protobuf.dev/programming-guides/encoding).

A megabyte can hold half a million empty messages. The parser makes sixty megabytes of them in one go, and no other
thread runs meanwhile.
"""

_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
"""What a field's tag says of its value. (3 and 4 are around a group.)"""

_MORE = 0x80
"""The bit of a byte that says that the number goes on in the next."""


def has_more_fields(payload: bytes, at_most: int) -> bool:
    """Tell whether a message has more than ``at_most`` fields, an item of a list being one.

    Those of its messages are not counted. What is malformed is counted up to there: it is for the parser to refuse.
    """
    if len(payload) <= at_most:
        return False  # each takes a byte at least
    place = count = 0
    try:
        while place < len(payload):
            count += 1
            if count > at_most:
                return True
            tag, place = _read_varint(payload, place)
            kind = tag & 7
            if kind == _VARINT:
                _, place = _read_varint(payload, place)
            elif kind == _LENGTH:
                length, place = _read_varint(payload, place)
                place += length
            elif kind == _FIXED_64:
                place += 8
            elif kind == _FIXED_32:
                place += 4
            # What is in a group counts as well: the tags around it are like fields without a value.
    except IndexError:
        pass
    return False


def _read_varint(payload: bytes, place: int) -> tuple[int, int]:
    """Return a number, and the place after it."""
    number = shift = 0
    while True:
        byte = payload[place]
        place += 1
        number |= (byte & ~_MORE) << shift
        if not byte & _MORE:
            return number, place
        shift += 7
