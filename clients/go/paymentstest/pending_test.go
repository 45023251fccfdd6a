package paymentstest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestAPendingPaymentGetsItsOutcomeWhenTheClockReachesItsTime(t *testing.T) {
	for source, test := range map[string]struct {
		after   time.Duration
		status  payments.PaymentStatus
		failure payments.Failure
		code    string
		event   payments.PaymentEventType
	}{
		"sim_pending_5s":          {5 * time.Second, "SUCCEEDED", "", "", payments.EventCharged},
		"sim_pending_5s_declined": {5 * time.Second, "FAILED", payments.FailureDeclined, "declined", payments.EventFailed},
		"sim_timeout": {
			30 * time.Second, "FAILED", payments.FailureProcessorError, "timeout", payments.EventFailed,
		},
	} {
		clock := newTestClock()
		client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
		payment := charge(t, client, payments.ChargeParams{PaymentSource: source})
		assertEqual(t, source, payment.Status, payments.StatusPending)
		clock.advance(test.after - time.Microsecond)
		assertEqual(t, source, get(t, client, 1).Payment.Status, payments.StatusPending)
		assertList(t, source, eventTypes(t, client, 1), payments.EventPending)
		clock.advance(time.Hour)
		payment = get(t, client, 1).Payment
		assertEqual(t, source, payment.Status, test.status)
		assertEqual(t, source, payment.Failure, test.failure)
		assertEqual(t, source, payment.FailureCode, test.code)
		page, err := client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 1})
		check(t, err)
		outcome := page.Events[len(page.Events)-1]
		assertEqual(t, source, outcome.Type, test.event)
		assertEqual(t, source, outcome.EventTime.Sub(payment.CreateTime), test.after)
	}
}

func TestOutcomesArriveInTheOrderOfTheirTimes(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	_, start := watch(t, client, payments.WatchParams{}, 0)
	for _, source := range []string{"sim_timeout", "sim_pending_5s", "sim_pending_5s_declined"} {
		charge(t, client, payments.ChargeParams{PaymentSource: source})
	}
	clock.advance(time.Minute)
	events, _ := watch(t, client, payments.WatchParams{ResumeToken: start}, 6)
	var paymentIDs []int64
	for _, event := range events[3:] {
		paymentIDs = append(paymentIDs, event.Payment.PaymentID)
	}
	assertList(t, "the payments", paymentIDs, 2, 3, 1)
}

func TestTheClockOfABubbleNeedsNoWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := paymentstest.NewClient(t)
		charge(t, client, payments.ChargeParams{PaymentSource: "sim_timeout"})
		time.Sleep(30 * time.Second)
		assertEqual(t, "the status", get(t, client, 1).Payment.Status, payments.StatusFailed)
	})
}
