package paymentstest

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

const bufferBytes = 1 << 20

// NewClient returns a client of a new service without payments. Both are closed when the test ends.
func NewClient(t testing.TB, options ...Option) *payments.Client {
	t.Helper()
	service := NewService(options...)
	client, err := service.NewClient(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		service.Close()
	})
	return client
}

// Service is an in-memory payment service. Use it instead of [NewClient] if a test needs several clients of the same
// service, or a client with options. It is safe for concurrent use.
type Service struct {
	listener *bufconn.Listener
	server   *grpc.Server
}

// NewService starts a service without payments. Close it when the test ends. It panics if an option is invalid.
func NewService(options ...Option) *Service {
	handler := newServer(newSettings(options))
	service := &Service{
		listener: bufconn.Listen(bufferBytes),
		server: grpc.NewServer(
			grpc.UnaryInterceptor(handler.handleUnary), grpc.StreamInterceptor(handler.handleStream),
		),
	}
	paymentsv1.RegisterPaymentServiceServer(service.server, handler)
	go func() { _ = service.server.Serve(service.listener) }()
	return service
}

// NewClient returns a client of the service, as [payments.New] does. The service accepts any API key, and ignores
// options for TLS, because there is no network.
func (s *Service) NewClient(ctx context.Context, options ...payments.Option) (*payments.Client, error) {
	inMemory := payments.WithDialOptions(
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	return payments.New(ctx, "passthrough:///localhost", append(options, inMemory)...)
}

// Close stops the service and forgets its payments. Calls and watches of its clients end as if it were unreachable, so
// close the clients first.
func (s *Service) Close() { s.server.Stop() }
