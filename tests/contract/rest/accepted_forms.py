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
    "^[0-9]{1,15}$": {"pattern": "^[0-9]{1,13}$", "minimum": 0, "maximum": 10**13 - 1},
    "^-?[0-9]{1,15}$": {"pattern": "^-?[0-9]{1,13}$", "minimum": 1 - 10**13, "maximum": 10**13 - 1},
}
"""The numeric bounds that correspond to the patterns of int64 strings.

The document allows for currencies without decimals. With two decimals, the units have at most 13 digits.
"""

_MAX_NANOS = 990_000_000
_NANOS = {"maximum": _MAX_NANOS, "multipleOf": 10_000_000}
"""The nanos of an amount with two decimals. The document allows for the four decimals of other currencies."""

_ONE_ORDER = {
    "anyOf": [
        {"required": [name], "properties": {name: {"type": ["string", "integer"], "minLength": 1}}}
        for name in ("orderId", "externalReference")
    ]
}
"""A charge needs one of the two. The document does not say so, because generators of clients cannot express it."""

_MORE_THAN_ZERO = {
    "anyOf": [
        {"required": [name], "properties": {name: {"type": ["string", "integer"], "minimum": 1, "pattern": "[1-9]"}}}
        for name in ("units", "nanos")
    ]
}
"""The amount of a charge. The document does not say so, for the same reason."""

_QUICK_SOURCES = "^(sim_success|sim_declined|sim_refund_fails)?$"
"""The payment sources that leave nothing pending, so that no charge with ``unlessPending`` is rejected."""

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
                widened = {**schema, "properties": {name: self._widen_field(schema, name) for name in fields}}
                return widened | _ONE_ORDER if "externalReference" in fields else widened
            case {"items": dict(items)}:
                return {**schema, "items": self._widen(items)}
            case {"enum": list(names)}:
                with_numbers = {**schema, "type": ["string", "integer"], "enum": [*names, *range(len(names))]}
                excluded = [*schema.get("not", {}).get("enum", [])]
                return {**with_numbers, "not": {"enum": [*excluded, *map(names.index, excluded)]}}
            case {"format": "int64"}:
                return {**schema, "type": ["string", "integer"], **_BOUNDS[schema["pattern"]]}
            case {"format": "int32"}:
                is_nanos = "multipleOf" in schema
                if is_nanos:
                    schema = {**schema, "minimum": max(schema["minimum"], -_MAX_NANOS), **_NANOS}
                digits = "[1-9][0-9]{0,1}0000000" if is_nanos else "[1-9][0-9]{0,8}"
                sign = "" if schema["minimum"] == 0 else "-?"
                return {**schema, "type": ["integer", "string"], "pattern": f"^(0|{sign}{digits})$"}
        return schema

    def _widen_field(self, message: Schema, name: str) -> Schema:
        """Widen the schema of a field, and allow null unless the field is required."""
        schema = self._widen(message["properties"][name])
        if name == "amount" and "externalReference" in message["properties"]:
            schema = schema | _MORE_THAN_ZERO
        if name == "paymentSource":
            schema = {**schema, "pattern": _QUICK_SOURCES}
        if name == "returnUrl":
            # It is rejected without a payment source.
            schema = {**schema, "enum": [""]}
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
