"""The OpenAPI document: valid, complete, and made of what descriptors, options and comments say."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from payments.v1 import payments_pb2 as pb
from schemathesis.core.result import Ok

from server.transport.rest.docs.comments import comments
from server.transport.rest.docs.openapi import openapi_document
from server.transport.rest.gateway.rules import http_rules
from tests.protos import compiled

Schema = dict[str, Any]

REQUEST = "#/components/schemas/ThingInput"
RESPONSE = "#/components/schemas/Thing"


@pytest.fixture(scope="module")
def contract() -> Schema:
    rules = http_rules([pb.DESCRIPTOR.services_by_name["PaymentService"]])
    return openapi_document(rules, currencies={"INR", "JPY"})


@pytest.fixture(scope="module")
def kinds() -> Schema:
    proto = compiled("kinds.proto")
    return openapi_document(http_rules([proto.file.services_by_name["Shelf"]]), comments=comments(proto.protos))


def parts(value: object) -> Iterator[Schema]:
    """Yield every object in a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from parts(part)


def resolved(document: Schema, reference: str) -> Any:
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def validator(document: Schema, reference: str) -> jsonschema_rs.Validator:
    schema = {"$ref": reference, "components": document["components"]}
    return jsonschema_rs.validator_for({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})


def parameters(document: Schema, verb: str, path: str) -> dict[str, Schema]:
    """Return the parameters of an operation, by name."""
    given = document["paths"][path][verb]["parameters"]
    return {one["name"]: one for one in (resolved(document, one["$ref"]) if "$ref" in one else one for one in given)}


@pytest.mark.parametrize("name", ["contract", "kinds"])
def test_the_document_is_valid(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name)
    loaded = schemathesis.openapi.from_dict(document)
    loaded.validate()
    described = {operation.ok().label for operation in loaded.get_all_operations() if isinstance(operation, Ok)}
    assert described == {f"{verb.upper()} {path}" for path, verbs in document["paths"].items() for verb in verbs}
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@pytest.mark.parametrize("name", ["contract", "kinds"])
def test_every_reference_leads_somewhere_and_every_component_is_used(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name)
    used = {part["$ref"] for part in parts(document) if "$ref" in part}
    for reference in used:
        assert resolved(document, reference), reference
    there = {f"#/components/{kind}/{one}" for kind, ones in document["components"].items() for one in ones}
    schemes = {f"#/components/securitySchemes/{name}" for way in document["security"] for name in way}
    assert there == used | schemes


def test_the_ways_to_say_who_calls_are_described_and_health_needs_none(contract: Schema) -> None:
    schemes = contract["components"]["securitySchemes"]
    assert {(one["type"], one.get("scheme", one.get("name"))) for one in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", "X-API-Key"),
        ("mutualTLS", None),
    }
    assert {} in contract["security"]
    for path, verbs in contract["paths"].items():
        for operation in verbs.values():
            is_probe = path in {"/healthz", "/readyz"}
            assert operation.get("security") == ([] if is_probe else None)
            assert is_probe or {"401", "403"} <= operation["responses"].keys()


def test_what_changes_something_says_that_pages_of_other_origins_are_refused(contract: Schema) -> None:
    for path, verbs in contract["paths"].items():
        if "post" in verbs:
            refusal = verbs["post"]["responses"]["403"]
            described = resolved(contract, refusal["$ref"]) if "$ref" in refusal else refusal
            assert "web page of an origin that is not allowed" in described["description"], path


@pytest.mark.parametrize("name", ["contract", "kinds"])
def test_operations_have_names_of_their_own(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name)
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_every_example_is_valid(contract: Schema) -> None:
    checked = 0
    for part in parts(contract["paths"]):
        schema = part.get("schema", {})
        examples = [one["value"] for one in part.get("examples", {}).values()] if schema else []
        for example in [*examples, *([part["example"]] if "example" in part else [])]:
            root = {"components": contract["components"], **schema}
            assert jsonschema_rs.is_valid(root, example), example
            checked += 1
    assert checked > 10


