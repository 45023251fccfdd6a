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

func TestACallEndsWithItsContextOrAfterItsTimeoutWhicheverIsSooner(t *testing.T) {
	service := serve(t, done)
	byDefault := connect(t, service.target)
	longer := connect(t, service.target, payments.WithTimeout(time.Hour))
	within := func(deadline time.Duration, client *payments.Client, options ...payments.CallOption) time.Duration {
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
		what      string
		remaining time.Duration
		at        time.Duration
	}{
		{"ten seconds by default", within(3*time.Hour, byDefault), 10 * time.Second},
		{"the client's timeout", within(3*time.Hour, longer), time.Hour},
		{"the call's timeout", within(3*time.Hour, byDefault, payments.WithTimeout(2*time.Hour)), 2 * time.Hour},
		{"the context's deadline", within(5*time.Second, longer, payments.WithTimeout(2*time.Hour)), 5 * time.Second},
	} {
		if check.remaining > check.at || check.remaining < check.at/2 {
			t.Errorf("%s: the service was told %v", check.what, check.remaining)
		}
	}
}

func TestAllAttemptsTogetherHaveOneDeadline(t *testing.T) {
	service := serve(t, fail(unavailable))
	began := time.Now()
	_, err := charge(t.Context(), connect(t, service.target, payments.WithTimeout(2*time.Second)))
	var reached *payments.UnavailableError
	if !errors.As(err, &reached) {
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

func TestADeadlineThatPassesIsADeadlineExceededErrorAndGosOwn(t *testing.T) {
	service := serve(t, hang)
	_, err := charge(t.Context(), connect(t, service.target, payments.WithTimeout(200*time.Millisecond)))
	var exceeded *payments.DeadlineExceededError
	var unknown *payments.OutcomeUnknownError
	if !errors.As(err, &exceeded) || !errors.As(err, &unknown) || unknown.RequestID == "" {
		t.Errorf("the error is %T: %v", err, err)
	}
	if !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("it is not Go's or gRPC's own: %v", err)
	}
}

func TestATimeoutThatIsNotMoreThanZeroIsRefused(t *testing.T) {
	service := serve(t, done)
	var refused *payments.ArgumentError
	for _, timeout := range []time.Duration{0, -time.Second} {
		_, err := payments.New(t.Context(), service.target, payments.WithTimeout(timeout))
		if !errors.As(err, &refused) {
			t.Errorf("New: %v", err)
		}
		_, err = charge(t.Context(), connect(t, service.target), payments.WithTimeout(timeout))
		if !errors.As(err, &refused) {
			t.Errorf("Charge: %v", err)
		}
	}
	if len(service.calls()) != 0 {
		t.Error("it was sent")
	}
}

func TestACallThatTheCallerCancelsIsNotTriedAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	service := serve(t, func(call context.Context, number int, request proto.Message) (proto.Message, error) {
		cancel()
		return hang(call, number, request)
	})
	_, err := charge(ctx, connect(t, service.target))
	assertCancelled(t, err)
	if calls := len(service.calls()); calls != 1 {
		t.Errorf("there were %d attempts", calls)
	}
}

func TestACallerCancelsTheWaitBeforeTheNextAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	service := serve(t, func(call context.Context, _ int, _ proto.Message) (proto.Message, error) {
		time.AfterFunc(100*time.Millisecond, cancel)
		return nil, failing(call, comeBackAfter(20*time.Second), never...)
	})
	began := time.Now()
	_, err := charge(ctx, connect(t, service.target, payments.WithTimeout(time.Minute)))
	assertCancelled(t, err)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNothingIsSentWhenTheContextIsDoneAlready(t *testing.T) {
	service := serve(t, done)
	client := connect(t, service.target)
	if _, err := charge(t.Context(), client); err != nil { // so that there is a connection
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

func assertCancelled(t *testing.T, err error) {
	t.Helper()
	var unknown *payments.OutcomeUnknownError
	if !errors.As(err, &unknown) || unknown.RequestID == "" {
		t.Errorf("the error is %T: %v", err, err)
	}
	if !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Errorf("it is not Go's or gRPC's own: %v", err)
	}
}

func TestClosingEndsTheCallsInProgressAndTheirWaits(t *testing.T) {
	for what, answer := range map[string]answer{
		"call": hang,
		"wait": fail(comeBackAfter(20*time.Second), never...),
	} {
		var began atomic.Bool
		service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
			began.Store(true)
			return answer(ctx, number, request)
		})
		client := connect(t, service.target, payments.WithTimeout(time.Minute))
		ended := make(chan error)
		go func() {
			_, err := charge(context.Background(), client)
			ended <- err
		}()
		for !began.Load() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond) // so that the answer is there, and the wait begun
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			var unknown *payments.OutcomeUnknownError
			if !errors.As(err, &unknown) || errors.Is(err, context.Canceled) {
				t.Errorf("the %s ended with %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the %s goes on", what)
		}
	}
}

func TestAClientIsClosedWhenItsContextIsDone(t *testing.T) {
	service := serve(t, hang)
	ctx, cancel := context.WithCancel(t.Context())
	client, err := payments.New(ctx, service.target, payments.WithTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	began := time.Now()
	for range 2 { // a call in progress, and one after it
		var unknown *payments.OutcomeUnknownError
		if _, err := charge(t.Context(), client); !errors.As(err, &unknown) || errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	}
	if time.Since(began) > 20*time.Second {
		t.Errorf("the client lasted %v", time.Since(began))
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestAClosedClientMakesNoCallsAndMayBeClosedAgain(t *testing.T) {
	service := serve(t, done)
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
