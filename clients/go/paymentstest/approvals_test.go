package paymentstest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestAPaymentHasANextActionUntilThePayerActs(t *testing.T) {
	for source, test := range map[string]struct {
		status  payments.PaymentStatus
		failure payments.Failure
		code    string
		event   payments.PaymentEventType
	}{
		"sim_approval_5s": {payments.StatusSucceeded, payments.FailureNone, "", payments.EventCharged},
		"sim_approval_5s_refused": {
			payments.StatusFailed, payments.FailureAuthenticationRequired, "authentication_required", payments.EventFailed,
		},
	} {
		clock := newTestClock()
		client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
		payment := charge(t, client, payments.ChargeParams{
			PaymentSource: source, ReturnURL: "https://shop.example/orders/342",
		})
		assertEqual(t, source, payment.Status, payments.StatusPending)
		expected := payments.NextAction{
			Type: payments.NextActionRedirect, RedirectURL: "https://payments.example/approve/" + payment.Reference,
			ExpireTime: payment.CreateTime.Add(5 * time.Second),
		}
		assertSame(t, *payment.NextAction, expected)
		clock.advance(5*time.Second - time.Microsecond)
		assertSame(t, *get(t, client, 1).Payment.NextAction, expected)
		assertList(t, source, eventTypes(t, client, 1), payments.EventPending, payments.EventActionRequired)
		for _, event := range events(t, client, 1) {
			assertSame(t, *event.Payment.NextAction, expected)
		}
		clock.advance(time.Microsecond)
		payment = get(t, client, 1).Payment
		assertEqual(t, source, payment.Status, test.status)
		assertEqual(t, source, payment.Failure, test.failure)
		assertEqual(t, source, payment.FailureCode, test.code)
		assertEqual(t, source, payment.NextAction, nil)
		assertList(t, source, eventTypes(t, client, 1), payments.EventPending, payments.EventActionRequired, test.event)
		for _, event := range events(t, client, 1) {
			assertEqual(t, "the next action in an earlier event", event.Payment.NextAction, nil)
		}
	}
}

func TestAWatchHasTheCurrentNextAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := paymentstest.NewClient(t)
		_, start := watch(t, client, payments.WatchParams{}, 0)
		charge(t, client, payments.ChargeParams{PaymentSource: "sim_approval_5s"})
		types := payments.WatchParams{
			ResumeToken: start, Types: []payments.PaymentEventType{payments.EventActionRequired},
		}
		early, _ := watch(t, client, types, 1)
		assertEqual(t, "the type", early[0].Payment.NextAction.Type, payments.NextActionRedirect)
		time.Sleep(5 * time.Second)
		late, _ := watch(t, client, types, 1)
		assertEqual(t, "the next action of a payment with its outcome", late[0].Payment.NextAction, nil)
		assertEqual(t, "its status at the event", late[0].Payment.Status, payments.StatusPending)
	})
}
