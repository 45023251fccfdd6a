// Command charge charges an order, gets the payment and lists it, with the client that oapi-codegen generates into
// client.gen.go. It prints the responses as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	// The generated client.gen.go, which is not committed, imports this package. This import keeps it in go.mod.
	_ "github.com/oapi-codegen/runtime"
)

// output is what the program prints.
type output struct {
	Charged Payment   `json:"charged"`
	Got     Payment   `json:"got"`
	Listed  []Payment `json:"listed"`
}

func main() {
	result, err := run(context.Background(), os.Args[1], os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server, orderID string) (*output, error) {
	client, err := NewClientWithResponses(server)
	if err != nil {
		return nil, err
	}
	currency, units, nanos, method, key := "INR", "561", int32(250_000_000), PAYMENTMETHODUPI, "openapi-go"
	charged, err := client.PaymentServiceChargeWithResponse(
		ctx,
		&PaymentServiceChargeParams{IdempotencyKey: &key},
		ChargeRequest{
			OrderId: &orderID,
			Amount:  Money{CurrencyCode: &currency, Units: &units, Nanos: &nanos},
			Method:  &method,
		},
	)
	if err != nil {
		return nil, err
	}
	if charged.JSON200 == nil {
		return nil, fmt.Errorf("charge: %s: %s", charged.Status(), charged.Body)
	}
	payment := *charged.JSON200.Payment
	got, err := client.PaymentServiceGetPaymentWithResponse(ctx, *payment.PaymentId, nil)
	if err != nil {
		return nil, err
	}
	if got.JSON200 == nil {
		return nil, fmt.Errorf("get: %s: %s", got.Status(), got.Body)
	}
	methods := []PaymentMethod{method}
	listed, err := client.PaymentServiceListPaymentsWithResponse(
		ctx, &PaymentServiceListPaymentsParams{FilterOrderId: &orderID, FilterMethods: &methods},
	)
	if err != nil {
		return nil, err
	}
	if listed.JSON200 == nil {
		return nil, fmt.Errorf("list: %s: %s", listed.Status(), listed.Body)
	}
	return &output{Charged: payment, Got: *got.JSON200.Payment, Listed: *listed.JSON200.Payments}, nil
}
