"""The settings: type, default, bounds and description, from pydantic's schema of the model."""

from collections.abc import Mapping
from typing import Any

from server.config.settings import Settings

_OMITTED_KEYS = {"title", "$ref"}
"""Keys derived from the names of fields and classes, which users never see."""


def settings() -> dict[str, Any]:
    """Return the schema of each setting by the name of its environment variable."""
    schema = Settings.model_json_schema()
    definitions = schema.get("$defs", {})
    return {name.upper(): _describe(field, definitions) for name, field in schema["properties"].items()}


def _describe(part: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return part of a schema with enumerations inlined and lists of strings sorted, because sets have no order."""
    match part:
        case dict():
            named = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else {}
            values = {"enum": sorted(named["enum"]), "type": named["type"]} if named else {}
            return values | {
                key: _describe(value, definitions) for key, value in part.items() if key not in _OMITTED_KEYS
            }
        case list() if all(isinstance(item, str) for item in part):
            return sorted(part)
        case list():
            return [_describe(item, definitions) for item in part]
        case _:
            return part
