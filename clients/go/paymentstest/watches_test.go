package paymentstest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestAWatchResumesAfterItsToken(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{})
	_, start := watch(t, client, payments.WatchParams{}, 0)
	charge(t, client, payments.ChargeParams{RequestID: payments.Ptr("a")})
	refund(t, client, payments.RefundParams{PaymentID: 2})
	events, token := watch(t, client, payments.WatchParams{ResumeToken: start}, 1)
	assertEqual(t, "the type", events[0].Type, payments.EventCharged)
	assertEqual(t, "the payment", events[0].Payment.PaymentID, 2)
	assertEqual(t, "the state then", events[0].Payment.RefundState, payments.RefundStateNone)
	assertEqual(t, "the caller", events[0].Caller, "anonymous")
	assertEqual(t, "the request_id", events[0].RequestID, "a")
	events, _ = watch(t, client, payments.WatchParams{ResumeToken: token}, 1)
	assertEqual(t, "the type", events[0].Type, payments.EventRefunded)
	assertEqual(t, "the refund", events[0].Refund.RefundID, 1)
}

func TestAWatchReturnsTheEventsThatMatchAllConditions(t *testing.T) {
	client := paymentstest.NewClient(t)
	_, start := watch(t, client, payments.WatchParams{}, 0)
	charge(t, client, payments.ChargeParams{OrderID: 7, ExternalReference: "ORD-7", CustomerID: "c"})
	charge(t, client, payments.ChargeParams{OrderID: 8, CustomerID: "c", PaymentSource: "sim_declined"})
	charge(t, client, payments.ChargeParams{OrderID: 9})
	text := payments.Ptr[string]
	for name, test := range map[string]struct {
		params   payments.WatchParams
		expected []int64
	}{
		"caller":             {payments.WatchParams{Caller: text("anonymous")}, []int64{1, 2, 3}},
		"order":              {payments.WatchParams{OrderID: payments.Ptr(int64(9))}, []int64{3}},
		"external reference": {payments.WatchParams{ExternalReference: text("ORD-7")}, []int64{1}},
		"customer":           {payments.WatchParams{CustomerID: text("c")}, []int64{1, 2}},
		"types":              {payments.WatchParams{Types: []payments.PaymentEventType{"CHARGED"}}, []int64{1, 3}},
		"two conditions": {
			payments.WatchParams{CustomerID: text("c"), Types: []payments.PaymentEventType{"FAILED"}}, []int64{2},
		},
	} {
		test.params.ResumeToken = start
		events, _ := watch(t, client, test.params, len(test.expected))
		var paymentIDs []int64
		for _, event := range events {
			paymentIDs = append(paymentIDs, event.Payment.PaymentID)
		}
		assertList(t, name, paymentIDs, test.expected...)
	}
}

func TestAnInvalidWatchIsRejected(t *testing.T) {
	client := paymentstest.NewClient(t)
	for _, test := range []struct {
		params payments.WatchParams
		fields []string
	}{
		{payments.WatchParams{ResumeToken: "no token"}, []string{"resume_token"}},
		{payments.WatchParams{ExternalReference: payments.Ptr("a\x00b")}, []string{"filter.external_reference"}},
		{payments.WatchParams{CustomerID: payments.Ptr("")}, []string{"filter.customer_id"}},
		{payments.WatchParams{Caller: payments.Ptr("")}, []string{"filter.caller"}},
		{payments.WatchParams{Types: make21Types()}, []string{"filter.types"}},
	} {
		for _, err := range client.WatchPayments(t.Context(), test.params) {
			assertInvalid(t, err, test.fields...)
		}
	}
	other := paymentstest.NewClient(t)
	charge(t, other, payments.ChargeParams{})
	_, token := watch(t, other, payments.WatchParams{}, 0)
	for _, err := range client.WatchPayments(t.Context(), payments.WatchParams{ResumeToken: token}) {
		var expired *payments.ResumeTokenExpiredError
		if !errors.As(err, &expired) {
			t.Errorf("the error is %v", err)
		}
	}
}

func make21Types() []payments.PaymentEventType {
	types := make([]payments.PaymentEventType, 21)
	for index := range types {
		types[index] = payments.EventCharged
	}
	return types
}

func TestAWaitingWatchReturnsNewEventsAndOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := paymentstest.NewClient(t)
		types := make(chan payments.PaymentEventType)
		go func() {
			for update, err := range client.WatchPayments(t.Context(), payments.WatchParams{}) {
				if err == nil && update.Event != nil {
					types <- update.Event.Type
				}
			}
		}()
		synctest.Wait() // until the watch waits
		charged := time.Now()
		charge(t, client, payments.ChargeParams{PaymentSource: "sim_pending_5s"})
		assertEqual(t, "the first event", <-types, payments.EventPending)
		assertEqual(t, "its delay", time.Since(charged), 0)
		assertEqual(t, "the second event", <-types, payments.EventCharged)
		assertEqual(t, "its delay", time.Since(charged).Round(time.Millisecond), 5*time.Second)
	})
}

func TestAWatchWithoutEventsGetsNewerTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := paymentstest.NewClient(t)
		params := payments.WatchParams{OrderID: payments.Ptr(int64(7))}
		var tokens []string
		for update, err := range client.WatchPayments(t.Context(), params) {
			check(t, err)
			if tokens = append(tokens, update.ResumeToken); len(tokens) == 2 {
				break
			}
			charge(t, client, payments.ChargeParams{OrderID: 8})
		}
		if tokens[0] == tokens[1] {
			t.Error("the token is the same")
		}
		_, last := watch(t, client, payments.WatchParams{}, 0)
		assertEqual(t, "the newer token", tokens[1], last)
	})
}
