"""The gRPC surface besides the contract: services in reflection, names in health, and trailing metadata."""

from typing import Any

import grpc
from google.type.money_pb2 import Money
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from server.transport.grpc.health import LIVENESS, OVERALL
from tests.support.running_service import RunningService

_TIMEOUT_SECONDS = 10
_METADATA = (("x-request-id", "surface"),)

_CHARGE = pb.ChargeRequest(order_id=1, amount=Money(units=1), request_id="once")


def grpc_answers(running: RunningService) -> dict[str, Any]:
    """Return the services, the health of each name, and the trailing metadata of a charge."""
    with grpc.insecure_channel(running.target) as channel:
        services = sorted(ProtoReflectionDescriptorDatabase(channel).get_services())
        stub = PaymentServiceStub(channel)
        return {
            "services": services,
            "health": {name: _health(channel, name) for name in (OVERALL, LIVENESS, *services, "no such service")},
            "metadata": {
                "first": _trailers(stub, _CHARGE),
                "repeated": _trailers(stub, _CHARGE),
                "failed": _trailers(stub, pb.ChargeRequest()),
            },
        }


def _health(channel: grpc.Channel, name: str) -> str:
    stub: Any = HealthStub(channel)  # its type stubs lack the methods
    call = stub.Check.future(HealthCheckRequest(service=name), timeout=_TIMEOUT_SECONDS)
    if call.code() is not grpc.StatusCode.OK:
        return f"{call.code().name}: {call.details()}"
    return HealthCheckResponse.ServingStatus.Name(call.result().status)


def _trailers(stub: PaymentServiceStub, request: pb.ChargeRequest) -> dict[str, str]:
    """Return the trailing metadata, with ``binary`` in place of binary values."""
    call = stub.Charge.future(request, metadata=_METADATA, timeout=_TIMEOUT_SECONDS)
    return {key: "binary" if isinstance(value, bytes) else value for key, value in call.trailing_metadata()}
