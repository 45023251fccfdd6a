package paymentstest_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestAChargeReturnsThePayment(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	payment := charge(t, client, payments.ChargeParams{
		OrderID: 7, Amount: amount("561.50"), Method: payments.MethodUPI, RequestID: payments.Ptr("order-7"),
		ExternalReference: " ORD/7 ", CustomerID: "customer 7", Labels: map[string]string{"channel": "web"},
	})
	if !strings.HasPrefix(payment.Reference, "ECI20261124-") || len(payment.Reference) != len("ECI20261124-")+20 {
		t.Errorf("the reference is %s", payment.Reference)
	}
	if payment.CreateTime.Nanosecond() != 362_775_000 || !maps.Equal(payment.Labels, map[string]string{"channel": "web"}) {
		t.Errorf("the payment is %+v", payment)
	}
	assertAmount(t, "the amount", payment.Amount, "561.50")
	assertAmount(t, "the refunded amount", payment.RefundedAmount, "0.00")
	payment.Reference, payment.CreateTime, payment.Labels = "", clock.now, nil
	payment.Amount, payment.RefundedAmount = amount("1"), amount("1")
	expected := payments.Payment{
		PaymentID: 1, OrderID: 7, Amount: payment.Amount, Currency: "INR", Method: payments.MethodUPI,
		Status: payments.StatusSucceeded, CreateTime: clock.now, RefundedAmount: payment.RefundedAmount,
		RefundState: payments.RefundStateNone, Caller: "anonymous", RequestID: "order-7",
		ExternalReference: " ORD/7 ", CustomerID: "customer 7",
	}
	assertSame(t, *payment, expected)
}

func TestAChargeWithoutAMethodIsMadeByCard(t *testing.T) {
	payment := charge(t, paymentstest.NewClient(t), payments.ChargeParams{})
	assertEqual(t, "the method", payment.Method, payments.MethodCard)
}

func TestEachSourceDecidesTheOutcomeOfACharge(t *testing.T) {
	for source, failure := range map[string]payments.Failure{
		"sim_success":                 payments.FailureNone,
		"sim_insufficient_funds":      payments.FailureInsufficientFunds,
		"sim_expired_method":          payments.FailureExpiredMethod,
		"sim_invalid_method":          payments.FailureInvalidMethod,
		"sim_authentication_required": payments.FailureAuthenticationRequired,
		"sim_fraud":                   payments.FailureSuspectedFraud,
		"sim_limit_exceeded":          payments.FailureLimitExceeded,
		"sim_declined":                payments.FailureDeclined,
		"sim_processor_error":         payments.FailureProcessorError,
		"sim_refund_fails":            payments.FailureNone,
		"sim_refund_pending_5s":       payments.FailureNone,
		"sim_refund_fails_after_5s":   payments.FailureNone,
	} {
		client := paymentstest.NewClient(t)
		payment := charge(t, client, payments.ChargeParams{PaymentSource: source})
		status, event := payments.StatusSucceeded, payments.EventCharged
		if failure != payments.FailureNone {
			status, event = payments.StatusFailed, payments.EventFailed
		}
		assertEqual(t, source, payment.Status, status)
		assertEqual(t, source, payment.Failure, failure)
		assertEqual(t, source, payment.FailureCode, strings.ToLower(string(failure)))
		assertList(t, source, eventTypes(t, client, payment.PaymentID), event)
	}
}

func TestTheSameRequestIDChargesOnceAndIsMarkedAsReplayed(t *testing.T) {
	var replayed []string
	service := paymentstest.NewService()
	defer service.Close()
	client, err := service.NewClient(t.Context(), payments.WithUnaryInterceptors(func(
		ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		var trailer metadata.MD
		err := invoke(ctx, method, request, reply, conn, append(options, grpc.Trailer(&trailer))...)
		replayed = append(replayed, strings.Join(trailer.Get("idempotency-replayed"), " "))
		return err
	}))
	check(t, err)
	defer client.Close()
	params := payments.ChargeParams{
		RequestID: payments.Ptr("order-342"), Currency: "INR", Labels: map[string]string{"a": "1", "b": "2"},
		PaymentSource: "sim_success", ReturnURL: "https://shop.example/orders/342",
	}
	first := charge(t, client, params)
	// which do not change what is charged
	params.Currency, params.UnlessPending, params.ReturnURL = "", true, "https://shop.example/elsewhere"
	assertEqual(t, "the second payment", charge(t, client, params).PaymentID, first.PaymentID)
	refundParams := payments.RefundParams{PaymentID: first.PaymentID, RequestID: payments.Ptr("order-342")}
	refunded := refund(t, client, refundParams)
	assertEqual(t, "the second refund", refund(t, client, refundParams).Refund.RefundID, refunded.Refund.RefundID)
	assertList(t, "the trailers", replayed, "", "true", "", "true")
}

