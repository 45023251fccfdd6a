"""The operations of an OpenAPI document that ``google.api.http`` rules make, for any proto."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.rpc import status_pb2

from server.transport.rest.docs.json_schemas import (
    JsonSchemas,
    Schema,
    Side,
    has_behavior,
    oneof_siblings,
    without_null,
)
from server.transport.rest.docs.openapi_headers import LAST_EVENT_ID, answer_headers, error_headers, parameter
from server.transport.rest.gateway.idempotency import takes_key
from server.transport.rest.gateway.rules import WHOLE_BODY, HttpRule, fields_along
from server.transport.rest.streams import EVENTS, LINES, RESUME_TOKEN_FIELD

JSON = "application/json"

_VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
"""Those that OpenAPI knows; a rule with another is served but not described."""

_STATUS = cast("Descriptor", status_pb2.Status.DESCRIPTOR)
_TOKEN = re.compile(r"\{(?P<path>[^{}=]+)(?:=(?P<pattern>[^{}]+))?\}|(?P<wildcard>\*\*?)")
_WILDCARD = re.compile(r"\*\*?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")

_ERRORS = {
    "400": "The request is wrong, or what it asks cannot be done. The reason in the ErrorInfo tells which, and a "
    "BadRequest names each wrong field.",
    "401": "It is not said who calls, or not in a way that is believed.",
    "403": "The caller does not have the role that this needs, which the message names. Or a web page of an origin "
    "that is not allowed sent a request that may change something (`ORIGIN_NOT_ALLOWED`); nothing was begun.",
    "404": "There is no such thing.",
    "409": "The request_id, or Idempotency-Key, came before with other parameters.",
    "413": "The body is larger than is accepted.",
    "415": "The body is not sent as application/json.",
    "429": "As many calls as are taken on at once are in progress; nothing was begun.",
    "503": "The database cannot be reached, or this replica is shutting down.",
    "default": "Any other error: 405 for another verb, 408 for a body that is too slow, 500 for a fault of the service "
    "(with a `call_id` to ask about), 501 for what is not there yet, 504 for what took too long.",
}


class Operations:
    """Describes the operations of some rules."""

    def __init__(
        self,
        rules: Sequence[HttpRule],
        comments: Mapping[str, str],
        limits: Mapping[str, Schema],
        examples: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Take rules, comments by full name, limits as in ``JsonSchemas``, and examples of bodies by RPC."""
        self._rules = [rule for rule in rules if rule.verb in _VERBS]
        self._comments = comments
        self._examples = examples
        self._schemas = JsonSchemas(
            requests=[rule.method.input_type for rule in self._rules],
            responses=[_STATUS, *(rule.method.output_type for rule in self._rules)],
            comments=comments,
            limits=limits,
        )
        self._places = _places(self._rules)

    def paths(self) -> dict[str, dict[str, Any]]:
        """Return the operations by path and verb."""
        paths: dict[str, dict[str, Any]] = {}
        for rule, place in zip(self._rules, self._places, strict=True):
            path = _Path(rule)
            paths.setdefault(path.text, {})[rule.verb.lower()] = self._operation(rule, place, path)
        return paths

    def schemas(self) -> dict[str, Schema]:
        """Return the schemas that the operations of ``paths`` refer to."""
        return self._schemas.components

    def responses(self) -> dict[str, Any]:
        """Return the answers to what fails, which the operations of ``paths`` refer to."""
        return {
            _error_name(status): {
                "description": description,
                "headers": error_headers(status),
                "content": {JSON: {"schema": self._schemas.of_message(_STATUS, Side.RESPONSE)}},
            }
            for status, description in _ERRORS.items()
        }

    def tags(self) -> list[dict[str, str]]:
        """Return a tag for each service: what its comment says."""
        services = {rule.method.containing_service.full_name: rule.method.containing_service for rule in self._rules}
        return [{"name": service.name, **self._schemas.description(name)} for name, service in services.items()]

    def _operation(self, rule: HttpRule, place: int, path: "_Path") -> dict[str, Any]:
        method = rule.method
        name = f"{method.containing_service.name}_{method.name}" + (f"_{place}" if place > 1 else "")
        repeatable = rule.verb == "POST" and takes_key(method.input_type)
        taken = {variable[0] for variable in rule.template.variables if len(variable) == 1}
        parameters = [
            *(self._path_parameter(rule, *one) for one in path.parameters),
            *([] if rule.body == WHOLE_BODY else self._query_parameters(rule)),
            *([parameter("IdempotencyKey")] if repeatable else []),
            *([LAST_EVENT_ID] if _is_resumable(rule) else []),
            parameter("RequestName"),
        ]
        return {
            "operationId": name,
            "tags": [method.containing_service.name],
            **self._words(method),
            "parameters": parameters,
            **({"requestBody": self._body(rule, f"{name}_Body", taken)} if rule.body else {}),
            "responses": {
                "200": self._answer(rule, repeatable=repeatable),
                **{status: _error_reference(status) for status in _error_statuses(rule, repeatable=repeatable)},
            },
        }

    def _words(self, method: MethodDescriptor) -> dict[str, str]:
        comment = self._comments.get(method.full_name, "")
        summary, *_ = _SENTENCE.split(comment, maxsplit=1)
        description = comment[len(summary) :].strip()
        return {
            **({"summary": " ".join(summary.split()).removesuffix(".")} if summary else {}),
            **({"description": description} if description else {}),
        }

    def _path_parameter(
        self, rule: HttpRule, name: str, path: tuple[str, ...] | None, wildcard: str | None
    ) -> dict[str, Any]:
        described: dict[str, Any] = {"name": name, "in": "path", "required": True}
        if path is None:
            return {**described, "schema": {"type": "string", "minLength": 1}}
        field = fields_along(rule.method.input_type, path)[-1]
        schema = without_null(self._schemas.of_field(field, Side.REQUEST, nullable=False))
        text = schema.pop("description", "")
        if wildcard is not None:
            schema = {"type": "string", "minLength": 1}
            text = f"{text}\n\nIn the path it is `{wildcard}`.".strip()
        return {**described, **({"description": text} if text else {}), "schema": schema}

    def _query_parameters(self, rule: HttpRule) -> Iterator[dict[str, Any]]:
        message = rule.method.input_type
        fixed = {variable for variable in rule.template.variables if len(variable) == 1}
        siblings = {
            (other.name,) for variable in fixed for other in oneof_siblings(fields_along(message, variable)[-1])
        }  # which the path would override
        taken = {*rule.template.variables, *siblings, *({(rule.body,)} if rule.body else set())}
        for path, field, is_required in _plain_fields(message, (), frozenset(), required=True):
            if any(path[: len(other)] == other for other in taken):
                continue
            schema = without_null(self._schemas.of_field(field, Side.REQUEST, nullable=False))
            description = schema.pop("description", "")
            is_deprecated = schema.pop("deprecated", False)
            yield {
                "name": ".".join(_json_names(message, path)),
                "in": "query",
                **({"description": description} if description else {}),
                **({"required": True} if is_required else {}),
                **({"deprecated": True} if is_deprecated else {}),
                **({"style": "form", "explode": True} if field.is_repeated else {}),
                "schema": schema,
            }

    def _body(self, rule: HttpRule, name: str, taken: set[str]) -> dict[str, Any]:
        message = rule.method.input_type
        if rule.body == WHOLE_BODY:
            schema = self._schemas.of_body(message, name, taken)
            is_required = any(
                has_behavior(field, field_behavior_pb2.REQUIRED) for field in message.fields if field.name not in taken
            )
        else:
            field = message.fields_by_name[rule.body]
            schema = self._schemas.of_field(field, Side.REQUEST)
            is_required = has_behavior(field, field_behavior_pb2.REQUIRED)
        examples = self._examples.get(rule.method.full_name)
        return {
            "required": is_required,
            "content": {JSON: {"schema": schema, **({"examples": dict(examples)} if examples else {})}},
        }

    def _answer(self, rule: HttpRule, *, repeatable: bool) -> dict[str, Any]:
        message = rule.method.output_type
        if rule.response_body:
            schema = self._schemas.of_field(message.fields_by_name[rule.response_body], Side.RESPONSE)
        else:
            schema = self._schemas.of_message(message, Side.RESPONSE)
        content = {JSON: {"schema": schema}}
        description = "What was asked for."
        if rule.method.server_streaming:
            description = (
                "One JSON object a line, each with a `result`; or with an `error`, which is then the last. With "
                "`Accept: text/event-stream` server-sent events instead, whose data is the result."
            )
            line = {"result": schema, "error": self._schemas.of_message(_STATUS, Side.RESPONSE)}
            content = {
                LINES: {"schema": {"type": "object", "properties": line}},
                EVENTS: {"schema": {"type": "string"}},
            }
        headers = answer_headers(*(["IdempotencyReplayed"] if repeatable else []))
        return {"description": description, "headers": headers, "content": content}


