package payments

import (
	"context"
	"iter"
	"sync"
	"time"

	"google.golang.org/grpc"

	paymentsv1 "payments.internal/payments/v1"
)

// Client is a client of the payment service, to be kept and shared: it holds the connections, and is safe for use by
// several goroutines.
//
// A call ends when its context does, or else after the client's timeout (see [WithTimeout]), all its attempts together.
// When the caller cancels the context, errors.Is(err, context.Canceled) holds; when a deadline passed, errors.Is(err,
// context.DeadlineExceeded) does.
type Client struct {
	stub    paymentsv1.PaymentServiceClient
	timeout time.Duration
	closed  chan struct{}
	close   func() error
}

// New prepares a client of the service at target, which the first call connects to. The client is for as long as ctx
// lasts: it is closed when ctx is done, if not before with [Client.Close].
//
// The target is the service's address ("127.0.0.1:50051"), or a name of gRPC's with several addresses, over which calls
// are spread: "dns:///payments:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051". Without [WithTransportCredentials],
// everything is sent in the clear.
//
// It returns an [*ArgumentError] for a target or option that cannot be used, and gRPC's error for dial options that
// gRPC refuses.
func New(ctx context.Context, target string, options ...Option) (*Client, error) {
	settings := settings{timeout: defaultTimeout}
	for _, option := range options {
		option.applyToClient(&settings)
	}
	if err := checkTimeout(settings.timeout); err != nil {
		return nil, err
	}
	dialOptions, err := settings.allDialOptions(target)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(target, dialOptions...)
	if err != nil {
		return nil, err
	}
	closed := make(chan struct{})
	closeOnce := sync.OnceValue(func() error {
		close(closed)
		return conn.Close()
	})
	forget := context.AfterFunc(ctx, func() { _ = closeOnce() })
	return &Client{
		stub:    paymentsv1.NewPaymentServiceClient(conn),
		timeout: settings.timeout,
		closed:  closed,
		close: func() error {
			forget()
			return closeOnce()
		},
	}, nil
}

// Charge charges an order, and returns the payment. A declined charge is no error: its status is [StatusFailed].
//
// Errors: [*InvalidRequestError], [*RequestIDReusedError], [*OutcomeUnknownError], [*ArgumentError].
func (c *Client) Charge(ctx context.Context, params ChargeParams, options ...CallOption) (*Payment, error) {
	request, err := chargeRequest(params)
	if err != nil {
		return nil, err
	}
	response, err := call(ctx, c, c.stub.Charge, request, request.GetRequestId(), options)
	if err != nil {
		return nil, err
	}
	return paymentFrom(response.GetPayment()), nil
}

// BatchCharge makes many charges in one call, at a small part of the cost of as many calls, and returns what became of
// each, in their order.
//
// One charge that is wrong stops none of the others. All or nothing is not promised: when the call itself fails, some
// of the charges may have been made. The same call with the same RequestIDs tells, and makes the rest. There may be 1
// to 1000 of them.
//
// Errors of the call: [*InvalidRequestError], [*OutcomeUnknownError], [*ArgumentError].
func (c *Client) BatchCharge(
	ctx context.Context, charges []ChargeParams, options ...CallOption,
) ([]BatchChargeResult, error) {
	request, err := batchChargeRequest(charges)
	if err != nil {
		return nil, err
	}
	response, err := call(ctx, c, c.stub.BatchCharge, request, "", options)
	if err != nil {
		return nil, err
	}
	return batchChargeResultsFrom(request, response)
}

// Refund refunds a payment, and returns the refund and the payment after it.
//
// Errors: [*InvalidRequestError], [*PaymentNotFoundError], [*PaymentFailedError], [*PaymentPendingError],
// [*PaymentArchivedError], [*RefundExceedsPaymentError], [*RequestIDReusedError], [*OutcomeUnknownError],
// [*ArgumentError].
func (c *Client) Refund(ctx context.Context, params RefundParams, options ...CallOption) (*RefundResult, error) {
	request, err := refundRequest(params)
	if err != nil {
		return nil, err
	}
	response, err := call(ctx, c, c.stub.Refund, request, request.GetRequestId(), options)
	if err != nil {
		return nil, err
	}
	return refundResultFrom(response), nil
}

// GetPayment returns the payment with this id, with its first refunds. There are at most 100 of them, and a token with
// which [Client.ListRefunds] goes on.
//
// Errors: [*InvalidRequestError], [*PaymentNotFoundError], [*OutcomeUnknownError].
func (c *Client) GetPayment(ctx context.Context, paymentID int64, options ...CallOption) (*PaymentDetails, error) {
	key := &paymentsv1.GetPaymentRequest_PaymentId{PaymentId: paymentID}
	return c.getPayment(ctx, &paymentsv1.GetPaymentRequest{Key: key}, options)
}

// GetPaymentByReference returns the payment with this reference, with its first refunds; for the rest as
// [Client.GetPayment].
func (c *Client) GetPaymentByReference(
	ctx context.Context, reference string, options ...CallOption,
) (*PaymentDetails, error) {
	key := &paymentsv1.GetPaymentRequest_Reference{Reference: reference}
	return c.getPayment(ctx, &paymentsv1.GetPaymentRequest{Key: key}, options)
}

