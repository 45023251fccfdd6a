package payments_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

func TestEachChargeOfABatchHasItsOwnOutcomeInOrder(t *testing.T) {
	chargeError := statusError(codes.InvalidArgument, "amount: must be more than zero",
		&errdetails.ErrorInfo{
			Domain: "payments", Reason: "INVALID_REQUEST", Metadata: map[string]string{"call_id": "0143f7aa"},
		},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "amount", Description: "must be more than zero"},
		}})
	service := serve(t, respond(&paymentsv1.BatchChargeResponse{Results: []*paymentsv1.BatchChargeResult{
		{Outcome: &paymentsv1.BatchChargeResult_Payment{Payment: &paymentsv1.Payment{
			PaymentId: 1, Amount: &money.Money{CurrencyCode: "INR", Units: 561},
		}}},
		{Outcome: &paymentsv1.BatchChargeResult_Error{Error: status.Convert(chargeError).Proto()}},
		{Outcome: &paymentsv1.BatchChargeResult_Payment{Payment: &paymentsv1.Payment{PaymentId: 3}}},
	}}))
	results, err := connect(t, service.target).BatchCharge(t.Context(), []payments.ChargeParams{
		{OrderID: 1, Amount: amount("561.00")},
		{OrderID: 2, RequestID: payments.Ptr("order-2")},
		{OrderID: 3, Amount: amount("1.00")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 || results[0].Err != nil || results[2].Err != nil || results[1].Payment != nil {
		t.Fatalf("the results are %+v", results)
	}
	if results[0].Payment.PaymentID != 1 || !results[0].Payment.Amount.Equal(amount("561.00")) ||
		results[2].Payment.PaymentID != 3 {
		t.Errorf("the payments are %+v and %+v", results[0].Payment, results[2].Payment)
	}
	var invalid *payments.InvalidRequestError
	if !errors.As(results[1].Err, &invalid) || invalid.RequestID != "order-2" || invalid.CallID != "0143f7aa" ||
		invalid.Reason != "INVALID_REQUEST" || status.Code(results[1].Err) != codes.InvalidArgument ||
		!slices.Equal(invalid.Violations, []payments.FieldViolation{
			{Field: "amount", Description: "must be more than zero"},
		}) {
		t.Errorf("the error is %+v", results[1].Err)
	}
}

func TestEveryChargeOfABatchKeepsItsRequestIDOverAllAttempts(t *testing.T) {
	service := serve(t, failFirst(7, unavailable, retrySoon...))
	_, err := connect(t, service.target).BatchCharge(t.Context(), []payments.ChargeParams{
		{OrderID: 1}, {OrderID: 2}, {OrderID: 3, RequestID: payments.Ptr("order-3")},
	})
	if err != nil {
		t.Fatal(err)
	}
	calls := service.calls()
	first := calls[0].request.(*paymentsv1.BatchChargeRequest).GetCharges()
	ids := []string{first[0].GetRequestId(), first[1].GetRequestId(), first[2].GetRequestId()}
	if len(calls) != 8 || ids[0] == "" || ids[1] == "" || ids[0] == ids[1] || ids[2] != "order-3" {
		t.Errorf("the request_ids of %d attempts are %q", len(calls), ids)
	}
	for _, call := range calls {
		assertSame(t, call.request, calls[0].request)
	}
}

func TestABatchWithAChargeThatTheContractCannotExpressIsNotSent(t *testing.T) {
	service := serve(t, succeed)
	_, err := connect(t, service.target).BatchCharge(t.Context(), []payments.ChargeParams{
		{OrderID: 1, Amount: amount("1.00")}, {OrderID: 2, Amount: amount("1.00001")},
	})
	var argumentError *payments.ArgumentError
	if !errors.As(err, &argumentError) || argumentError.Argument != "Amount" || len(service.calls()) != 0 {
		t.Errorf("after %d calls: %v", len(service.calls()), err)
	}
}

func TestABatchThatFailsAsAWholeReturnsAnErrorOfTheCall(t *testing.T) {
	service := serve(t, func(ctx context.Context, _ int, _ proto.Message) (proto.Message, error) {
		return nil, reasonError(codes.InvalidArgument, "payments", "INVALID_REQUEST")
	})
	results, err := connect(t, service.target).BatchCharge(t.Context(), nil)
	var invalid *payments.InvalidRequestError
	if results != nil || !errors.As(err, &invalid) {
		t.Errorf("the results are %v, and the error %v", results, err)
	}
}

func TestTheOutcomeIsUnknownIfTheNumberOfResultsDiffersFromTheNumberOfCharges(t *testing.T) {
	for _, count := range []int{0, 1, 3} {
		results := make([]*paymentsv1.BatchChargeResult, count)
		for index := range results {
			results[index] = &paymentsv1.BatchChargeResult{
				Outcome: &paymentsv1.BatchChargeResult_Error{Error: status.New(codes.Unknown, "unexpected").Proto()},
			}
		}
		service := serve(t, respond(&paymentsv1.BatchChargeResponse{Results: results}))
		_, err := connect(t, service.target).BatchCharge(t.Context(), make([]payments.ChargeParams, 2))
		var unknown *payments.OutcomeUnknownError
		if !errors.As(err, &unknown) {
			t.Errorf("%d results for 2 charges: %v", count, err)
		}
	}
}
