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

func TestAmountsAreExactInBothDirections(t *testing.T) {
	for text, expected := range map[string]*money.Money{
		"561.00":                  {Units: 561},
		"12.340000":               {Units: 12, Nanos: 340_000_000},
		"0.01":                    {Nanos: 10_000_000},
		"-0.50":                   {Nanos: -500_000_000},
		"-5.05":                   {Units: -5, Nanos: -50_000_000},
		"0.00":                    {},
		"0e2000000000":            {},
		"1e2":                     {Units: 100},
		"99999999.99":             {Units: 99_999_999, Nanos: 990_000_000},
		"9223372036854775807.99":  {Units: math.MaxInt64, Nanos: 990_000_000},
		"-9223372036854775808.99": {Units: math.MinInt64, Nanos: -990_000_000},
	} {
		amount := decimal.New(0, 2_000_000_000)
		if text != "0e2000000000" { // which cannot be parsed
			amount = decimal.RequireFromString(text)
		}
		request := sentRequest[*paymentsv1.ChargeRequest](t, func(ctx context.Context, client *payments.Client) error {
			_, err := client.Charge(ctx, payments.ChargeParams{Amount: amount})
			return err
		})
		assertSame(t, request.GetAmount(), expected)
		if back := amountOf(t, request.GetAmount()); !back.Equal(amount) || back.Exponent() != -2 {
			t.Errorf("%s came back as %v", text, back)
		}
	}
	for expected, wire := range map[string]*money.Money{
		"1.234":                          {Units: 1, Nanos: 234_000_000},
		"-0.000000001":                   {Nanos: -1},
		"9223372036854775807.999999999":  {Units: math.MaxInt64, Nanos: 999_999_999},
		"-9223372036854775808.999999999": {Units: math.MinInt64, Nanos: -999_999_999},
	} {
		if back := amountOf(t, wire); back.String() != expected {
			t.Errorf("%s was converted to %s", expected, back)
		}
	}
}

// amountOf returns the amount that the client returns for an amount from the service.
func amountOf(t *testing.T, money *money.Money) decimal.Decimal {
	t.Helper()
	service := serve(t, respond(&paymentsv1.ChargeResponse{Payment: &paymentsv1.Payment{Amount: money}}))
	payment, err := charge(t.Context(), connect(t, service.target))
	if err != nil {
		t.Fatal(err)
	}
	return payment.Amount
}

