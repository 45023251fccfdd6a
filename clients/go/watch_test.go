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

// tell answers the stream of that number, counted from 1, until it returns.
type tell func(number int, stream stream) error

type stream = grpc.ServerStreamingServer[paymentsv1.WatchPaymentsResponse]

// WatchPayments is what the service of the tests does with a stream.
func (s *service) WatchPayments(request *paymentsv1.WatchPaymentsRequest, stream stream) error {
	return s.tell(s.receive(stream.Context(), request), stream)
}

// serveWatches starts a service that only streams.
func serveWatches(t *testing.T, tell tell) *service {
	t.Helper()
	return serveWatchesAt(t, "127.0.0.1:0", tell)
}

func serveWatchesAt(t *testing.T, address string, tell tell) *service {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, done, tell)
}

// events sends an event with each of these tokens, of the payment that the token numbers.
func events(stream stream, tokens ...string) error {
	for _, token := range tokens {
		id, _ := strconv.ParseInt(token, 10, 64)
		event := &paymentsv1.PaymentEvent{Payment: &paymentsv1.Payment{PaymentId: id}}
		if err := stream.Send(&paymentsv1.WatchPaymentsResponse{Event: event, ResumeToken: token}); err != nil {
			return err
		}
	}
	return nil
}

// heartbeat sends a token alone.
func heartbeat(stream stream, token string) error {
	return stream.Send(&paymentsv1.WatchPaymentsResponse{ResumeToken: token})
}

// untilItEnds returns when the stream has ended on the other side.
func untilItEnds(stream stream) error {
	<-stream.Context().Done()
	return status.FromContextError(stream.Context().Err()).Err()
}

// endingWith sends one event and ends the stream with the error, then sends another event on the next stream.
func endingWith(ending error, trailers ...string) tell {
	return func(number int, stream stream) error {
		if number > 1 {
			return errors.Join(events(stream, "2"), untilItEnds(stream))
		}
		stream.SetTrailer(metadata.Pairs(trailers...))
		if err := events(stream, "1"); err != nil {
			return err
		}
		return ending
	}
}

// take returns the tokens of the first updates, and the error that came instead of one.
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

// asked returns the tokens that streams were asked for with.
func (s *service) asked() []string {
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

// awaitOr fails the test when the signal does not come, which it does at once but on a very busy machine.
func awaitOr(t *testing.T, signal <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(30 * time.Second):
		t.Fatal(what)
	}
}

func TestAWatchTellsEventsInGosOwnTypes(t *testing.T) {
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
		return untilItEnds(stream)
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
			PaymentID: 7, Amount: optional("561.00"), Currency: "INR", Method: payments.MethodUnknown,
			Status: payments.StatusUnknown, RefundState: payments.RefundStatePartial,
		},
		Refund: &payments.Refund{
			RefundID: 19, PaymentID: 7, Amount: amount("61.00"), Currency: "INR", Status: payments.RefundStatusUnknown,
		},
		Caller: "shop", RequestID: "refund-1",
	})
	imported := updates[2].Event
	if imported.Type != payments.EventImported || imported.Refund != nil || !imported.EventTime.IsZero() {
		t.Errorf("the imported payment came as %+v", imported)
	}
}

