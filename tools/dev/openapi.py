"""The OpenAPI document of the REST API, made from what protoc-gen-openapiv3 generates.

The generator covers paths, parameters, schemas and most comments. ``proto/openapi-overlay.yaml`` adds the rest, in the
form of the OpenAPI Overlay Specification.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

_ROOT = Path(__file__).resolve().parents[2]
_OVERLAY = _ROOT / "proto" / "openapi-overlay.yaml"
_OVERLAY_PROGRAM = _ROOT / ".bin" / "openapi-overlay"

_SCHEMA_NAME = re.compile(r'"(#/components/schemas/)?(?:payments\.v1|google\.rpc|google\.type)\.(\w+)"')
"""Matches the full name of a message or enum in JSON, alone or in a reference."""


def openapi_document(generated: Path, protos: FileDescriptorSet) -> str:
    """Return the document as JSON.

    ``generated`` is the generator's document, and ``protos`` are the protos it was made from, with their comments.
    ``generated`` is overwritten.

    Raises:
        SystemExit: the overlay does not fit the generated document; the error has been printed.
    """
    document = json.loads(_SCHEMA_NAME.sub(r'"\1\2"', generated.read_text("utf-8")))
    for file in protos.file:
        _describe_enum_values(document["components"]["schemas"], file)
    generated.write_text(json.dumps(document), "utf-8")
    overlaid = subprocess.run([_OVERLAY_PROGRAM, _OVERLAY, generated], stdout=subprocess.PIPE, check=False)
    if overlaid.returncode:
        sys.exit(overlaid.returncode)
    return json.dumps(yaml.safe_load(overlaid.stdout), indent=2, ensure_ascii=False) + "\n"


def _describe_enum_values(schemas: dict[str, Any], file: FileDescriptorProto) -> None:
    """Add the comments of each enum's values to its description, because the generator omits them."""
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    for enum_index, enum in enumerate(file.enum_type):
        path = (FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER, enum_index, EnumDescriptorProto.VALUE_FIELD_NUMBER)
        values = [
            f"- `{value.name}`: {' '.join(comments[*path, index].split())}" for index, value in enumerate(enum.value)
        ]
        if enum.name in schemas:
            schemas[enum.name]["description"] += "\n\n" + "\n".join(values)
