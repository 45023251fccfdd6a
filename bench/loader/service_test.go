package main

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "payments.internal/payments/v1"
)

// A testService records requests, and returns err or response after a delay.
type testService struct {
	paymentsv1.UnimplementedPaymentServiceServer
	target string
	server *grpc.Server

	delay    time.Duration // before the response
	err      error
	response *paymentsv1.ListPaymentsResponse

	mutex   sync.Mutex
	charges []*paymentsv1.ChargeRequest
	refunds []*paymentsv1.RefundRequest
	gets    []*paymentsv1.GetPaymentRequest
	lists   []*paymentsv1.ListPaymentsRequest
}

// serve starts a service on a free local port.
func serve(t *testing.T, service *testService, serverOptions ...grpc.ServerOption) *testService {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service.target = listener.Addr().String()
	service.server = grpc.NewServer(serverOptions...)
	paymentsv1.RegisterPaymentServiceServer(service.server, service)
	go service.server.Serve(listener)
	t.Cleanup(service.server.Stop)
	return service
}

func (s *testService) respond(ctx context.Context) error {
	select {
	case <-time.After(s.delay):
		return s.err
	case <-ctx.Done():
		return status.Error(codes.Canceled, "the caller gave up")
	}
}

func (s *testService) Charge(ctx context.Context, request *paymentsv1.ChargeRequest) (*paymentsv1.ChargeResponse, error) {
	s.mutex.Lock()
	s.charges = append(s.charges, request)
	s.mutex.Unlock()
	return &paymentsv1.ChargeResponse{Payment: &paymentsv1.Payment{PaymentId: 1}}, s.respond(ctx)
}

func (s *testService) Refund(ctx context.Context, request *paymentsv1.RefundRequest) (*paymentsv1.RefundResponse, error) {
	s.mutex.Lock()
	s.refunds = append(s.refunds, request)
	s.mutex.Unlock()
	return &paymentsv1.RefundResponse{}, s.respond(ctx)
}

func (s *testService) GetPayment(ctx context.Context, request *paymentsv1.GetPaymentRequest) (*paymentsv1.GetPaymentResponse, error) {
	s.mutex.Lock()
	s.gets = append(s.gets, request)
	s.mutex.Unlock()
	return &paymentsv1.GetPaymentResponse{}, s.respond(ctx)
}

func (s *testService) ListPayments(ctx context.Context, request *paymentsv1.ListPaymentsRequest) (*paymentsv1.ListPaymentsResponse, error) {
	s.mutex.Lock()
	s.lists = append(s.lists, request)
	s.mutex.Unlock()
	return s.response, s.respond(ctx)
}

// optionsFor returns the options of a short run without a warm-up, so that every call is measured.
func optionsFor(service *testService, rpc string) options {
	return options{
		target:      service.target,
		rpc:         rpc,
		connections: 2,
		inFlight:    8,
		measured:    200 * time.Millisecond,
		payments:    numberRange{100, 400},
		createTimes: numberRange{1_735_689_600, 1_735_776_000},
		pageSize:    50,
		timeout:     5 * time.Second,
	}
}

// mustRun performs a run and stops the service, so that its recorded requests can be read.
func mustRun(t *testing.T, service *testService, options options) report {
	t.Helper()
	report, err := run(options)
	if err != nil {
		t.Fatal(err)
	}
	service.server.GracefulStop()
	service.mutex.Lock()
	defer service.mutex.Unlock() // makes the writes of all handlers visible
	return report
}
