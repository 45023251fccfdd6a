package payments

import (
	"context"
	"iter"
	"sync"
	"time"

	"google.golang.org/grpc"

	paymentsv1 "payments.internal/payments/v1"
)

// Client is a client for the payment service. Create it once and share it, because it owns the connections. It is safe
// for concurrent use by multiple goroutines.
//
// A call ends when its context does, and at the latest after the client's timeout (see [WithTimeout]), which includes
// all retries. If the caller cancels the context, errors.Is(err, context.Canceled) is true. If a deadline passes,
// errors.Is(err, context.DeadlineExceeded) is true.
type Client struct {
	stub    paymentsv1.PaymentServiceClient
	timeout time.Duration
	closed  chan struct{}
	close   func() error
}

// New returns a client for the service at target. The first call opens the connection. The client closes when ctx is
// done, or earlier when [Client.Close] is called.
//
// The target is the service's address ("127.0.0.1:50051"), or a gRPC target with several addresses, over which the
// client spreads calls: "dns:///payments:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051". Without
// [WithTransportCredentials], nothing is encrypted.
//
// New returns an [*ArgumentError] for an invalid target or option, and gRPC's error for dial options that gRPC rejects.
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
	stopWaiting := context.AfterFunc(ctx, func() { _ = closeOnce() })
	return &Client{
		stub:    paymentsv1.NewPaymentServiceClient(conn),
		timeout: settings.timeout,
		closed:  closed,
		close: func() error {
			stopWaiting()
			return closeOnce()
		},
	}, nil
}

// Charge charges an order and returns the payment. A declined charge is not an error: it has the status [StatusFailed],
// and [Payment.Failure] says why. If the payer must approve the payment first, it has the status [StatusPending], and
// [Payment.NextAction] says how.
//
// It returns an [*InvalidRequestError], [*RequestIDReusedError], [*OrderHasPendingPaymentError], [*OutcomeUnknownError]
// or [*ArgumentError] on failure.
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

// BatchCharge makes 1 to 1000 charges at a fraction of the cost of separate calls, and returns their outcomes in order.
//
// A charge that fails does not affect the others. The batch is not atomic: if the call itself fails, some of its
// charges may have been made. A retry with the same RequestIDs returns their outcomes and makes the remaining charges.
//
// It returns an [*InvalidRequestError], [*OutcomeUnknownError] or [*ArgumentError] if the call itself fails.
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

// Refund refunds a payment in full or in part, and returns the refund and the updated payment. A refund that succeeded
// can fail later, and its amount can then be refunded again.
//
// It returns an [*InvalidRequestError], [*PaymentNotFoundError], [*PaymentFailedError], [*PaymentPendingError],
// [*PaymentDisputedError], [*PaymentArchivedError], [*RefundExceedsPaymentError], [*RequestIDReusedError],
// [*OutcomeUnknownError] or [*ArgumentError] on failure.
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

// GetPayment returns the payment with this id, its first 100 refunds, and a token to pass to [Client.ListRefunds] for
// the rest.
//
// It returns an [*InvalidRequestError], [*PaymentNotFoundError] or [*OutcomeUnknownError] on failure, or an
// [*ArgumentError] for an invalid timeout.
func (c *Client) GetPayment(ctx context.Context, paymentID int64, options ...GetOption) (*PaymentDetails, error) {
	key := &paymentsv1.GetPaymentRequest_PaymentId{PaymentId: paymentID}
	return c.getPayment(ctx, &paymentsv1.GetPaymentRequest{Key: key}, options)
}

// GetPaymentByReference returns the payment with this reference and its first refunds, like [Client.GetPayment].
func (c *Client) GetPaymentByReference(
	ctx context.Context, reference string, options ...GetOption,
) (*PaymentDetails, error) {
	key := &paymentsv1.GetPaymentRequest_Reference{Reference: reference}
	return c.getPayment(ctx, &paymentsv1.GetPaymentRequest{Key: key}, options)
}

// GetPaymentByRequestID returns the payment whose charge had this request_id, like [Client.GetPayment]. The request_id
// is one of your own caller's, or of the caller in [OfCaller].
//
// It answers what became of a charge whose response was lost: a [*PaymentNotFoundError] means that nothing was charged
// when the call was made. A charge that is still in flight may be stored later, so retry it rather than give it up.
//
// It also returns a [*PermissionDeniedError] if another caller's request_id requires a role that your caller does not
// have.
func (c *Client) GetPaymentByRequestID(
	ctx context.Context, requestID string, options ...GetOption,
) (*PaymentDetails, error) {
	key := &paymentsv1.GetPaymentRequest_RequestId{RequestId: requestID}
	return c.getPayment(ctx, &paymentsv1.GetPaymentRequest{Key: key}, options)
}

func (c *Client) getPayment(
	ctx context.Context, request *paymentsv1.GetPaymentRequest, options []GetOption,
) (*PaymentDetails, error) {
	settings := getSettings{callSettings: callSettings{c.timeout}}
	for _, option := range options {
		option.applyToGet(&settings)
	}
	request.Caller = settings.caller
	response, err := call(ctx, c, c.stub.GetPayment, request, "", []CallOption{WithTimeout(settings.timeout)})
	if err != nil {
		return nil, err
	}
	return paymentDetailsFrom(response), nil
}