func TestTheSameRequestIDWithAnotherParameterIsRejected(t *testing.T) {
	client := paymentstest.NewClient(t)
	params := payments.ChargeParams{
		OrderID: 7, Amount: amount("5.00"), Method: payments.MethodUPI, RequestID: payments.Ptr("order-7"),
		ExternalReference: "ORD-7", CustomerID: "c", Labels: map[string]string{"a": "1"}, PaymentSource: "sim_success",
	}
	charge(t, client, params)
	for name, change := range map[string]func(*payments.ChargeParams){
		"order":              func(params *payments.ChargeParams) { params.OrderID = 8 },
		"amount":             func(params *payments.ChargeParams) { params.Amount = amount("5.01") },
		"currency":           func(params *payments.ChargeParams) { params.Currency = "USD" },
		"method":             func(params *payments.ChargeParams) { params.Method = "" },
		"external reference": func(params *payments.ChargeParams) { params.ExternalReference = "ORD-7 " },
		"customer":           func(params *payments.ChargeParams) { params.CustomerID = "" },
		"labels":             func(params *payments.ChargeParams) { params.Labels = nil },
		"source":             func(params *payments.ChargeParams) { params.PaymentSource = "" },
	} {
		changed := params
		change(&changed)
		_, err := client.Charge(t.Context(), changed)
		var reused *payments.RequestIDReusedError
		if !errors.As(err, &reused) || reused.RequestID != "order-7" || reused.CallID == "" {
			t.Errorf("with another %s, the error is %v", name, err)
		}
	}
}

func TestUnlessPendingRejectsAChargeWhileAnotherPaymentOfTheOrderIsPending(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	byNumber := payments.ChargeParams{OrderID: 7, ExternalReference: "ORD-7", PaymentSource: "sim_pending_5s"}
	byReference := payments.ChargeParams{ExternalReference: "ORD-8", PaymentSource: "sim_pending_5s_declined"}
	for _, params := range []payments.ChargeParams{byNumber, byReference} {
		pending := charge(t, client, params)
		assertEqual(t, "the status", pending.Status, payments.StatusPending)
		params.Amount, params.UnlessPending = pending.Amount, true
		_, err := client.Charge(t.Context(), params)
		var hasPending *payments.OrderHasPendingPaymentError
		if !errors.As(err, &hasPending) || hasPending.PaymentID != pending.PaymentID {
			t.Errorf("the error is %v", err)
		}
		params.UnlessPending = false
		charge(t, client, params)
	}
	charge(t, client, payments.ChargeParams{OrderID: 9, ExternalReference: "ORD-7", UnlessPending: true})
	charge(t, client, payments.ChargeParams{ExternalReference: "ORD-7", UnlessPending: true}) // not the order 7
	charge(t, client, payments.ChargeParams{ExternalReference: "ORD-9", UnlessPending: true})
	clock.advance(5 * time.Second)
	byReference.UnlessPending = true
	charge(t, client, byReference)
}

func TestABatchHasAnOutcomeForEachCharge(t *testing.T) {
	client := paymentstest.NewClient(t)
	results, err := client.BatchCharge(t.Context(), []payments.ChargeParams{
		{OrderID: 1, Amount: amount("5.00"), RequestID: payments.Ptr("a")},
		{Amount: amount("-1.00")},
		{OrderID: 1, Amount: amount("5.00"), RequestID: payments.Ptr("a")},
		{OrderID: 1, Amount: amount("6.00"), RequestID: payments.Ptr("a")},
	})
	check(t, err)
	assertEqual(t, "the first payment", results[0].Payment.PaymentID, 1)
	assertInvalid(t, results[1].Err, "order_id", "amount")
	assertEqual(t, "the replayed payment", results[2].Payment.PaymentID, 1)
	var reused *payments.RequestIDReusedError
	if !errors.As(results[3].Err, &reused) || reused.CallID == "" {
		t.Errorf("the last error is %v", results[3].Err)
	}
	_, err = client.BatchCharge(t.Context(), nil)
	assertInvalid(t, err, "charges")
	_, err = client.BatchCharge(t.Context(), make([]payments.ChargeParams, 1001))
	assertInvalid(t, err, "charges")
}

