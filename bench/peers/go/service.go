package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	paymentsv1 "payments.internal/payments/v1"
)

// A service implements the RPCs.
type service struct {
	paymentsv1.UnimplementedPaymentServiceServer
	store     *store
	processor processor
}

func (s *service) Charge(ctx context.Context, request *paymentsv1.ChargeRequest) (*paymentsv1.ChargeResponse, error) {
	charge, err := readCharge(request)
	if err != nil {
		return nil, err
	}
	method, succeeded := s.processor.decide(charge)
	payment, replayed, err := s.store.charge(ctx, charge, method, succeeded)
	if err != nil {
		return nil, withStatus(ctx, err)
	}
	setReplayedTrailer(ctx, replayed)
	return &paymentsv1.ChargeResponse{Payment: payment.message()}, nil
}

func (s *service) Refund(ctx context.Context, request *paymentsv1.RefundRequest) (*paymentsv1.RefundResponse, error) {
	refund, err := readRefund(request)
	if err != nil {
		return nil, err
	}
	outcome, err := s.store.refund(ctx, refund)
	if err != nil {
		return nil, withStatus(ctx, err)
	}
	setReplayedTrailer(ctx, outcome.replayed)
	response := &paymentsv1.RefundResponse{Payment: outcome.payment.message()}
	if outcome.refund != nil {
		response.Refund = outcome.refund.message()
	}
	return response, nil
}

func (s *service) GetPayment(ctx context.Context, request *paymentsv1.GetPaymentRequest) (*paymentsv1.GetPaymentResponse, error) {
	payment, refunds, err := s.get(ctx, request)
	if err != nil {
		return nil, withStatus(ctx, err)
	}
	response := &paymentsv1.GetPaymentResponse{Payment: payment.message()}
	for _, refund := range refunds {
		response.Refunds = append(response.Refunds, refund.message())
	}
	return response, nil
}

func (s *service) get(ctx context.Context, request *paymentsv1.GetPaymentRequest) (payment, []refund, error) {
	switch key := request.GetKey().(type) {
	case *paymentsv1.GetPaymentRequest_PaymentId:
		if key.PaymentId < 1 {
			return payment{}, nil, invalid("payment_id", "must be 1 or more")
		}
		return s.store.getByID(ctx, key.PaymentId)
	case *paymentsv1.GetPaymentRequest_Reference:
		if err := checkReference("reference", key.Reference); err != nil {
			return payment{}, nil, err
		}
		return s.store.getByReference(ctx, key.Reference)
	}
	return payment{}, nil, invalid("key", "payment_id or reference is required")
}

func (s *service) ListPayments(ctx context.Context, request *paymentsv1.ListPaymentsRequest) (*paymentsv1.ListPaymentsResponse, error) {
	query, err := readList(request)
	if err != nil {
		return nil, err
	}
	after, err := readPageToken(query)
	if err != nil {
		return nil, err
	}
	page, err := s.store.list(ctx, query, after)
	if err != nil {
		return nil, withStatus(ctx, err)
	}
	response := &paymentsv1.ListPaymentsResponse{
		Payments:  make([]*paymentsv1.Payment, len(page.payments)),
		TotalSize: page.total,
	}
	for i := range page.payments {
		response.Payments[i] = page.payments[i].message()
	}
	if page.next != nil {
		if response.NextPageToken, err = pageToken(*page.next, query); err != nil {
			return nil, withStatus(ctx, err)
		}
	}
	return response, nil
}

// setReplayedTrailer marks the response as a replay in the trailing metadata.
func setReplayedTrailer(ctx context.Context, replayed bool) {
	if replayed {
		grpc.SetTrailer(ctx, metadata.Pairs("idempotency-replayed", "true"))
	}
}

// withStatus converts an error to the status for the caller, without the text of unexpected errors.
func withStatus(ctx context.Context, err error) error {
	var network net.Error
	switch {
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.As(err, &network):
		return status.Error(codes.Unavailable, "the database cannot be reached")
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, "internal error")
}
