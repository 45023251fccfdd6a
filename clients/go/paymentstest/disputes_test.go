package paymentstest_test

import (
	"errors"
	"testing"
	"time"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestADisputeIsOpenedAndDecidedWhenTheClockReachesItsTimes(t *testing.T) {
	for source, test := range map[string]struct {
		status payments.DisputeStatus
		event  payments.PaymentEventType
	}{
		"sim_dispute_5s_won":  {payments.DisputeWon, payments.EventDisputeWon},
		"sim_dispute_5s_lost": {payments.DisputeLost, payments.EventDisputeLost},
	} {
		clock := newTestClock()
		client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
		payment := charge(t, client, payments.ChargeParams{PaymentSource: source})
		assertEqual(t, source, payment.Status, payments.StatusSucceeded)
		clock.advance(5*time.Second - time.Microsecond)
		if dispute := get(t, client, 1).Payment.Dispute; dispute != nil {
			t.Errorf("%s: the dispute is %+v too early", source, dispute)
		}
		clock.advance(time.Microsecond)
		opened := payment.CreateTime.Add(5 * time.Second)
		expected := payments.Dispute{
			Status: payments.DisputeOpen, Amount: payment.Amount, Currency: "INR", Reason: "fraudulent",
			OpenTime: opened, ProcessorReference: "sim_dispute_1",
		}
		assertSame(t, *get(t, client, 1).Payment.Dispute, expected)
		clock.advance(5 * time.Second)
		expected.Status, expected.CloseTime = test.status, opened.Add(5*time.Second)
		assertSame(t, *get(t, client, 1).Payment.Dispute, expected)
		assertEqual(t, source, get(t, client, 1).Payment.Status, payments.StatusSucceeded)

		events := events(t, client, 1)
		assertList(t, source, eventTypes(t, client, 1),
			payments.EventPending, payments.EventCharged, payments.EventDisputeOpened, test.event)
		assertEqual(t, "the dispute in its first event", events[2].Payment.Dispute.Status, payments.DisputeOpen)
		assertEqual(t, "the time of its last event", events[3].EventTime, expected.CloseTime)
		assertSame(t, *events[3].Payment.Dispute, expected)
		for index, caller := range []string{"anonymous", "anonymous", "", ""} {
			assertEqual(t, "the caller of an event", events[index].Caller, caller)
			assertEqual(t, "whether it has a request_id", events[index].RequestID != "", caller != "")
		}
	}
}

func TestADisputedPaymentCanBeRefundedOnlyAfterItsDisputeIsWon(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_dispute_5s_won"})
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_dispute_5s_lost"})
	charge(t, client, payments.ChargeParams{PaymentSource: "sim_dispute_5s_lost"})
	// before the disputes
	refund(t, client, payments.RefundParams{PaymentID: 2, Amount: optionalAmount("1.00")})
	refund(t, client, payments.RefundParams{PaymentID: 3})
	refundError := func(paymentID int64) string {
		_, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: paymentID})
		var disputed *payments.PaymentDisputedError
		if !errors.As(err, &disputed) {
			t.Errorf("the error is %v", err)
			return ""
		}
		return disputed.Message
	}
	clock.advance(5 * time.Second)
	for _, paymentID := range []int64{1, 2} {
		assertEqual(t, "the message while the dispute is open", refundError(paymentID),
			"the payer disputes this payment; it cannot be refunded while the dispute is open")
	}
	var exceeds *payments.RefundExceedsPaymentError
	if _, err := client.Refund(t.Context(), payments.RefundParams{PaymentID: 3}); !errors.As(err, &exceeds) {
		t.Errorf("with nothing left to refund, the error is %v", err)
	}
	clock.advance(5 * time.Second)
	refund(t, client, payments.RefundParams{PaymentID: 1})
	assertEqual(t, "the message after the dispute is lost", refundError(2),
		"the payer got the money back by a dispute; it cannot be refunded")
}
