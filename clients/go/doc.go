// Package payments is a small client of the payment service, over the generated gRPC code in
// [payments.internal/payments/v1].
//
//	client, err := payments.New(ctx, "dns:///payments.internal:50051")
//	payment, err := client.Charge(ctx, payments.ChargeParams{
//		OrderID: 342, Amount: decimal.RequireFromString("561.00"), Method: payments.MethodUPI,
//	})
//
// A call is tried again, with the same request_id, until its deadline. A charge or refund that is given no request_id
// is given a new one by the client, so that no attempt does a second time what another did.
//
// Every call returns one of two kinds of error: a [*CallError], or one of the types under it, for an error of the
// service and for want of an answer; and an [*ArgumentError], before anything is sent, for an argument that the
// contract cannot express.
package payments

// Version is this client's version. Its first number is that of the contract, payments.v1.
const Version = "1.0.0"
