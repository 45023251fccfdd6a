"""The driver interface of the contract tests, and the gRPC driver. All drivers use the messages of the contract."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")

TIMEOUT_SECONDS = 30


@dataclass
class CallFailed(Exception):
    """A call failed. The error is in terms of gRPC, whatever the transport."""

    code: str
    message: str
    reason: str = ""
    fields: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    retry_after_seconds: float | None = None
    trailers: dict[str, str | bytes] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


class Driver(Protocol):
    """Calls the service. Each method raises ``CallFailed`` if the call fails."""

    def charge(self, request: pb.ChargeRequest) -> pb.ChargeResponse:
        """Call Charge."""

    def batch_charge(self, request: pb.BatchChargeRequest) -> pb.BatchChargeResponse:
        """Call BatchCharge."""

    def refund(self, request: pb.RefundRequest) -> pb.RefundResponse:
        """Call Refund."""

    def get_payment(self, request: pb.GetPaymentRequest) -> pb.GetPaymentResponse:
        """Call GetPayment."""

    def list_refunds(self, request: pb.ListRefundsRequest) -> pb.ListRefundsResponse:
        """Call ListRefunds."""

    def list_payments(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        """Call ListPayments."""

    def list_payment_events(self, request: pb.ListPaymentEventsRequest) -> pb.ListPaymentEventsResponse:
        """Call ListPaymentEvents."""


class GrpcDriver:
    """Calls the service with the generated stub."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Use the channel, which the caller closes."""
        self.channel = channel
        self.stub = PaymentServiceStub(channel)

    def charge(self, request: pb.ChargeRequest) -> pb.ChargeResponse:
        """Call Charge."""
        return _call(self.stub.Charge, request)

    def batch_charge(self, request: pb.BatchChargeRequest) -> pb.BatchChargeResponse:
        """Call BatchCharge."""
        return _call(self.stub.BatchCharge, request)

    def refund(self, request: pb.RefundRequest) -> pb.RefundResponse:
        """Call Refund."""
        return _call(self.stub.Refund, request)

    def get_payment(self, request: pb.GetPaymentRequest) -> pb.GetPaymentResponse:
        """Call GetPayment."""
        return _call(self.stub.GetPayment, request)

    def list_refunds(self, request: pb.ListRefundsRequest) -> pb.ListRefundsResponse:
        """Call ListRefunds."""
        return _call(self.stub.ListRefunds, request)

    def list_payments(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        """Call ListPayments."""
        return _call(self.stub.ListPayments, request)

    def list_payment_events(self, request: pb.ListPaymentEventsRequest) -> pb.ListPaymentEventsResponse:
        """Call ListPaymentEvents."""
        return _call(self.stub.ListPaymentEvents, request)


def _call(rpc: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: "Request") -> "Response":
    try:
        return rpc(request, timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        # The exception of a failed call is the call itself.
        raise call_failed(cast("grpc.Call", error)) from error


def call_failed(error: grpc.Call) -> CallFailed:
    """Convert a failed call, and unpack its error details."""
    failed = CallFailed(error.code().name, error.details() or "")
    failed.trailers = dict(error.trailing_metadata() or ())
    details = failed.trailers.get("grpc-status-details-bin", b"")
    assert isinstance(details, bytes)
    fill_from_details(failed, status_pb2.Status.FromString(details))
    return failed


def fill_from_details(failed: CallFailed, status: status_pb2.Status) -> None:
    """Set the fields that come from the details of a status."""
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            assert info.domain == "payments"
            failed.reason = info.reason
            failed.metadata = dict(info.metadata)
        elif detail.Unpack(bad):
            failed.fields = [violation.field for violation in bad.field_violations]
            failed.descriptions = [violation.description for violation in bad.field_violations]
        elif detail.Unpack(retry):
            failed.retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()


def health_stub(channel: grpc.Channel) -> Any:  # noqa: ANN401 - the stub's types lack its methods
    """Return a stub of the health service."""
    return HealthStub(channel)
