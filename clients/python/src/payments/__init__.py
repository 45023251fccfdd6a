"""A small typed client of the payment service, over the generated stubs in :mod:`payments.v1`."""

from payments._async_client import AsyncPaymentsClient
from payments._client import PaymentsClient
from payments.errors import (
    DeadlineExceeded,
    FieldViolation,
    InternalError,
    InvalidRequest,
    OutcomeUnknown,
    Overloaded,
    PaymentFailed,
    PaymentNotFound,
    PaymentPending,
    PaymentsError,
    RefundExceedsPayment,
    RequestIdReused,
    Unavailable,
)
from payments.models import (
    Payment,
    PaymentConditions,
    PaymentDetails,
    PaymentMethod,
    PaymentPage,
    PaymentStatus,
    Refund,
    RefundResult,
    RefundState,
    RefundStatus,
)

__all__ = [
    "AsyncPaymentsClient",
    "DeadlineExceeded",
    "FieldViolation",
    "InternalError",
    "InvalidRequest",
    "OutcomeUnknown",
    "Overloaded",
    "Payment",
    "PaymentConditions",
    "PaymentDetails",
    "PaymentFailed",
    "PaymentMethod",
    "PaymentNotFound",
    "PaymentPage",
    "PaymentPending",
    "PaymentStatus",
    "PaymentsClient",
    "PaymentsError",
    "Refund",
    "RefundExceedsPayment",
    "RefundResult",
    "RefundState",
    "RefundStatus",
    "RequestIdReused",
    "Unavailable",
]