class _Path:
    """A path template as OpenAPI writes it: its variables are names of single segments.

    ``parameters`` has for each of them its name, the path of the field that it fills, if any, and the pattern that it
    is a part of, where it is not the field's whole value.
    """

    def __init__(self, rule: HttpRule) -> None:
        self._message = rule.method.input_type
        self.parameters: list[tuple[str, tuple[str, ...] | None, str | None]] = []
        self.text = _TOKEN.sub(self._token, rule.template.text)

    def _token(self, token: re.Match[str]) -> str:
        if token["wildcard"]:
            return self._add(f"segment{len(self.parameters) + 1}", None, None)
        path = tuple(token["path"].split("."))
        # Not joined with dots, which tools that fill in paths take for syntax of their own.
        name = "_".join(_json_names(self._message, path))
        pattern = token["pattern"] or "*"
        if pattern == "*":
            return self._add(name, path, None)
        numbered = len(_WILDCARD.findall(pattern)) > 1
        places = iter(range(1, len(pattern)))
        return _WILDCARD.sub(lambda _: self._add(f"{name}{next(places)}" if numbered else name, path, pattern), pattern)

    def _add(self, name: str, path: tuple[str, ...] | None, pattern: str | None) -> str:
        self.parameters.append((name, path, pattern))
        return f"{{{name}}}"