// ListRefunds returns an iterator over the refunds of a payment, oldest first, which fetches pages as needed:
//
//	for refund, err := range client.ListRefunds(ctx, payments.ListRefundsParams{PaymentID: paymentID}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It yields, exactly once, each refund that existed when the last page was fetched. An error, with a nil refund, ends
// the iteration. The client's timeout, or the one in options, applies to each page; the context applies to the whole
// iteration. Ranging over the iterator again starts from the beginning.
//
// It yields an [*InvalidRequestError], [*PaymentNotFoundError] or [*OutcomeUnknownError] on failure, or an
// [*ArgumentError] for an invalid timeout.
func (c *Client) ListRefunds(
	ctx context.Context, params ListRefundsParams, options ...CallOption,
) iter.Seq2[*Refund, error] {
	return iteratePages(params.PageToken, func(token string) ([]*Refund, string, error) {
		pageParams := params // A copy, because several goroutines may range over the iterator.
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
// It returns an [*InvalidRequestError], [*PaymentNotFoundError] or [*OutcomeUnknownError] on failure, or an
// [*ArgumentError] for an invalid timeout.
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

// ListPayments returns an iterator over the payments that match the conditions, which fetches pages as needed:
//
//	for payment, err := range client.ListPayments(ctx, payments.ListParams{OrderID: &orderID}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It yields, exactly once, each payment that existed when the first page was fetched, even while charges are being
// made. An error, with a nil payment, ends the iteration. The client's timeout, or the one in options, applies to each
// page; the context applies to the whole iteration. Ranging over the iterator again starts from the beginning.
//
// It yields an [*InvalidRequestError], [*OutcomeUnknownError] or [*ArgumentError] on failure.
func (c *Client) ListPayments(
	ctx context.Context, params ListParams, options ...CallOption,
) iter.Seq2[*Payment, error] {
	return iteratePages("", func(token string) ([]*Payment, string, error) {
		page, err := c.ListPaymentsPage(ctx, params, PageParams{Token: token}, options...)
		if err != nil {
			return nil, "", err
		}
		return page.Payments, page.NextPageToken, nil
	})
}

// ListPaymentsPage returns one page of the payments that match the conditions.
//
// It returns an [*InvalidRequestError], [*OutcomeUnknownError] or [*ArgumentError] on failure.
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

// ListPaymentEvents returns an iterator over the events of a payment, oldest first, which fetches pages as needed:
//
//	for event, err := range client.ListPaymentEvents(ctx, payments.ListPaymentEventsParams{PaymentID: paymentID}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It yields, exactly once, each event that existed when the last page was fetched. Every change that was answered
// before the iteration has its event. Changes made by the legacy service, or before events were recorded, have none, so
// the list may be empty. An error, with a nil event, ends the iteration. The client's timeout, or the one in options,
// applies to each page; the context applies to the whole iteration. Ranging over the iterator again starts from the
// beginning.
//
// It yields an [*InvalidRequestError], [*PaymentNotFoundError] or [*OutcomeUnknownError] on failure, or an
// [*ArgumentError] for an invalid timeout.
func (c *Client) ListPaymentEvents(
	ctx context.Context, params ListPaymentEventsParams, options ...CallOption,
) iter.Seq2[*PaymentEvent, error] {
	return iteratePages(params.PageToken, func(token string) ([]*PaymentEvent, string, error) {
		pageParams := params // A copy, because several goroutines may range over the iterator.
		pageParams.PageToken = token
		page, err := c.ListPaymentEventsPage(ctx, pageParams, options...)
		if err != nil {
			return nil, "", err
		}
		return page.Events, page.NextPageToken, nil
	})
}

// ListPaymentEventsPage returns one page of the events of a payment, oldest first.
//
// It returns an [*InvalidRequestError], [*PaymentNotFoundError] or [*OutcomeUnknownError] on failure, or an
// [*ArgumentError] for an invalid timeout.
func (c *Client) ListPaymentEventsPage(
	ctx context.Context, params ListPaymentEventsParams, options ...CallOption,
) (*PaymentEventPage, error) {
	request := &paymentsv1.ListPaymentEventsRequest{
		PaymentId: params.PaymentID, PageSize: params.PageSize, PageToken: params.PageToken,
	}
	response, err := call(ctx, c, c.stub.ListPaymentEvents, request, "", options)
	if err != nil {
		return nil, err
	}
	return paymentEventPageFrom(response), nil
}

// WatchPayments returns an endless iterator over the changes to all payments, or to those that match the conditions. It
// blocks until the next event:
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
// Delivery is at least once, and the events of one payment arrive in order. If the connection is lost, for example
// because the service restarts, the iterator reconnects and resumes where it left off. To resume after your own program
// crashes, save the ResumeToken of each update once you have processed its event, and start with the last one. An
// update without an event only carries a newer token: the first update is one of these, and another follows after every
// few seconds without an event.
//
// The iterator ends when you leave the loop, when the context is done, and with an error, whose update is nil.
// [WithTimeout] in options sets how long the service may be continuously unreachable before the iterator yields the
// error. The default is forever; the client's own timeout does not apply. Ranging over the iterator again starts from
// the token in params.
//
// It yields a [*ResumeTokenExpiredError], [*InvalidRequestError], [*OutcomeUnknownError] or [*ArgumentError] on
// failure.
func (c *Client) WatchPayments(
	ctx context.Context, params WatchParams, options ...CallOption,
) iter.Seq2[*PaymentUpdate, error] {
	return func(yield func(*PaymentUpdate, error) bool) {
		if err := c.watch(ctx, params, options, yield); err != nil {
			yield(nil, err)
		}
	}
}

// Close closes the connections. Calls and watches in flight end with an [*OutcomeUnknownError], and later calls fail.
// Closing again does nothing.
func (c *Client) Close() error { return c.close() }