def test_the_contract_is_described_with_its_comments(contract: Schema) -> None:
    charge = contract["paths"]["/v2/payments:charge"]["post"]
    assert charge["operationId"] == "PaymentService_Charge"
    assert charge["summary"].startswith("Charges an order: asks the payment processor")
    assert "A charge that the processor declines is no error" in charge["description"]
    assert contract["components"]["schemas"]["Payment"]["properties"]["orderId"]["description"] == (
        "The caller's order that was charged."
    )
    assert (
        "- `PAYMENT_METHOD_COD`: Cash on delivery." in contract["components"]["schemas"]["PaymentMethod"]["description"]
    )
    assert {"name": "PaymentService", "description": "Takes charges, refunds them, and finds them again."} in (
        contract["tags"]
    )


def test_everything_that_is_served_is_described(contract: Schema) -> None:
    operations = {f"{verb.upper()} {path}" for path, verbs in contract["paths"].items() for verb in verbs}
    assert operations == {
        "POST /v2/payments:charge",
        "GET /v2/payments/{paymentId}/refunds",
        "POST /v2/payments:batchCharge",
        "POST /v2/payments/{paymentId}:refund",
        "GET /v2/payments/{paymentId}",
        "GET /v2/payments/by-reference/{reference}",
        "GET /v2/payments",
        "GET /v2/payments:watch",
        "POST /v1/payments/charge",
        "POST /v1/payments/{payment_id}/refund",
        "GET /v1/payments",
        "GET /healthz",
        "GET /readyz",
    }


@pytest.mark.parametrize(
    ("charge", "is_valid"),
    [
        ({}, True),
        ({"orderId": 342}, True),
        ({"orderId": "9007199254740993"}, True),
        ({"orderId": 0}, False),
        ({"orderId": "0"}, False),
        ({"orderId": None}, False),
        ({"order": 1}, False),
        ({"method": "PAYMENT_METHOD_UPI"}, True),
        ({"method": 1}, True),
        ({"method": None}, True),
        ({"method": "PAYMENT_METHOD_OTHER"}, False),
        ({"method": 4}, False),
        ({"requestId": "x" * 255}, True),
        ({"requestId": "x" * 256}, False),
        ({"requestId": ""}, False),
        ({"requestId": "\u00e9"}, False),
        ({"amount": {"units": "561", "nanos": 250_000_000}}, True),
        ({"amount": {"units": "561", "nanos": 1}}, False),
        ({"amount": {"units": -1}}, False),
        ({"amount": {"units": 100_000_000}}, False),
        ({"amount": {"units": 1, "currencyCode": "JPY"}}, True),
        ({"amount": {"units": 1, "currencyCode": "USD"}}, False),
        ({"amount": None}, False),
    ],
)
def test_the_limits_of_a_charge_are_in_its_schema(contract: Schema, charge: Schema, *, is_valid: bool) -> None:
    whole = {"orderId": 1, "amount": {"units": "1"}, **charge}
    assert validator(contract, "#/components/schemas/ChargeRequest").is_valid(whole) is is_valid


def test_a_post_that_can_be_repeated_takes_an_idempotency_key_and_tells_of_a_replay(contract: Schema) -> None:
    for path in ("/v2/payments:charge", "/v2/payments/{paymentId}:refund"):
        assert parameters(contract, "post", path)["Idempotency-Key"]["schema"]["maxLength"] == 255
        operation = contract["paths"][path]["post"]
        assert "Idempotency-Replayed" in operation["responses"]["200"]["headers"]
        assert "409" in operation["responses"]
    assert "Idempotency-Key" not in parameters(contract, "get", "/v2/payments")


def test_every_answer_of_the_rpcs_names_its_call_and_errors_are_statuses(contract: Schema) -> None:
    for path, verbs in contract["paths"].items():
        for operation in verbs.values():
            for status, answer in operation["responses"].items():
                told = resolved(contract, answer["$ref"]) if "$ref" in answer else answer
                assert "X-Request-Id" in told["headers"]
                assert ("Retry-After" in told["headers"]) is (status in {"429", "503"})
                if path.startswith("/v2") and status != "200":
                    schema = told["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Status"}


def test_a_query_has_the_fields_that_path_and_body_have_not(contract: Schema) -> None:
    names = parameters(contract, "get", "/v2/payments").keys()
    assert {"filter.orderId", "filter.methods", "filter.minAmount.units", "filter.maxCreateTime", "pageToken"} <= names
    assert "filter" not in names
    assert parameters(contract, "get", "/v2/payments/{paymentId}").keys() == {"paymentId", "X-Request-Id"}


