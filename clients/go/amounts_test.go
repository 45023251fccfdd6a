package payments_test

import (
	"context"
	"math"
	"testing"

	"github.com/shopspring/decimal"
	"google.golang.org/genproto/googleapis/type/money"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

func TestAmountsAreExactInBothDirections(t *testing.T) {
	for text, expected := range map[string]*money.Money{
		"561.00":                  {Units: 561},
		"12.340000":               {Units: 12, Nanos: 340_000_000},
		"0.01":                    {Nanos: 10_000_000},
		"-0.50":                   {Nanos: -500_000_000},
		"-5.05":                   {Units: -5, Nanos: -50_000_000},
		"0.00":                    {},
		"0e2000000000":            {},
		"1e2":                     {Units: 100},
		"99999999.99":             {Units: 99_999_999, Nanos: 990_000_000},
		"9223372036854775807.99":  {Units: math.MaxInt64, Nanos: 990_000_000},
		"-9223372036854775808.99": {Units: math.MinInt64, Nanos: -990_000_000},
	} {
		amount := decimal.New(0, 2_000_000_000)
		if text != "0e2000000000" { // which cannot be parsed
			amount = decimal.RequireFromString(text)
		}
		request := sentRequest[*paymentsv1.ChargeRequest](t, func(ctx context.Context, client *payments.Client) error {
			_, err := client.Charge(ctx, payments.ChargeParams{Amount: amount})
			return err
		})
		assertSame(t, request.GetAmount(), expected)
		if back := amountOf(t, request.GetAmount()); !back.Equal(amount) || back.Exponent() != -2 {
			t.Errorf("%s came back as %v", text, back)
		}
	}
	for expected, wire := range map[string]*money.Money{
		"1.23456":                        {Units: 1, Nanos: 234_560_000},
		"-0.000000001":                   {Nanos: -1},
		"9223372036854775807.999999999":  {Units: math.MaxInt64, Nanos: 999_999_999},
		"-9223372036854775808.999999999": {Units: math.MinInt64, Nanos: -999_999_999},
	} {
		if back := amountOf(t, wire); back.String() != expected {
			t.Errorf("%s was converted to %s", expected, back)
		}
	}
}

func TestTheLargestAmountsOfCurrenciesWith0And2And3And4DecimalsAreExact(t *testing.T) {
	for sent, wire := range map[string]*money.Money{
		"999999999999999":  {Units: 999_999_999_999_999},
		"9999999999999.99": {Units: 9_999_999_999_999, Nanos: 990_000_000},
		"999999999999.999": {Units: 999_999_999_999, Nanos: 999_000_000},
		"99999999999.9999": {Units: 99_999_999_999, Nanos: 999_900_000},
		"0.001":            {Nanos: 1_000_000},
		"-0.0001":          {Nanos: -100_000},
		"0.1250":           {Nanos: 125_000_000},
	} {
		request := sentRequest[*paymentsv1.ChargeRequest](t, func(ctx context.Context, client *payments.Client) error {
			_, err := client.Charge(ctx, payments.ChargeParams{Amount: amount(sent)})
			return err
		})
		assertSame(t, request.GetAmount(), wire)
		if back := amountOf(t, wire); !back.Equal(amount(sent)) {
			t.Errorf("%s came back as %v", sent, back)
		}
	}
}

func TestAReturnedAmountHasAllItsDecimalsAndAtLeastTwo(t *testing.T) {
	for expected, wire := range map[string]*money.Money{
		"999999999999999.00": {Units: 999_999_999_999_999},
		"561.50":             {Units: 561, Nanos: 500_000_000},
		"0.125":              {Nanos: 125_000_000},
		"999999999999.999":   {Units: 999_999_999_999, Nanos: 999_000_000},
		"99999999999.9999":   {Units: 99_999_999_999, Nanos: 999_900_000},
	} {
		back := amountOf(t, wire)
		assertEqual(t, "the amount", back.StringFixed(-back.Exponent()), expected)
	}
}

// amountOf returns the amount that the client returns for an amount from the service.
func amountOf(t *testing.T, money *money.Money) decimal.Decimal {
	t.Helper()
	service := serve(t, respond(&paymentsv1.ChargeResponse{Payment: &paymentsv1.Payment{Amount: money}}))
	payment, err := charge(t.Context(), connect(t, service.target))
	if err != nil {
		t.Fatal(err)
	}
	return payment.Amount
}

func TestAnAmountOfZeroIsRecorded(t *testing.T) {
	zero := &money.Money{CurrencyCode: "INR"}
	service := serve(t, respond(&paymentsv1.ChargeResponse{Payment: &paymentsv1.Payment{Amount: zero}}))
	payment, err := charge(t.Context(), connect(t, service.target))
	if err != nil {
		t.Fatal(err)
	}
	if !payment.HasAmount() || !payment.Amount.IsZero() {
		t.Errorf("the payment is %+v", payment)
	}
}

func TestARefundOfZeroIsSentAsZeroAndNotAsEverything(t *testing.T) {
	refunded := sentRequest[*paymentsv1.RefundRequest](t, func(ctx context.Context, client *payments.Client) error {
		_, err := client.Refund(ctx, payments.RefundParams{PaymentID: 7, Amount: optionalAmount("0.00")})
		return err
	})
	if refunded.GetAmount() == nil {
		t.Error("the request has no amount")
	}
}

func TestAnAdoptedPaymentMayHaveNoAmount(t *testing.T) {
	service := serve(t, respond(&paymentsv1.RefundResponse{Payment: &paymentsv1.Payment{PaymentId: 7}}))
	result, err := connect(t, service.target).Refund(t.Context(), payments.RefundParams{PaymentID: 7})
	if err != nil {
		t.Fatal(err)
	}
	if result.Refund != nil {
		t.Errorf("the refund is %v", result.Refund)
	}
	payment := result.Payment
	if payment.HasAmount() {
		t.Error("the payment has an amount")
	}
	assertEqual(t, "the payment", payment, &payments.Payment{
		PaymentID: 7, Method: payments.MethodUnknown, Status: payments.StatusUnknown, RefundState: payments.RefundStateUnknown,
	})
}
