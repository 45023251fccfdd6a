package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client, err := payments.New(ctx, cmp.Or(os.Getenv("PAYMENTS_TARGET"), "127.0.0.1:50051"))
	if err != nil {
		return err
	}
	defer client.Close()

	payment, err := client.Charge(ctx, payments.ChargeParams{
		OrderID: 342, Amount: decimal.RequireFromString("561.00"), Method: payments.MethodUPI,
	})
	if err != nil {
		return err
	}
	fmt.Println(payment.PaymentID, payment.Status, payment.Reference)

	if payment.Status == payments.StatusSucceeded {
		result, err := client.Refund(ctx, payments.RefundParams{
			PaymentID: payment.PaymentID,
			Amount:    payments.Ptr(decimal.RequireFromString("100.00")),
			Reason:    "one item was damaged",
		})
		if err != nil {
			return err
		}
		fmt.Println(result.Payment.RefundedAmount.StringFixed(2), result.Payment.RefundState)
	}

	for payment, err := range client.ListPayments(ctx, payments.ListParams{OrderID: payments.Ptr(int64(342))}) {
		if err != nil {
			return err
		}
		fmt.Println(payment.CreateTime.Format(time.RFC3339Nano), payment.Amount.StringFixed(2),
			payment.Currency, payment.Method, payment.Status)
	}
	return nil
}
