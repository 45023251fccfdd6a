package payments

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// errorDomain is the service's ErrorInfo domain. Reasons of other domains, such as a proxy's, are ignored.
const errorDomain = "payments"

// errorFromRPC returns the error for a failed attempt. The reason in its google.rpc.ErrorInfo (AIP-193) determines its
// type. Without a known reason, the status code does. Details that cannot be parsed are ignored.
func errorFromRPC(ctx context.Context, err error, trailer metadata.MD, requestID string) callFailure {
	rpcStatus := statusFrom(err)
	base := CallError{RequestID: requestID, causes: causes(ctx, err, rpcStatus.Code())}
	if ids := trailer.Get("x-request-id"); len(ids) > 0 {
		base.CallID = ids[len(ids)-1]
	}
	return withStatus(base, rpcStatus)
}

// errorFromStatus returns the error for the status of one charge in a batch's response.
func errorFromStatus(rpcStatus *status.Status, requestID string) callFailure {
	base := CallError{RequestID: requestID, causes: []error{rpcStatus.Err()}}
	for _, detail := range rpcStatus.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			base.CallID = info.GetMetadata()["call_id"]
		}
	}
	return withStatus(base, rpcStatus)
}

func withStatus(base CallError, rpcStatus *status.Status) callFailure {
	base.Message, base.Code, base.status = rpcStatus.Message(), rpcStatus.Code(), rpcStatus
	var specific specificDetails
	for _, detail := range rpcStatus.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				base.Reason = detail.GetReason()
				specific.paymentID = paymentIDFrom(detail)
			}
		case *errdetails.RetryInfo:
			base.RetryAfter = max(0, detail.GetRetryDelay().AsDuration())
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				violation := FieldViolation{violation.GetField(), violation.GetDescription()}
				specific.violations = append(specific.violations, violation)
			}
		}
	}
	return specificError(base, specific)
}

// specificDetails are the details that only some error types have.
type specificDetails struct {
	violations []FieldViolation
	paymentID  int64
}

// paymentIDFrom returns the payment that an error is about, or 0 if the metadata do not name one.
func paymentIDFrom(info *errdetails.ErrorInfo) int64 {
	paymentID, err := strconv.ParseInt(info.GetMetadata()["payment_id"], 10, 64)
	if err != nil {
		return 0
	}
	return paymentID
}

// statusFrom returns the status that err carries, without the text that gRPC wraps around it after its own retries
// ("max retries exhausted: ...").
func statusFrom(err error) *status.Status {
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) {
		return carrier.GRPCStatus()
	}
	return status.FromContextError(err)
}

// causes returns the errors that errors.Is finds. A CANCELLED that comes from the service is not a context.Canceled,
// because the caller did not cancel.
func causes(ctx context.Context, err error, code codes.Code) []error {
	switch {
	case code == codes.DeadlineExceeded:
		return []error{err, context.DeadlineExceeded}
	case code == codes.Canceled && errors.Is(ctx.Err(), context.Canceled):
		return []error{err, context.Canceled}
	}
	return []error{err}
}

// specificError returns the error type for the reason, or for the status code if the reason is not known.
func specificError(base CallError, details specificDetails) callFailure {
	switch base.Reason {
	case "INVALID_REQUEST":
		return &InvalidRequestError{base, details.violations}
	case "PAYMENT_NOT_FOUND":
		return &PaymentNotFoundError{base}
	case "PAYMENT_FAILED":
		return &PaymentFailedError{base}
	case "PAYMENT_PENDING":
		return &PaymentPendingError{base}
	case "PAYMENT_ARCHIVED":
		return &PaymentArchivedError{base}
	case "REFUND_EXCEEDS_PAYMENT":
		return &RefundExceedsPaymentError{base}
	case "PAYMENT_DISPUTED":
		return &PaymentDisputedError{base}
	case "REQUEST_ID_REUSED":
		return &RequestIDReusedError{base}
	case "ORDER_HAS_PENDING_PAYMENT":
		return &OrderHasPendingPaymentError{base, details.paymentID}
	case "RESUME_TOKEN_EXPIRED":
		return &ResumeTokenExpiredError{base}
	case "STORE_UNAVAILABLE", "PROCESSOR_UNAVAILABLE", "SHUTTING_DOWN", "READER_TOO_SLOW":
		return &UnavailableError{OutcomeUnknownError{base}}
	case "CREDENTIALS_MISSING", "API_KEY_INVALID", "CERTIFICATE_INVALID":
		return &UnauthenticatedError{base}
	case "ROLE_MISSING", "ORIGIN_NOT_ALLOWED":
		return &PermissionDeniedError{base}
	case "OVERLOADED", "RATE_LIMITED", "TOO_MANY_WATCHES":
		return &OverloadedError{OutcomeUnknownError{base}}
	case "DEADLINE_EXCEEDED", "CALL_TOO_LONG":
		return &DeadlineExceededError{OutcomeUnknownError{base}}
	case "INTERNAL":
		return &InternalError{OutcomeUnknownError{base}}
	}
	return specificErrorByCode(base, details)
}

// specificErrorByCode handles errors without a known reason, which come from gRPC itself, a proxy or a newer service.
func specificErrorByCode(base CallError, details specificDetails) callFailure {
	switch base.Code {
	case codes.InvalidArgument:
		return &InvalidRequestError{base, details.violations}
	case codes.Unauthenticated:
		return &UnauthenticatedError{base}
	case codes.PermissionDenied:
		return &PermissionDeniedError{base}
	case codes.Unavailable:
		return &UnavailableError{OutcomeUnknownError{base}}
	case codes.DeadlineExceeded:
		return &DeadlineExceededError{OutcomeUnknownError{base}}
	case codes.Internal:
		return &InternalError{OutcomeUnknownError{base}}
	case codes.Canceled, codes.Unknown:
		return &OutcomeUnknownError{base}
	}
	return &base
}
