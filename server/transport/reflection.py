"""Server reflection, in both of its versions: newer tools ask for v1, older ones for v1alpha.

grpcio-reflection has v1alpha only. The messages of v1 are the same to the byte, so its servicer serves both, and the
descriptors of v1 are made from those of v1alpha.
"""

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

_V1 = "grpc.reflection.v1"


def add_reflection(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Let tools such as grpcurl list and describe ``services`` and reflection itself."""
    v1_service = f"{_V1}.ServerReflection"
    _add_v1_descriptors()
    names = (*services, reflection.SERVICE_NAME, v1_service)
    reflection.enable_server_reflection(names, server)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(names).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(v1_service, {"ServerReflectionInfo": handler}),)
    )


def _add_v1_descriptors() -> None:
    v1alpha = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
    text = v1alpha.SerializeToString()
    v1 = descriptor_pb2.FileDescriptorProto.FromString(text)
    v1.name = "grpc/reflection/v1/reflection.proto"
    v1.package = _V1
    for message in v1.message_type:
        for field in message.field:
            field.type_name = field.type_name.replace(f".{v1alpha.package}.", f".{_V1}.")
    for method in v1.service[0].method:
        method.input_type = method.input_type.replace(f".{v1alpha.package}.", f".{_V1}.")
        method.output_type = method.output_type.replace(f".{v1alpha.package}.", f".{_V1}.")
    descriptor_pool.Default().Add(v1)  # type: ignore[attr-defined, unused-ignore]
