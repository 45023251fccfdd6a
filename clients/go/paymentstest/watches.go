package paymentstest

import (
	"cmp"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	// heartbeatInterval is the time without an event after which a watch gets a newer token.
	heartbeatInterval = 5 * time.Second
	forever           = time.Duration(math.MaxInt64)
)

// WatchPayments streams the events that match a filter. The position of a stream is the number of events before it.
func (s *server) WatchPayments(
	request *paymentsv1.WatchPaymentsRequest, stream grpc.ServerStreamingServer[paymentsv1.WatchPaymentsResponse],
) error {
	filter := cmp.Or(request.GetFilter(), &paymentsv1.PaymentEventFilter{})
	position, err := s.startWatch(request.GetResumeToken(), filter)
	if err != nil {
		return err
	}
	if err := stream.Send(responseAt(position, nil)); err != nil {
		return err
	}
	for lastResponse := time.Now(); ; {
		events, changed, untilOutcome := s.eventsAfter(position)
		for _, event := range events {
			position++
			if eventMatches(filter, event) {
				if err := stream.Send(responseAt(position, event)); err != nil {
					return err
				}
				lastResponse = time.Now()
			}
		}
		if time.Since(lastResponse) >= heartbeatInterval {
			if err := stream.Send(responseAt(position, nil)); err != nil {
				return err
			}
			lastResponse = time.Now()
		}
		select {
		case <-changed:
		case <-time.After(min(untilOutcome, heartbeatInterval-time.Since(lastResponse))):
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// startWatch checks a request, and returns the position at which the stream starts.
func (s *server) startWatch(token string, filter *paymentsv1.PaymentEventFilter) (position int64, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ledger.advance(s.settings.now())
	last := int64(len(s.ledger.events))
	position = last
	var reader reader
	if token != "" {
		var isValid bool
		if position, isValid = resumeToken.decode(token, nil); !isValid {
			reader.reject("resume_token", "must be an unaltered resume_token from a WatchPayments response")
		}
	}
	checkEventFilter(&reader, filter)
	if err := reader.err(); err != nil {
		return 0, err
	}
	if position > last {
		return 0, &failure{
			code: codes.FailedPrecondition, reason: "RESUME_TOKEN_EXPIRED",
			message: "the resume_token is not from this stream, because its position is past the end; " +
				"list the payments instead",
		}
	}
	return position, nil
}

// eventsAfter returns the events after a position, a channel that is closed when there are more, and the time until the
// next pending outcome arrives. A watch that waits follows the system's clock, but does not read a test's own, which
// the test may change at any time except during its calls.
func (s *server) eventsAfter(position int64) (
	events []*paymentsv1.PaymentEvent, changed <-chan struct{}, untilOutcome time.Duration,
) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	untilOutcome = forever
	if s.settings.clock == nil {
		s.ledger.advance(s.settings.now())
		if len(s.ledger.pending) > 0 {
			untilOutcome = s.ledger.pending[0].due.Sub(s.ledger.now)
		}
	}
	return s.ledger.currentEvents(s.ledger.events[position:]), s.ledger.changed, untilOutcome
}

// responseAt returns an event, or only a token if that is nil. The watch resumes after the position.
func responseAt(position int64, event *paymentsv1.PaymentEvent) *paymentsv1.WatchPaymentsResponse {
	return &paymentsv1.WatchPaymentsResponse{Event: event, ResumeToken: resumeToken.encode(position, nil)}
}