func TestAPaymentAndItsRefundsAreConvertedToGoTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 15, 55, 362_775_000, time.UTC)
	service := serve(t, respond(&paymentsv1.GetPaymentResponse{
		Payment: &paymentsv1.Payment{
			PaymentId: math.MaxInt64, OrderId: math.MinInt64, Amount: &money.Money{CurrencyCode: "INR", Units: 561},
			Method: paymentsv1.PaymentMethod_PAYMENT_METHOD_OTHER, OtherMethod: "cheque",
			Status: paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCEEDED, Reference: "ECI20261124-1",
			CreateTime: timestamppb.New(at), RefundedAmount: &money.Money{CurrencyCode: "INR", Units: 61, Nanos: 500_000_000},
			RefundState: paymentsv1.RefundState_REFUND_STATE_PARTIAL,
		},
		Refunds: []*paymentsv1.Refund{{
			RefundId: 19, PaymentId: math.MaxInt64, Amount: &money.Money{CurrencyCode: "INR", Units: 61, Nanos: 500_000_000},
			Status: paymentsv1.RefundStatus_REFUND_STATUS_PENDING, Reason: "damaged", CreateTime: timestamppb.New(at),
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
			RefundState: payments.RefundStatePartial,
		},
		Refunds: []*payments.Refund{{
			RefundID: 19, PaymentID: math.MaxInt64, Amount: amount("61.50"), Currency: "INR",
			Status: payments.RefundStatusPending, Reason: "damaged", CreateTime: at,
		}},
		NextRefundsPageToken: "rest",
	})
	assertSame(t, service.calls()[0].request, &paymentsv1.GetPaymentRequest{
		Key: &paymentsv1.GetPaymentRequest_PaymentId{PaymentId: math.MaxInt64},
	})
}

func TestAnAdoptedPaymentMayHaveNoAmount(t *testing.T) {
	service := serve(t, respond(&paymentsv1.RefundResponse{Payment: &paymentsv1.Payment{PaymentId: 7}}))
	result, err := connect(t, service.target).Refund(t.Context(), payments.RefundParams{PaymentID: 7})
	if err != nil {
		t.Fatal(err)
	}
	if result.Refund != nil {
		t.Errorf("the refund is %v", result.Refund)
	}
	payment := result.Payment
	if payment.HasAmount() {
		t.Error("the payment has an amount")
	}
	assertEqual(t, "the payment", payment, &payments.Payment{
		PaymentID: 7, Method: payments.MethodUnknown, Status: payments.StatusUnknown, RefundState: payments.RefundStateUnknown,
	})
}

func TestAnAmountOfZeroIsRecorded(t *testing.T) {
	zero := &money.Money{CurrencyCode: "INR"}
	service := serve(t, respond(&paymentsv1.ChargeResponse{Payment: &paymentsv1.Payment{Amount: zero}}))
	payment, err := charge(t.Context(), connect(t, service.target))
	if err != nil {
		t.Fatal(err)
	}
	if !payment.HasAmount() || !payment.Amount.IsZero() {
		t.Errorf("the payment is %+v", payment)
	}
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
				RefundState: paymentsv1.RefundState(number),
			},
			Refunds: []*paymentsv1.Refund{{Status: paymentsv1.RefundStatus(number)}},
		}))
		details, err := connect(t, service.target).GetPaymentByReference(t.Context(), "ECI20261124-1")
		if err != nil {
			t.Fatal(err)
		}
		payment := details.Payment
		if payment.Method != payments.MethodUnknown || payment.Status != payments.StatusUnknown ||
			payment.RefundState != payments.RefundStateUnknown || details.Refunds[0].Status != payments.RefundStatusUnknown {
			t.Errorf("%d was converted to %+v and %+v", number, payment, details.Refunds[0])
		}
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
	}
	assertSame(t, sentFilter(t, params), &paymentsv1.PaymentFilter{
		OrderId: payments.Ptr(int64(math.MinInt64)), Reference: payments.Ptr("ECI20261124-1"),
		MinAmount:     &money.Money{CurrencyCode: "USD", Units: -1},
		MaxAmount:     &money.Money{CurrencyCode: "USD", Units: 2, Nanos: 500_000_000},
		MinCreateTime: &timestamppb.Timestamp{Seconds: 1_795_490_155, Nanos: 362_775_000},
		MaxCreateTime: &timestamppb.Timestamp{Seconds: -1, Nanos: 999_999_000},
	})
	assertSame(t, sentFilter(t, payments.ListParams{}), &paymentsv1.PaymentFilter{})
	zero := payments.ListParams{OrderID: payments.Ptr(int64(0)), Reference: payments.Ptr(""), MinAmount: optionalAmount("0")}
	assertSame(t, sentFilter(t, zero), &paymentsv1.PaymentFilter{
		OrderId: payments.Ptr(int64(0)), Reference: payments.Ptr(""), MinAmount: &money.Money{},
	})
}

func TestARefundOfZeroIsSentAsZeroAndNotAsEverything(t *testing.T) {
	refunded := sentRequest[*paymentsv1.RefundRequest](t, func(ctx context.Context, client *payments.Client) error {
		_, err := client.Refund(ctx, payments.RefundParams{PaymentID: 7, Amount: optionalAmount("0.00")})
		return err
	})
	if refunded.GetAmount() == nil {
		t.Error("the request has no amount")
	}
}

func TestEveryParameterOfAChargeAndARefundIsSent(t *testing.T) {
	charged := sentRequest[*paymentsv1.ChargeRequest](t, func(ctx context.Context, client *payments.Client) error {
		_, err := client.Charge(ctx, payments.ChargeParams{
			OrderID: math.MaxInt64, Amount: amount("5.50"), Currency: "USD", Method: payments.MethodCOD,
			RequestID: payments.Ptr("order-1"),
		})
		return err
	})
	assertSame(t, charged, &paymentsv1.ChargeRequest{
		OrderId: math.MaxInt64, Amount: &money.Money{CurrencyCode: "USD", Units: 5, Nanos: 500_000_000},
		Method: paymentsv1.PaymentMethod_PAYMENT_METHOD_COD, RequestId: payments.Ptr("order-1"),
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