func TestAnInvalidChargeNamesItsFields(t *testing.T) {
	client := paymentstest.NewClient(t, paymentstest.WithAllowedCurrencies("INR", "JPY"))
	valid := payments.ChargeParams{OrderID: 1, Amount: amount("5.00")}
	tooLong := strings.Repeat("é", 101)
	for _, test := range []struct {
		change func(*payments.ChargeParams)
		field  string
	}{
		{func(params *payments.ChargeParams) { params.OrderID = 0 }, "order_id"},
		{func(params *payments.ChargeParams) { params.OrderID, params.ExternalReference = -1, "ORD-1" }, "order_id"},
		{func(params *payments.ChargeParams) { params.Amount = amount("0.00") }, "amount"},
		{func(params *payments.ChargeParams) { params.Amount = amount("5.001") }, "amount.nanos"},
		{func(params *payments.ChargeParams) { params.Currency, params.Amount = "JPY", amount("5.5") }, "amount.nanos"},
		{func(params *payments.ChargeParams) { params.Amount = amount("10000000000000.00") }, "amount.units"},
		{func(params *payments.ChargeParams) { params.Amount = amount("-9223372036854775808") }, "amount.units"},
		{func(params *payments.ChargeParams) { params.Currency = "USD" }, "amount.currency_code"},
		{func(params *payments.ChargeParams) { params.Method = payments.MethodOther }, "method"},
		{func(params *payments.ChargeParams) { params.RequestID = payments.Ptr("") }, "request_id"},
		{func(params *payments.ChargeParams) { params.RequestID = payments.Ptr("é") }, "request_id"},
		{func(params *payments.ChargeParams) { params.RequestID = payments.Ptr(strings.Repeat("a", 256)) }, "request_id"},
		{func(params *payments.ChargeParams) { params.ExternalReference = tooLong }, "external_reference"},
		{func(params *payments.ChargeParams) { params.CustomerID = "a\u0085b" }, "customer_id"},
		{func(params *payments.ChargeParams) { params.Labels = map[string]string{"": "a"} }, "labels"},
		{func(params *payments.ChargeParams) { params.Labels = map[string]string{tooLong[:82]: "a"} }, "labels"},
		{func(params *payments.ChargeParams) { params.Labels = map[string]string{"a": tooLong} }, "labels"},
		{func(params *payments.ChargeParams) { params.Labels = manyLabels(17) }, "labels"},
		{func(params *payments.ChargeParams) { params.PaymentSource = "pm_1" }, "payment_source"},
	} {
		params := valid
		test.change(&params)
		_, err := client.Charge(t.Context(), params)
		assertInvalid(t, err, test.field)
	}
	longest := strings.Repeat("é", 100)
	charge(t, client, payments.ChargeParams{
		RequestID: payments.Ptr(strings.Repeat("~", 255)), ExternalReference: longest, CustomerID: longest,
		Labels: manyLabels(16), Amount: amount("9999999999999.99"),
	})
	assertList(t, "the payments", list(t, client, payments.ListParams{}), 1)
}

func TestAReturnURLIsAnHTTPSURLAndNeedsAPaymentSource(t *testing.T) {
	client := paymentstest.NewClient(t, paymentstest.WithDefaultPaymentSource("sim_approval_5s"))
	charged := func(source, returnURL string) error {
		_, err := client.Charge(t.Context(), payments.ChargeParams{
			OrderID: 1, Amount: amount("5.00"), PaymentSource: source, ReturnURL: returnURL,
		})
		return err
	}
	longest := "https://shop.example/" + strings.Repeat("a", 2048-len("https://shop.example/"))
	for _, returnURL := range []string{"https://shop.example", "https://shop.example:8443/orders/7?step=done", longest} {
		check(t, charged("sim_success", returnURL))
		err := charged("", returnURL)
		assertInvalid(t, err, "return_url")
		assertEqual(t, "the description", description(err), "must be empty without a payment_source")
	}
	for _, returnURL := range []string{
		"http://shop.example/orders/7", "HTTPS://shop.example", "orders/7", "https://", "https://shop.example/orders 7",
		"https://shop.example/é", longest + "a",
	} {
		err := charged("sim_success", returnURL)
		assertInvalid(t, err, "return_url")
		assertEqual(t, returnURL, description(err), "must be an https URL of at most 2048 characters")
	}
}

// description returns that of the first invalid field.
func description(err error) string {
	var invalid *payments.InvalidRequestError
	if !errors.As(err, &invalid) {
		return ""
	}
	return invalid.Violations[0].Description
}

// manyLabels returns labels with the longest allowed keys and values.
func manyLabels(count int) map[string]string {
	labels := map[string]string{}
	for index := range count {
		labels[strings.Repeat("é", 39)+string(rune('a'+index))] = strings.Repeat("é", 100)
	}
	return labels
}
