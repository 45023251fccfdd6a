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

func optional(text string) decimal.NullDecimal { return decimal.NewNullDecimal(amount(text)) }

func TestAnArgumentThatTheContractCannotExpressIsRejectedByNameBeforeAnythingIsSent(t *testing.T) {
	service := serve(t, done)
	client := connect(t, service.target)
	for _, check := range []struct {
		argument string
		call     func(context.Context) error
	}{
		{"Amount", charging(client, payments.ChargeParams{Amount: amount("5.001")})},
		{"Amount", charging(client, payments.ChargeParams{Amount: amount("-0.001")})},
		{"Amount", charging(client, payments.ChargeParams{Amount: decimal.New(1, -2_000_000_000)})},
		{"Amount", charging(client, payments.ChargeParams{Amount: decimal.New(1, 2_000_000_000)})},
		{"Amount", charging(client, payments.ChargeParams{Amount: amount("9223372036854775808.00")})},
		{"Amount", charging(client, payments.ChargeParams{Amount: amount("-9223372036854775809.00")})},
		{"Method", charging(client, payments.ChargeParams{Method: payments.MethodUnknown})},
		{"Method", charging(client, payments.ChargeParams{Method: "CHEQUE"})},
		{"Amount", refunding(client, payments.RefundParams{Amount: optional("0.999")})},
		{"Currency", refunding(client, payments.RefundParams{Currency: "INR"})},
		{"MinAmount", listing(client, payments.ListParams{MinAmount: optional("1.234")})},
		{"MaxAmount", listing(client, payments.ListParams{MaxAmount: optional("1.234")})},
		{"Currency", listing(client, payments.ListParams{Currency: "INR"})},
		{"Methods", listing(client, payments.ListParams{Methods: []payments.PaymentMethod{"UPI", payments.MethodUnknown}})},
		{"Methods", listing(client, payments.ListParams{Methods: []payments.PaymentMethod{""}})},
		{"Statuses", listing(client, payments.ListParams{Statuses: []payments.PaymentStatus{payments.StatusUnknown}})},
		{"RefundStates", listing(client, payments.ListParams{RefundStates: []payments.RefundState{"UNKNOWN"}})},
		{"MinCreateTime", listing(client, payments.ListParams{MinCreateTime: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)})},
		{"MaxCreateTime", listing(client, payments.ListParams{MaxCreateTime: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)})},
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

func charging(client *payments.Client, params payments.ChargeParams) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.Charge(ctx, params)
		return err
	}
}

func refunding(client *payments.Client, params payments.RefundParams) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.Refund(ctx, params)
		return err
	}
}

// listing lists one page and all pages, and returns the error if both return the same one.
func listing(client *payments.Client, params payments.ListParams) func(context.Context) error {
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
