"""Comments: each is found by the full name of what it is about."""

import pytest
from payments.v1 import payments_pb2 as pb

from server.transport.rest.docs.comments import comments, contract_comments
from tests.protos import compiled


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("kinds.v1.Shelf", "Keeps things. In a shelf.\n\nAs long as it stands."),
        ("kinds.v1.Shelf.Find", "Finds things\non the shelf."),
        ("kinds.v1.Thing", "Has a field of every kind."),
        ("kinds.v1.Thing.string_value", "Any text."),
        ("kinds.v1.Thing.way", "One way or another."),
        ("kinds.v1.Thing.Part.parts", "Parts of parts."),
        ("kinds.v1.Thing.Part.Material", "Of what it is."),
        ("kinds.v1.Thing.Part.Material.MATERIAL_WOOD", "Of a tree."),
        ("kinds.v1.Color.COLOR_RED", "As a rose."),
    ],
)
def test_a_comment_stands_under_the_full_name_of_what_it_is_about(name: str, comment: str) -> None:
    assert comments(compiled("kinds.proto").protos)[name] == comment


def test_what_has_no_comment_is_not_there() -> None:
    found = comments(compiled("kinds.proto").protos)
    assert "kinds.v1.Shelf.Clear" not in found
    assert "kinds.v1.PutRequest" not in found


def test_everything_in_the_contract_has_a_comment() -> None:
    found = contract_comments()
    service = pb.DESCRIPTOR.services_by_name["PaymentService"]
    messages = pb.DESCRIPTOR.message_types_by_name.values()
    enums = pb.DESCRIPTOR.enum_types_by_name.values()
    names = {service.full_name, *(method.full_name for method in service.methods)}
    for message in messages:
        names |= {message.full_name, *(field.full_name for field in message.fields)}
    for enum in enums:
        names |= {enum.full_name, *(f"{enum.full_name}.{value.name}" for value in enum.values)}
    assert names <= found.keys()
