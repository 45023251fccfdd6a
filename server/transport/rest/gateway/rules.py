"""The ``google.api.http`` options of RPCs: which HTTP requests call them (google/api/http.proto).

A path template is a path with variables: ``{payment_id}`` matches one segment, ``{name=shelves/*}`` the segments of its
pattern, and ``**`` all remaining segments. ``:cancel`` at the end is a custom verb.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

WHOLE_BODY = "*"
"""The body of a rule that reads all fields from the body, except those in the path."""

_SEGMENT = r"(?:\*\*?|[^/{}*:]+)"
_FIELD_PATH = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_VARIABLE = rf"\{{({_FIELD_PATH})(?:=({_SEGMENT}(?:/{_SEGMENT})*))?\}}"
_TEMPLATE = re.compile(rf"(?P<path>(?:/(?:{_SEGMENT}|{_VARIABLE}))+)(?P<verb>:[^/{{}}*:]+)?|/")
"""``/`` alone is beyond the grammar of http.proto, but grpc-gateway accepts it too."""
_PART = re.compile(rf"{_VARIABLE}|{_SEGMENT}")
_ENCODED_SLASH = re.compile("%(?=2[Ff])")

_WILDCARDS = {"*": "[^/]+", "**": ".*"}


class InvalidHttpRule(Exception):
    """An RPC's ``google.api.http`` option violates http.proto; the message names the RPC and the problem."""


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with variables.

    ``text`` is the template as written in the option. ``variables`` lists the field paths that its variables set, in
    order (``("payment_id",)``, ``("payment", "name")``). ``specificity`` sorts templates so that the most specific of
    those that match a path comes first: one with a custom verb before one without, and a literal before a wildcard.
    """

    text: str
    variables: tuple[tuple[str, ...], ...]
    specificity: tuple[int, ...]
    _spans_segments: tuple[bool, ...]
    _expression: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "PathTemplate":
        """Parse a template.

        Raises:
            ValueError: it does not follow the grammar of http.proto.
        """
        template = _TEMPLATE.fullmatch(text)
        if template is None:
            raise ValueError("a path must start with a slash, and have names, *, ** or {variables} between its slashes")
        path, verb = template["path"] or "", template["verb"] or ""
        parts = [(part[1], part[2] or ("*" if part[1] else part[0])) for part in _PART.finditer(path)]
        segments = [segment for _, pattern in parts for segment in pattern.split("/")]
        if "**" in segments[:-1]:
            raise ValueError("** may only be at the end of a path")
        return cls(
            text,
            tuple(tuple(variable.split(".")) for variable, _ in parts if variable),
            (
                0 if verb else 1,
                *(["*", "**"].index(segment) + 1 if segment in _WILDCARDS else 0 for segment in segments),
            ),
            tuple("/" in pattern or pattern == "**" for variable, pattern in parts if variable),
            re.compile(("".join(f"/{_expression(*part)}" for part in parts) or "/") + re.escape(verb)),
        )

    def match(self, path: str) -> dict[tuple[str, ...], str] | None:
        """Return the values of the variables as written in ``path``, or None if it does not match."""
        found = self._expression.fullmatch(path)
        return None if found is None else dict(zip(self.variables, found.groups(), strict=True))

    def decoded(self, values: Mapping[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
        """Percent-decode ``values``.

        Raises:
            UnicodeDecodeError: one of them is not UTF-8.
        """
        texts = map(_decoded, values.values(), self._spans_segments)
        return dict(zip(self.variables, texts, strict=True))


def _expression(variable: str | None, pattern: str) -> str:
    """Return the regular expression of a part of a template, in a group if it is a variable."""
    expression = "/".join(_WILDCARDS.get(segment, re.escape(segment)) for segment in pattern.split("/"))
    return f"({expression})" if variable else expression


def _decoded(value: str, spans_segments: bool) -> str:  # noqa: FBT001 - as map passes it
    # In a variable of several segments, an encoded slash stays encoded, so that it differs from those between segments.
    return unquote(_ENCODED_SLASH.sub("%25", value) if spans_segments else value, errors="strict")


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One kind of HTTP request that calls an RPC.

    ``body`` is ``*``, the name of the field that the body holds, or empty for none; ``response_body`` names the field
    of the response that is returned, or is empty for all of it.
    """

    method: MethodDescriptor
    verb: str
    template: PathTemplate
    body: str
    response_body: str


def http_rules(services: Sequence[ServiceDescriptor]) -> list[HttpRule]:
    """Return the rules of every RPC of ``services`` that has any, additional bindings included.

    Raises:
        InvalidHttpRule: one of them is invalid.
    """
    return [rule for service in services for method in service.methods for rule in _rules_of(method)]


def fields_along(message: Descriptor, path: Sequence[str]) -> tuple[FieldDescriptor, ...]:
    """Return the fields along ``path``, whose steps are names of fields in the proto or in JSON.

    Raises:
        KeyError: a step is not the name of a field; the argument is that step.
    """
    fields: list[FieldDescriptor] = []
    holder: Descriptor | None = message
    for step in path:
        if holder is None:
            raise KeyError(step)
        fields.append(holder.fields_by_name.get(step) or _fields_by_json_name(holder)[step])
        holder = fields[-1].message_type
    return tuple(fields)


@cache
def _fields_by_json_name(message: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.json_name: field for field in message.fields}


def _rules_of(method: MethodDescriptor) -> Iterator[HttpRule]:
    extensions: Any = method.GetOptions().Extensions  # the types of protobuf do not include extensions
    option: http_pb2.HttpRule = extensions[annotations_pb2.http]
    if option.WhichOneof("pattern") is None:
        return
    for binding in (option, *option.additional_bindings):
        try:
            yield _rule(method, binding)
        except ValueError as error:
            raise InvalidHttpRule(f"{method.full_name}: {error}: {' '.join(str(binding).split())}") from error


def _rule(method: MethodDescriptor, binding: http_pb2.HttpRule) -> HttpRule:
    match binding.WhichOneof("pattern"):
        case None:
            raise ValueError("the rule has no path")
        case "custom":
            verb, path = binding.custom.kind, binding.custom.path
        case kind:
            verb, path = kind.upper(), getattr(binding, kind)
    template = PathTemplate.parse(path)
    for variable in template.variables:
        field = _existing_field(method.input_type, variable)
        if field.is_repeated or field.message_type is not None:
            raise ValueError(f"{'.'.join(variable)} is a list or a message, so it cannot be in a path")
    if binding.body not in {"", WHOLE_BODY}:
        _existing_field(method.input_type, (binding.body,))
    if binding.response_body:
        _existing_field(method.output_type, (binding.response_body,))
    return HttpRule(method, verb, template, binding.body, binding.response_body)


def _existing_field(message: Descriptor, path: Sequence[str]) -> FieldDescriptor:
    try:
        return fields_along(message, path)[-1]
    except KeyError as error:
        raise ValueError(f"{message.full_name} has no field {'.'.join(path)}") from error
