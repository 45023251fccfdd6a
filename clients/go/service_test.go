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

// service is a fake gRPC server in this process. The test defines its responses, and it records the calls that it
// receives.
type service struct {
	paymentsv1.UnimplementedPaymentServiceServer
	target   string
	server   *grpc.Server
	handle   handler
	stream   streamHandler
	mutex    sync.Mutex
	received []receivedCall
}

// handler responds to a call. The number of the first call is 1.
type handler func(ctx context.Context, number int, request proto.Message) (proto.Message, error)

type receivedCall struct {
	request  proto.Message
	metadata metadata.MD
	at       time.Time
	// remaining is the time until the call's deadline when it arrived.
	remaining time.Duration
}

func serve(t *testing.T, handle handler, options ...grpc.ServerOption) *service {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", handle, options...)
}

func serveAt(t *testing.T, address string, handle handler, options ...grpc.ServerOption) *service {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, handle, nil, options...)
}

func serveOn(
	t *testing.T, listener net.Listener, handle handler, stream streamHandler, options ...grpc.ServerOption,
) *service {
	t.Helper()
	s := &service{target: listener.Addr().String(), handle: handle, stream: stream}
	s.server = grpc.NewServer(append(options, grpc.UnaryInterceptor(s.intercept))...)
	paymentsv1.RegisterPaymentServiceServer(s.server, s)
	go func() { _ = s.server.Serve(listener) }()
	t.Cleanup(s.server.Stop)
	return s
}

func (s *service) intercept(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler,
) (any, error) {
	return s.handle(ctx, s.receive(ctx, request.(proto.Message)), request.(proto.Message))
}

// receive records a call and returns its number.
func (s *service) receive(ctx context.Context, request proto.Message) int {
	now := time.Now()
	sent, _ := metadata.FromIncomingContext(ctx)
	deadline, _ := ctx.Deadline()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.received = append(s.received, receivedCall{request, sent, now, deadline.Sub(now)})
	return len(s.received)
}

func (s *service) calls() []receivedCall {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]receivedCall(nil), s.received...)
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

// succeed responds to any call with an arbitrary result.
func succeed(_ context.Context, _ int, request proto.Message) (proto.Message, error) {
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
	case *paymentsv1.ListPaymentEventsRequest:
		return &paymentsv1.ListPaymentEventsResponse{}, nil
	}
	return &paymentsv1.ListPaymentsResponse{}, nil
}

// respond responds to every call with response.
func respond(response proto.Message) handler {
	return func(context.Context, int, proto.Message) (proto.Message, error) { return response, nil }
}

// fail fails every call with err, and sends trailers, which alternate keys and values as in metadata.Pairs.
func fail(err error, trailers ...string) handler {
	return func(ctx context.Context, _ int, _ proto.Message) (proto.Message, error) {
		return nil, errorWithTrailers(ctx, err, trailers...)
	}
}

// failFirst fails the first count calls with err, and responds to later ones like succeed.
func failFirst(count int, err error, trailers ...string) handler {
	return func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number <= count {
			return nil, errorWithTrailers(ctx, err, trailers...)
		}
		return succeed(ctx, number, request)
	}
}

// errorWithTrailers sets the trailers of the call and returns err.
func errorWithTrailers(ctx context.Context, err error, trailers ...string) error {
	if trailerErr := grpc.SetTrailer(ctx, metadata.Pairs(trailers...)); trailerErr != nil {
		return trailerErr
	}
	return err
}

// hang waits until the client ends the call.
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

// Trailers for fail. retrySoon makes gRPC itself retry immediately. noGRPCRetry prevents gRPC's own retries, so that
// the client retries.
var (
	retrySoon   = []string{"grpc-retry-pushback-ms", "1"}
	noGRPCRetry = []string{"grpc-retry-pushback-ms", "-1"}
)
