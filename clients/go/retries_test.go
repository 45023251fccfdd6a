package payments_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

var (
	unavailable = status.Error(codes.Unavailable, "the database cannot be reached")
	overloaded  = statusError(codes.ResourceExhausted, "too many calls",
		&errdetails.ErrorInfo{Domain: "payments", Reason: "OVERLOADED"})
)

func retryAfter(delay time.Duration) error {
	return statusError(codes.Unavailable, "try again later", &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
}

func TestAChargeKeepsItsGeneratedRequestIDOverAllAttempts(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, failures := range []int{3, 12} { // fewer and more than gRPC's own retries
		service := serve(t, failFirst(failures, unavailable, retrySoon...))
		if _, err := charge(t.Context(), connect(t, service.target)); err != nil {
			t.Fatal(err)
		}
		calls := service.calls()
		if len(calls) != failures+1 {
			t.Errorf("there were %d attempts, not %d", len(calls), failures+1)
		}
		id := calls[0].request.(*paymentsv1.ChargeRequest).GetRequestId()
		if !uuid.MatchString(id) || seen[id] {
			t.Errorf("request_id %q is not a new UUID", id)
		}
		seen[id] = true
		for _, call := range calls {
			if retried := call.request.(*paymentsv1.ChargeRequest).GetRequestId(); retried != id {
				t.Errorf("request_id changed from %q to %q", id, retried)
			}
		}
	}
}

func TestTheCallersRequestIDIsSentUnchanged(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	for _, id := range []string{"order-342", ""} {
		if _, err := client.Charge(t.Context(), payments.ChargeParams{RequestID: &id}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Refund(t.Context(), payments.RefundParams{RequestID: &id}); err != nil {
			t.Fatal(err)
		}
		calls := service.calls()
		charged := calls[len(calls)-2].request.(*paymentsv1.ChargeRequest)
		refunded := calls[len(calls)-1].request.(*paymentsv1.RefundRequest)
		if charged.RequestId == nil || *charged.RequestId != id || refunded.RequestId == nil || *refunded.RequestId != id {
			t.Errorf("%q was sent as %v and %v", id, charged.RequestId, refunded.RequestId)
		}
	}
}

func TestEachRefundWithoutARequestIDGetsANewOne(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	for range 2 {
		if _, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 1}); err != nil {
			t.Fatal(err)
		}
	}
	calls := service.calls()
	first, second := calls[0].request.(*paymentsv1.RefundRequest), calls[1].request.(*paymentsv1.RefundRequest)
	if first.GetRequestId() == "" || first.GetRequestId() == second.GetRequestId() {
		t.Errorf("the request_ids were %q and %q", first.GetRequestId(), second.GetRequestId())
	}
}

