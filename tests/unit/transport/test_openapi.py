"""The committed OpenAPI document is valid and complete, and matches the code."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from schemathesis.core.result import Ok

from server.domain.identifiers import MAX_REQUEST_ID_LENGTH
from server.domain.money import AMOUNT_DIGITS, MAX_MINOR, NANOS_PER_UNIT
from server.domain.payment import MAX_REASON_LENGTH, MAX_REFERENCE_LENGTH
from server.domain.simulation import SimulatedSource
from server.transport.rest.v1.parameters import MAX_AMOUNT, MAX_ID, MAX_PER_PAGE, MIN_AMOUNT
from server.transport.service.enums import MAX_FILTER_VALUES
from server.transport.service.requests import MAX_BATCH
from tools.dev.generate import DOCUMENT, ROOT

Schema = dict[str, Any]

OPERATOR_PATHS = ("/healthz", "/readyz", "/metrics")
REFUND = "/v2/payments/{payment_id}:refund"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@pytest.fixture(scope="module")
def document() -> Schema:
    loaded: Schema = json.loads((ROOT / DOCUMENT).read_text("utf-8"))
    return loaded


def parts(value: object) -> Iterator[Schema]:
    """Yield every JSON object in a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from parts(part)


def resolve(document: Schema, part: Schema) -> Schema:
    """Follow the reference in ``part``, or return ``part`` itself if it has none."""
    if "$ref" not in part:
        return part
    target: Any = document
    for step in part["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    found: Schema = target
    return found


def operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield verb, path, operation


def parameters(document: Schema, verb: str, path: str) -> dict[str, Schema]:
    """Return the parameters of an operation by name."""
    listed = (resolve(document, parameter) for parameter in document["paths"][path][verb]["parameters"])
    return {parameter["name"]: parameter for parameter in listed}


def body(document: Schema, path: str) -> Schema:
    schema: Schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return resolve(document, schema)


def test_the_document_is_valid(document: Schema) -> None:
    loaded = schemathesis.openapi.from_dict(document)
    loaded.validate()
    described = {operation.ok().label for operation in loaded.get_all_operations() if isinstance(operation, Ok)}
    assert described == {f"{verb.upper()} {path}" for verb, path, _ in operations(document)}
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": DRAFT, **schema})


def test_every_reference_resolves_and_every_component_is_used(document: Schema) -> None:
    used = {part["$ref"] for part in parts(document) if "$ref" in part}
    for reference in used:
        assert resolve(document, {"$ref": reference}), reference
    defined = {f"#/components/{kind}/{name}" for kind, names in document["components"].items() for name in names}
    schemes = {f"#/components/securitySchemes/{name}" for scheme in document["security"] for name in scheme}
    assert defined == used | schemes


def test_the_version_is_that_of_the_client_package(document: Schema) -> None:
    assert document["info"]["version"] == version("payments-client")


def test_the_security_schemes_are_described_and_operator_paths_need_none(document: Schema) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("scheme", scheme.get("name"))) for scheme in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", "X-API-Key"),
        ("mutualTLS", None),
    }
    assert {} in document["security"]
    for _, path, operation in operations(document):
        is_for_operators = path in OPERATOR_PATHS
        assert operation.get("security") == ([] if is_for_operators else None)
        assert is_for_operators or {"401", "403"} <= operation["responses"].keys()


def test_every_post_says_that_pages_from_foreign_origins_are_rejected(document: Schema) -> None:
    for verb, path, operation in operations(document):
        if verb == "post":
            described = resolve(document, operation["responses"]["403"])
            assert "web page of an origin that is not allowed" in described["description"], path


