package payments_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// streamHandler sends the responses of a stream. The number of the first stream is 1. The stream ends when it returns.
type streamHandler func(number int, stream stream) error

type stream = grpc.ServerStreamingServer[paymentsv1.WatchPaymentsResponse]

// WatchPayments records the stream and runs the test's handler.
func (s *service) WatchPayments(request *paymentsv1.WatchPaymentsRequest, stream stream) error {
	return s.stream(s.receive(stream.Context(), request), stream)
}

// serveWatches starts a service that supports only WatchPayments.
func serveWatches(t *testing.T, handle streamHandler) *service {
	t.Helper()
	return serveWatchesAt(t, "127.0.0.1:0", handle)
}

func serveWatchesAt(t *testing.T, address string, handle streamHandler) *service {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, succeed, handle)
}

// sendEvents sends one event for each token. The token is also the payment's id.
func sendEvents(stream stream, tokens ...string) error {
	for _, token := range tokens {
		id, _ := strconv.ParseInt(token, 10, 64)
		event := &paymentsv1.PaymentEvent{Payment: &paymentsv1.Payment{PaymentId: id}}
		if err := stream.Send(&paymentsv1.WatchPaymentsResponse{Event: event, ResumeToken: token}); err != nil {
			return err
		}
	}
	return nil
}

// sendToken sends a token without an event.
func sendToken(stream stream, token string) error {
	return stream.Send(&paymentsv1.WatchPaymentsResponse{ResumeToken: token})
}

// waitForClient waits until the client ends the stream.
func waitForClient(stream stream) error {
	<-stream.Context().Done()
	return status.FromContextError(stream.Context().Err()).Err()
}

// endWith sends one event and ends the stream with err, and sends another event on the next stream.
func endWith(err error, trailers ...string) streamHandler {
	return func(number int, stream stream) error {
		if number > 1 {
			return errors.Join(sendEvents(stream, "2"), waitForClient(stream))
		}
		stream.SetTrailer(metadata.Pairs(trailers...))
		if sendErr := sendEvents(stream, "1"); sendErr != nil {
			return sendErr
		}
		return err
	}
}

// take returns the tokens of the first count updates, or the error that came before.
func take(updates iter.Seq2[*payments.PaymentUpdate, error], count int) ([]string, error) {
	var tokens []string
	for update, err := range updates {
		if err != nil {
			return tokens, err
		}
		if tokens = append(tokens, update.ResumeToken); len(tokens) == count {
			break
		}
	}
	return tokens, nil
}

// requestedTokens returns the resume tokens of all requested streams.
func (s *service) requestedTokens() []string {
	var tokens []string
	for _, call := range s.calls() {
		tokens = append(tokens, call.request.(*paymentsv1.WatchPaymentsRequest).GetResumeToken())
	}
	return tokens
}

func watch(t *testing.T, target string, options ...payments.CallOption) iter.Seq2[*payments.PaymentUpdate, error] {
	t.Helper()
	return connect(t, target).WatchPayments(t.Context(), payments.WatchParams{}, options...)
}

// waitFor fails the test with the message if the signal does not come. The timeout allows for a very busy machine.
func waitFor(t *testing.T, signal <-chan struct{}, message string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(30 * time.Second):
		t.Fatal(message)
	}
}

func TestAWatchConvertsEventsToGoTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 15, 55, 362_775_000, time.UTC)
	sent := []*paymentsv1.WatchPaymentsResponse{
		{ResumeToken: "start"},
		{
			ResumeToken: "refunded",
			Event: &paymentsv1.PaymentEvent{
				Type:      paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUNDED,
				EventTime: timestamppb.New(at),
				Payment: &paymentsv1.Payment{
					PaymentId: 7, Amount: &money.Money{CurrencyCode: "INR", Units: 561},
					RefundState: paymentsv1.RefundState_REFUND_STATE_PARTIAL,
				},
				Refund:    &paymentsv1.Refund{RefundId: 19, PaymentId: 7, Amount: &money.Money{CurrencyCode: "INR", Units: 61}},
				Caller:    "shop",
				RequestId: "refund-1",
			},
		},
		{
			ResumeToken: "imported",
			Event: &paymentsv1.PaymentEvent{
				Type:    paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_IMPORTED,
				Payment: &paymentsv1.Payment{PaymentId: 8},
			},
		},
	}
	service := serveWatches(t, func(_ int, stream stream) error {
		for _, response := range sent {
			if err := stream.Send(response); err != nil {
				return err
			}
		}
		return waitForClient(stream)
	})
	var updates []*payments.PaymentUpdate
	for update, err := range watch(t, service.target) {
		if err != nil {
			t.Fatal(err)
		}
		if updates = append(updates, update); len(updates) == len(sent) {
			break
		}
	}
	assertEqual(t, "the first update", updates[0], &payments.PaymentUpdate{ResumeToken: "start"})
	assertEqual(t, "the second token", updates[1].ResumeToken, "refunded")
	assertEqual(t, "the second event", updates[1].Event, &payments.PaymentEvent{
		Type: payments.EventRefunded, EventTime: at,
		Payment: &payments.Payment{
			PaymentID: 7, Amount: amount("561.00"), Currency: "INR", Method: payments.MethodUnknown,
			Status: payments.StatusUnknown, RefundState: payments.RefundStatePartial,
		},
		Refund: &payments.Refund{
			RefundID: 19, PaymentID: 7, Amount: amount("61.00"), Currency: "INR", Status: payments.RefundStatusUnknown,
		},
		Caller: "shop", RequestID: "refund-1",
	})
	imported := updates[2].Event
	if imported.Type != payments.EventImported || imported.Refund != nil || !imported.EventTime.IsZero() {
		t.Errorf("the event of the imported payment is %+v", imported)
	}
}

func TestEveryEventTypeIsReceivedAsItsNameAndANewerOneIsUnknown(t *testing.T) {
	numbers := []int32{99, -1}
	for number := range paymentsv1.PaymentEventType_name {
		numbers = append(numbers, number)
	}
	service := serveWatches(t, func(_ int, stream stream) error {
		for _, number := range numbers {
			event := &paymentsv1.PaymentEvent{Type: paymentsv1.PaymentEventType(number)}
			if err := stream.Send(&paymentsv1.WatchPaymentsResponse{Event: event}); err != nil {
				return err
			}
		}
		return waitForClient(stream)
	})
	index := 0
	for update, err := range watch(t, service.target) {
		if err != nil {
			t.Fatal(err)
		}
		expected := payments.EventUnknown
		if name, ok := paymentsv1.PaymentEventType_name[numbers[index]]; ok && numbers[index] != 0 {
			expected = payments.PaymentEventType(strings.TrimPrefix(name, "PAYMENT_EVENT_TYPE_"))
		}
		assertEqual(t, "the type", update.Event.Type, expected)
		if index++; index == len(numbers) {
			break
		}
	}
}

func TestAWatchResumesAfterTheLastTokenWhenItsConnectionIsLost(t *testing.T) {
	for name, handle := range map[string]streamHandler{
		"no error":          endWith(nil),
		"UNAVAILABLE":       endWith(unavailable, "x-request-id", "0143f7aa"),
		"CANCELLED":         endWith(status.Error(codes.Canceled, "the server is shutting down")),
		"OVERLOADED":        endWith(overloaded),
		"RATE_LIMITED":      endWith(reasonError(codes.ResourceExhausted, "payments", "RATE_LIMITED")),
		"TOO_MANY_WATCHES":  endWith(reasonError(codes.ResourceExhausted, "payments", "TOO_MANY_WATCHES")),
		"INTERNAL":          endWith(status.Error(codes.Internal, "from a library")),
		"UNKNOWN":           endWith(status.Error(codes.Unknown, "from a library")),
		"DEADLINE_EXCEEDED": endWith(status.Error(codes.DeadlineExceeded, "from a proxy")),
	} {
		service := serveWatches(t, handle)
		params := payments.WatchParams{ResumeToken: "0"}
		tokens, err := take(connect(t, service.target).WatchPayments(t.Context(), params), 2)
		if err != nil || !slices.Equal(tokens, []string{"1", "2"}) {
			t.Errorf("%s: %v, and then %v", name, tokens, err)
		}
		if requested := service.requestedTokens(); !slices.Equal(requested, []string{"0", "1"}) {
			t.Errorf("%s: the streams were requested with the tokens %q", name, requested)
		}
	}
}

