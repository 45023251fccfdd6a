"""The ``google.api.http`` options of RPCs: which HTTP requests call them (google/api/http.proto).

A path template is a literal path with variables: ``{payment_id}`` takes one segment, ``{name=shelves/*}`` those that
its pattern says, ``**`` all that are left; ``:cancel`` at its end is a custom verb.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

WHOLE_BODY = "*"
"""A rule's body when every field that the path does not name comes from it."""

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    rf"(?P<variable>\{{(?P<path>{_IDENTIFIER}(?:\.{_IDENTIFIER})*)(?:=(?P<pattern>[^{{}}]+))?\}})"
    r"|(?P<many>\*\*)|(?P<one>\*)|(?P<slash>/)|(?P<literal>[^/{}*]+)"
)
_LITERAL, _ONE, _MANY = range(3)
_ONE_SEGMENT = r"[^/]+"
_ANY_SEGMENTS = r".*"
_ENCODED_SLASH = re.compile("(%2[Ff])")


class InvalidHttpRule(Exception):
    """An RPC's ``google.api.http`` option breaks the rules of http.proto; the message names the RPC and the fault."""


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with variables.

    ``text`` is the template as the option has it; ``variables`` names the field paths that its variables fill, in order
    (``("payment_id",)``, ``("payment", "name")``); ``patterns`` says for each whether it may hold several segments.
    """

    text: str
    variables: tuple[tuple[str, ...], ...]
    _may_hold_segments: tuple[bool, ...]
    _expression: re.Pattern[str]
    _specificity: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "PathTemplate":
        """Read a template.

        Raises:
            ValueError: it does not follow the grammar of http.proto.
        """
        path, colon, verb = (
            text.rpartition(":") if ":" in text.rpartition("/")[2].rpartition("}")[2] else (text, "", "")
        )
        if not path.startswith("/") or (colon and not verb):
            raise ValueError("a path starts with a slash, and a custom verb has a name")
        parser = _Parser()
        expression = parser.expression(path, inside_variable=False)
        if _MANY in parser.specificity[:-1]:
            raise ValueError("** stands at the end of a path only")
        return cls(
            text,
            tuple(parser.variables),
            tuple(parser.may_hold_segments),
            re.compile(expression + re.escape(colon + verb)),
            # A path with a verb is tried before one without, and a literal before a wildcard.
            (0 if verb else 1, *parser.specificity),
        )

    @property
    def specificity(self) -> tuple[int, ...]:
        """Sorts templates so that, of those that match a path, the most specific comes first."""
        return self._specificity

    def matches(self, raw_path: str) -> bool:
        """Tell whether ``raw_path`` (percent-encoded) has this form."""
        return self._expression.fullmatch(raw_path) is not None

    def match(self, raw_path: str) -> list[str] | None:
        """Return the values of the variables, decoded, when ``raw_path`` (percent-encoded) matches, else None.

        Raises:
            UnicodeDecodeError: a value is no UTF-8 once it is decoded.
        """
        found = self._expression.fullmatch(raw_path)
        if found is None:
            return None
        return [
            _decoded(value, keep_slashes=many)
            for value, many in zip(found.groups(), self._may_hold_segments, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One HTTP request that calls an RPC.

    ``body`` is ``*``, the name of the field that the body holds, or empty for none; ``response_body`` names the field
    of the response that is answered, or is empty for all of it.
    """

    method: MethodDescriptor
    verb: str
    template: PathTemplate
    body: str
    response_body: str


def http_rules(services: Sequence[ServiceDescriptor]) -> list[HttpRule]:
    """Return the rules of every RPC of ``services`` that has any, additional bindings included.

    Raises:
        InvalidHttpRule: one of them is wrong.
    """
    return [rule for service in services for method in service.methods for rule in _rules_of(method)]