# A proto with every kind of field.


@pytest.mark.parametrize(
    ("field", "request_values", "response_values", "refused"),
    [
        ("doubleValue", [1.5, "1.5", "NaN", None], [1.5, "-Infinity"], [True, "x", []]),
        ("floatValue", [1, "Infinity"], [0.5, "NaN"], ["", {}]),
        ("int32Value", [-5, "-5", 2**31 - 1, None], [-5], [1.5, "x", 2**31 * 1.5, True]),
        ("int64Value", [5, "5", "-9"], ["5"], [1.5, "x", 2**64, True]),
        ("uint32Value", [5, "5"], [5], ["-5", "x"]),
        ("uint64Value", [5, "5", 2**64 - 1], ["5"], [-5]),
        ("sint64Value", [-5, "-5"], ["-5"], ["x"]),
        ("fixed32Value", [7], [7], ["x"]),
        ("sfixed64Value", [7, "-7"], ["7"], [[]]),
        ("boolValue", [True, None], [False], ["true", 1]),
        ("stringValue", ["x"], ["x"], [1]),
        ("bytesValue", ["aGk="], ["aGk="], [1]),
        ("color", ["COLOR_RED", 3, None], ["COLOR_RED"], ["RED", 1]),
        ("part", [{"material": "MATERIAL_WOOD", "parts": [{}]}, None], [{"parts": [{}]}], [1, {"parts": {}}]),
        ("strings", [["x"], [], None], [["x"]], ["x", [1], [None]]),
        ("parts", [[{}]], [[{"material": "MATERIAL_WOOD"}]], [{}, [{"material": "WOOD"}]]),
        ("partsByName", [{"x": {}}], [{"x": {}}], [{"x": 1}, []]),
        ("colorsByNumber", [{"-7": "COLOR_RED"}], [{"7": "COLOR_RED"}], [{"x": "COLOR_RED"}, {"7": "RED"}]),
        ("wordsByTruth", [{"true": "x"}], [{"false": "x"}], [{"1": "x"}]),
        ("optionalValue", [0], [0], ["x"]),
        ("time", ["2025-02-07T05:28:54Z"], ["2025-02-07T05:28:54Z"], [1, {}]),
        ("duration", ["1.5s", "-1s"], ["3s"], ["1.5", 1]),
        ("mask", ["a,b.c"], ["a"], [["a"]]),
        ("struct", [{"x": [1, None]}], [{"x": {}}], [[], 1]),
        ("value", [1, None, [], "x"], [{}], []),
        ("list", [[1, "x", None]], [[]], [{}]),
        ("null", [None], [None], [1]),
        ("any", [{"@type": "type.googleapis.com/x.Y", "z": 1}], [{"@type": "type.googleapis.com/x.Y"}], [1]),
        ("empty", [{}], [{}], [1]),
        ("wrappedDouble", [1.5], [1.5], [{}]),
        ("wrappedInt64", ["5", 5, None], ["5"], [{"value": 5}]),
        ("wrappedUint32", [5], [5], ["x"]),
        ("wrappedBool", [True], [True], ["x"]),
        ("wrappedString", ["x"], ["x"], [1]),
        ("wrappedBytes", ["aGk="], ["aGk="], [1]),
        ("itsOwnName", ["x"], ["x"], [1]),
    ],
)
def test_a_field_has_the_json_that_protobuf_gives_its_kind(
    kinds: Schema, field: str, request_values: list[object], response_values: list[object], refused: list[object]
) -> None:
    requests, responses = validator(kinds, REQUEST), validator(kinds, RESPONSE)
    for value in request_values:
        assert requests.is_valid({"stringValue": "x", field: value}), value
    for value in response_values:
        assert responses.is_valid({field: value}), value
    for value in refused:
        assert not requests.is_valid({"stringValue": "x", field: value}), value


def test_a_request_needs_its_required_fields_and_takes_no_other(kinds: Schema) -> None:
    requests = validator(kinds, REQUEST)
    assert not requests.is_valid({})
    assert not requests.is_valid({"stringValue": "x", "other": 1})