func TestAWatchResumesAfterTheServiceRestarts(t *testing.T) {
	received := make(chan struct{})
	first := serveWatches(t, func(_ int, stream stream) error {
		return errors.Join(sendEvents(stream, "1"), waitForClient(stream))
	})
	go func() {
		<-received
		first.server.Stop()
		time.Sleep(time.Second) // while nothing listens at the address
		serveWatchesAt(t, first.target, func(_ int, stream stream) error {
			return errors.Join(sendEvents(stream, "2"), waitForClient(stream))
		})
	}()
	var tokens []string
	for update, err := range watch(t, first.target) {
		if err != nil {
			t.Fatal(err)
		}
		if tokens = append(tokens, update.ResumeToken); len(tokens) == 2 {
			break
		}
		close(received)
	}
	assertEqual(t, "the tokens", tokens, []string{"1", "2"})
}

func TestAWatchResumesAfterAConnectionBreaksInTheMiddleOfAMessage(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number == 1 {
			long := &paymentsv1.PaymentEvent{Caller: strings.Repeat("x", breakAfterBytes)}
			first := &paymentsv1.WatchPaymentsResponse{ResumeToken: "1"}
			second := &paymentsv1.WatchPaymentsResponse{ResumeToken: "cut", Event: long}
			return errors.Join(stream.Send(first), stream.Send(second), waitForClient(stream))
		}
		return errors.Join(sendEvents(stream, "2"), waitForClient(stream))
	})
	tokens, err := take(watch(t, breakingProxy(t, service.target)), 2)
	if err != nil || !slices.Equal(tokens, []string{"1", "2"}) {
		t.Errorf("%v, and then %v", tokens, err)
	}
	assertEqual(t, "the requested tokens", service.requestedTokens(), []string{"", "1"})
}

const breakAfterBytes = 20_000

// breakingProxy returns the address of a proxy that closes its first connection after breakAfterBytes from the service.
func breakingProxy(t *testing.T, target string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for limit := int64(breakAfterBytes); ; limit = math.MaxInt64 {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client) }()
			go func() {
				_, _ = io.CopyN(client, server, limit)
				_, _ = client.Close(), server.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func TestAWatchThatCannotStartIsRetriedWithTheSameToken(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number <= 3 {
			return unavailable
		}
		return errors.Join(sendToken(stream, "8"), waitForClient(stream))
	})
	params := payments.WatchParams{ResumeToken: "7"}
	tokens, err := take(connect(t, service.target).WatchPayments(t.Context(), params), 1)
	if err != nil || !slices.Equal(tokens, []string{"8"}) {
		t.Errorf("%v, and then %v", tokens, err)
	}
	assertEqual(t, "the requested tokens", service.requestedTokens(), []string{"7", "7", "7", "7"})
}

func TestEveryConditionOfAWatchIsSentAgainWhenItResumes(t *testing.T) {
	service := serveWatches(t, endWith(status.Error(codes.Unavailable, "restarting")))
	updates := connect(t, service.target).WatchPayments(t.Context(), payments.WatchParams{
		ResumeToken: "0", Caller: payments.Ptr("shop"), OrderID: payments.Ptr(int64(-1)),
		ExternalReference: payments.Ptr("ORD-1"), CustomerID: payments.Ptr("customer 7"),
		Types: []payments.PaymentEventType{payments.EventCharged, payments.EventForgotten},
	})
	if _, err := take(updates, 2); err != nil {
		t.Fatal(err)
	}
	calls := service.calls()
	if len(calls) != 2 {
		t.Fatalf("there were %d streams", len(calls))
	}
	for index, token := range []string{"0", "1"} {
		assertSame(t, calls[index].request, &paymentsv1.WatchPaymentsRequest{
			ResumeToken: token,
			Filter: &paymentsv1.PaymentEventFilter{
				Caller: payments.Ptr("shop"), OrderId: payments.Ptr(int64(-1)), ExternalReference: payments.Ptr("ORD-1"),
				CustomerId: payments.Ptr("customer 7"),
				Types: []paymentsv1.PaymentEventType{
					paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_CHARGED,
					paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_FORGOTTEN,
				},
			},
		})
	}
}

