package payments_test

import (
	"context"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// sentRequest returns the request that a call sends, as the service receives it.
func sentRequest[Request proto.Message](t *testing.T, call func(context.Context, *payments.Client) error) Request {
	t.Helper()
	service := serve(t, succeed)
	if err := call(t.Context(), connect(t, service.target)); err != nil {
		t.Fatal(err)
	}
	return service.calls()[0].request.(Request)
}

func assertEqual(t *testing.T, name string, actual, expected any) {
	t.Helper()
	if !reflect.DeepEqual(actual, expected) {
		t.Errorf("%s: %+v, expected: %+v", name, actual, expected)
	}
}

func assertSame(t *testing.T, actual, expected proto.Message) {
	t.Helper()
	if !proto.Equal(actual, expected) {
		t.Errorf("the message is %v, expected: %v", actual, expected)
	}
}

// received returns the payment that the client makes of a message.
func received(t *testing.T, message *paymentsv1.Payment) *payments.Payment {
	t.Helper()
	service := serve(t, respond(&paymentsv1.ChargeResponse{Payment: message}))
	payment, err := charge(t.Context(), connect(t, service.target))
	if err != nil {
		t.Fatal(err)
	}
	return payment
}

func TestAPaymentAndItsRefundsAreConvertedToGoTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 15, 55, 362_775_000, time.UTC)
	service := serve(t, respond(&paymentsv1.GetPaymentResponse{
		Payment: &paymentsv1.Payment{
			PaymentId: math.MaxInt64, OrderId: math.MinInt64, Amount: &money.Money{CurrencyCode: "INR", Units: 561},
			Method: paymentsv1.PaymentMethod_PAYMENT_METHOD_OTHER, OtherMethod: "cheque",
			Status: paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCEEDED, Reference: "ECI20261124-1",
			CreateTime: timestamppb.New(at), RefundedAmount: &money.Money{CurrencyCode: "INR", Units: 61, Nanos: 500_000_000},
			RefundState: paymentsv1.RefundState_REFUND_STATE_PARTIAL, Caller: "shop", RequestId: "order-1",
			ProcessorReference: "pi_1", Failure: paymentsv1.Failure_FAILURE_EXPIRED_METHOD, FailureCode: "expired_card",
			ExternalReference: " ORD-Zürich/7 ", CustomerId: "customer 7",
			Labels: map[string]string{"channel": "web", "note": ""},
		},
		Refunds: []*paymentsv1.Refund{{
			RefundId: 19, PaymentId: math.MaxInt64, Amount: &money.Money{CurrencyCode: "INR", Units: 61, Nanos: 500_000_000},
			Status: paymentsv1.RefundStatus_REFUND_STATUS_FAILED, Reason: "damaged", CreateTime: timestamppb.New(at),
			Caller: "support", RequestId: "refund-1", ProcessorReference: "re_1",
			Failure: paymentsv1.Failure_FAILURE_DECLINED, FailureCode: "charge_disputed",
		}},
		NextRefundsPageToken: "rest",
	}))
	details, err := connect(t, service.target).GetPayment(t.Context(), math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, "the payment", details, &payments.PaymentDetails{
		Payment: &payments.Payment{
			PaymentID: math.MaxInt64, OrderID: math.MinInt64, Amount: amount("561.00"), Currency: "INR",
			Method: payments.MethodOther, OtherMethod: "cheque", Status: payments.StatusSucceeded,
			Reference: "ECI20261124-1", CreateTime: at, RefundedAmount: amount("61.50"),
			RefundState: payments.RefundStatePartial, Caller: "shop", RequestID: "order-1", ProcessorReference: "pi_1",
			Failure: payments.FailureExpiredMethod, FailureCode: "expired_card", ExternalReference: " ORD-Zürich/7 ",
			CustomerID: "customer 7", Labels: map[string]string{"channel": "web", "note": ""},
		},
		Refunds: []*payments.Refund{{
			RefundID: 19, PaymentID: math.MaxInt64, Amount: amount("61.50"), Currency: "INR",
			Status: payments.RefundStatusFailed, Reason: "damaged", CreateTime: at, Caller: "support",
			RequestID: "refund-1", ProcessorReference: "re_1", Failure: payments.FailureDeclined,
			FailureCode: "charge_disputed",
		}},
		NextRefundsPageToken: "rest",
	})
	assertSame(t, service.calls()[0].request, &paymentsv1.GetPaymentRequest{
		Key: &paymentsv1.GetPaymentRequest_PaymentId{PaymentId: math.MaxInt64},
	})
}

