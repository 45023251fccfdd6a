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

// forEver is a timeout that does not pass: 292 years.
const forEver time.Duration = math.MaxInt64

// watch hands out what happens, from one stream after another, each of which goes on where the one before ended. It
// returns why it does not go on: nil when the loop was left.
func (c *Client) watch(
	ctx context.Context, params WatchParams, options []CallOption, yield func(*PaymentUpdate, error) bool,
) error {
	settings := callSettings{forEver}
	for _, option := range options {
		option.applyToCall(&settings)
	}
	if err := checkTimeout(settings.timeout); err != nil {
		return err
	}
	var stretch *attempts // since the service answered last
	resumeToken := params.ResumeToken
	for {
		failure := c.watchOnce(ctx, resumeToken, func(update *PaymentUpdate) bool {
			stretch = nil
			resumeToken = update.ResumeToken
			return yield(update, nil)
		})
		if failure == nil {
			return nil
		}
		if stretch == nil {
			stretch = newAttempts(time.Now().Add(settings.timeout), func(failure callFailure) bool {
				return mayResume(ctx, failure)
			})
		}
		delay, err := stretch.delay(failure)
		if err != nil {
			return err
		}
		c.wait(ctx, delay)
		if c.isClosed() {
			return failure
		}
	}
}

// watchOnce hands out what one stream brings, and returns how that ended; nil when no more is wanted. One response at a
// time is taken from gRPC, whose flow control stops a service that is faster.
func (c *Client) watchOnce(ctx context.Context, resumeToken string, take func(*PaymentUpdate) bool) callFailure {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel() // which ends the stream at the service too
	stream, err := c.stub.WatchPayments(streamCtx, &paymentsv1.WatchPaymentsRequest{ResumeToken: resumeToken})
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
		case !take(paymentUpdateFrom(response)):
			return nil
		}
	}
}

// mayResume reports whether a stream that ended so may go on when it is asked for again. It only reads, so that
// whatever cut it leaves nothing in doubt.
//
// INTERNAL and UNKNOWN are what gRPC makes of a connection that breaks in the middle of a message, and
// DEADLINE_EXCEEDED what a proxy may. Those that the service itself made have a CallID: they would come again.
func mayResume(ctx context.Context, failure callFailure) bool {
	if isPassing(failure) {
		return true
	}
	if ctx.Err() != nil || failure.base().CallID != "" || !isOfGRPC(failure) {
		return false
	}
	switch failure.base().Code {
	case codes.Internal, codes.Unknown, codes.DeadlineExceeded:
		return true
	}
	return false
}

// isOfGRPC reports whether a failure came with a status, and is no error of an interceptor's own.
func isOfGRPC(failure callFailure) bool {
	var carrier interface{ GRPCStatus() *status.Status }
	return errors.As(failure.base().causes[0], &carrier)
}
