"""The OpenAPI document, extended with every form of request that the service accepts.

The committed document has canonical forms only, so that clients can be generated from it. The service accepts all of
ProtoJSON over ``/v2``, and numbers as strings over ``/v1``. Schemathesis expects the service to reject everything that
a schema excludes, so it gets schemas that include these forms. They also restrict
``currencyCode`` to the deployment's currency, which is a setting.
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
    widener = _SchemaWidener(document, currency)
    return {
        verb: {
            **operation,
            "parameters": [widener.parameter(parameter, path) for parameter in operation["parameters"]],
            **({"requestBody": widener.body(operation["requestBody"], path)} if "requestBody" in operation else {}),
        }
        for verb, operation in document["paths"][path].items()
    }


class _SchemaWidener:
    """Widens schemas and resolves their references."""

    def __init__(self, document: Schema, currency: str) -> None:
        self._document = document
        self._currency = currency

    def parameter(self, parameter: Schema, path: str) -> Schema:
        """Widen the schema of a ``/v2`` parameter. ``/v1`` parameters accept text already."""
        if "$ref" in parameter or path.startswith("/v1"):
            return parameter
        return {**parameter, "schema": self._widen(parameter["schema"])}

    def body(self, body: Schema, path: str) -> Schema:
        """Widen the schema of a body."""
        ((kind, content),) = body["content"].items()
        schema = self._resolve(content["schema"])
        wider = self._widen_legacy(schema) if path.startswith("/v1") else self._widen(schema)
        return {**body, "content": {kind: {**content, "schema": wider}}}

    def _widen_legacy(self, schema: Schema) -> Schema:
        properties = {
            name: {**field, "type": [field["type"], "string"], "pattern": _LEGACY_STRINGS[field["type"]]}
            for name, field in schema["properties"].items()
        }
        return {**schema, "properties": properties}

    def _widen(self, schema: Schema) -> Schema:
        schema = self._resolve(schema)
        match schema:
            case {"properties": dict(fields)}:
                return {**schema, "properties": {name: self._widen_field(schema, name) for name in fields}}
            case {"items": dict(items)}:
                return {**schema, "items": self._widen(items)}
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

    def _widen_field(self, message: Schema, name: str) -> Schema:
        """Widen the schema of a field, and allow null unless the field is required."""
        schema = self._widen(message["properties"][name])
        if name == "currencyCode":
            schema = {**schema, "enum": ["", self._currency]}
        return schema if name in message.get("required", []) else {"anyOf": [schema, {"type": "null"}]}

    def _resolve(self, schema: Schema) -> Schema:
        """Return the target of a reference, merged with the reference's sibling keys."""
        if "$ref" not in schema:
            return schema
        target: Any = self._document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return _merge(target, {key: value for key, value in schema.items() if key != "$ref"})


def _merge(schema: Schema, overrides: Schema) -> Schema:
    inner = {key: _merge(schema[key], value) for key, value in overrides.items() if isinstance(schema.get(key), dict)}
    return {**schema, **overrides, **inner}