def test_operation_ids_are_unique(document: Schema) -> None:
    names = [operation["operationId"] for *_, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_example_is_valid(document: Schema) -> None:
    checked = 0
    for part in (*parts(document["paths"]), *parts(document["components"])):
        schema = part.get("schema")
        if schema is None:
            continue
        examples = [example["value"] for example in part.get("examples", {}).values()]
        for example in [*examples, *([part["example"]] if "example" in part else []), *schema.get("examples", [])]:
            root = {"components": document["components"], **schema}
            assert jsonschema_rs.is_valid(root, example), example
            checked += 1
    assert checked > 20


def test_descriptions_come_from_the_comments_of_the_proto(document: Schema) -> None:
    charge = document["paths"]["/v2/payments:charge"]["post"]
    assert charge["operationId"] == "PaymentService_Charge"
    assert charge["summary"].startswith("Charges an order: submits the charge to the payment processor")
    assert "A declined charge is not an error" in charge["description"]
    schemas = document["components"]["schemas"]
    assert schemas["Payment"]["properties"]["orderId"]["description"].startswith("The caller's order.")
    assert "- `PAYMENT_METHOD_COD`: Cash on delivery." in schemas["PaymentMethod"]["description"]
    assert {"name": "PaymentService", "description": "Charges orders, refunds payments, and looks them up."} in (
        document["tags"]
    )


def test_every_schema_field_and_parameter_has_a_description(document: Schema) -> None:
    ours = {name: schema for name, schema in document["components"]["schemas"].items() if not name.startswith("Legacy")}
    for name in ("Health", "HTTPValidationError", "ValidationError"):
        del ours[name]
    for name, schema in ours.items():
        assert schema["description"], name
        for field, value in schema.get("properties", {}).items():
            assert value["description"], f"{name}.{field}"
        for value in schema.get("enum", []):
            assert f"- `{value}`: " in schema["description"]
    for verb, path, operation in operations(document):
        assert operation["summary"], path
        for parameter in parameters(document, verb, path).values():
            assert parameter.get("description") or path.startswith("/v1"), f"{path} {parameter['name']}"


def test_the_payment_sources_are_tokens_and_those_of_the_simulated_processor(document: Schema) -> None:
    charge = document["components"]["schemas"]["ChargeRequest"]["properties"]["paymentSource"]
    header = parameters(document, "post", "/v1/payments/charge")["Payment-Source"]["schema"]
    assert (charge["pattern"], charge["maxLength"]) == (header["pattern"], header["maxLength"]) == ("^[!-~]*$", 255)
    assert [source for source in SimulatedSource if f"`{source}`" not in charge["description"]] == []


def test_every_endpoint_is_described(document: Schema) -> None:
    assert {f"{verb.upper()} {path}" for verb, path, _ in operations(document)} == {
        "POST /v2/payments:charge",
        "GET /v2/payments/{payment_id}/refunds",
        "GET /v2/payments/{payment_id}/events",
        "POST /v2/payments:batchCharge",
        "POST /v2/payments/{payment_id}:refund",
        "GET /v2/payments/{payment_id}",
        "GET /v2/payments/by-reference/{reference}",
        "GET /v2/payments/by-request-id/{request_id}",
        "GET /v2/payments",
        "GET /v2/payments:watch",
        "POST /v1/payments/charge",
        "POST /v1/payments/{payment_id}/refund",
        "GET /v1/payments",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_value_has_one_type_so_that_clients_can_be_generated(document: Schema) -> None:
    for part in parts(document["components"]["schemas"]):
        types = part.get("type")
        assert not isinstance(types, list) or len(set(types) - {"null"}) == 1, part
        assert not {"oneOf", "allOf"} & part.keys(), part
    payment = document["components"]["schemas"]["Payment"]["properties"]
    described = {key: payment["paymentId"][key] for key in ("type", "format")}
    assert described == {"type": "string", "format": "int64"}
    assert payment["createTime"]["format"] == "date-time"
    status = document["components"]["schemas"]["PaymentStatus"]
    assert status["type"] == "string"
    assert "PAYMENT_STATUS_SUCCEEDED" in status["enum"]


@pytest.mark.parametrize(
    ("charge", "is_valid"),
    [
        ({}, True),
        ({"orderId": "9007199254740993"}, True),
        ({"orderId": 342}, False),
        ({"orderId": "0"}, False),
        ({"orderId": None}, False),
        ({"order": "1"}, False),
        ({"method": "PAYMENT_METHOD_UPI"}, True),
        ({"method": 1}, False),
        ({"method": "PAYMENT_METHOD_OTHER"}, False),
        ({"requestId": "x" * 255}, True),
        ({"requestId": "x" * 256}, False),
        ({"requestId": ""}, False),
        ({"requestId": "\u00e9"}, False),
        ({"amount": {"units": "561", "nanos": 250_000_000}}, True),
        ({"amount": {"units": "561", "nanos": 1}}, False),
        ({"amount": {"units": "561", "nanos": -10_000_000}}, False),
        ({"amount": {"units": "-1"}}, False),
        ({"amount": {"units": "1000000000000000"}}, False),
        ({"amount": {"units": "1", "currencyCode": "JPY"}}, True),
        ({"amount": {"units": "1", "currencyCode": "yen"}}, False),
        ({"amount": {"units": "1", "unit": "1"}}, False),
        ({"amount": None}, False),
    ],
)
def test_the_limits_of_a_charge_are_in_its_schema(document: Schema, charge: Schema, *, is_valid: bool) -> None:
    request = {"orderId": "1", "amount": {"units": "1"}, **charge}
    schema = {"$schema": DRAFT, "components": document["components"], **body(document, "/v2/payments:charge")}
    assert jsonschema_rs.is_valid(schema, request) is is_valid


def test_the_limits_of_a_batch_and_a_refund_are_in_their_schemas(document: Schema) -> None:
    refund = body(document, REFUND)
    assert refund["additionalProperties"] is False
    assert refund["properties"]["amount"]["properties"]["units"] == {"pattern": "^[0-9]{1,15}$"}
    charges = body(document, "/v2/payments:batchCharge")["properties"]["charges"]
    assert charges["minItems"] == 1
    assert charges["items"] == {"$ref": "#/components/schemas/ChargeRequest"}


def test_the_limits_are_the_same_as_in_the_code(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    money = schemas["Money"]["properties"]
    listed = parameters(document, "get", "/v2/payments")
    legacy = schemas["LegacyCharge"]["properties"]
    nanos_step = NANOS_PER_UNIT // 10**AMOUNT_DIGITS
    found = {
        "Idempotency-Key": document["components"]["parameters"]["IdempotencyKey"]["schema"]["maxLength"],
        "charge request id": schemas["ChargeRequest"]["properties"]["requestId"]["maxLength"],
        "refund request id": body(document, REFUND)["properties"]["requestId"]["maxLength"],
        "refund reason": body(document, REFUND)["properties"]["reason"]["maxLength"],
        "batch": body(document, "/v2/payments:batchCharge")["properties"]["charges"]["maxItems"],
        "reference": parameters(document, "get", "/v2/payments/by-reference/{reference}")["reference"]["schema"][
            "maxLength"
        ],
        "listed reference": listed["filter.reference"]["schema"]["maxLength"],
        "methods": listed["filter.methods"]["schema"]["maxItems"],
        "statuses": listed["filter.statuses"]["schema"]["maxItems"],
        "refund states": listed["filter.refundStates"]["schema"]["maxItems"],
        "digits of units": money["units"]["pattern"],
        "nanos": (money["nanos"]["minimum"], money["nanos"]["maximum"], money["nanos"]["multipleOf"]),
        "v1 order id": legacy["order_id"]["maximum"],
        "v1 amount": (legacy["amount"]["minimum"], legacy["amount"]["maximum"]),
        "v1 per_page": parameters(document, "get", "/v1/payments")["per_page"]["schema"]["maximum"],
    }
    assert found == {
        "Idempotency-Key": MAX_REQUEST_ID_LENGTH,
        "charge request id": MAX_REQUEST_ID_LENGTH,
        "refund request id": MAX_REQUEST_ID_LENGTH,
        "refund reason": MAX_REASON_LENGTH,
        "batch": MAX_BATCH,
        "reference": MAX_REFERENCE_LENGTH,
        "listed reference": MAX_REFERENCE_LENGTH,
        "methods": MAX_FILTER_VALUES,
        "statuses": MAX_FILTER_VALUES,
        "refund states": MAX_FILTER_VALUES,
        "digits of units": f"^-?[0-9]{{1,{len(str(MAX_MINOR))}}}$",
        "nanos": (nanos_step - NANOS_PER_UNIT, NANOS_PER_UNIT - nanos_step, nanos_step),
        "v1 order id": MAX_ID,
        "v1 amount": (float(MIN_AMOUNT), float(MAX_AMOUNT)),
        "v1 per_page": MAX_PER_PAGE,
    }


def test_every_post_accepts_an_idempotency_key_and_reports_a_replay(document: Schema) -> None:
    for verb, path, operation in operations(document):
        is_post = verb == "post"
        assert ("Idempotency-Key" in parameters(document, verb, path)) is is_post, path
        success = operation["responses"]["201" if path == "/v1/payments/charge" else "200"]
        assert ("Idempotency-Replayed" in success["headers"]) is is_post, path
        assert ("409" in operation["responses"]) is (is_post and path.startswith("/v2")), path


def test_every_response_has_a_call_id_and_v2_errors_are_statuses(document: Schema) -> None:
    for verb, path, operation in operations(document):
        assert "X-Request-Id" in parameters(document, verb, path)
        for status, response in operation["responses"].items():
            described = resolve(document, response)
            assert "X-Request-Id" in described["headers"]
            assert ("Retry-After" in described["headers"]) is (status in {"429", "503"})
            assert ("WWW-Authenticate" in described["headers"]) is (status == "401")
            if path.startswith("/v2") and status != "200":
                schema = described["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Status"}


def test_the_filter_of_a_list_is_in_query_parameters(document: Schema) -> None:
    names = parameters(document, "get", "/v2/payments").keys()
    assert {"filter.orderId", "filter.methods", "filter.minAmount.units", "filter.maxCreateTime", "pageToken"} <= names
    assert "filter" not in names
    assert parameters(document, "get", "/v2/payments/{payment_id}").keys() == {"payment_id", "X-Request-Id"}
    by_request_id = parameters(document, "get", "/v2/payments/by-request-id/{request_id}")
    assert by_request_id.keys() == {"request_id", "caller", "X-Request-Id"}


def test_a_stream_has_lines_of_results_or_server_sent_events(document: Schema) -> None:
    watch = document["paths"]["/v2/payments:watch"]["get"]
    content = watch["responses"]["200"]["content"]
    assert content.keys() == {"application/x-ndjson", "text/event-stream"}
    assert content["application/x-ndjson"]["schema"]["properties"] == {
        "result": {"$ref": "#/components/schemas/WatchPaymentsResponse"},
        "error": {"$ref": "#/components/schemas/Status"},
    }
    assert "Last-Event-ID" in parameters(document, "get", "/v2/payments:watch")
