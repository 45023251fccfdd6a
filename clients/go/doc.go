// Package payments is a small client for the payment service, built on the generated gRPC code in
// [payments.internal/payments/v1].
//
//	client, err := payments.New(ctx, "dns:///payments.internal:50051")
//	payment, err := client.Charge(ctx, payments.ChargeParams{
//		OrderID: 342, Amount: decimal.RequireFromString("561.00"), Method: payments.MethodUPI,
//	})
//
// The client retries a failed call until its deadline. It generates a request_id for each charge or refund without one,
// and all attempts send the same request_id, so nothing is charged or refunded twice.
//
// A call returns a [*CallError], or a more specific type that wraps it, if the service returns an error or does not
// respond. It returns an [*ArgumentError], before anything is sent, for an invalid timeout or an argument that the
// contract cannot express.
package payments

// Version is this client's version. Its major version is the contract's (payments.v1).
const Version = "1.0.0"