func TestAWatchAlsoResumesFromATokenWithoutAnEvent(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		return sendToken(stream, strconv.Itoa(number))
	})
	if _, err := take(watch(t, service.target), 3); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, "the requested tokens", service.requestedTokens(), []string{"", "1", "2"})
}

func TestAWatchThatCannotResumeEndsWithTheError(t *testing.T) {
	for name, check := range map[string]struct {
		handle   streamHandler
		expected error
	}{
		"an invalid token": {
			endWith(reasonError(codes.InvalidArgument, "payments", "INVALID_REQUEST")), &payments.InvalidRequestError{},
		},
		"an expired token": {
			endWith(reasonError(codes.FailedPrecondition, "payments", "RESUME_TOKEN_EXPIRED")),
			&payments.ResumeTokenExpiredError{},
		},
		"an expired API key": {
			endWith(reasonError(codes.Unauthenticated, "payments", "API_KEY_INVALID")), &payments.UnauthenticatedError{},
		},
		"a missing role": {
			endWith(reasonError(codes.PermissionDenied, "payments", "ROLE_MISSING")), &payments.PermissionDeniedError{},
		},
		"an internal error of the service": {
			endWith(reasonError(codes.Internal, "payments", "INTERNAL"), "x-request-id", "0143f7aa"),
			&payments.InternalError{},
		},
		"a time limit of the service": {
			endWith(reasonError(codes.DeadlineExceeded, "payments", "CALL_TOO_LONG"), "x-request-id", "0143f7aa"),
			&payments.DeadlineExceededError{},
		},
		"exhausted without a reason": {endWith(status.Error(codes.ResourceExhausted, "no")), &payments.CallError{}},
		"an older service":           {endWith(status.Error(codes.Unimplemented, "no")), &payments.CallError{}},
	} {
		service := serveWatches(t, check.handle)
		updates := 0
		var errs []error
		for update, err := range watch(t, service.target) {
			if err == nil {
				updates++
				continue
			}
			errs = append(errs, err)
			if update != nil {
				t.Errorf("%s: the error comes with an update: %v", name, update)
			}
		}
		if updates != 1 || len(errs) != 1 || len(service.calls()) != 1 {
			t.Fatalf("%s: %d updates and the errors %v on %d streams", name, updates, errs, len(service.calls()))
		}
		assertType(t, name, errs[0], check.expected)
	}
}

func TestAnErrorOfAStreamInterceptorEndsAWatch(t *testing.T) {
	open := errors.New("the circuit is open")
	service := serveWatches(t, func(_ int, stream stream) error { return waitForClient(stream) })
	client := connect(t, service.target, payments.WithStreamInterceptors(func(
		context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return nil, open
	}))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 1); !errors.Is(err, open) {
		t.Errorf("the error is %v", err)
	}
}

func TestStreamInterceptorsRunForEachStreamTheFirstOneOutermost(t *testing.T) {
	var seen []string
	recording := func(name string) grpc.StreamClientInterceptor {
		return func(
			ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
			options ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			seen = append(seen, name+" "+method)
			return open(ctx, desc, conn, method, options...)
		}
	}
	service := serveWatches(t, endWith(unavailable))
	client := connect(t, service.target,
		payments.WithStreamInterceptors(recording("first")), payments.WithStreamInterceptors(recording("second")))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 2); err != nil {
		t.Fatal(err)
	}
	method := " /payments.v1.PaymentService/WatchPayments"
	one := []string{"first" + method, "second" + method}
	assertEqual(t, "the recorded streams", seen, slices.Concat(one, one))
}

