package payments_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"payments.internal/payments"
)

// failure returns the client's error when the service fails a charge with err.
func failure(t *testing.T, err error, trailers ...string) error {
	t.Helper()
	service := serve(t, fail(err, append(trailers, noGRPCRetry...)...))
	_, chargeErr := charge(t.Context(), connect(t, service.target, payments.WithTimeout(500*time.Millisecond)))
	return chargeErr
}

func reasonError(code codes.Code, domain, reason string) error {
	return statusError(code, "no", &errdetails.ErrorInfo{Domain: domain, Reason: reason})
}

func TestEachReasonOfTheContractHasAType(t *testing.T) {
	for reason, expected := range map[string]error{
		"INVALID_REQUEST":           &payments.InvalidRequestError{},
		"PAYMENT_NOT_FOUND":         &payments.PaymentNotFoundError{},
		"PAYMENT_FAILED":            &payments.PaymentFailedError{},
		"PAYMENT_PENDING":           &payments.PaymentPendingError{},
		"PAYMENT_ARCHIVED":          &payments.PaymentArchivedError{},
		"REFUND_EXCEEDS_PAYMENT":    &payments.RefundExceedsPaymentError{},
		"PAYMENT_DISPUTED":          &payments.PaymentDisputedError{},
		"REQUEST_ID_REUSED":         &payments.RequestIDReusedError{},
		"ORDER_HAS_PENDING_PAYMENT": &payments.OrderHasPendingPaymentError{},
		"RESUME_TOKEN_EXPIRED":      &payments.ResumeTokenExpiredError{},
		"STORE_UNAVAILABLE":         &payments.UnavailableError{},
		"PROCESSOR_UNAVAILABLE":     &payments.UnavailableError{},
		"SHUTTING_DOWN":             &payments.UnavailableError{},
		"READER_TOO_SLOW":           &payments.UnavailableError{},
		"CREDENTIALS_MISSING":       &payments.UnauthenticatedError{},
		"API_KEY_INVALID":           &payments.UnauthenticatedError{},
		"CERTIFICATE_INVALID":       &payments.UnauthenticatedError{},
		"ROLE_MISSING":              &payments.PermissionDeniedError{},
		"ORIGIN_NOT_ALLOWED":        &payments.PermissionDeniedError{},
		"OVERLOADED":                &payments.OverloadedError{},
		"RATE_LIMITED":              &payments.OverloadedError{},
		"TOO_MANY_WATCHES":          &payments.OverloadedError{},
		"CALL_TOO_LONG":             &payments.DeadlineExceededError{},
		"DEADLINE_EXCEEDED":         &payments.DeadlineExceededError{},
		"INTERNAL":                  &payments.InternalError{},
	} {
		assertType(t, reason, failure(t, reasonError(codes.FailedPrecondition, "payments", reason)), expected)
	}
}

func TestAnErrorWithoutAKnownReasonHasTheTypeOfItsCode(t *testing.T) {
	for code, expected := range map[codes.Code]error{
		codes.InvalidArgument:   &payments.InvalidRequestError{},
		codes.Unavailable:       &payments.UnavailableError{},
		codes.DeadlineExceeded:  &payments.DeadlineExceededError{},
		codes.Internal:          &payments.InternalError{},
		codes.Canceled:          &payments.OutcomeUnknownError{},
		codes.Unknown:           &payments.OutcomeUnknownError{},
		codes.NotFound:          &payments.CallError{},
		codes.Unauthenticated:   &payments.UnauthenticatedError{},
		codes.PermissionDenied:  &payments.PermissionDeniedError{},
		codes.ResourceExhausted: &payments.CallError{},
	} {
		assertType(t, code.String(), failure(t, status.Error(code, "no")), expected)
		assertType(t, code.String(), failure(t, reasonError(code, "payments", "A_NEWER_REASON")), expected)
		assertType(t, code.String(), failure(t, reasonError(code, "proxy.example", "PAYMENT_NOT_FOUND")), expected)
	}
}