func TestEveryTypeOfEventComesUnderItsNameAndANewerOneIsUnknown(t *testing.T) {
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
		return untilItEnds(stream)
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

func TestAWatchGoesOnAfterTheLastTokenWhateverCutsItsStream(t *testing.T) {
	for what, ending := range map[string]tell{
		"a plain end":       endingWith(nil),
		"UNAVAILABLE":       endingWith(unavailable, "x-request-id", "0143f7aa"),
		"CANCELLED":         endingWith(status.Error(codes.Canceled, "the server stops")),
		"OVERLOADED":        endingWith(overloaded),
		"RATE_LIMITED":      endingWith(reasonError(codes.ResourceExhausted, "payments", "RATE_LIMITED")),
		"TOO_MANY_WATCHES":  endingWith(reasonError(codes.ResourceExhausted, "payments", "TOO_MANY_WATCHES")),
		"INTERNAL":          endingWith(status.Error(codes.Internal, "of a library")),
		"UNKNOWN":           endingWith(status.Error(codes.Unknown, "of a library")),
		"DEADLINE_EXCEEDED": endingWith(status.Error(codes.DeadlineExceeded, "of a proxy")),
	} {
		service := serveWatches(t, ending)
		params := payments.WatchParams{ResumeToken: "0"}
		tokens, err := take(connect(t, service.target).WatchPayments(t.Context(), params), 2)
		if err != nil || !slices.Equal(tokens, []string{"1", "2"}) {
			t.Errorf("%s: %v, and then %v", what, tokens, err)
		}
		if asked := service.asked(); !slices.Equal(asked, []string{"0", "1"}) {
			t.Errorf("%s: the streams were asked for after %q", what, asked)
		}
	}
}

func TestAWatchGoesOnAfterAServiceThatRestarts(t *testing.T) {
	told := make(chan struct{})
	first := serveWatches(t, func(_ int, stream stream) error {
		return errors.Join(events(stream, "1"), untilItEnds(stream))
	})
	go func() {
		<-told
		first.server.Stop()
		time.Sleep(time.Second) // during which nobody listens
		serveWatchesAt(t, first.target, func(_ int, stream stream) error {
			return errors.Join(events(stream, "2"), untilItEnds(stream))
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
		close(told)
	}
	assertEqual(t, "the tokens", tokens, []string{"1", "2"})
}

func TestAWatchGoesOnAfterAConnectionThatIsCutInTheMiddleOfAMessage(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number == 1 {
			long := &paymentsv1.PaymentEvent{Caller: strings.Repeat("x", cutAfter)}
			first := &paymentsv1.WatchPaymentsResponse{ResumeToken: "1"}
			second := &paymentsv1.WatchPaymentsResponse{ResumeToken: "cut", Event: long}
			return errors.Join(stream.Send(first), stream.Send(second), untilItEnds(stream))
		}
		return errors.Join(events(stream, "2"), untilItEnds(stream))
	})
	tokens, err := take(watch(t, cutting(t, service.target)), 2)
	if err != nil || !slices.Equal(tokens, []string{"1", "2"}) {
		t.Errorf("%v, and then %v", tokens, err)
	}
	assertEqual(t, "what was asked for", service.asked(), []string{"", "1"})
}

const cutAfter = 20_000

// cutting returns the address of a proxy that cuts its first connection after some bytes of the service's.
func cutting(t *testing.T, target string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for most := int64(cutAfter); ; most = math.MaxInt64 {
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
				_, _ = io.CopyN(client, server, most)
				_, _ = client.Close(), server.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func TestAWatchThatCannotBeginIsAskedForAgainWithTheSameToken(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number <= 3 {
			return unavailable
		}
		return errors.Join(heartbeat(stream, "8"), untilItEnds(stream))
	})
	params := payments.WatchParams{ResumeToken: "7"}
	tokens, err := take(connect(t, service.target).WatchPayments(t.Context(), params), 1)
	if err != nil || !slices.Equal(tokens, []string{"8"}) {
		t.Errorf("%v, and then %v", tokens, err)
	}
	assertEqual(t, "what was asked for", service.asked(), []string{"7", "7", "7", "7"})
}

func TestATokenWithoutAnEventIsGoneOnFromToo(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		return heartbeat(stream, strconv.Itoa(number))
	})
	if _, err := take(watch(t, service.target), 3); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, "what was asked for", service.asked(), []string{"", "1", "2"})
}

func TestAWatchThatCannotGoOnEndsWithTheError(t *testing.T) {
	for what, check := range map[string]struct {
		ending   tell
		expected error
	}{
		"a wrong token": {
			endingWith(reasonError(codes.InvalidArgument, "payments", "INVALID_REQUEST")), &payments.InvalidRequestError{},
		},
		"an expired token": {
			endingWith(reasonError(codes.FailedPrecondition, "payments", "RESUME_TOKEN_EXPIRED")),
			&payments.ResumeTokenExpiredError{},
		},
		"a key that ended": {
			endingWith(reasonError(codes.Unauthenticated, "payments", "API_KEY_INVALID")), &payments.UnauthenticatedError{},
		},
		"a missing role": {
			endingWith(reasonError(codes.PermissionDenied, "payments", "ROLE_MISSING")), &payments.PermissionDeniedError{},
		},
		"a fault of the service": {
			endingWith(reasonError(codes.Internal, "payments", "INTERNAL"), "x-request-id", "0143f7aa"),
			&payments.InternalError{},
		},
		"a deadline of the service": {
			endingWith(reasonError(codes.DeadlineExceeded, "payments", "CALL_TOO_LONG"), "x-request-id", "0143f7aa"),
			&payments.DeadlineExceededError{},
		},
		"exhausted without a reason": {endingWith(status.Error(codes.ResourceExhausted, "no")), &payments.CallError{}},
		"an older service":           {endingWith(status.Error(codes.Unimplemented, "no")), &payments.CallError{}},
	} {
		service := serveWatches(t, check.ending)
		updates := 0
		var errs []error
		for update, err := range watch(t, service.target) {
			if err == nil {
				updates++
				continue
			}
			errs = append(errs, err)
			if update != nil {
				t.Errorf("%s: there is an update with the error: %v", what, update)
			}
		}
		if updates != 1 || len(errs) != 1 || len(service.calls()) != 1 {
			t.Fatalf("%s: %d updates and the errors %v on %d streams", what, updates, errs, len(service.calls()))
		}
		assertKind(t, what, errs[0], check.expected)
	}
}

