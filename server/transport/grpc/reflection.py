"""Server reflection in both versions, v1 for newer tools and v1alpha for older ones.

grpcio-reflection has only v1alpha. The wire format of v1 is identical, so one servicer serves both, and the descriptors
of v1 are derived from those of v1alpha.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection, reflection_pb2

from server.transport.grpc.call_context import CallContext
from server.transport.grpc.server import Handlers
from server.transport.grpc.service_streams import ServiceStreams

_V1_SERVICE = "grpc.reflection.v1.ServerReflection"


class _Pool:
    """The default descriptor pool, extended to find the file of an RPC by the RPC's name, which tools may ask for."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - attributes of the pool
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - named as in the pool
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def add_reflection(services: Sequence[str], server: Handlers, streams: ServiceStreams) -> None:
    """Let tools such as grpcurl list and describe ``services`` and reflection itself, over ``streams``."""
    _add_v1_descriptors()
    names = (*services, reflection.SERVICE_NAME, _V1_SERVICE)
    pool = cast("descriptor_pool.DescriptorPool", _Pool())
    servicer = reflection.aio.ReflectionServicer(names, pool)

    async def answer(
        requests: AsyncIterator[reflection_pb2.ServerReflectionRequest],
        context: CallContext,
    ) -> None:
        await streams.serve(
            context, cast("AsyncGenerator[Any, None]", servicer.ServerReflectionInfo(requests, context))
        )

    handler = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in (reflection.SERVICE_NAME, _V1_SERVICE):
        server.add_registered_method_handlers(name, {"ServerReflectionInfo": handler})


def _add_v1_descriptors() -> None:
    v1alpha = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
    text = text_format.MessageToString(v1alpha).replace("v1alpha", "v1")
    v1 = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    descriptor_pool.Default().AddSerializedFile(v1.SerializeToString())
