"""The OpenAPI document of the REST API, made from the output of protoc-gen-openapiv3.

The generator covers paths, parameters, schemas and most comments. ``proto/openapi-overlay.yaml``, an overlay in the
format of the OpenAPI Overlay Specification, adds the rest.
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

    ``generated`` is the path of the generator's document, which is overwritten. ``protos`` are the protos it was
    generated from, with their comments.

    Raises:
        SystemExit: the overlay does not match the generated document; the error has been printed.
    """
    document = json.loads(_SCHEMA_NAME.sub(r'"\1\2"', generated.read_text("utf-8")))
    for file in protos.file:
        _describe_enum_values(document["components"]["schemas"], file)
    generated.write_text(json.dumps(document), "utf-8")
    process = subprocess.run([_OVERLAY_PROGRAM, _OVERLAY, generated], stdout=subprocess.PIPE, check=False)
    if process.returncode:
        sys.exit(process.returncode)
    return json.dumps(yaml.safe_load(process.stdout), indent=2, ensure_ascii=False) + "\n"


def _describe_enum_values(schemas: dict[str, Any], file: FileDescriptorProto) -> None:
    """Add the comments of enum values to the descriptions of their enums, because the generator omits them."""
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    for enum_index, enum in enumerate(file.enum_type):
        path = (FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER, enum_index, EnumDescriptorProto.VALUE_FIELD_NUMBER)
        values = [
            f"- `{value.name}`: {' '.join(comments[*path, index].split())}" for index, value in enumerate(enum.value)
        ]
        if enum.name in schemas:
            schemas[enum.name]["description"] += "\n\n" + "\n".join(values)