def _json_names(message: Descriptor, path: Sequence[str]) -> list[str]:
    return [field.json_name for field in fields_along(message, path)]


def _places(rules: Sequence[HttpRule]) -> list[int]:
    """Return of each rule the how-manieth it is of its RPC, from 1."""
    seen: dict[str, int] = {}
    places = []
    for rule in rules:
        seen[rule.method.full_name] = seen.get(rule.method.full_name, 0) + 1
        places.append(seen[rule.method.full_name])
    return places


def _plain_fields(
    message: Descriptor, prefix: tuple[str, ...], around: frozenset[str], *, required: bool
) -> Iterator[tuple[tuple[str, ...], FieldDescriptor, bool]]:
    """Yield the fields that query parameters can set, also those inside others, and whether each must be set."""
    around |= {message.full_name}
    for field in message.fields:
        path = (*prefix, field.name)
        must = required and has_behavior(field, field_behavior_pb2.REQUIRED)
        inner = field.message_type
        if inner is None or inner.full_name in _TEXTS:
            yield path, field, must
        elif not field.is_repeated and inner.file.package != "google.protobuf" and inner.full_name not in around:
            yield from _plain_fields(inner, path, around, required=must)


_TEXTS = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Timestamp", "Duration", "FieldMask", "BoolValue", "StringValue", "BytesValue", "DoubleValue", "FloatValue"),
        *("Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
    )
)
"""The messages whose JSON is one plain value, which a parameter can hold."""


def _is_resumable(rule: HttpRule) -> bool:
    return rule.method.server_streaming and RESUME_TOKEN_FIELD in rule.method.input_type.fields_by_name


def _error_statuses(rule: HttpRule, *, repeatable: bool) -> Iterator[str]:
    conditions = {
        "404": bool(rule.template.variables),
        "409": repeatable,
        "413": bool(rule.body),
        "415": bool(rule.body),
    }
    return (status for status in _ERRORS if conditions.get(status, True))


def _error_name(status: str) -> str:
    return f"Status{status.capitalize()}"


def _error_reference(status: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{_error_name(status)}"}
