package payments

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ArgumentError reports an invalid argument, which the client rejected before it sent anything.
type ArgumentError struct {
	// Argument is the argument's name, for example "Amount".
	Argument string
	// Problem says what is wrong with the argument.
	Problem string
}

// Error returns the argument's name and its problem.
func (e *ArgumentError) Error() string { return "payments: " + e.Argument + " " + e.Problem }

// CallError reports a failed call. errors.As finds it in every error of this package except [*ArgumentError].
type CallError struct {
	// Message is the human-readable error message.
	Message string
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is the stable identifier from the contract ("PAYMENT_NOT_FOUND"). Empty if the service sent none.
	Reason string
	// RequestID is the idempotency key that the charge or refund was sent with. Empty for calls that only read.
	RequestID string
	// CallID identifies the call in the service's log (the trailer x-request-id). Empty if the service sent none.
	CallID string
	// RetryAfter is how long the service asked to wait before a retry. Zero if it did not ask.
	RetryAfter time.Duration

	// note is text to append to the message if the call ended later than this error.
	note string
	// status is the received status with its details, or nil for an error that was created without a call.
	status *status.Status
	// causes are the error of gRPC or an interceptor, and the context's error if it ended the call.
	causes []error
}

// Error formats the message, the reason (or the code if there is none), and the call ID.
func (e *CallError) Error() string {
	message, reason, call := e.Message, e.Reason, ""
	if message == "" {
		message = e.Code.String()
	}
	if reason == "" {
		reason = e.Code.String()
	}
	if e.CallID != "" {
		call = ", call " + e.CallID
	}
	return fmt.Sprintf("payments: %s (%s%s)%s", message, reason, call, e.note)
}

// GRPCStatus returns the gRPC status, for status.FromError and status.Code.
func (e *CallError) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	return status.New(e.Code, e.Message)
}

// Unwrap returns the error of gRPC or an interceptor, and context.Canceled or context.DeadlineExceeded if one of them
// ended the call.
func (e *CallError) Unwrap() []error { return e.causes }

func (e *CallError) base() *CallError { return e }

// callFailure is implemented by CallError and all types that embed it.
type callFailure interface {
	error
	base() *CallError
}

// FieldViolation is an invalid field of a request: its path ("amount.nanos"), and a description of the allowed values.
type FieldViolation struct {
	Field       string
	Description string
}

// InvalidRequestError means that the request is invalid. Violations lists its invalid fields, at most 20.
type InvalidRequestError struct {
	CallError
	Violations []FieldViolation
}

// PaymentNotFoundError means that the payment does not exist.
type PaymentNotFoundError struct{ CallError }

// PaymentFailedError means that the payment cannot be refunded because its charge failed: nothing was charged.
type PaymentFailedError struct{ CallError }

// PaymentPendingError means that the payment cannot be refunded yet, because the outcome of its charge is not known.
type PaymentPendingError struct{ CallError }

// PaymentArchivedError means that the payment is archived. An operator must unarchive it before it can be refunded.
type PaymentArchivedError struct{ CallError }

// RefundExceedsPaymentError means that the amount exceeds the amount not yet refunded, or that nothing is left to
// refund.
type RefundExceedsPaymentError struct{ CallError }

// PaymentDisputedError means that the payment cannot be refunded, because the payer disputes it, or got the money back
// by a dispute. [Payment.Dispute] has the details.
type PaymentDisputedError struct{ CallError }

// RequestIDReusedError means that an earlier call used the same request_id with different parameters.
type RequestIDReusedError struct{ CallError }

// OrderHasPendingPaymentError means that another payment of the order is pending, and that the charge was not made,
// because it had UnlessPending. PaymentID is the pending payment, or 0 if the service did not name it.
type OrderHasPendingPaymentError struct {
	CallError
	PaymentID int64
}

// ResumeTokenExpiredError means that events after the resume token have been archived, or that the database was
// restored to a time before it. Start without a token, and list the payments to find the missed changes.
type ResumeTokenExpiredError struct{ CallError }

// UnauthenticatedError means that the credentials are missing or invalid, for example an unknown, revoked or expired
// API key.
type UnauthenticatedError struct{ CallError }

// PermissionDeniedError means that the caller lacks the role that the message names.
type PermissionDeniedError struct{ CallError }

// OutcomeUnknownError means that the call failed without a response that says whether it took effect. errors.As also
// finds it in the four error types below.
//
// A charge or refund may have been made, by any of the attempts. Retry the call with the same RequestID to get the
// outcome; the charge or refund is made only once.
type OutcomeUnknownError struct{ CallError }

// UnavailableError means that the service, its database or its payment processor could not be reached before the call's
// deadline.
type UnavailableError struct{ OutcomeUnknownError }

// OverloadedError means that the service was overloaded, or the caller exceeded its limits, until the call's deadline.
type OverloadedError struct{ OutcomeUnknownError }

// DeadlineExceededError means that the call's deadline passed before the response arrived.
type DeadlineExceededError struct{ OutcomeUnknownError }

// InternalError means that the service had an internal error. Its log has the cause under CallID.
type InternalError struct{ OutcomeUnknownError }

// Unwrap returns the embedded error.
func (e *InvalidRequestError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *PaymentNotFoundError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *PaymentFailedError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *PaymentPendingError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *PaymentArchivedError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *RefundExceedsPaymentError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *PaymentDisputedError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *RequestIDReusedError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *OrderHasPendingPaymentError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *ResumeTokenExpiredError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *UnauthenticatedError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *PermissionDeniedError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *OutcomeUnknownError) Unwrap() error { return &e.CallError }

// Unwrap returns the embedded error.
func (e *UnavailableError) Unwrap() error { return &e.OutcomeUnknownError }

// Unwrap returns the embedded error.
func (e *OverloadedError) Unwrap() error { return &e.OutcomeUnknownError }

// Unwrap returns the embedded error.
func (e *DeadlineExceededError) Unwrap() error { return &e.OutcomeUnknownError }

// Unwrap returns the embedded error.
func (e *InternalError) Unwrap() error { return &e.OutcomeUnknownError }