func TestAnErrorOfAStreamInterceptorsOwnEndsAWatch(t *testing.T) {
	open := errors.New("the circuit is open")
	service := serveWatches(t, func(_ int, stream stream) error { return untilItEnds(stream) })
	client := connect(t, service.target, payments.WithStreamInterceptors(func(
		context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return nil, open
	}))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 1); !errors.Is(err, open) {
		t.Errorf("the error is %v", err)
	}
}

func TestStreamInterceptorsAreAroundEachStreamTheFirstOutermost(t *testing.T) {
	var seen []string
	noting := func(name string) grpc.StreamClientInterceptor {
		return func(
			ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
			options ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			seen = append(seen, name+" "+method)
			return open(ctx, desc, conn, method, options...)
		}
	}
	service := serveWatches(t, endingWith(unavailable))
	client := connect(t, service.target,
		payments.WithStreamInterceptors(noting("first")), payments.WithStreamInterceptors(noting("second")))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 2); err != nil {
		t.Fatal(err)
	}
	method := " /payments.v1.PaymentService/WatchPayments"
	one := []string{"first" + method, "second" + method}
	assertEqual(t, "what they saw", seen, slices.Concat(one, one))
}

func TestTheAPIKeyIsSentWithEachStream(t *testing.T) {
	service := serveWatches(t, endingWith(unavailable))
	client := connect(t, service.target, payments.WithAPIKey(apiKey))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 2); err != nil {
		t.Fatal(err)
	}
	for _, call := range service.calls() {
		assertEqual(t, "the key", call.metadata.Get("authorization"), []string{"Bearer " + apiKey})
	}
}

func TestRangingAgainStartsAgainAndNothingIsSentBefore(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		return errors.Join(events(stream, strconv.Itoa(number)), untilItEnds(stream))
	})
	updates := connect(t, service.target).WatchPayments(t.Context(), payments.WatchParams{ResumeToken: "0"})
	if len(service.calls()) != 0 {
		t.Error("it was sent before the iteration")
	}
	for range 2 {
		if _, err := take(updates, 1); err != nil {
			t.Fatal(err)
		}
	}
	assertEqual(t, "what was asked for", service.asked(), []string{"0", "0"})
}

func TestAWatchGivesUpWhenTheServiceIsOutOfReachForItsTimeoutAtAStretch(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number == 1 {
			return events(stream, "1")
		}
		return unavailable
	})
	began := time.Now()
	tokens, err := take(watch(t, service.target, payments.WithTimeout(3*time.Second)), 2)
	var reached *payments.UnavailableError
	if !errors.As(err, &reached) || reached.Message != "the database cannot be reached" || len(tokens) != 1 {
		t.Errorf("%v, and then %v", tokens, err)
	}
	if took, calls := time.Since(began), len(service.calls()); took > 30*time.Second || calls < 3 {
		t.Errorf("it took %v and %d streams", took, calls)
	}
}

func TestEachAnswerBeginsAnotherStretch(t *testing.T) {
	// Every stream ends after an answer, and asks for waits that are longer together than the timeout.
	comeBack := comeBackAfter(400 * time.Millisecond)
	service := serveWatches(t, func(number int, stream stream) error {
		return errors.Join(heartbeat(stream, strconv.Itoa(number)), comeBack)
	})
	began := time.Now()
	if _, err := take(watch(t, service.target, payments.WithTimeout(time.Second)), 5); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 1600*time.Millisecond {
		t.Errorf("the waits that the service asked for took %v", took)
	}
}

func TestTheClientsOwnTimeoutIsNotThatOfAWatch(t *testing.T) {
	service := serveWatches(t, func(number int, stream stream) error {
		if number <= 3 {
			return comeBackAfter(200 * time.Millisecond)
		}
		return errors.Join(events(stream, "1"), untilItEnds(stream))
	})
	client := connect(t, service.target, payments.WithTimeout(100*time.Millisecond))
	if _, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 1); err != nil {
		t.Error(err)
	}
	for _, call := range service.calls() {
		if call.remaining > 0 {
			t.Errorf("a stream came with a deadline, in %v", call.remaining)
		}
	}
}

