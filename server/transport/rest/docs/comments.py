"""What the comments of a proto say of each thing in it.

Loaded descriptors have no comments. What has them is the FileDescriptorSet that is generated beside the modules of a
proto, with ``source_code_info`` (google/protobuf/descriptor.proto), which finds each thing by its path of field numbers
and places.
"""

from collections.abc import Iterator, Mapping
from importlib import resources

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

_Path = tuple[int, ...]


def contract_comments() -> Mapping[str, str]:
    """Return the comments of the service's own proto: see ``comments``."""
    data = resources.files("payments.v1").joinpath("payments.binpb").read_bytes()
    return comments(FileDescriptorSet.FromString(data))


def comments(protos: FileDescriptorSet) -> Mapping[str, str]:
    """Return the comments by the full name of what they are about (``payments.v1.Payment.order_id``).

    Services, methods, messages, fields, oneofs, enums and their values have their comment, without the marks of one;
    what has none is not there. A value's name is its enum's with its own, unlike in protobuf, which puts it beside the
    enum, where the same one may stand for values of two messages.
    """
    return dict(comment for proto in protos.file for comment in _comments_of_file(proto))


def _comments_of_file(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names = dict(_names_of_file(file))
    for location in file.source_code_info.location:
        text = location.leading_comments or location.trailing_comments
        name = names.get(tuple(location.path))
        if name is not None and text:
            yield name, "\n".join(line.removeprefix(" ").rstrip() for line in text.splitlines()).strip()


def _names_of_file(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    scope = f"{file.package}." if file.package else ""
    for place, message in enumerate(file.message_type):
        yield from _names_of_message((file.MESSAGE_TYPE_FIELD_NUMBER, place), scope + message.name, message)
    for place, enum in enumerate(file.enum_type):
        yield from _names_of_enum((file.ENUM_TYPE_FIELD_NUMBER, place), scope + enum.name, enum)
    for place, service in enumerate(file.service):
        yield from _names_of_service((file.SERVICE_FIELD_NUMBER, place), scope + service.name, service)


def _names_of_message(path: _Path, name: str, message: DescriptorProto) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for place, field in enumerate(message.field):
        yield (*path, message.FIELD_FIELD_NUMBER, place), f"{name}.{field.name}"
    for place, oneof in enumerate(message.oneof_decl):
        yield (*path, message.ONEOF_DECL_FIELD_NUMBER, place), f"{name}.{oneof.name}"
    for place, inner in enumerate(message.nested_type):
        yield from _names_of_message((*path, message.NESTED_TYPE_FIELD_NUMBER, place), f"{name}.{inner.name}", inner)
    for place, enum in enumerate(message.enum_type):
        yield from _names_of_enum((*path, message.ENUM_TYPE_FIELD_NUMBER, place), f"{name}.{enum.name}", enum)


def _names_of_enum(path: _Path, name: str, enum: EnumDescriptorProto) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for place, value in enumerate(enum.value):
        yield (*path, enum.VALUE_FIELD_NUMBER, place), f"{name}.{value.name}"


def _names_of_service(path: _Path, name: str, service: ServiceDescriptorProto) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for place, method in enumerate(service.method):
        yield (*path, service.METHOD_FIELD_NUMBER, place), f"{name}.{method.name}"
