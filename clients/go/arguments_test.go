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
	for _, check := range []struct {
		argument string
		call     func(context.Context) error
	}{
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("5.001")})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("-0.001")})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: decimal.New(1, -2_000_000_000)})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: decimal.New(1, 2_000_000_000)})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("9223372036854775808.00")})},
		{"Amount", chargeWith(client, payments.ChargeParams{Amount: amount("-9223372036854775809.00")})},
		{"Method", chargeWith(client, payments.ChargeParams{Method: payments.MethodUnknown})},
		{"Method", chargeWith(client, payments.ChargeParams{Method: "CHEQUE"})},
		{"Amount", refundWith(client, payments.RefundParams{Amount: optionalAmount("0.999")})},
		{"Currency", refundWith(client, payments.RefundParams{Currency: "INR"})},
		{"MinAmount", listWith(client, payments.ListParams{MinAmount: optionalAmount("1.234")})},
		{"MaxAmount", listWith(client, payments.ListParams{MaxAmount: optionalAmount("1.234")})},
		{"Currency", listWith(client, payments.ListParams{Currency: "INR"})},
		{"Methods", listWith(client, payments.ListParams{Methods: []payments.PaymentMethod{"UPI", payments.MethodUnknown}})},
		{"Methods", listWith(client, payments.ListParams{Methods: []payments.PaymentMethod{""}})},
		{"Statuses", listWith(client, payments.ListParams{Statuses: []payments.PaymentStatus{payments.StatusUnknown}})},
		{"RefundStates", listWith(client, payments.ListParams{RefundStates: []payments.RefundState{"UNKNOWN"}})},
		{"MinCreateTime", listWith(client, payments.ListParams{MinCreateTime: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)})},
		{"MaxCreateTime", listWith(client, payments.ListParams{MaxCreateTime: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)})},
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