func TestATimeoutOfAWatchThatIsNotMoreThanZeroIsRefused(t *testing.T) {
	service := serveWatches(t, func(_ int, stream stream) error { return untilItEnds(stream) })
	var refused *payments.ArgumentError
	if _, err := take(watch(t, service.target, payments.WithTimeout(0)), 1); !errors.As(err, &refused) {
		t.Errorf("the error is %v", err)
	}
	if len(service.calls()) != 0 {
		t.Error("it was sent")
	}
}

// watched is a service that sends an event and then waits, and closes ended when its stream has ended.
func watched(t *testing.T) (service *service, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{})
	return serveWatches(t, func(_ int, stream stream) error {
		defer close(ended)
		return errors.Join(events(stream, "1"), untilItEnds(stream))
	}), ended
}

func TestLeavingTheLoopEndsTheServicesStream(t *testing.T) {
	service, ended := watched(t)
	if _, err := take(watch(t, service.target), 1); err != nil {
		t.Fatal(err)
	}
	awaitOr(t, ended, "the service's stream goes on")
}

func TestAPulledWatchEndsTheServicesStreamWhenItIsStopped(t *testing.T) {
	service, ended := watched(t)
	next, stop := iter.Pull2(watch(t, service.target))
	if update, err, ok := next(); err != nil || !ok || update.ResumeToken != "1" {
		t.Errorf("the first update is %v, and the error %v", update, err)
	}
	stop()
	awaitOr(t, ended, "the service's stream goes on")
}

func TestCancellingEndsAWatchAndTheServicesStream(t *testing.T) {
	service, ended := watched(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range connect(t, service.target).WatchPayments(ctx, payments.WatchParams{}) {
		if last = err; err == nil {
			time.AfterFunc(100*time.Millisecond, cancel) // while it waits for the next event
		}
	}
	if !errors.Is(last, context.Canceled) || status.Code(last) != codes.Canceled {
		t.Errorf("it ended with %v", last)
	}
	awaitOr(t, ended, "the service's stream goes on")
	if calls := len(service.calls()); calls != 1 {
		t.Errorf("there were %d streams", calls)
	}
}

func TestCancellingEndsTheWaitForAnotherStream(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	service := serveWatches(t, func(int, stream) error {
		time.AfterFunc(100*time.Millisecond, cancel)
		return comeBackAfter(time.Hour)
	})
	began := time.Now()
	_, err := take(connect(t, service.target).WatchPayments(ctx, payments.WatchParams{}), 1)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestADeadlineOfTheContextEndsAWatchAndTheErrorSaysWhatCameBefore(t *testing.T) {
	service, _ := watched(t)
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
	var reached *payments.UnavailableError
	if !errors.As(err, &reached) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestClosingTheClientEndsItsWatches(t *testing.T) {
	for what, tell := range map[string]tell{
		"stream": func(_ int, stream stream) error { return errors.Join(events(stream, "1"), untilItEnds(stream)) },
		"wait":   endingWith(comeBackAfter(time.Hour)),
	} {
		client := connect(t, serveWatches(t, tell).target)
		time.AfterFunc(300*time.Millisecond, func() { _ = client.Close() })
		began := time.Now()
		_, err := take(client.WatchPayments(t.Context(), payments.WatchParams{}), 2)
		var unknown *payments.OutcomeUnknownError
		if !errors.As(err, &unknown) || errors.Is(err, context.Canceled) || time.Since(began) > 30*time.Second {
			t.Errorf("the %s ended after %v with %v", what, time.Since(began), err)
		}
	}
}

func TestAWatchThatIsNotReadStopsTheServiceAndBuffersLittle(t *testing.T) {
	const size, count, most = 64 << 10, 4000, 32 << 20
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
		return untilItEnds(stream)
	})
	for _, err := range watch(t, service.target) {
		if err != nil {
			t.Fatal(err)
		}
		// Until the service has come to a stop.
		for last := int64(-1); last != sent.Load(); time.Sleep(500 * time.Millisecond) {
			last = sent.Load()
		}
		break
	}
	if bytes := sent.Load() * size; bytes > most {
		t.Errorf("%d bytes were sent to one who takes none", bytes)
	}
	ended.Wait()
}
