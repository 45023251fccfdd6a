package payments

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "payments.internal/payments/v1"
)

// forever is a timeout that never passes: 292 years.
const forever time.Duration = math.MaxInt64

// watch yields the updates of one stream after another, each of which resumes where the previous one ended. It returns
// the error that ended the watch, or nil if the caller left the loop.
func (c *Client) watch(
	ctx context.Context, params WatchParams, options []CallOption, yield func(*PaymentUpdate, error) bool,
) error {
	settings := callSettings{forever}
	for _, option := range options {
		option.applyToCall(&settings)
	}
	if err := checkTimeout(settings.timeout); err != nil {
		return err
	}
	request, err := watchRequest(params)
	if err != nil {
		return err
	}
	var reconnects *attempts // since the last response of the service
	for {
		failure := c.watchOnce(ctx, request, func(update *PaymentUpdate) bool {
			reconnects = nil
			request.ResumeToken = update.ResumeToken
			return yield(update, nil)
		})
		if failure == nil {
			return nil
		}
		if reconnects == nil {
			reconnects = newAttempts(time.Now().Add(settings.timeout), func(failure callFailure) bool {
				return isResumable(ctx, failure)
			})
		}
		delay, err := reconnects.delay(failure)
		if err != nil {
			return err
		}
		c.wait(ctx, delay)
		if c.isClosed() {
			return failure
		}
	}
}

// watchOnce passes the updates of one stream to yield. It returns the error that ended the stream, or nil if yield
// returned false. It reads one response at a time, so gRPC's flow control slows down a service that is faster.
func (c *Client) watchOnce(
	ctx context.Context, request *paymentsv1.WatchPaymentsRequest, yield func(*PaymentUpdate) bool,
) callFailure {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel() // This also ends the stream on the server.
	stream, err := c.stub.WatchPayments(streamCtx, request)
	if err != nil {
		return errorFromRPC(ctx, err, nil, "")
	}
	for {
		response, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			ended := status.New(codes.Unavailable, "the stream ended")
			return withStatus(CallError{causes: []error{ended.Err()}}, ended)
		case err != nil:
			return errorFromRPC(ctx, err, stream.Trailer(), "")
		case !yield(paymentUpdateFrom(response)):
			return nil
		}
	}
}

// isResumable reports whether a stream that ended with this failure can be resumed. A stream only reads, so resuming it
// is always safe.
//
// gRPC reports a connection that breaks in the middle of a message as INTERNAL or UNKNOWN, and a proxy may report it as
// DEADLINE_EXCEEDED. If the service itself returned the error, it has a CallID, and resuming would only repeat it.
func isResumable(ctx context.Context, failure callFailure) bool {
	if isRetryable(failure) {
		return true
	}
	if ctx.Err() != nil || failure.base().CallID != "" || !hasStatus(failure) {
		return false
	}
	switch failure.base().Code {
	case codes.Internal, codes.Unknown, codes.DeadlineExceeded:
		return true
	}
	return false
}

// hasStatus reports whether a failure came with a gRPC status, unlike an interceptor's own error.
func hasStatus(failure callFailure) bool {
	var carrier interface{ GRPCStatus() *status.Status }
	return errors.As(failure.base().causes[0], &carrier)
}