func (c *Client) getPayment(
	ctx context.Context, request *paymentsv1.GetPaymentRequest, options []CallOption,
) (*PaymentDetails, error) {
	response, err := call(ctx, c, c.stub.GetPayment, request, "", options)
	if err != nil {
		return nil, err
	}
	return paymentDetailsFrom(response), nil
}

// ListRefunds returns an iterator over the refunds of a payment, oldest first, which fetches a page when it needs one:
//
//	for refund, err := range client.ListRefunds(ctx, payments.ListRefundsParams{PaymentID: paymentID}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It meets each refund that existed when its last page was fetched exactly once. An error ends it, and its refund is
// nil. The client's timeout, or the one in options, is for fetching one page; the context is for the whole. Ranging over
// it again starts again.
//
// Errors: [*InvalidRequestError], [*PaymentNotFoundError], [*OutcomeUnknownError].
func (c *Client) ListRefunds(
	ctx context.Context, params ListRefundsParams, options ...CallOption,
) iter.Seq2[*Refund, error] {
	return walk(params.PageToken, func(token string) ([]*Refund, string, error) {
		pageParams := params // a copy, because several goroutines may range over the iterator
		pageParams.PageToken = token
		page, err := c.ListRefundsPage(ctx, pageParams, options...)
		if err != nil {
			return nil, "", err
		}
		return page.Refunds, page.NextPageToken, nil
	})
}

// ListRefundsPage returns one page of the refunds of a payment, oldest first.
//
// Errors: [*InvalidRequestError], [*PaymentNotFoundError], [*OutcomeUnknownError].
func (c *Client) ListRefundsPage(
	ctx context.Context, params ListRefundsParams, options ...CallOption,
) (*RefundPage, error) {
	request := &paymentsv1.ListRefundsRequest{
		PaymentId: params.PaymentID, PageSize: params.PageSize, PageToken: params.PageToken,
	}
	response, err := call(ctx, c, c.stub.ListRefunds, request, "", options)
	if err != nil {
		return nil, err
	}
	return refundPageFrom(response), nil
}

// ListPayments returns an iterator over the payments that match the conditions, which fetches a page when it needs one:
//
//	for payment, err := range client.ListPayments(ctx, payments.ListParams{OrderID: &orderID}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It meets each payment that existed when its first page was fetched exactly once, while charges go on. An error ends
// it, and its payment is nil. The client's timeout, or the one in options, is for fetching one page; the context is for
// the whole. Ranging over it again starts again.
//
// Errors: [*InvalidRequestError], [*OutcomeUnknownError], [*ArgumentError].
func (c *Client) ListPayments(
	ctx context.Context, params ListParams, options ...CallOption,
) iter.Seq2[*Payment, error] {
	return walk("", func(token string) ([]*Payment, string, error) {
		page, err := c.ListPaymentsPage(ctx, params, PageParams{Token: token}, options...)
		if err != nil {
			return nil, "", err
		}
		return page.Payments, page.NextPageToken, nil
	})
}

// ListPaymentsPage returns one page of the payments that match the conditions.
//
// Errors: [*InvalidRequestError], [*OutcomeUnknownError], [*ArgumentError].
func (c *Client) ListPaymentsPage(
	ctx context.Context, params ListParams, page PageParams, options ...CallOption,
) (*PaymentPage, error) {
	request, err := listRequest(params, page)
	if err != nil {
		return nil, err
	}
	response, err := call(ctx, c, c.stub.ListPayments, request, "", options)
	if err != nil {
		return nil, err
	}
	return paymentPageFrom(response), nil
}

// WatchPayments returns an endless iterator over what happens to payments, which waits for the next event:
//
//	for update, err := range client.WatchPayments(ctx, payments.WatchParams{ResumeToken: loadToken()}) {
//		if err != nil {
//			return err
//		}
//		if update.Event != nil {
//			...
//		}
//		saveToken(update.ResumeToken)
//	}
//
// Every event comes at least once, those of one payment in their order. It goes on by itself after whatever cuts the
// connection, such as a restart of the service, where it was. To go on after a crash of your own, keep the ResumeToken
// of each update once its event is dealt with, and begin with the last one. An update without an event brings a newer
// token: there is one at once, and one whenever nothing has happened for some seconds.
//
// It ends when the loop is left, when the context is done, and with an error, whose update is nil. [WithTimeout] in
// options says how long the service may be out of reach at a stretch before that is the error; without it, and whatever
// the client's own timeout is, that is for ever. Ranging over it again starts again, from the token in params.
//
// Errors: [*ResumeTokenExpiredError], [*InvalidRequestError], [*OutcomeUnknownError], [*ArgumentError].
func (c *Client) WatchPayments(
	ctx context.Context, params WatchParams, options ...CallOption,
) iter.Seq2[*PaymentUpdate, error] {
	return func(yield func(*PaymentUpdate, error) bool) {
		if err := c.watch(ctx, params, options, yield); err != nil {
			yield(nil, err)
		}
	}
}

// Close closes the connections. Calls and watches in progress end with an [*OutcomeUnknownError]; there can be no
// further ones. Closing again does nothing.
func (c *Client) Close() error { return c.close() }
