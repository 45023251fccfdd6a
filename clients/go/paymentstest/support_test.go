package paymentstest_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
)

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func optionalAmount(text string) *decimal.Decimal { return payments.Ptr(amount(text)) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// charge makes a charge. The order and the amount are arbitrary if params do not have them.
func charge(t *testing.T, client *payments.Client, params payments.ChargeParams) *payments.Payment {
	t.Helper()
	if params.OrderID == 0 && params.ExternalReference == "" {
		params.OrderID = 342
	}
	if params.Amount.IsZero() {
		params.Amount = amount("561.00")
	}
	payment, err := client.Charge(t.Context(), params)
	check(t, err)
	return payment
}

func refund(t *testing.T, client *payments.Client, params payments.RefundParams) *payments.RefundResult {
	t.Helper()
	result, err := client.Refund(t.Context(), params)
	check(t, err)
	return result
}

func get(t *testing.T, client *payments.Client, paymentID int64) *payments.PaymentDetails {
	t.Helper()
	details, err := client.GetPayment(t.Context(), paymentID)
	check(t, err)
	return details
}

func list(t *testing.T, client *payments.Client, params payments.ListParams) []int64 {
	t.Helper()
	var paymentIDs []int64
	for payment, err := range client.ListPayments(t.Context(), params) {
		check(t, err)
		paymentIDs = append(paymentIDs, payment.PaymentID)
	}
	return paymentIDs
}

func events(t *testing.T, client *payments.Client, paymentID int64) []*payments.PaymentEvent {
	t.Helper()
	var events []*payments.PaymentEvent
	for event, err := range client.ListPaymentEvents(t.Context(), payments.ListPaymentEventsParams{PaymentID: paymentID}) {
		check(t, err)
		events = append(events, event)
	}
	return events
}

func eventTypes(t *testing.T, client *payments.Client, paymentID int64) []payments.PaymentEventType {
	t.Helper()
	var types []payments.PaymentEventType
	for _, event := range events(t, client, paymentID) {
		types = append(types, event.Type)
	}
	return types
}

// watch returns the first count events, and the last resume token.
func watch(
	t *testing.T, client *payments.Client, params payments.WatchParams, count int,
) (events []*payments.PaymentEvent, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for update, err := range client.WatchPayments(ctx, params) {
		check(t, err)
		if token = update.ResumeToken; update.Event != nil {
			events = append(events, update.Event)
		}
		if len(events) == count {
			break
		}
	}
	return events, token
}

func assertEqual[T comparable](t *testing.T, name string, actual, expected T) {
	t.Helper()
	if actual != expected {
		t.Errorf("%s: %v, expected: %v", name, actual, expected)
	}
}

func assertList[T comparable](t *testing.T, name string, actual []T, expected ...T) {
	t.Helper()
	if !slices.Equal(actual, expected) {
		t.Errorf("%s: %v, expected: %v", name, actual, expected)
	}
}

func assertAmount(t *testing.T, name string, actual decimal.Decimal, expected string) {
	t.Helper()
	if !actual.Equal(amount(expected)) {
		t.Errorf("%s: %s, expected: %s", name, actual, expected)
	}
}

// assertInvalid checks that the error has exactly these invalid fields.
func assertInvalid(t *testing.T, err error, fields ...string) {
	t.Helper()
	var invalid *payments.InvalidRequestError
	if !errors.As(err, &invalid) {
		t.Errorf("the error is %v, expected: invalid fields %v", err, fields)
		return
	}
	var actual []string
	for _, violation := range invalid.Violations {
		actual = append(actual, violation.Field)
	}
	assertList(t, "the invalid fields", actual, fields...)
}

// testClock is a clock that a test moves.
type testClock struct{ now time.Time }

func newTestClock() *testClock {
	return &testClock{time.Date(2026, 11, 24, 3, 15, 55, 362_775_999, time.UTC)}
}

func (c *testClock) read() time.Time { return c.now }

func (c *testClock) advance(duration time.Duration) { c.now = c.now.Add(duration) }

// assertSame compares structs.
func assertSame(t *testing.T, actual, expected any) {
	t.Helper()
	if !reflect.DeepEqual(actual, expected) {
		t.Errorf("%+v, expected: %+v", actual, expected)
	}
}