func TestTheAPIKeyIsSentWithEachStream(t *testing.T) {
	service := serveWatches(t, endWith(unavailable))
	client := connect(t, service.target, payments.WithAPIKey(apiKey))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 2); err != nil {
		t.Fatal(err)
	}
	for _, call := range service.calls() {
		assertEqual(t, "the key", call.metadata.Get("authorization"), []string{"Bearer " + apiKey})
	}
}

func TestNothingIsSentBeforeRangingAndRangingAgainStartsFromTheBeginning(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		return errors.Join(sendEvents(stream, strconv.Itoa(number)), waitForClient(stream))
	})
	updates := connect(t, service.target).WatchPayments(t.Context(), payments.WatchParams{ResumeToken: "0"})
	if len(service.calls()) != 0 {
		t.Error("a request was sent before the iteration")
	}
	for range 2 {
		if _, err := take(updates, 1); err != nil {
			t.Fatal(err)
		}
	}
	assertEqual(t, "the requested tokens", service.requestedTokens(), []string{"0", "0"})
}

func TestAWatchGivesUpWhenTheServiceStaysUnreachableForItsTimeout(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number == 1 {
			return sendEvents(stream, "1")
		}
		return unavailable
	})
	began := time.Now()
	tokens, err := take(watch(t, service.target, payments.WithTimeout(3*time.Second)), 2)
	var unavailableError *payments.UnavailableError
	if !errors.As(err, &unavailableError) || unavailableError.Message != "the database cannot be reached" || len(tokens) != 1 {
		t.Errorf("%v, and then %v", tokens, err)
	}
	if took, calls := time.Since(began), len(service.calls()); took > 30*time.Second || calls < 3 {
		t.Errorf("it took %v and %d streams", took, calls)
	}
}

func TestEachResponseRestartsTheTimeoutOfAWatch(t *testing.T) {
	// Every stream ends after one response. The retry delays add up to more than the timeout.
	streamErr := retryAfter(400 * time.Millisecond)
	service := serveWatches(t, func(number int, stream stream) error {
		return errors.Join(sendToken(stream, strconv.Itoa(number)), streamErr)
	})
	began := time.Now()
	if _, err := take(watch(t, service.target, payments.WithTimeout(time.Second)), 5); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 1600*time.Millisecond {
		t.Errorf("the retry delays took %v", took)
	}
}

func TestTheClientsTimeoutDoesNotApplyToAWatch(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number <= 3 {
			return retryAfter(200 * time.Millisecond)
		}
		return errors.Join(sendEvents(stream, "1"), waitForClient(stream))
	})
	client := connect(t, service.target, payments.WithTimeout(100*time.Millisecond))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 1); err != nil {
		t.Error(err)
	}
	for _, call := range service.calls() {
		if call.remaining > 0 {
			t.Errorf("a stream has a deadline in %v", call.remaining)
		}
	}
}

func TestTheTimeoutOfAWatchMustBeMoreThanZero(t *testing.T) {
	service := serveWatches(t, func(_ int, stream stream) error { return waitForClient(stream) })
	var argumentError *payments.ArgumentError
	if _, err := take(watch(t, service.target, payments.WithTimeout(0)), 1); !errors.As(err, &argumentError) {
		t.Errorf("the error is %v", err)
	}
	if len(service.calls()) != 0 {
		t.Error("a request was sent")
	}
}

// serveOneEvent starts a service that sends one event and then waits. It closes ended when the stream has ended.
func serveOneEvent(t *testing.T) (service *service, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{})
	return serveWatches(t, func(_ int, stream stream) error {
		defer close(ended)
		return errors.Join(sendEvents(stream, "1"), waitForClient(stream))
	}), ended
}

func TestLeavingTheLoopEndsTheStreamOnTheServer(t *testing.T) {
	service, ended := serveOneEvent(t)
	if _, err := take(watch(t, service.target), 1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, ended, "the stream did not end on the server")
}

