"""The OpenAPI document, extended by every form of a request that the service accepts.

The committed document has canonical forms only, so that clients can be generated from it. The service accepts all of
ProtoJSON over ``/v2``, and numbers as strings over ``/v1``. Schemathesis expects the service to reject everything that
a schema excludes, so it gets schemas that include these forms. They also include the currency, which is a setting.
"""

from typing import Any

Schema = dict[str, Any]

_BOUNDS: dict[str, Schema] = {
    "^([1-9][0-9]{0,17}|[1-8][0-9]{18})$": {"minimum": 1, "maximum": 2**63 - 1},
    "^-?(0|[1-9][0-9]{0,17}|[1-8][0-9]{18})$": {"minimum": -(2**63), "maximum": 2**63 - 1},
    "^[0-9]{1,8}$": {"minimum": 0, "maximum": 99_999_999},
    "^-?[0-9]{1,8}$": {"minimum": -99_999_999, "maximum": 99_999_999},
}
"""The numeric bounds that correspond to the patterns of int64 strings."""

_LEGACY_STRINGS = {"integer": "^[1-9][0-9]{0,17}$", "number": r"^[1-9][0-9]{0,7}(\.[0-9]{1,2})?$"}
"""Strings that ``/v1`` accepts for a number."""


def with_accepted_forms(document: Schema, currency: str) -> Schema:
    """Return ``document`` with wider request schemas, for a deployment with one currency."""
    return {**document, "paths": {path: _verbs(document, path, currency) for path in document["paths"]}}


def _verbs(document: Schema, path: str, currency: str) -> Schema:
    forms = _Forms(document, currency)
    return {
        verb: {
            **operation,
            "parameters": [forms.parameter(one, path) for one in operation["parameters"]],
            **({"requestBody": forms.body(operation["requestBody"], path)} if "requestBody" in operation else {}),
        }
        for verb, operation in document["paths"][path].items()
    }


class _Forms:
    """Widens schemas and resolves their references."""

    def __init__(self, document: Schema, currency: str) -> None:
        self._document = document
        self._currency = currency

    def parameter(self, parameter: Schema, path: str) -> Schema:
        """Widen the schema of a ``/v2`` parameter. ``/v1`` parameters accept text already."""
        if "$ref" in parameter or path.startswith("/v1"):
            return parameter
        return {**parameter, "schema": self._value(parameter["schema"])}

    def body(self, body: Schema, path: str) -> Schema:
        """Widen the schema of a body."""
        ((kind, content),) = body["content"].items()
        schema = self._resolve(content["schema"])
        wider = self._legacy(schema) if path.startswith("/v1") else self._value(schema)
        return {**body, "content": {kind: {**content, "schema": wider}}}

    def _legacy(self, schema: Schema) -> Schema:
        properties = {
            name: {**one, "type": [one["type"], "string"], "pattern": _LEGACY_STRINGS[one["type"]]}
            for name, one in schema["properties"].items()
        }
        return {**schema, "properties": properties}

    def _value(self, schema: Schema) -> Schema:
        schema = self._resolve(schema)
        match schema:
            case {"properties": dict(fields)}:
                return {**schema, "properties": {name: self._field(schema, name) for name in fields}}
            case {"items": dict(items)}:
                return {**schema, "items": self._value(items)}
            case {"enum": list(names)}:
                with_numbers = {**schema, "type": ["string", "integer"], "enum": [*names, *range(len(names))]}
                excluded = [*schema.get("not", {}).get("enum", [])]
                return {**with_numbers, "not": {"enum": [*excluded, *map(names.index, excluded)]}}
            case {"format": "int64"}:
                return {**schema, "type": ["string", "integer"], **_BOUNDS[schema["pattern"]]}
            case {"format": "int32"}:
                step = schema.get("multipleOf", 1)
                digits = "[1-9][0-9]{0,1}0000000" if step == 10_000_000 else "[1-9][0-9]{0,8}"
                sign = "" if schema["minimum"] == 0 else "-?"
                return {**schema, "type": ["integer", "string"], "pattern": f"^(0|{sign}{digits})$"}
        return schema

    def _field(self, message: Schema, name: str) -> Schema:
        """Widen the schema of a field, and allow null unless the field is required."""
        schema = self._value(message["properties"][name])
        if name == "currencyCode":
            schema = {**schema, "enum": ["", self._currency]}
        return schema if name in message.get("required", []) else {"anyOf": [schema, {"type": "null"}]}

    def _resolve(self, schema: Schema) -> Schema:
        """Return the target of a reference, merged with the reference's sibling keys."""
        if "$ref" not in schema:
            return schema
        place: Any = self._document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        return _merge(place, {key: value for key, value in schema.items() if key != "$ref"})


def _merge(schema: Schema, further: Schema) -> Schema:
    inner = {key: _merge(schema[key], value) for key, value in further.items() if isinstance(schema.get(key), dict)}
    return {**schema, **further, **inner}
