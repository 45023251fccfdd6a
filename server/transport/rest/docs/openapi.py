"""The OpenAPI 3.1 document of the REST interface: ``/v2`` from descriptors, options and comments, ``/v1`` by hand."""

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from server.transport.rest.docs.comments import contract_comments
from server.transport.rest.docs.openapi_headers import (
    HEADERS,
    PARAMETERS,
    SECURITY,
    SECURITY_SCHEMES,
    answer_headers,
    parameter,
)
from server.transport.rest.docs.openapi_limits import COMMENTS, EXAMPLES, limits
from server.transport.rest.docs.openapi_operations import Operations
from server.transport.rest.docs.v1_openapi import TAG, legacy_paths, legacy_schemas
from server.transport.rest.gateway.rules import HttpRule

_DESCRIPTION = """\
Takes charges, refunds them, and lists them.

- `/v2` is every RPC of the contract as JSON, in protobuf's own form: names in camelCase, enums by name, 64-bit numbers
  in quotes, fields that have their default left out. A request is read exactly as the ProtoJSON specification says, in
  its body, query and path: no digit of a number is lost, and what the specification does not have is a 400 that names
  the field, such as `charges[1].amount.units` (positions count from 0). An error is a google.rpc.Status. Texts here
  name fields as the proto does: `order_id` is `orderId`.
- `/v1` is what the replaced service had, for its callers.

Callers have roles: `payments.charge` charges, also many at once; `payments.refund` refunds; `payments.read` gets,
lists and watches. Whether calls without a key may do any of that is the deployment's choice, as is from which origins
web pages may call: a POST of any other page is a 403.

A POST that carries an `Idempotency-Key` (over `/v2` also as `requestId`) is safe to repeat, even a batch. Every
answer names its call in `X-Request-Id`, by which the service's log has it.
"""
_PROBES_TAG = {"name": "Health", "description": "For those who look after the service."}


def openapi_document(
    rules: Sequence[HttpRule],
    *,
    currencies: Collection[str] = (),
    comments: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the document of the operations that ``rules`` make, and of all else that is served beside them.

    ``currencies`` are those that a charge may name. ``comments`` are those of the protos by full name (see
    ``comments``); the contract's unless others are given.
    """
    operations = Operations(
        rules, {**COMMENTS, **(contract_comments() if comments is None else comments)}, limits(currencies), EXAMPLES
    )
    paths = {**operations.paths(), **legacy_paths(), **_probe_paths()}
    responses = operations.responses()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payments",
            # The contract's version is that of the distribution that holds it.
            "version": version("payments-client"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [*operations.tags(), TAG, _PROBES_TAG],
        "security": SECURITY,
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**operations.schemas(), **legacy_schemas()}.items())),
            "responses": responses,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _probe_paths() -> dict[str, Any]:
    return {
        "/healthz": {"get": _probe("healthz", "Tells whether the process answers", {"200": "It does."})},
        "/readyz": {
            "get": _probe(
                "readyz",
                "Tells whether calls can be answered",
                {"200": "They can.", "503": "The database cannot be reached, or the service is shutting down."},
            )
        },
    }


def _probe(name: str, summary: str, answers: Mapping[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    return {
        "operationId": name,
        "tags": [_PROBES_TAG["name"]],
        "summary": summary,
        "security": [],
        "parameters": [parameter("RequestName")],
        "responses": {
            status: {
                "description": description,
                "headers": answer_headers(*(["RetryAfter"] if status == "503" else [])),
                "content": {"application/json": {"schema": schema}},
            }
            for status, description in answers.items()
        },
    }
