package paymentstest

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	paymentsv1 "payments.internal/payments/v1"
)

// server implements the RPCs. Calls other than watches run one at a time, so their methods use the ledger freely.
type server struct {
	paymentsv1.UnimplementedPaymentServiceServer
	settings settings

	mutex  sync.Mutex
	ledger ledger
	// charges and refunds are the requests that had an effect, by request_id.
	charges map[string]earlierRequest
	refunds map[string]earlierRequest
}

// earlierRequest has the compared parameters of a charge or refund, and the id of the payment or refund that it made.
type earlierRequest struct {
	parameters proto.Message
	id         int64
}

func newServer(settings settings) *server {
	return &server{
		settings: settings, ledger: newLedger(),
		charges: map[string]earlierRequest{}, refunds: map[string]earlierRequest{},
	}
}

// handleUnary runs one call at the current time, and adds what every call of the service has.
func (s *server) handleUnary(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (any, error) {
	callID := newCallID(ctx)
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-request-id", callID)); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ledger.advance(s.settings.now())
	response, err := handle(context.WithValue(ctx, callIDKey{}, callID), request)
	if err != nil {
		return nil, statusOf(err, callID).Err()
	}
	return response, nil
}

// handleStream runs one watch. Watches run concurrently.
func (s *server) handleStream(
	service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	callID := newCallID(stream.Context())
	stream.SetTrailer(metadata.Pairs("x-request-id", callID))
	if err := handle(service, stream); err != nil {
		return statusOf(err, callID).Err()
	}
	return nil
}

// callIDKey is the key of the call's ID in the context of a unary call.
type callIDKey struct{}

func callIDOf(ctx context.Context) string { return ctx.Value(callIDKey{}).(string) }

// newCallID returns the ID that the client sent with a call, or a new one.
func newCallID(ctx context.Context) string {
	if sent := metadata.ValueFromIncomingContext(ctx, "x-request-id"); len(sent) > 0 {
		return sent[0]
	}
	return randomHex(16)
}

// markReplayed tells the client that an earlier call with the same request_id did the work.
func markReplayed(ctx context.Context) error {
	return grpc.SetTrailer(ctx, metadata.Pairs("idempotency-replayed", "true"))
}

// requestIDOr returns the request_id of a call, or a new one if it has none.
func requestIDOr(given *string) string {
	if given != nil {
		return *given
	}
	return randomHex(16)
}
