package paymentstest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestRefundsNeverExceedTheCharge(t *testing.T) {
	client := paymentstest.NewClient(t)
	payment := charge(t, client, payments.ChargeParams{Amount: amount("100.00")})
	partial := refund(t, client, payments.RefundParams{
		PaymentID: payment.PaymentID, Amount: optionalAmount("30.50"), Reason: "damaged", RequestID: payments.Ptr("r"),
	})
	assertAmount(t, "the refund", partial.Refund.Amount, "30.50")
	assertAmount(t, "the refunded amount", partial.Payment.RefundedAmount, "30.50")
	assertEqual(t, "the state", partial.Payment.RefundState, payments.RefundStatePartial)
	assertEqual(t, "the reason", partial.Refund.Reason, "damaged")
	assertEqual(t, "the caller", partial.Refund.Caller, "anonymous")
	assertEqual(t, "the request_id", partial.Refund.RequestID, "r")

	var exceeds *payments.RefundExceedsPaymentError
	_, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 1, Amount: optionalAmount("69.51")})
	if !errors.As(err, &exceeds) || exceeds.Message != "only 69.50 INR is left to refund" {
		t.Errorf("the error is %v", err)
	}
	rest := refund(t, client, payments.RefundParams{PaymentID: payment.PaymentID})
	assertAmount(t, "the rest", rest.Refund.Amount, "69.50")
	assertEqual(t, "the state", rest.Payment.RefundState, payments.RefundStateFull)
	if _, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 1}); !errors.As(err, &exceeds) {
		t.Errorf("the error is %v", err)
	}
	assertList(t, "the events", eventTypes(t, client, 1),
		payments.EventCharged, payments.EventRefunded, payments.EventRefunded)
}

func TestARequestIDOfARefundIsIndependentOfThoseOfCharges(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{RequestID: payments.Ptr("same")})
	params := payments.RefundParams{PaymentID: 1, Amount: optionalAmount("1.00"), RequestID: payments.Ptr("same")}
	refund(t, client, params)
	for name, changed := range map[string]payments.RefundParams{
		"amount":    {PaymentID: 1, Amount: optionalAmount("1.01"), RequestID: params.RequestID},
		"no amount": {PaymentID: 1, RequestID: params.RequestID},
		"reason":    {PaymentID: 1, Amount: params.Amount, Reason: "damaged", RequestID: params.RequestID},
		"payment":   {PaymentID: 2, Amount: params.Amount, RequestID: params.RequestID},
	} {
		var reused *payments.RequestIDReusedError
		if _, err := client.Refund(t.Context(), changed); !errors.As(err, &reused) {
			t.Errorf("with another %s, the error is %v", name, err)
		}
	}
	params.Currency = "INR" // the default
	assertEqual(t, "the refund", refund(t, client, params).Refund.RefundID, 1)
}

func TestARefundCanFail(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_refund_fails"})
	result := refund(t, client, payments.RefundParams{PaymentID: 1})
	assertEqual(t, "the status", result.Refund.Status, payments.RefundStatusFailed)
	assertEqual(t, "the failure", result.Refund.Failure, payments.FailureDeclined)
	assertEqual(t, "the code", result.Refund.FailureCode, "declined")
	assertAmount(t, "the refunded amount", result.Payment.RefundedAmount, "0.00")
	assertEqual(t, "the state", result.Payment.RefundState, payments.RefundStateNone)

	page, err := client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 1})
	check(t, err)
	assertEqual(t, "the second event", page.Events[1].Type, payments.EventRefundPending)
	assertEqual(t, "the payment while the refund is pending", page.Events[1].Payment.RefundState, payments.RefundStateFull)
	assertEqual(t, "the third event", page.Events[2].Type, payments.EventRefundFailed)
	assertEqual(t, "the payment after it", page.Events[2].Payment.RefundState, payments.RefundStateNone)
}

func TestAPendingRefundCountsAsRefunded(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_refund_pending_5s"})
	result := refund(t, client, payments.RefundParams{PaymentID: 1})
	assertEqual(t, "the status", result.Refund.Status, payments.RefundStatusPending)
	assertEqual(t, "the state", result.Payment.RefundState, payments.RefundStateFull)
	assertList(t, "the events", eventTypes(t, client, 1), payments.EventCharged, payments.EventRefundPending)
	clock.advance(5 * time.Second)
	assertEqual(t, "the later status", get(t, client, 1).Refunds[0].Status, payments.RefundStatusSucceeded)
	assertList(t, "the events", eventTypes(t, client, 1),
		payments.EventCharged, payments.EventRefundPending, payments.EventRefunded)
}

func TestARefundCanFailAfterItSucceededAndThenBeMadeAgain(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_refund_fails_after_5s"})
	result := refund(t, client, payments.RefundParams{PaymentID: 1})
	assertEqual(t, "the status", result.Refund.Status, payments.RefundStatusSucceeded)
	assertEqual(t, "the state", result.Payment.RefundState, payments.RefundStateFull)
	clock.advance(5*time.Second - time.Microsecond)
	assertEqual(t, "the status just before", get(t, client, 1).Refunds[0].Status, payments.RefundStatusSucceeded)
	clock.advance(time.Microsecond)
	details := get(t, client, 1)
	assertEqual(t, "the later status", details.Refunds[0].Status, payments.RefundStatusFailed)
	assertEqual(t, "the failure", details.Refunds[0].Failure, payments.FailureDeclined)
	assertEqual(t, "the code", details.Refunds[0].FailureCode, "declined")
	assertEqual(t, "the later state", details.Payment.RefundState, payments.RefundStateNone)
	assertList(t, "the events", eventTypes(t, client, 1), payments.EventCharged,
		payments.EventRefundPending, payments.EventRefunded, payments.EventRefundFailed)
	again := refund(t, client, payments.RefundParams{PaymentID: 1})
	assertEqual(t, "the second refund", again.Refund.RefundID, 2)
	assertEqual(t, "its status", again.Refund.Status, payments.RefundStatusSucceeded)
}

func TestAPaymentThatIsNotChargedCannotBeRefunded(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_declined"})
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_pending_5s"})
	var failed *payments.PaymentFailedError
	if _, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 1}); !errors.As(err, &failed) {
		t.Errorf("the error is %v", err)
	}
	var pending *payments.PaymentPendingError
	if _, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 2}); !errors.As(err, &pending) {
		t.Errorf("the error is %v", err)
	}
	var notFound *payments.PaymentNotFoundError
	if _, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 3}); !errors.As(err, &notFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestAnInvalidRefundNamesItsFields(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{})
	for field, params := range map[string]payments.RefundParams{
		"payment_id":           {},
		"amount":               {PaymentID: 1, Amount: optionalAmount("0.00")},
		"amount.nanos":         {PaymentID: 1, Amount: optionalAmount("0.001")},
		"amount.currency_code": {PaymentID: 1, Amount: optionalAmount("1.00"), Currency: "USD"},
		"reason":               {PaymentID: 1, Reason: strings.Repeat("a", 256)},
		"request_id":           {PaymentID: 1, RequestID: payments.Ptr("")},
	} {
		_, err := client.Refund(t.Context(), params)
		assertInvalid(t, err, field)
	}
	unknownCurrency := payments.RefundParams{PaymentID: 1, Amount: optionalAmount("1.00"), Currency: "XYZ"}
	_, err := client.Refund(t.Context(), unknownCurrency)
	assertInvalid(t, err, "amount.currency_code")
}
