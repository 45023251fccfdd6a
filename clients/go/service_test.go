package payments_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// service is a gRPC server in this process that responds as the test says, and records the calls that it receives.
type service struct {
	paymentsv1.UnimplementedPaymentServiceServer
	target   string
	server   *grpc.Server
	answer   answer
	stream   streamer
	mutex    sync.Mutex
	received []received
}

// answer responds to the call with this number, which starts at 1.
type answer func(ctx context.Context, number int, request proto.Message) (proto.Message, error)

type received struct {
	request  proto.Message
	metadata metadata.MD
	at       time.Time
	// remaining is the time until the call's deadline when it arrived.
	remaining time.Duration
}

func serve(t *testing.T, answer answer, options ...grpc.ServerOption) *service {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", answer, options...)
}

func serveAt(t *testing.T, address string, answer answer, options ...grpc.ServerOption) *service {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, answer, nil, options...)
}

func serveOn(
	t *testing.T, listener net.Listener, answer answer, stream streamer, options ...grpc.ServerOption,
) *service {
	t.Helper()
	s := &service{target: listener.Addr().String(), answer: answer, stream: stream}
	s.server = grpc.NewServer(append(options, grpc.UnaryInterceptor(s.intercept))...)
	paymentsv1.RegisterPaymentServiceServer(s.server, s)
	go func() { _ = s.server.Serve(listener) }()
	t.Cleanup(s.server.Stop)
	return s
}

func (s *service) intercept(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler,
) (any, error) {
	return s.answer(ctx, s.receive(ctx, request.(proto.Message)), request.(proto.Message))
}

// receive records a call and returns its number.
func (s *service) receive(ctx context.Context, request proto.Message) int {
	now := time.Now()
	sent, _ := metadata.FromIncomingContext(ctx)
	deadline, _ := ctx.Deadline()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.received = append(s.received, received{request, sent, now, deadline.Sub(now)})
	return len(s.received)
}

func (s *service) calls() []received {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]received(nil), s.received...)
}

// connect returns a client that is closed when the test ends.
func connect(t *testing.T, target string, options ...payments.Option) *payments.Client {
	t.Helper()
	client, err := payments.New(context.Background(), target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// charge makes a charge with arbitrary parameters.
func charge(ctx context.Context, client *payments.Client, options ...payments.CallOption) (*payments.Payment, error) {
	return client.Charge(ctx, payments.ChargeParams{OrderID: 342, Amount: decimal.RequireFromString("561.00")}, options...)
}

// done responds to any call with an arbitrary result.
func done(_ context.Context, _ int, request proto.Message) (proto.Message, error) {
	switch request := request.(type) {
	case *paymentsv1.ChargeRequest:
		return &paymentsv1.ChargeResponse{Payment: &paymentsv1.Payment{PaymentId: 1}}, nil
	case *paymentsv1.BatchChargeRequest:
		results := make([]*paymentsv1.BatchChargeResult, len(request.GetCharges()))
		for index := range results {
			payment := &paymentsv1.BatchChargeResult_Payment{Payment: &paymentsv1.Payment{PaymentId: 1}}
			results[index] = &paymentsv1.BatchChargeResult{Outcome: payment}
		}
		return &paymentsv1.BatchChargeResponse{Results: results}, nil
	case *paymentsv1.RefundRequest:
		return &paymentsv1.RefundResponse{Payment: &paymentsv1.Payment{PaymentId: 1}}, nil
	case *paymentsv1.GetPaymentRequest:
		return &paymentsv1.GetPaymentResponse{Payment: &paymentsv1.Payment{PaymentId: 1}}, nil
	case *paymentsv1.ListRefundsRequest:
		return &paymentsv1.ListRefundsResponse{}, nil
	}
	return &paymentsv1.ListPaymentsResponse{}, nil
}

// respond responds to every call with the response.
func respond(response proto.Message) answer {
	return func(context.Context, int, proto.Message) (proto.Message, error) { return response, nil }
}

// fail responds to every call with the error, and with trailers as in metadata.Pairs.
func fail(err error, trailers ...string) answer {
	return func(ctx context.Context, _ int, _ proto.Message) (proto.Message, error) {
		return nil, failing(ctx, err, trailers...)
	}
}

// failFirst responds to the first calls with the error, and to later ones like done.
func failFirst(count int, err error, trailers ...string) answer {
	return func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number <= count {
			return nil, failing(ctx, err, trailers...)
		}
		return done(ctx, number, request)
	}
}

func failing(ctx context.Context, err error, trailers ...string) error {
	if trailerErr := grpc.SetTrailer(ctx, metadata.Pairs(trailers...)); trailerErr != nil {
		return trailerErr
	}
	return err
}

// hang responds only when the client has ended the call.
func hang(ctx context.Context, _ int, _ proto.Message) (proto.Message, error) {
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

// statusError returns an error with details, as the service does.
func statusError(code codes.Code, message string, details ...protoadapt.MessageV1) error {
	withDetails, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		panic(err)
	}
	return withDetails.Err()
}

// soon makes gRPC itself retry immediately. never prevents that, so that the client retries.
var (
	soon  = []string{"grpc-retry-pushback-ms", "1"}
	never = []string{"grpc-retry-pushback-ms", "-1"}
)