func TestEveryCallIsRetried(t *testing.T) {
	for name, call := range everyCall {
		for err, failures := range map[error]int{
			unavailable: 7, overloaded: 7, // more than gRPC's own retries
			status.Error(codes.Canceled, "the server is shutting down"): 2,
		} {
			service := serve(t, failFirst(failures, err, retrySoon...))
			if err := call(t.Context(), connect(t, service.target)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if calls := len(service.calls()); calls != failures+1 {
				t.Errorf("%s: %d attempts after %v, expected: %d", name, calls, err, failures+1)
			}
		}
	}
}

func TestErrorsThatAreNotRetryableAreNotRetried(t *testing.T) {
	for _, code := range []codes.Code{
		codes.Unknown, codes.InvalidArgument, codes.DeadlineExceeded, codes.NotFound, codes.AlreadyExists,
		codes.PermissionDenied, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange, codes.Unimplemented,
		codes.Internal, codes.DataLoss, codes.Unauthenticated,
	} {
		service := serve(t, fail(status.Error(code, "no")))
		if _, err := charge(t.Context(), connect(t, service.target)); status.Code(err) != code {
			t.Errorf("%s was returned as %v", code, err)
		}
		if calls := len(service.calls()); calls != 1 {
			t.Errorf("%s: %d attempts", code, calls)
		}
	}
}

func TestGRPCItselfRetriesAsTheServiceConfigSays(t *testing.T) {
	var config struct {
		MethodConfig []struct {
			RetryPolicy struct{ MaxAttempts int }
		}
	}
	content, err := os.ReadFile("service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	// Without the service's reason, only gRPC itself retries RESOURCE_EXHAUSTED.
	service := serve(t, fail(status.Error(codes.ResourceExhausted, "a message is too large")))
	_, err = charge(t.Context(), connect(t, service.target))
	var callError *payments.CallError
	if !errors.As(err, &callError) || callError.Message != "a message is too large" {
		t.Errorf("the error is %v", err)
	}
	if calls := len(service.calls()); calls != config.MethodConfig[0].RetryPolicy.MaxAttempts || calls < 2 {
		t.Errorf("there were %d attempts", calls)
	}
}

func TestGRPCRetriesAfterThePushbackOfTheService(t *testing.T) {
	service := serve(t, failFirst(1, unavailable, "grpc-retry-pushback-ms", "400"))
	if _, err := charge(t.Context(), connect(t, service.target)); err != nil {
		t.Fatal(err)
	}
	assertPause(t, service, 400*time.Millisecond)
}

func TestTheClientRetriesAfterTheServicesRetryDelay(t *testing.T) {
	service := serve(t, failFirst(1, retryAfter(400*time.Millisecond), noGRPCRetry...))
	if _, err := charge(t.Context(), connect(t, service.target)); err != nil {
		t.Fatal(err)
	}
	assertPause(t, service, 400*time.Millisecond)
}

// assertPause asserts that the second attempt came at least minimum after the first.
func assertPause(t *testing.T, service *service, minimum time.Duration) {
	t.Helper()
	calls := service.calls()
	if len(calls) != 2 {
		t.Fatalf("there were %d attempts", len(calls))
	}
	if pause := calls[1].at.Sub(calls[0].at); pause < minimum {
		t.Errorf("the second attempt came after %v, expected: at least %v", pause, minimum)
	}
}

func TestThereIsNoRetryIfItsDelayWouldPassTheDeadline(t *testing.T) {
	for _, delay := range []time.Duration{time.Hour, 1<<63 - 1} {
		service := serve(t, fail(retryAfter(delay), noGRPCRetry...))
		began := time.Now()
		_, err := charge(t.Context(), connect(t, service.target, payments.WithTimeout(30*time.Second)))
		var unavailable *payments.UnavailableError
		if !errors.As(err, &unavailable) || unavailable.RetryAfter < time.Hour {
			t.Errorf("the error is %v", err)
		}
		if time.Since(began) > 15*time.Second || len(service.calls()) != 1 {
			t.Errorf("%d attempts took %v", len(service.calls()), time.Since(began))
		}
	}
}

func TestIfTheDeadlinePassesDuringARetryThePreviousErrorIsReturned(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 1 {
			return nil, errorWithTrailers(ctx, unavailable, noGRPCRetry...)
		}
		return hang(ctx, number, request)
	})
	_, err := charge(t.Context(), connect(t, service.target, payments.WithTimeout(time.Second)))
	var unavailableError *payments.UnavailableError
	if !errors.As(err, &unavailableError) || status.Code(err) != codes.Unavailable ||
		unavailableError.Message != "the database cannot be reached" {
		t.Errorf("the error is %v", err)
	}
	if !errors.Is(err, context.DeadlineExceeded) ||
		!strings.HasSuffix(err.Error(), "; the deadline passed during the next attempt") {
		t.Errorf("the error does not mention the deadline: %v", err)
	}
}

func TestACallSucceedsAfterTheServiceRestarts(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target, payments.WithTimeout(time.Minute))
	if _, err := charge(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	service.server.Stop()
	time.AfterFunc(3*time.Second, func() { serveAt(t, service.target, succeed) }) // longer than gRPC itself retries
	if _, err := charge(t.Context(), client); err != nil {
		t.Error(err)
	}
}

// everyCall makes each call of the client, with arbitrary parameters.
var everyCall = map[string]func(context.Context, *payments.Client) error{
	"Charge": func(ctx context.Context, client *payments.Client) error {
		_, err := charge(ctx, client)
		return err
	},
	"BatchCharge": func(ctx context.Context, client *payments.Client) error {
		_, err := client.BatchCharge(ctx, nil)
		return err
	},
	"Refund": func(ctx context.Context, client *payments.Client) error {
		_, err := client.Refund(ctx, payments.RefundParams{PaymentID: 1})
		return err
	},
	"GetPayment": func(ctx context.Context, client *payments.Client) error {
		_, err := client.GetPayment(ctx, 1)
		return err
	},
	"GetPaymentByReference": func(ctx context.Context, client *payments.Client) error {
		_, err := client.GetPaymentByReference(ctx, "ECI20251124-1")
		return err
	},
	"ListRefunds": func(ctx context.Context, client *payments.Client) error {
		for _, err := range client.ListRefunds(ctx, payments.ListRefundsParams{PaymentID: 1}) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"ListRefundsPage": func(ctx context.Context, client *payments.Client) error {
		_, err := client.ListRefundsPage(ctx, payments.ListRefundsParams{PaymentID: 1})
		return err
	},
	"ListPayments": func(ctx context.Context, client *payments.Client) error {
		for _, err := range client.ListPayments(ctx, payments.ListParams{}) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"ListPaymentsPage": func(ctx context.Context, client *payments.Client) error {
		_, err := client.ListPaymentsPage(ctx, payments.ListParams{}, payments.PageParams{})
		return err
	},
	"ListPaymentEvents": func(ctx context.Context, client *payments.Client) error {
		for _, err := range client.ListPaymentEvents(ctx, payments.ListPaymentEventsParams{PaymentID: 1}) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"ListPaymentEventsPage": func(ctx context.Context, client *payments.Client) error {
		_, err := client.ListPaymentEventsPage(ctx, payments.ListPaymentEventsParams{PaymentID: 1})
		return err
	},
}
