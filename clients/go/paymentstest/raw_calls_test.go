package paymentstest

import (
	"context"
	"net"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// newStub returns a stub of a new service, for requests that the client never sends.
func newStub(t *testing.T) paymentsv1.PaymentServiceClient {
	t.Helper()
	service := NewService()
	t.Cleanup(service.Close)
	conn, err := grpc.NewClient("passthrough:///localhost",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return service.listener.DialContext(ctx)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return paymentsv1.NewPaymentServiceClient(conn)
}

func TestWithoutARequestIDEachChargeIsNewAndAFullRefundIsRepeated(t *testing.T) {
	stub := newStub(t)
	for range 2 {
		request := &paymentsv1.ChargeRequest{OrderId: 1, Amount: &money.Money{Units: 5}}
		if _, err := stub.Charge(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	part := &paymentsv1.RefundRequest{PaymentId: 2, Amount: &money.Money{Units: 2}}
	for _, request := range []*paymentsv1.RefundRequest{part, {PaymentId: 2}} {
		if _, err := stub.Refund(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	for _, amount := range []*money.Money{nil, {Units: 5}} {
		response, err := stub.Refund(t.Context(), &paymentsv1.RefundRequest{PaymentId: 2, Amount: amount})
		if err != nil || response.GetRefund().GetRefundId() != 2 || response.GetRefund().GetRequestId() == "" {
			t.Errorf("the repeated refund is %v: %v", response, err)
		}
	}
	_, err := stub.Refund(t.Context(), part)
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("the error is %v", err)
	}
	other := &paymentsv1.RefundRequest{PaymentId: 2, RequestId: payments.Ptr("new")}
	if _, err = stub.Refund(t.Context(), other); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("the error is %v", err)
	}
}

func TestRequestsWithoutRequiredFieldsAreInvalid(t *testing.T) {
	stub := newStub(t)
	_, err := stub.Charge(t.Context(), &paymentsv1.ChargeRequest{OrderId: 1})
	assertViolation(t, err, "amount", "is required")
	_, err = stub.GetPayment(t.Context(), &paymentsv1.GetPaymentRequest{})
	assertViolation(t, err, "key", "payment_id, reference or request_id is required")
	_, err = stub.Charge(t.Context(), &paymentsv1.ChargeRequest{
		OrderId: 1, Amount: &money.Money{Units: 1, Nanos: -10_000_000},
	})
	assertViolation(t, err, "amount.nanos", "must have the same sign as units")
	_, err = stub.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{Filter: &paymentsv1.PaymentFilter{
		Statuses: []paymentsv1.PaymentStatus{0},
	}})
	assertViolation(t, err, "filter.statuses",
		"must be one of PAYMENT_STATUS_PENDING, PAYMENT_STATUS_SUCCEEDED, PAYMENT_STATUS_FAILED")
	_, err = stub.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{Filter: &paymentsv1.PaymentFilter{
		MinCreateTime: &timestamppb.Timestamp{Seconds: maxSeconds + 1},
	}})
	assertViolation(t, err, "filter.min_create_time.seconds",
		"must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z")
	_, err = stub.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{Filter: &paymentsv1.PaymentFilter{
		MaxCreateTime: &timestamppb.Timestamp{Nanos: -1},
	}})
	assertViolation(t, err, "filter.max_create_time.nanos", "must be between 0 and 999,999,999")
	_, err = stub.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{Filter: &paymentsv1.PaymentFilter{
		MinAmount: &money.Money{CurrencyCode: "INR"}, MaxAmount: &money.Money{CurrencyCode: "USD"},
	}})
	assertViolation(t, err, "filter.max_amount.currency_code", "must have the currency of min_amount")
}

func assertViolation(t *testing.T, err error, field, description string) {
	t.Helper()
	for _, detail := range status.Convert(err).Details() {
		if badRequest, ok := detail.(*errdetails.BadRequest); ok {
			violation := badRequest.GetFieldViolations()[0]
			if violation.GetField() == field && violation.GetDescription() == description {
				return
			}
		}
	}
	t.Errorf("the error is %v %v, expected: %s: %s", err, status.Convert(err).Details(), field, description)
}

func TestAListAndAWatchNeedNoFilter(t *testing.T) {
	stub := newStub(t)
	if _, err := stub.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{}); err != nil {
		t.Error(err)
	}
	stream, err := stub.WatchPayments(t.Context(), &paymentsv1.WatchPaymentsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if response, err := stream.Recv(); err != nil || response.GetResumeToken() == "" || response.GetEvent() != nil {
		t.Errorf("the first response is %v: %v", response, err)
	}
}

func TestACallKeepsItsID(t *testing.T) {
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "call-1")
	var trailer metadata.MD
	_, err := newStub(t).GetPayment(ctx, &paymentsv1.GetPaymentRequest{}, grpc.Trailer(&trailer))
	if ids := trailer.Get("x-request-id"); len(ids) != 1 || ids[0] != "call-1" {
		t.Errorf("the trailer is %v", ids)
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetMetadata()["call_id"] == "call-1" {
			return
		}
	}
	t.Errorf("the error has no call_id: %v", err)
}
