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

// call makes a call, and tries it again until its deadline.
//
// gRPC repeats a call by the service config, at most four times and for a second or two, which may be less than a
// restart of the service takes. This goes on above that.
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
	attempts := newAttempts(deadline, isPassing)
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

// wait returns after the delay, or as soon as the context is done or the client closed, which the next attempt notices.
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

// attempts are those of one call, which all together may take until its deadline.
type attempts struct {
	deadline time.Time
	// passes reports whether a failure is one after which another attempt may succeed.
	passes      func(callFailure) bool
	backoff     time.Duration
	lastFailure callFailure
	// jitter returns numbers from 0 to 1. It spreads callers out; nobody needs it to be unpredictable.
	jitter func() float64
}

func newAttempts(deadline time.Time, passes func(callFailure) bool) *attempts {
	return &attempts{deadline: deadline, passes: passes, backoff: firstBackoff, jitter: rand.Float64}
}

// delay returns how long to wait after an attempt that failed, before the next.
//
// It is what the service asked for (google.rpc.RetryInfo), if it did, and on top a random part of a backoff that
// doubles from 0.1 to 1 second ("full jitter"), so that callers that failed together do not return together.
//
// It returns the call's error if there is no next attempt, because the failure is not one that passes, or the deadline
// would pass first. That is the failure, unless it only says that the deadline cut an attempt that followed another
// failure: then it is that one, which says why.
func (a *attempts) delay(failure callFailure) (time.Duration, error) {
	if !a.passes(failure) {
		if failure.base().Code != codes.DeadlineExceeded || a.lastFailure == nil {
			return 0, failure
		}
		last := a.lastFailure.base()
		last.note = "; the deadline passed during another attempt after this"
		last.causes = append(last.causes, context.DeadlineExceeded)
		return 0, a.lastFailure
	}
	asked, backoff := failure.base().RetryAfter, time.Duration(a.jitter()*float64(a.backoff))
	if asked >= time.Until(a.deadline)-backoff {
		return 0, failure
	}
	a.lastFailure = failure
	a.backoff = min(2*a.backoff, maxBackoff)
	return asked + backoff, nil
}

// isPassing reports whether another attempt may succeed. CANCELLED is what a server that stops answers for a moment;
// the caller's own cancelling is not tried again.
func isPassing(failure callFailure) bool {
	if errors.Is(failure, context.Canceled) {
		return false
	}
	if _, isOverloaded := failure.(*OverloadedError); isOverloaded {
		return true
	}
	return failure.base().Code == codes.Unavailable || failure.base().Code == codes.Canceled
}