func TestStoppingAPulledWatchEndsTheStreamOnTheServer(t *testing.T) {
	service, ended := serveOneEvent(t)
	next, stop := iter.Pull2(watch(t, service.target))
	if update, err, ok := next(); err != nil || !ok || update.ResumeToken != "1" {
		t.Errorf("the first update is %v, and the error %v", update, err)
	}
	stop()
	waitFor(t, ended, "the stream did not end on the server")
}

func TestCancelingEndsAWatchAndTheStreamOnTheServer(t *testing.T) {
	service, ended := serveOneEvent(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range connect(t, service.target).WatchPayments(ctx, payments.WatchParams{}) {
		if last = err; err == nil {
			time.AfterFunc(100*time.Millisecond, cancel) // while it waits for the next event
		}
	}
	if !errors.Is(last, context.Canceled) || status.Code(last) != codes.Canceled {
		t.Errorf("the watch ended with %v", last)
	}
	waitFor(t, ended, "the stream did not end on the server")
	if calls := len(service.calls()); calls != 1 {
		t.Errorf("there were %d streams", calls)
	}
}

func TestCancelingEndsTheBackoffBeforeTheNextStream(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	service := serveWatches(t, func(int, stream) error {
		time.AfterFunc(100*time.Millisecond, cancel)
		return retryAfter(time.Hour)
	})
	began := time.Now()
	_, err := take(connect(t, service.target).WatchPayments(ctx, payments.WatchParams{}), 1)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestADeadlineOfTheContextEndsAWatchWithThePreviousError(t *testing.T) {
	service, _ := serveOneEvent(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := take(connect(t, service.target).WatchPayments(ctx, payments.WatchParams{}), 2)
	var exceeded *payments.DeadlineExceededError
	if !errors.As(err, &exceeded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}

	failing := serveWatches(t, func(int, stream) error { return unavailable })
	ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = take(connect(t, failing.target).WatchPayments(ctx, payments.WatchParams{}), 1)
	var unavailableError *payments.UnavailableError
	if !errors.As(err, &unavailableError) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestClosingTheClientEndsItsWatches(t *testing.T) {
	for name, handle := range map[string]streamHandler{
		"stream":  func(_ int, stream stream) error { return errors.Join(sendEvents(stream, "1"), waitForClient(stream)) },
		"backoff": endWith(retryAfter(time.Hour)),
	} {
		client := connect(t, serveWatches(t, handle).target)
		time.AfterFunc(300*time.Millisecond, func() { _ = client.Close() })
		began := time.Now()
		_, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 2)
		var unknown *payments.OutcomeUnknownError
		if !errors.As(err, &unknown) || errors.Is(err, context.Canceled) || time.Since(began) > 30*time.Second {
			t.Errorf("the %s ended after %v with %v", name, time.Since(began), err)
		}
	}
}

func TestAWatchThatIsNotReadAppliesBackpressureAndBuffersLittle(t *testing.T) {
	const size, count, limit = 64 << 10, 4000, 32 << 20
	var sent atomic.Int64
	var ended sync.WaitGroup
	ended.Add(1)
	service := serveWatches(t, func(_ int, stream stream) error {
		defer ended.Done()
		long := &paymentsv1.PaymentEvent{Caller: strings.Repeat("x", size)}
		for range count {
			if err := stream.Send(&paymentsv1.WatchPaymentsResponse{ResumeToken: "1", Event: long}); err != nil {
				return err
			}
			sent.Add(1)
		}
		return waitForClient(stream)
	})
	for _, err := range watch(t, service.target) {
		if err != nil {
			t.Fatal(err)
		}
		// Wait until the server has stopped sending.
		for last := int64(-1); last != sent.Load(); time.Sleep(500 * time.Millisecond) {
			last = sent.Load()
		}
		break
	}
	if bytes := sent.Load() * size; bytes > limit {
		t.Errorf("the server sent %d bytes to a client that does not read", bytes)
	}
	ended.Wait()
}
