package payments_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
)

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func optionalAmount(text string) *decimal.Decimal { return payments.Ptr(amount(text)) }

func TestAnArgumentThatTheContractCannotExpressIsRejectedByNameBeforeAnythingIsSent(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	invalid := "not UTF-8: \xff"
	for _, check := range []struct {
		argument string
		call     func(context.Context) error
	}{
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("5.00001")})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("-0.00001")})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: decimal.New(1, -2_000_000_000)})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: decimal.New(1, 2_000_000_000)})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("9223372036854775808.00")})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("-9223372036854775809.00")})},
		{"Method", chargeWith(client, payments.ChargeParams{Method: payments.MethodUnknown})},
		{"Method", chargeWith(client, payments.ChargeParams{Method: "CHEQUE"})},
		{"Amount", refundWith(client, payments.RefundParams{Amount: optionalAmount("0.99999")})},
		{"Currency", refundWith(client, payments.RefundParams{Currency: "INR"})},
		{"MinAmount", listWith(client, payments.ListParams{MinAmount: optionalAmount("1.23456")})},
		{"MaxAmount", listWith(client, payments.ListParams{MaxAmount: optionalAmount("1.23456")})},
		{"Currency", listWith(client, payments.ListParams{Currency: "INR"})},
		{"Methods", listWith(client, payments.ListParams{Methods: []payments.PaymentMethod{"UPI", payments.MethodUnknown}})},
		{"Methods", listWith(client, payments.ListParams{Methods: []payments.PaymentMethod{""}})},
		{"Statuses", listWith(client, payments.ListParams{Statuses: []payments.PaymentStatus{payments.StatusUnknown}})},
		{"RefundStates", listWith(client, payments.ListParams{RefundStates: []payments.RefundState{"UNKNOWN"}})},
		{"MinCreateTime", listWith(client, payments.ListParams{MinCreateTime: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)})},
		{"MaxCreateTime", listWith(client, payments.ListParams{MaxCreateTime: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)})},
		{"Types", watchWith(client, payments.WatchParams{Types: []payments.PaymentEventType{payments.EventUnknown}})},
		{"Currency", chargeWith(client, payments.ChargeParams{Currency: invalid})},
		{"RequestID", chargeWith(client, payments.ChargeParams{RequestID: &invalid})},
		{"ExternalReference", chargeWith(client, payments.ChargeParams{ExternalReference: invalid})},
		{"CustomerID", chargeWith(client, payments.ChargeParams{CustomerID: invalid})},
		{"Labels", chargeWith(client, payments.ChargeParams{Labels: map[string]string{invalid: ""}})},
		{"Labels", chargeWith(client, payments.ChargeParams{Labels: map[string]string{"channel": invalid}})},
		{"PaymentSource", chargeWith(client, payments.ChargeParams{PaymentSource: invalid})},
		{"ReturnURL", chargeWith(client, payments.ChargeParams{ReturnURL: invalid})},
		{"Reason", refundWith(client, payments.RefundParams{Reason: invalid})},
		{"RequestID", refundWith(client, payments.RefundParams{RequestID: &invalid})},
		{"Reference", listWith(client, payments.ListParams{Reference: &invalid})},
		{"RequestID", listWith(client, payments.ListParams{RequestID: &invalid})},
		{"Caller", listWith(client, payments.ListParams{Caller: &invalid})},
		{"ProcessorReference", listWith(client, payments.ListParams{ProcessorReference: &invalid})},
		{"ExternalReference", listWith(client, payments.ListParams{ExternalReference: &invalid})},
		{"CustomerID", listWith(client, payments.ListParams{CustomerID: &invalid})},
		{"OrderBy", listWith(client, payments.ListParams{OrderBy: invalid})},
		{"ResumeToken", watchWith(client, payments.WatchParams{ResumeToken: invalid})},
		{"Caller", watchWith(client, payments.WatchParams{Caller: &invalid})},
		{"ExternalReference", watchWith(client, payments.WatchParams{ExternalReference: &invalid})},
		{"CustomerID", watchWith(client, payments.WatchParams{CustomerID: &invalid})},
	} {
		err := check.call(t.Context())
		var argumentError *payments.ArgumentError
		if !errors.As(err, &argumentError) || argumentError.Argument != check.argument ||
			!strings.HasPrefix(err.Error(), "payments: "+check.argument+" ") {
			t.Errorf("%s: %v", check.argument, err)
		}
	}
	if calls := len(service.calls()); calls != 0 {
		t.Errorf("%d calls were sent", calls)
	}
}

func chargeWith(client *payments.Client, params payments.ChargeParams) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.Charge(ctx, params)
		return err
	}
}

func refundWith(client *payments.Client, params payments.RefundParams) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.Refund(ctx, params)
		return err
	}
}

// watchWith watches until the first update or error.
func watchWith(client *payments.Client, params payments.WatchParams) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, err := range client.WatchPayments(ctx, params) {
			return err
		}
		return nil
	}
}

// listWith lists one page and all pages, and returns the error if both return the same one.
func listWith(client *payments.Client, params payments.ListParams) func(context.Context) error {
	return func(ctx context.Context) error {
		_, pageErr := client.ListPaymentsPage(ctx, params, payments.PageParams{})
		for _, err := range client.ListPayments(ctx, params) {
			if err != nil && pageErr != nil && err.Error() == pageErr.Error() {
				return err
			}
		}
		return nil
	}
}
