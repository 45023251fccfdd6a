package payments_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"payments.internal/payments"
)

func TestACallEndsWithItsContextOrAfterItsTimeoutWhicheverComesFirst(t *testing.T) {
	service := serve(t, succeed)
	withDefault := connect(t, service.target)
	withHour := connect(t, service.target, payments.WithTimeout(time.Hour))
	remaining := func(deadline time.Duration, client *payments.Client, options ...payments.CallOption) time.Duration {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		if _, err := charge(ctx, client, options...); err != nil {
			t.Fatal(err)
		}
		calls := service.calls()
		return calls[len(calls)-1].remaining
	}
	for _, check := range []struct {
		name      string
		remaining time.Duration
		expected  time.Duration
	}{
		{"ten seconds by default", remaining(3*time.Hour, withDefault), 10 * time.Second},
		{"the client's timeout", remaining(3*time.Hour, withHour), time.Hour},
		{"the call's timeout", remaining(3*time.Hour, withDefault, payments.WithTimeout(2*time.Hour)), 2 * time.Hour},
		{"the context's deadline", remaining(5*time.Second, withHour, payments.WithTimeout(2*time.Hour)), 5 * time.Second},
	} {
		if check.remaining > check.expected || check.remaining < check.expected/2 {
			t.Errorf("%s: the call reached the service with %v left", check.name, check.remaining)
		}
	}
}

func TestAllAttemptsShareOneDeadline(t *testing.T) {
	service := serve(t, fail(unavailable))
	began := time.Now()
	_, err := charge(t.Context(), connect(t, service.target, payments.WithTimeout(2*time.Second)))
	var unavailableError *payments.UnavailableError
	if !errors.As(err, &unavailableError) {
		t.Errorf("the error is %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	calls := service.calls()
	if first, last := calls[0].remaining, calls[len(calls)-1].remaining; len(calls) < 6 || last >= first {
		t.Errorf("%d attempts had %v at first and %v at last", len(calls), first, last)
	}
}

func TestAPassedDeadlineIsADeadlineExceededErrorAndContextDeadlineExceeded(t *testing.T) {
	service := serve(t, hang)
	_, err := charge(t.Context(), connect(t, service.target, payments.WithTimeout(200*time.Millisecond)))
	var exceeded *payments.DeadlineExceededError
	var unknown *payments.OutcomeUnknownError
	if !errors.As(err, &exceeded) || !errors.As(err, &unknown) || unknown.RequestID == "" {
		t.Errorf("the error is %T: %v", err, err)
	}
	if !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the error does not wrap the context's error or has another code: %v", err)
	}
}

func TestATimeoutMustBeMoreThanZero(t *testing.T) {
	service := serve(t, succeed)
	var argumentError *payments.ArgumentError
	for _, timeout := range []time.Duration{0, -time.Second} {
		_, err := payments.New(t.Context(), service.target, payments.WithTimeout(timeout))
		if !errors.As(err, &argumentError) {
			t.Errorf("New: %v", err)
		}
		_, err = charge(t.Context(), connect(t, service.target), payments.WithTimeout(timeout))
		if !errors.As(err, &argumentError) {
			t.Errorf("Charge: %v", err)
		}
	}
	if len(service.calls()) != 0 {
		t.Error("a call was sent")
	}
}

func TestACallThatTheCallerCancelsIsNotRetried(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	service := serve(t, func(call context.Context, number int, request proto.Message) (proto.Message, error) {
		cancel()
		return hang(call, number, request)
	})
	_, err := charge(ctx, connect(t, service.target))
	assertCanceled(t, err)
	if calls := len(service.calls()); calls != 1 {
		t.Errorf("there were %d attempts", calls)
	}
}

func TestCancelingEndsTheBackoffBeforeTheNextAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	service := serve(t, func(call context.Context, _ int, _ proto.Message) (proto.Message, error) {
		time.AfterFunc(100*time.Millisecond, cancel)
		return nil, errorWithTrailers(call, retryAfter(20*time.Second), noGRPCRetry...)
	})
	began := time.Now()
	_, err := charge(ctx, connect(t, service.target, payments.WithTimeout(time.Minute)))
	assertCanceled(t, err)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNothingIsSentIfTheContextIsAlreadyDone(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	if _, err := charge(t.Context(), client); err != nil { // so that a connection is open
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range everyCall {
		if err := call(ctx, client); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls := len(service.calls()); calls != 1 {
		t.Errorf("there were %d more calls", calls-1)
	}
}

func assertCanceled(t *testing.T, err error) {
	t.Helper()
	var unknown *payments.OutcomeUnknownError
	if !errors.As(err, &unknown) || unknown.RequestID == "" {
		t.Errorf("the error is %T: %v", err, err)
	}
	if !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Errorf("the error does not wrap the context's error or has another code: %v", err)
	}
}

func TestClosingEndsCallsInFlightAndBackoffs(t *testing.T) {
	for name, handle := range map[string]handler{
		"call":    hang,
		"backoff": fail(retryAfter(20*time.Second), noGRPCRetry...),
	} {
		var started atomic.Bool
		service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
			started.Store(true)
			return handle(ctx, number, request)
		})
		client := connect(t, service.target, payments.WithTimeout(time.Minute))
		ended := make(chan error)
		go func() {
			_, err := charge(context.Background(), client)
			ended <- err
		}()
		for !started.Load() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond) // so that the response has arrived and the backoff has started
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			var unknown *payments.OutcomeUnknownError
			if !errors.As(err, &unknown) || errors.Is(err, context.Canceled) {
				t.Errorf("the %s ended with %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the %s did not end", name)
		}
	}
}

func TestAClientClosesWhenItsContextIsDone(t *testing.T) {
	service := serve(t, hang)
	ctx, cancel := context.WithCancel(t.Context())
	client, err := payments.New(ctx, service.target, payments.WithTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	began := time.Now()
	for range 2 { // a call in flight, and a later one
		var unknown *payments.OutcomeUnknownError
		if _, err := charge(t.Context(), client); !errors.As(err, &unknown) || errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	}
	if time.Since(began) > 20*time.Second {
		t.Errorf("the calls took %v", time.Since(began))
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestAClosedClientMakesNoCallsAndCanBeClosedAgain(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	for range 2 {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	began := time.Now()
	if _, err := charge(t.Context(), client); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
