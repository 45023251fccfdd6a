package payments

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ArgumentError says that the client refused an argument before anything was sent.
type ArgumentError struct {
	// Argument is its name, as in "Amount".
	Argument string
	// Problem says what is wrong with it.
	Problem string
}

// Error names the argument, and says what is wrong with it.
func (e *ArgumentError) Error() string { return "payments: " + e.Argument + " " + e.Problem }

// CallError says that a call was not answered as asked. Every error of this package but [*ArgumentError] is one:
// errors.As finds it in each.
type CallError struct {
	// Message is what is wrong, for people.
	Message string
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is the contract's stable word for what happened ("PAYMENT_NOT_FOUND"); empty when the service gave none.
	Reason string
	// RequestID is the idempotency key that the charge or refund was sent with; empty for calls that only read.
	RequestID string
	// CallID names the call in the service's log (the trailer x-request-id); empty when the service gave none.
	CallID string
	// RetryAfter is how long the service asked to wait before another attempt; zero when it did not.
	RetryAfter time.Duration

	// note is what happened after this error, where the call ended later.
	note string
	// status is as it came, with its details; nil in an error that no call made.
	status *status.Status
	// causes are the error of gRPC or an interceptor, and that of the context if it ended the call.
	causes []error
}

// Error has the message, the reason or else the code, and the call's name in the service's log.
func (e *CallError) Error() string {
	message, word, call := e.Message, e.Reason, ""
	if message == "" {
		message = e.Code.String()
	}
	if word == "" {
		word = e.Code.String()
	}
	if e.CallID != "" {
		call = ", call " + e.CallID
	}
	return fmt.Sprintf("payments: %s (%s%s)%s", message, word, call, e.note)
}

// GRPCStatus makes status.FromError and status.Code work.
func (e *CallError) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	return status.New(e.Code, e.Message)
}

// Unwrap gives the error of gRPC or an interceptor, and context.Canceled or context.DeadlineExceeded if that ended the
// call.
func (e *CallError) Unwrap() []error { return e.causes }

func (e *CallError) base() *CallError { return e }

// callFailure is any of the errors that have a CallError in them.
type callFailure interface {
	error
	base() *CallError
}

// FieldViolation is one thing wrong with a request: the path of the field in it ("amount.nanos"), and what is allowed
// there.
type FieldViolation struct {
	Field       string
	Description string
}

// InvalidRequestError says that the service refuses the request as it is; Violations has what is wrong with it, 20
// things at most.
type InvalidRequestError struct {
	CallError
	Violations []FieldViolation
}

// PaymentNotFoundError says that there is no such payment.
type PaymentNotFoundError struct{ CallError }

// PaymentFailedError says that the payment to refund had failed: nothing was charged.
type PaymentFailedError struct{ CallError }

// PaymentPendingError says that it is not known yet whether the payment to refund succeeds.
type PaymentPendingError struct{ CallError }

// PaymentArchivedError says that the payment to refund is so old that it was archived: an operator has to bring it back
// first.
type PaymentArchivedError struct{ CallError }

// RefundExceedsPaymentError says that more was asked back than what remains of the payment, or that nothing remains.
type RefundExceedsPaymentError struct{ CallError }

// RequestIDReusedError says that the same request_id came before with other parameters.
type RequestIDReusedError struct{ CallError }

// ResumeTokenExpiredError says that what came after the token of a watch is no longer kept, or that the token is of
// another database. Begin without one, and list the payments for what was missed.
type ResumeTokenExpiredError struct{ CallError }

// UnauthenticatedError says that it is not said who calls, or not in a way that is believed: a key is missing, unknown,
// revoked or expired.
type UnauthenticatedError struct{ CallError }

// PermissionDeniedError says that the caller does not have the role that the call needs, which the message names.
type PermissionDeniedError struct{ CallError }

// OutcomeUnknownError says that the call ended without an answer that tells whether it was done. errors.As finds it in
// the four errors below too.
//
// A charge or refund may have been done all the same, also by an attempt before the last: repeat it with the same
// RequestID to find out, and to have it done once.
type OutcomeUnknownError struct{ CallError }

// UnavailableError says that the service, its database or a processor elsewhere could not be reached until the call's
// deadline.
type UnavailableError struct{ OutcomeUnknownError }

// OverloadedError says that the service had more to do than it takes on at once, or of this caller at a time, until the
// call's deadline.
type OverloadedError struct{ OutcomeUnknownError }

// DeadlineExceededError says that the call's deadline passed before its answer came.
type DeadlineExceededError struct{ OutcomeUnknownError }

// InternalError says that the service failed; its log has the cause under CallID.
type InternalError struct{ OutcomeUnknownError }

// Unwrap gives the error that this is a kind of.
func (e *InvalidRequestError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *PaymentNotFoundError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *PaymentFailedError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *PaymentPendingError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *PaymentArchivedError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *RefundExceedsPaymentError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *RequestIDReusedError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *ResumeTokenExpiredError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *UnauthenticatedError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *PermissionDeniedError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *OutcomeUnknownError) Unwrap() error { return &e.CallError }

// Unwrap gives the error that this is a kind of.
func (e *UnavailableError) Unwrap() error { return &e.OutcomeUnknownError }

// Unwrap gives the error that this is a kind of.
func (e *OverloadedError) Unwrap() error { return &e.OutcomeUnknownError }

// Unwrap gives the error that this is a kind of.
func (e *DeadlineExceededError) Unwrap() error { return &e.OutcomeUnknownError }

// Unwrap gives the error that this is a kind of.
func (e *InternalError) Unwrap() error { return &e.OutcomeUnknownError }
