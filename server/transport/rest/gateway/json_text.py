"""Parse the JSON of a request strictly, with every digit of its numbers."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn, cast

from server.domain.card_number import without_card_numbers
from server.domain.errors import FieldViolation, InvalidRequest

MAX_NESTING = 100
"""The nesting limit of protobuf's own parsers. Here, Python's recursion limit applies, which is somewhat higher."""

_MAX_DIGITS = 400
"""More digits than any field can hold, and few enough to parse fast."""


class NumberText(str):
    """A number as it was written, until the type of its field is known."""

    __slots__ = ()


def read_json(body: bytes) -> object:
    """Parse a JSON body. Numbers with a fraction or an exponent are returned as ``NumberText``.

    Raises:
        InvalidRequest: it is not JSON (RFC 8259) in UTF-8, has a duplicate key, half a surrogate pair or a number that
            is too long, or is nested too deeply.
    """
    try:
        value: object = _DECODER.decode(body.decode())
        if b"\\u" in body:
            _check_characters(value)
    except json.JSONDecodeError as error:
        _reject(f"the body must be JSON; line {error.lineno}, column {error.colno}: {error.msg}")
    except UnicodeDecodeError as error:
        _reject(f"the body must be UTF-8; byte {error.start} is invalid")
    except RecursionError:
        _reject(f"the body must be nested at most {MAX_NESTING} levels deep")
    except ValueError as error:
        _reject(f"the body must be JSON: {error}")
    return value


def _check_characters(value: object) -> None:
    """Reject half a surrogate pair: an escape can write one, but UTF-8 cannot encode it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is not a character") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(duplicate, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {without_card_numbers(json.dumps(duplicate))} must not be repeated in an object")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _integer(text: str) -> object:
    return NumberText(text) if text == "-0" else int(text)  # an int has no negative zero


def _bounded(parse: Callable[[str], object]) -> Any:  # noqa: ANN401 - the decoder's types expect numbers
    def parse_bounded(text: str) -> object:
        if len(text) > _MAX_DIGITS:
            raise ValueError(f"a number has more than {_MAX_DIGITS} digits")
        return parse(text)

    return parse_bounded


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=cast("Any", _reject_constant),
    parse_float=_bounded(NumberText),
    parse_int=_bounded(_integer),
)


def _reject(description: str) -> NoReturn:
    raise InvalidRequest((FieldViolation("", description),))