func TestANextActionAndADisputeAreConvertedToGoTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 15, 55, 362_775_000, time.UTC)
	payment := received(t, &paymentsv1.Payment{
		NextAction: &paymentsv1.NextAction{
			Type:        paymentsv1.NextActionType_NEXT_ACTION_TYPE_REDIRECT,
			RedirectUrl: "https://bank.example/approve", ExpireTime: timestamppb.New(at),
		},
		Dispute: &paymentsv1.Dispute{
			Status: paymentsv1.DisputeStatus_DISPUTE_STATUS_LOST,
			Amount: &money.Money{CurrencyCode: "KWD", Units: 61, Nanos: 125_000_000}, Reason: "product_not_received",
			OpenTime: timestamppb.New(at), CloseTime: timestamppb.New(at.Add(time.Hour)), ProcessorReference: "dp_1",
		},
	})
	assertEqual(t, "the next action", payment.NextAction, &payments.NextAction{
		Type: payments.NextActionRedirect, RedirectURL: "https://bank.example/approve", ExpireTime: at,
	})
	assertEqual(t, "the dispute", payment.Dispute, &payments.Dispute{
		Status: payments.DisputeLost, Amount: amount("61.125"), Currency: "KWD", Reason: "product_not_received",
		OpenTime: at, CloseTime: at.Add(time.Hour), ProcessorReference: "dp_1",
	})
}

func TestADisputeInAnotherCurrencyHasNoAmount(t *testing.T) {
	dispute := received(t, &paymentsv1.Payment{
		Dispute: &paymentsv1.Dispute{Status: paymentsv1.DisputeStatus_DISPUTE_STATUS_OPEN},
	}).Dispute
	assertEqual(t, "the dispute", dispute, &payments.Dispute{Status: payments.DisputeOpen})
	assertEqual(t, "whether it has an amount", dispute.HasAmount(), false)
}

func TestARefundReturnsTheUpdatedPayment(t *testing.T) {
	service := serve(t, respond(&paymentsv1.RefundResponse{
		Refund:  &paymentsv1.Refund{RefundId: 19, Amount: &money.Money{Units: 1}},
		Payment: &paymentsv1.Payment{PaymentId: 7},
	}))
	result, err := connect(t, service.target).Refund(t.Context(), payments.RefundParams{PaymentID: 7})
	if err != nil {
		t.Fatal(err)
	}
	if result.Refund == nil || result.Refund.RefundID != 19 || result.Payment.PaymentID != 7 {
		t.Errorf("the result is %+v", result)
	}
}

func TestEnumValuesFromANewerServiceAreUnknown(t *testing.T) {
	for _, number := range []int32{0, 99, -1} {
		service := serve(t, respond(&paymentsv1.GetPaymentResponse{
			Payment: &paymentsv1.Payment{
				Method: paymentsv1.PaymentMethod(number), Status: paymentsv1.PaymentStatus(number),
				RefundState: paymentsv1.RefundState(number), Failure: paymentsv1.Failure(number),
				NextAction: &paymentsv1.NextAction{Type: paymentsv1.NextActionType(number)},
				Dispute:    &paymentsv1.Dispute{Status: paymentsv1.DisputeStatus(number)},
			},
			Refunds: []*paymentsv1.Refund{{
				Status: paymentsv1.RefundStatus(number), Failure: paymentsv1.Failure(number),
			}},
		}))
		details, err := connect(t, service.target).GetPaymentByReference(t.Context(), "ECI20261124-1")
		if err != nil {
			t.Fatal(err)
		}
		payment := details.Payment
		if payment.Method != payments.MethodUnknown || payment.Status != payments.StatusUnknown ||
			payment.RefundState != payments.RefundStateUnknown || details.Refunds[0].Status != payments.RefundStatusUnknown ||
			payment.NextAction.Type != payments.NextActionUnknown || payment.Dispute.Status != payments.DisputeUnknown {
			t.Errorf("%d was converted to %+v and %+v", number, payment, details.Refunds[0])
		}
		expectedFailure := payments.FailureUnknown
		if number == 0 { // which the contract defines as no failure
			expectedFailure = payments.FailureNone
		}
		assertEqual(t, "the payment's failure", payment.Failure, expectedFailure)
		assertEqual(t, "the refund's failure", details.Refunds[0].Failure, expectedFailure)
		assertSame(t, service.calls()[0].request, &paymentsv1.GetPaymentRequest{
			Key: &paymentsv1.GetPaymentRequest_Reference{Reference: "ECI20261124-1"},
		})
	}
}

