package paymentstest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

// checkOut charges an order, and returns the message for the customer.
func checkOut(ctx context.Context, client *payments.Client, orderID int64, total decimal.Decimal) (string, error) {
	payment, err := client.Charge(ctx, payments.ChargeParams{OrderID: orderID, Amount: total, UnlessPending: true})
	var pending *payments.OrderHasPendingPaymentError
	switch {
	case errors.As(err, &pending):
		return "We are still waiting for your bank.", nil
	case err != nil:
		return "", err
	case payment.Status == payments.StatusPending:
		return "We are still waiting for your bank.", nil
	case payment.Failure == payments.FailureInsufficientFunds:
		return "Your account has too little money. Please pay in another way.", nil
	case payment.Status == payments.StatusFailed:
		return "Your payment was declined.", nil
	}
	return "Thank you!", nil
}

func TestCheckoutTellsTheCustomerWhyThePaymentWasDeclined(t *testing.T) {
	client := paymentstest.NewClient(t, paymentstest.WithDefaultPaymentSource("sim_insufficient_funds"))

	message, err := checkOut(t.Context(), client, 342, decimal.RequireFromString("561.00"))
	if err != nil {
		t.Fatal(err)
	}
	if message != "Your account has too little money. Please pay in another way." {
		t.Errorf("the message is %q", message)
	}
}
