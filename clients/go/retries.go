package payments

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = time.Second
)

// call makes a call, and retries it until its deadline.
//
// The service config makes gRPC retry a call at most four times, which takes a second or two. A restart of the service
// may take longer, so this function adds its own retries.
func call[Request, Response any](
	ctx context.Context,
	client *Client,
	rpc func(context.Context, *Request, ...grpc.CallOption) (*Response, error),
	request *Request,
	requestID string,
	options []CallOption,
) (*Response, error) {
	settings := callSettings{client.timeout}
	for _, option := range options {
		option.applyToCall(&settings)
	}
	if err := checkTimeout(settings.timeout); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settings.timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	attempts := newAttempts(deadline, isRetryable)
	for {
		var trailer metadata.MD
		response, err := rpc(ctx, request, grpc.Trailer(&trailer))
		if err == nil {
			return response, nil
		}
		failure := errorFromRPC(ctx, err, trailer, requestID)
		if client.isClosed() {
			return nil, failure
		}
		delay, err := attempts.delay(failure)
		if err != nil {
			return nil, err
		}
		client.wait(ctx, delay)
	}
}

// wait waits for the delay. It returns early if the context is done or the client closes, which the caller must check.
func (c *Client) wait(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.closed:
	}
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// attempts decides when to make the next attempt of a call. All attempts share the call's deadline.
type attempts struct {
	deadline time.Time
	// mayRetry reports whether another attempt may succeed after a failure.
	mayRetry    func(callFailure) bool
	backoff     time.Duration
	lastFailure callFailure
	// jitter returns a random number from 0 to 1. It spreads out the retries of many clients, so it need not be
	// cryptographically secure.
	jitter func() float64
}

func newAttempts(deadline time.Time, mayRetry func(callFailure) bool) *attempts {
	return &attempts{deadline: deadline, mayRetry: mayRetry, backoff: firstBackoff, jitter: rand.Float64}
}

// delay returns how long to wait between a failed attempt and the next one.
//
// This is the delay that the service asked for (google.rpc.RetryInfo), if any, plus a random fraction of a backoff that
// doubles from 0.1 to 1 second ("full jitter"), so that clients that failed together do not retry together.
//
// It returns the call's error if there is no next attempt, because the failure is not retryable or the deadline would
// pass first. This is the failure, unless the deadline passed during a retry: then it is the previous failure, which is
// more informative.
func (a *attempts) delay(failure callFailure) (time.Duration, error) {
	if !a.mayRetry(failure) {
		if failure.base().Code != codes.DeadlineExceeded || a.lastFailure == nil {
			return 0, failure
		}
		last := a.lastFailure.base()
		last.note = "; the deadline passed during the next attempt"
		last.causes = append(last.causes, context.DeadlineExceeded)
		return 0, a.lastFailure
	}
	retryAfter, backoff := failure.base().RetryAfter, time.Duration(a.jitter()*float64(a.backoff))
	// This does not add the two delays, because the sum could overflow.
	if retryAfter >= time.Until(a.deadline)-backoff {
		return 0, failure
	}
	a.lastFailure = failure
	a.backoff = min(2*a.backoff, maxBackoff)
	return retryAfter + backoff, nil
}

// isRetryable reports whether a retry may succeed after the failure. A server that is shutting down may return
// CANCELLED; a call that the caller canceled is not retried.
func isRetryable(failure callFailure) bool {
	if errors.Is(failure, context.Canceled) {
		return false
	}
	if _, isOverloaded := failure.(*OverloadedError); isOverloaded {
		return true
	}
	return failure.base().Code == codes.Unavailable || failure.base().Code == codes.Canceled
}