func TestEveryEnumValueIsSentAndReceivedAsItsName(t *testing.T) {
	for number, name := range paymentsv1.PaymentMethod_name {
		if number == 0 {
			continue
		}
		short := payments.PaymentMethod(name[len("PAYMENT_METHOD_"):])
		service := serve(t, respond(&paymentsv1.ChargeResponse{
			Payment: &paymentsv1.Payment{Method: paymentsv1.PaymentMethod(number)},
		}))
		payment, err := connect(t, service.target).Charge(t.Context(), payments.ChargeParams{Method: short})
		if err != nil {
			t.Fatal(err)
		}
		assertEqual(t, "the method", payment.Method, short)
		assertEqual(t, "its number", int32(service.calls()[0].request.(*paymentsv1.ChargeRequest).GetMethod()), number)
	}
	for number, name := range paymentsv1.Failure_name {
		expected := payments.Failure(name[len("FAILURE_"):])
		if number == 0 {
			expected = payments.FailureNone
		}
		payment := received(t, &paymentsv1.Payment{Failure: paymentsv1.Failure(number)})
		assertEqual(t, "the failure", payment.Failure, expected)
	}
	for number, name := range paymentsv1.NextActionType_name {
		if number == 0 {
			continue
		}
		payment := received(t, &paymentsv1.Payment{
			NextAction: &paymentsv1.NextAction{Type: paymentsv1.NextActionType(number)},
		})
		assertEqual(t, "the next action", "NEXT_ACTION_TYPE_"+string(payment.NextAction.Type), name)
	}
	for number, name := range paymentsv1.DisputeStatus_name {
		if number == 0 {
			continue
		}
		payment := received(t, &paymentsv1.Payment{
			Dispute: &paymentsv1.Dispute{Status: paymentsv1.DisputeStatus(number)},
		})
		assertEqual(t, "the dispute", "DISPUTE_STATUS_"+string(payment.Dispute.Status), name)
	}
	filter := sentFilter(t, payments.ListParams{
		Methods:      []payments.PaymentMethod{"COD", "UPI"},
		Statuses:     []payments.PaymentStatus{"PENDING", "SUCCEEDED", "FAILED"},
		RefundStates: []payments.RefundState{"NONE", "PARTIAL", "FULL"},
	})
	assertEqual(t, "the methods", filter.GetMethods(), []paymentsv1.PaymentMethod{3, 1})
	assertEqual(t, "the statuses", filter.GetStatuses(), []paymentsv1.PaymentStatus{1, 2, 3})
	assertEqual(t, "the refund states", filter.GetRefundStates(), []paymentsv1.RefundState{1, 2, 3})
}

// sentFilter returns the filter that a list sends.
func sentFilter(t *testing.T, params payments.ListParams) *paymentsv1.PaymentFilter {
	t.Helper()
	return sentRequest[*paymentsv1.ListPaymentsRequest](t, func(ctx context.Context, client *payments.Client) error {
		_, err := client.ListPaymentsPage(ctx, params, payments.PageParams{})
		return err
	}).GetFilter()
}