def field_at(message: Descriptor, path: Sequence[str]) -> FieldDescriptor:
    """Return the field that ``path`` leads to, each step by its name in the proto or in JSON.

    Raises:
        KeyError: there is none: its argument is the step that leads nowhere.
    """
    field: FieldDescriptor | None = None
    for step in path:
        descriptor = message if field is None else field.message_type
        if descriptor is None:
            raise KeyError(step)
        field = descriptor.fields_by_name.get(step) or _fields_by_json_name(descriptor)[step]
    assert field is not None, "a path has at least one step"
    return field


@cache
def _fields_by_json_name(message: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.json_name: field for field in message.fields}


def _rules_of(method: MethodDescriptor) -> Iterator[HttpRule]:
    extensions: Any = method.GetOptions().Extensions  # whose types do not know extensions by their name
    option: http_pb2.HttpRule = extensions[annotations_pb2.http]
    if option.WhichOneof("pattern") is None:
        return
    for binding in (option, *option.additional_bindings):
        try:
            yield _rule(method, binding)
        except ValueError as error:
            raise InvalidHttpRule(f"{method.full_name}: {error}: {' '.join(str(binding).split())}") from error


def _rule(method: MethodDescriptor, binding: http_pb2.HttpRule) -> HttpRule:
    kind = binding.WhichOneof("pattern")
    if kind is None:
        raise ValueError("the rule has no path")
    verb, path = (
        (binding.custom.kind, binding.custom.path) if kind == "custom" else (kind.upper(), getattr(binding, kind))
    )
    template = PathTemplate.parse(path)
    for variable in template.variables:
        field = _existing_field(method.input_type, variable)
        if field.is_repeated or field.message_type is not None:
            raise ValueError(f"{'.'.join(variable)} is not a single plain value, so no path can hold it")
    if binding.body not in {"", WHOLE_BODY}:
        _existing_field(method.input_type, (binding.body,))
    if binding.response_body:
        _existing_field(method.output_type, (binding.response_body,))
    return HttpRule(method, verb, template, binding.body, binding.response_body)


def _existing_field(message: Descriptor, path: Sequence[str]) -> FieldDescriptor:
    try:
        return field_at(message, path)
    except KeyError as error:
        raise ValueError(f"{message.full_name} has no field {'.'.join(path)}") from error


class _Parser:
    """Turns a template into a regular expression with a group for each variable."""

    def __init__(self) -> None:
        self.variables: list[tuple[str, ...]] = []
        self.may_hold_segments: list[bool] = []
        self.specificity: list[int] = []

    def expression(self, text: str, *, inside_variable: bool) -> str:
        parts: list[str] = []
        end = 0
        while end < len(text):
            token = _TOKEN.match(text, end)
            if token is None:
                raise ValueError(f"cannot read the path from {text[end:]!r} on")
            end = token.end()
            parts.append(self._part(token, inside_variable=inside_variable))
        return "".join(parts)

    def _part(self, token: re.Match[str], *, inside_variable: bool) -> str:
        match token.lastgroup:
            case "slash":
                return "/"
            case "literal":
                self.specificity.append(_LITERAL)
                return re.escape(token["literal"])
            case "one":
                self.specificity.append(_ONE)
                return _ONE_SEGMENT
            case "many":
                self.specificity.append(_MANY)
                return _ANY_SEGMENTS
            case _:
                if inside_variable:
                    raise ValueError("a variable cannot stand inside another")
                pattern = token["pattern"] or "*"
                self.variables.append(tuple(token["path"].split(".")))
                self.may_hold_segments.append("/" in pattern or "**" in pattern)
                return f"({self.expression(pattern, inside_variable=True)})"


def _decoded(value: str, *, keep_slashes: bool) -> str:
    if not keep_slashes:
        return unquote(value, errors="strict")
    # Where a variable holds several segments, an encoded slash is kept apart from those between them.
    parts = _ENCODED_SLASH.split(value)
    return "".join(part if _ENCODED_SLASH.fullmatch(part) else unquote(part, errors="strict") for part in parts)
