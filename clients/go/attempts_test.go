package payments

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

func TestTheBackoffDoublesFrom100MillisecondsToOneSecondTimesTheJitter(t *testing.T) {
	for _, jitter := range []float64{1, 0.5, 0} {
		attempts := newAttempts(time.Now().Add(time.Hour), isRetryable)
		attempts.jitter = func() float64 { return jitter }
		var delays, expected []time.Duration
		for _, backoff := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			delay, err := attempts.delay(&UnavailableError{OutcomeUnknownError{CallError{Code: codes.Unavailable}}})
			if err != nil {
				t.Fatal(err)
			}
			delays = append(delays, delay)
			expected = append(expected, time.Duration(jitter*float64(backoff*time.Millisecond)))
		}
		if !slices.Equal(delays, expected) {
			t.Errorf("the delays are %v, not %v", delays, expected)
		}
	}
}

func TestTheBackoffIsAddedToTheServicesRetryDelay(t *testing.T) {
	attempts := newAttempts(time.Now().Add(time.Hour), isRetryable)
	attempts.jitter = func() float64 { return 1 }
	delay, err := attempts.delay(&CallError{Code: codes.Unavailable, RetryAfter: time.Minute})
	if delay != time.Minute+100*time.Millisecond || err != nil {
		t.Errorf("the delay is %v, and the error %v", delay, err)
	}
}
