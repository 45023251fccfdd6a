package paymentstest

import (
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

const maxViolations = 20

// failure is an error of the contract, before it is bound to a call.
type failure struct {
	code       codes.Code
	reason     string
	message    string
	violations []*errdetails.BadRequest_FieldViolation
	// metadata are those of the ErrorInfo, except the call_id.
	metadata map[string]string
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

var errPaymentNotFound = &failure{code: codes.NotFound, reason: "PAYMENT_NOT_FOUND", message: "payment not found"}

func failedPrecondition(reason, message string) error {
	return &failure{code: codes.FailedPrecondition, reason: reason, message: message}
}

func invalidRequest(violations []*errdetails.BadRequest_FieldViolation) error {
	message := violations[0].GetField() + ": " + violations[0].GetDescription()
	if more := len(violations) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return &failure{
		code: codes.InvalidArgument, reason: "INVALID_REQUEST", message: message,
		violations: violations[:min(len(violations), maxViolations)],
	}
}

func requestIDReused(rpc, requestID string) error {
	message := fmt.Sprintf("request_id %q came before, in a %s with other parameters", requestID, rpc)
	return &failure{code: codes.AlreadyExists, reason: "REQUEST_ID_REUSED", message: message}
}

func auditRoleMissing() error {
	message := "the request_id of another caller requires the role payments.audit, which the caller lacks"
	return &failure{code: codes.PermissionDenied, reason: "ROLE_MISSING", message: message}
}

// statusOf returns the status of an error of the call with this ID.
func statusOf(err error, callID string) *status.Status {
	var failure *failure
	if !errors.As(err, &failure) {
		return status.Convert(err)
	}
	metadata := map[string]string{"call_id": callID}
	for key, value := range failure.metadata {
		metadata[key] = value
	}
	details := []protoadapt.MessageV1{
		&errdetails.ErrorInfo{Domain: "payments", Reason: failure.reason, Metadata: metadata},
	}
	if failure.violations != nil {
		details = append(details, &errdetails.BadRequest{FieldViolations: failure.violations})
	}
	withDetails, err := status.New(failure.code, failure.message).WithDetails(details...)
	if err != nil {
		panic(err) // It fails only for the code OK, and for details that cannot be encoded.
	}
	return withDetails
}