func assertType(t *testing.T, name string, err, expected error) {
	t.Helper()
	if reflect.TypeOf(err) != reflect.TypeOf(expected) {
		t.Errorf("%s is %T, not %T", name, err, expected)
	}
	var callError *payments.CallError
	if !errors.As(err, &callError) || callError.Message != "no" {
		t.Errorf("%s is not a CallError with the service's message: %v", name, err)
	}
}

func TestErrorsAsFindsAnOutcomeUnknownErrorInItsFourSpecificTypes(t *testing.T) {
	var unknown *payments.OutcomeUnknownError
	for _, err := range []error{
		&payments.OutcomeUnknownError{}, &payments.UnavailableError{}, &payments.OverloadedError{},
		&payments.DeadlineExceededError{}, &payments.InternalError{},
	} {
		if !errors.As(fmt.Errorf("wrapped: %w", err), &unknown) {
			t.Errorf("%T is not an OutcomeUnknownError", err)
		}
	}
	for _, err := range []error{
		&payments.CallError{}, &payments.InvalidRequestError{}, &payments.PaymentNotFoundError{},
		&payments.PaymentFailedError{}, &payments.PaymentPendingError{}, &payments.PaymentArchivedError{},
		&payments.RefundExceedsPaymentError{},
		&payments.RequestIDReusedError{}, &payments.OrderHasPendingPaymentError{}, &payments.ResumeTokenExpiredError{},
		&payments.ArgumentError{},
	} {
		if errors.As(err, &unknown) {
			t.Errorf("%T is an OutcomeUnknownError", err)
		}
	}
}

func TestAnErrorHasAllDetailsOfTheService(t *testing.T) {
	err := failure(t, statusError(codes.InvalidArgument, "amount: must be more than zero",
		&errdetails.ErrorInfo{Domain: "payments", Reason: "INVALID_REQUEST"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "amount", Description: "must be more than zero"},
			{Field: "order_id", Description: "must be 1 or more"},
		}},
	), "x-request-id", "0143f7aa")
	var invalid *payments.InvalidRequestError
	if !errors.As(err, &invalid) {
		t.Fatalf("the error is %T: %v", err, err)
	}
	if invalid.Code != codes.InvalidArgument || invalid.Reason != "INVALID_REQUEST" || invalid.CallID != "0143f7aa" ||
		invalid.RetryAfter != 1500*time.Millisecond || invalid.RequestID == "" {
		t.Errorf("the error has %+v", invalid.CallError)
	}
	if !slices.Equal(invalid.Violations, []payments.FieldViolation{
		{Field: "amount", Description: "must be more than zero"}, {Field: "order_id", Description: "must be 1 or more"},
	}) {
		t.Errorf("the violations are %v", invalid.Violations)
	}
	if text := "payments: amount: must be more than zero (INVALID_REQUEST, call 0143f7aa)"; err.Error() != text {
		t.Errorf("the message is %q", err)
	}
}

func TestTheErrorOfAnOrderWithAPendingPaymentNamesThatPaymentAndIsNotRetried(t *testing.T) {
	for text, expected := range map[string]int64{"9007199254740993": 9_007_199_254_740_993, "": 0, "seven": 0} {
		service := serve(t, fail(statusError(codes.FailedPrecondition, "no", &errdetails.ErrorInfo{
			Domain: "payments", Reason: "ORDER_HAS_PENDING_PAYMENT", Metadata: map[string]string{"payment_id": text},
		})))
		_, err := charge(t.Context(), connect(t, service.target))
		var pending *payments.OrderHasPendingPaymentError
		if !errors.As(err, &pending) || pending.PaymentID != expected || pending.RequestID == "" {
			t.Errorf("with the payment_id %q, the error is %+v", text, err)
		}
		if calls := len(service.calls()); calls != 1 {
			t.Errorf("there were %d attempts", calls)
		}
	}
}