def test_fields_of_a_oneof_exclude_each_other_in_requests(kinds: Schema) -> None:
    requests = validator(kinds, REQUEST)
    assert requests.is_valid({"stringValue": "x", "one": "x"})
    assert requests.is_valid({"stringValue": "x", "another": 1})
    assert not requests.is_valid({"stringValue": "x", "one": "x", "another": 1})


def test_a_field_is_marked_as_its_options_have_it(kinds: Schema) -> None:
    fields = resolved(kinds, RESPONSE)["properties"]
    assert fields["outputOnly"]["readOnly"] is True
    assert fields["inputOnly"]["writeOnly"] is True
    assert fields["old"]["deprecated"] is True


def test_a_field_has_its_comment_beside_the_reference_to_its_message(kinds: Schema) -> None:
    thing = parameters(kinds, "get", "/v9/things/{color}:find")
    assert thing["filter.minTime"]["schema"]["format"] == "date-time"
    assert resolved(kinds, RESPONSE)["properties"]["one"]["description"] == "One way."
    part = resolved(kinds, "#/components/schemas/ThingPart")
    assert part["properties"]["material"] == {
        "$ref": "#/components/schemas/ThingPartMaterial",
        "description": "Of what.",
    }


def test_the_first_sentence_of_a_comment_is_the_summary_and_the_rest_the_description(kinds: Schema) -> None:
    put = kinds["paths"]["/v9/shelves/{shelf_name}/things"]["post"]
    assert (put["summary"], put["description"]) == ("Puts a thing onto the shelf", "It stays there.")
    find = kinds["paths"]["/v9/things/{color}:find"]["get"]
    assert find["summary"] == "Finds things on the shelf"
    assert "description" not in find
    clear = kinds["paths"]["/v9/things"]["delete"]
    assert {"summary", "description"}.isdisjoint(clear)


def test_a_variable_with_a_pattern_is_its_wildcards(kinds: Schema) -> None:
    name = parameters(kinds, "post", "/v9/shelves/{shelf_name}/things")["shelf_name"]
    assert (name["in"], name["required"]) == ("path", True)
    assert name["description"] == "As in `shelves/7`.\n\nIn the path it is `shelves/*`."
    assert "shelfPath" in parameters(kinds, "get", "/v9/{shelfPath}")


def test_a_rule_with_the_body_in_one_field_leaves_the_rest_to_the_query(kinds: Schema) -> None:
    put = kinds["paths"]["/v9/shelves/{shelf_name}/things"]["post"]
    assert put["requestBody"]["required"] is True
    assert put["requestBody"]["content"]["application/json"]["schema"]["$ref"] == REQUEST
    assert put["responses"]["200"]["content"]["application/json"]["schema"]["$ref"] == RESPONSE
    names = parameters(kinds, "post", "/v9/shelves/{shelf_name}/things").keys()
    assert names == {"shelf_name", "requestId", "Idempotency-Key", "X-Request-Id"}


def test_an_additional_binding_is_an_operation_of_its_own(kinds: Schema) -> None:
    put = kinds["paths"]["/v9/things/{thing_int32Value}"]["put"]
    assert put["operationId"] == "Shelf_Put_2"
    assert put["requestBody"]["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/PutRequest"
    assert "Idempotency-Key" not in parameters(kinds, "put", "/v9/things/{thing_int32Value}")


def test_a_query_goes_into_messages_as_deep_as_they_do_not_repeat(kinds: Schema) -> None:
    found = parameters(kinds, "get", "/v9/things/{color}:find")
    assert found.keys() == {
        "color",
        "shelfPath",
        "filter.colors",
        "filter.minTime",
        "filter.isNew",
        "filter.minSize",
        "filter.maxSize",
        "readMask",
        "pageSize",
        "X-Request-Id",
    }
    assert found["pageSize"]["required"] is True
    assert found["filter.colors"]["explode"] is True
    assert found["filter.isNew"]["schema"] == {"type": "boolean"}


def test_a_stream_is_lines_of_results(kinds: Schema) -> None:
    content = kinds["paths"]["/v9/things:watch"]["get"]["responses"]["200"]["content"]
    assert content["application/x-ndjson"]["schema"]["properties"]["result"] == {"$ref": RESPONSE}


def test_an_rpc_without_a_rule_is_not_described(kinds: Schema) -> None:
    assert not any(part.get("operationId") == "Shelf_Hidden" for part in parts(kinds))