func TestEveryConditionIsSent(t *testing.T) {
	kolkata := time.FixedZone("IST", 5*60*60+30*60)
	params := payments.ListParams{
		OrderID: payments.Ptr(int64(math.MinInt64)), Reference: payments.Ptr("ECI20261124-1"),
		MinAmount: optionalAmount("-1.00"), MaxAmount: optionalAmount("2.50"), Currency: "USD",
		MinCreateTime: time.Date(2026, 11, 24, 8, 45, 55, 362_775_000, kolkata),
		MaxCreateTime: time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		RequestID:     payments.Ptr("order-1"), Caller: payments.Ptr("shop"), ProcessorReference: payments.Ptr("pi_1"),
		ExternalReference: payments.Ptr("ORD-1"), CustomerID: payments.Ptr("customer 7"),
	}
	assertSame(t, sentFilter(t, params), &paymentsv1.PaymentFilter{
		OrderId: payments.Ptr(int64(math.MinInt64)), Reference: payments.Ptr("ECI20261124-1"),
		MinAmount:     &money.Money{CurrencyCode: "USD", Units: -1},
		MaxAmount:     &money.Money{CurrencyCode: "USD", Units: 2, Nanos: 500_000_000},
		MinCreateTime: &timestamppb.Timestamp{Seconds: 1_795_490_155, Nanos: 362_775_000},
		MaxCreateTime: &timestamppb.Timestamp{Seconds: -1, Nanos: 999_999_000},
		RequestId:     payments.Ptr("order-1"), Caller: payments.Ptr("shop"), ProcessorReference: payments.Ptr("pi_1"),
		ExternalReference: payments.Ptr("ORD-1"), CustomerId: payments.Ptr("customer 7"),
	})
	assertSame(t, sentFilter(t, payments.ListParams{}), &paymentsv1.PaymentFilter{})
	empty := payments.Ptr("")
	zero := payments.ListParams{
		OrderID: payments.Ptr(int64(0)), Reference: empty, MinAmount: optionalAmount("0"), RequestID: empty, Caller: empty,
		ProcessorReference: empty, ExternalReference: empty, CustomerID: empty,
	}
	assertSame(t, sentFilter(t, zero), &paymentsv1.PaymentFilter{
		OrderId: payments.Ptr(int64(0)), Reference: empty, MinAmount: &money.Money{}, RequestId: empty, Caller: empty,
		ProcessorReference: empty, ExternalReference: empty, CustomerId: empty,
	})
}

func TestEveryParameterOfAChargeAndARefundIsSent(t *testing.T) {
	charged := sentRequest[*paymentsv1.ChargeRequest](t, func(ctx context.Context, client *payments.Client) error {
		_, err := client.Charge(ctx, payments.ChargeParams{
			OrderID: math.MaxInt64, Amount: amount("5.50"), Currency: "USD", Method: payments.MethodCOD,
			RequestID: payments.Ptr("order-1"), ExternalReference: " ORD-Zürich/7 ", CustomerID: "customer 7",
			Labels: map[string]string{"channel": "web", "note": ""}, PaymentSource: "pm_1",
			ReturnURL: "https://shop.example/orders/7", UnlessPending: true,
		})
		return err
	})
	assertSame(t, charged, &paymentsv1.ChargeRequest{
		OrderId: math.MaxInt64, Amount: &money.Money{CurrencyCode: "USD", Units: 5, Nanos: 500_000_000},
		Method: paymentsv1.PaymentMethod_PAYMENT_METHOD_COD, RequestId: payments.Ptr("order-1"),
		ExternalReference: " ORD-Zürich/7 ", CustomerId: "customer 7",
		Labels: map[string]string{"channel": "web", "note": ""}, PaymentSource: "pm_1",
		ReturnUrl: "https://shop.example/orders/7", UnlessPending: true,
	})
	for _, refundAmount := range []*decimal.Decimal{nil, optionalAmount("2.50")} {
		refunded := sentRequest[*paymentsv1.RefundRequest](t, func(ctx context.Context, client *payments.Client) error {
			_, err := client.Refund(ctx, payments.RefundParams{
				PaymentID: math.MaxInt64, Amount: refundAmount, Reason: "damaged", RequestID: payments.Ptr("refund-1"),
			})
			return err
		})
		expected := &paymentsv1.RefundRequest{
			PaymentId: math.MaxInt64, Reason: "damaged", RequestId: payments.Ptr("refund-1"),
		}
		if refundAmount != nil {
			expected.Amount = &money.Money{Units: 2, Nanos: 500_000_000}
		}
		assertSame(t, refunded, expected)
	}
}

func TestAPaymentIsFoundByTheRequestIDOfItsCharge(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	for _, options := range [][]payments.GetOption{nil, {payments.OfCaller("shop"), payments.WithTimeout(time.Hour)}} {
		if _, err := client.GetPaymentByRequestID(t.Context(), "order-1", options...); err != nil {
			t.Fatal(err)
		}
	}
	calls := service.calls()
	key := &paymentsv1.GetPaymentRequest_RequestId{RequestId: "order-1"}
	assertSame(t, calls[0].request, &paymentsv1.GetPaymentRequest{Key: key})
	assertSame(t, calls[1].request, &paymentsv1.GetPaymentRequest{Key: key, Caller: "shop"})
	if calls[0].remaining > time.Minute || calls[1].remaining < 50*time.Minute {
		t.Errorf("the timeouts are %s and %s", calls[0].remaining, calls[1].remaining)
	}
}