func TestAnErrorIsAlsoAGRPCStatus(t *testing.T) {
	err := failure(t, reasonError(codes.NotFound, "payments", "PAYMENT_NOT_FOUND"))
	if status.Code(err) != codes.NotFound || status.Code(fmt.Errorf("wrapped: %w", err)) != codes.NotFound {
		t.Errorf("its code is %v", status.Code(err))
	}
	if carried, ok := status.FromError(err); !ok || carried.Message() != "no" || len(carried.Details()) != 1 {
		t.Errorf("its status is %v", carried)
	}
	created := &payments.PaymentNotFoundError{
		CallError: payments.CallError{Message: "created in a test", Code: codes.NotFound},
	}
	carried, ok := status.FromError(created)
	if !ok || carried.Code() != codes.NotFound || carried.Message() != created.Message {
		t.Errorf("the status of an error created in a test is %v", carried)
	}
}

func TestTheMessageOfAnErrorWithoutOneIsItsCode(t *testing.T) {
	if err := failure(t, status.Error(codes.NotFound, "")); err.Error() != "payments: NotFound (NotFound)" {
		t.Errorf("the message is %q", err)
	}
}

func TestTheErrorOfAReadOnlyCallHasNoRequestID(t *testing.T) {
	service := serve(t, fail(status.Error(codes.NotFound, "no")))
	_, err := connect(t, service.target).GetPayment(t.Context(), 1)
	var callError *payments.CallError
	if !errors.As(err, &callError) || callError.RequestID != "" || callError.CallID != "" || callError.RetryAfter != 0 {
		t.Errorf("the error has %+v", callError)
	}
}

func TestMalformedDetailsDoNotHideTheErrorOrOtherDetails(t *testing.T) {
	err := failure(t, status.Error(codes.NotFound, "no"), "grpc-status-details-bin", "\xff\xff\xff")
	assertType(t, "a malformed trailer", err, &payments.CallError{})
	if status.Code(err) != codes.NotFound {
		t.Errorf("its code is %v", status.Code(err))
	}

	partlyMalformed := status.New(codes.NotFound, "no").Proto()
	wellFormed, err := anypb.New(&errdetails.ErrorInfo{Domain: "payments", Reason: "PAYMENT_NOT_FOUND"})
	if err != nil {
		t.Fatal(err)
	}
	partlyMalformed.Details = []*anypb.Any{
		{TypeUrl: "type.googleapis.com/google.rpc.ErrorInfo", Value: []byte("\xff\xff")},
		{TypeUrl: "type.googleapis.com/of.a.newer.Service", Value: []byte("\x08\x01")},
		wellFormed,
	}
	assertType(t, "a malformed detail", failure(t, status.ErrorProto(partlyMalformed)), &payments.PaymentNotFoundError{})
}

func TestANegativeRetryDelayIsZero(t *testing.T) {
	var unavailable *payments.UnavailableError
	err := failure(t, retryAfter(-time.Hour))
	if !errors.As(err, &unavailable) || unavailable.RetryAfter != 0 {
		t.Errorf("the error has %+v", unavailable)
	}
}

func TestTheErrorOfACallWrapsAnInterceptorsError(t *testing.T) {
	open := errors.New("the circuit is open")
	for cause, code := range map[error]codes.Code{open: codes.Unknown, context.DeadlineExceeded: codes.DeadlineExceeded} {
		service := serve(t, succeed)
		client := connect(t, service.target, payments.WithUnaryInterceptors(func(
			context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption,
		) error {
			return cause
		}))
		_, err := charge(t.Context(), client)
		var unknown *payments.OutcomeUnknownError
		if !errors.Is(err, cause) || !errors.As(err, &unknown) || status.Code(err) != code {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAnInterceptorThatCancelsAnAttemptDoesNotCancelTheCall(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 1 {
			return nil, errorWithTrailers(ctx, unavailable, noGRPCRetry...)
		}
		return hang(ctx, number, request)
	})
	client := connect(t, service.target, payments.WithUnaryInterceptors(func(
		ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(300*time.Millisecond, cancel)
		return invoke(ctx, method, request, reply, conn, options...)
	}), payments.WithTimeout(2*time.Second))
	if _, err := charge(t.Context(), client); errors.Is(err, context.Canceled) {
		t.Errorf("the caller did not cancel: %v", err)
	}
	if calls := len(service.calls()); calls < 3 {
		t.Errorf("there were %d attempts", calls)
	}
}
