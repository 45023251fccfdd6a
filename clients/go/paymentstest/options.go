package paymentstest

import (
	"fmt"
	"slices"
	"time"
)

// Option configures a [Service].
type Option func(*settings)

type settings struct {
	defaultCurrency string
	// allowedCurrencies are the currencies of charges. Empty means any.
	allowedCurrencies []string
	defaultSource     string
	// clock is nil if the system's clock is used.
	clock func() time.Time
}

// WithDefaultCurrency sets the currency of amounts that do not name one. The default is INR.
func WithDefaultCurrency(code string) Option {
	return func(settings *settings) { settings.defaultCurrency = code }
}

// WithAllowedCurrencies sets the currencies that charges may use. They must include the default currency. The default
// is any currency of ISO 4217.
func WithAllowedCurrencies(codes ...string) Option {
	return func(settings *settings) { settings.allowedCurrencies = slices.Clone(codes) }
}

// WithDefaultPaymentSource sets the outcome of charges without a PaymentSource, as if they had this one. The default is
// "sim_success".
func WithDefaultPaymentSource(source string) Option {
	return func(settings *settings) { settings.defaultSource = source }
}

// WithClock sets the clock, which decides the times of payments and when late outcomes arrive. Those arrive at the
// first call after their time: a watch that is waiting does not notice that the clock was changed.
//
// The service reads the clock during calls, so a test may change it between them:
//
//	now := time.Now()
//	client := paymentstest.NewClient(t, paymentstest.WithClock(func() time.Time { return now }))
//	...
//	now = now.Add(5 * time.Second)
func WithClock(clock func() time.Time) Option {
	return func(settings *settings) { settings.clock = clock }
}

func newSettings(options []Option) settings {
	settings := settings{defaultCurrency: "INR", defaultSource: successSource}
	for _, option := range options {
		option(&settings)
	}
	for _, code := range slices.Concat(settings.allowedCurrencies, []string{settings.defaultCurrency}) {
		if _, isKnown := decimalsByCurrency[code]; !isKnown {
			panic(fmt.Sprintf("paymentstest: %q is not a currency code of ISO 4217", code))
		}
	}
	if !settings.allows(settings.defaultCurrency) {
		panic(fmt.Sprintf("paymentstest: the default currency %s is not allowed", settings.defaultCurrency))
	}
	if _, isKnown := sources[settings.defaultSource]; !isKnown {
		panic(fmt.Sprintf("paymentstest: there is no payment source %q", settings.defaultSource))
	}
	return settings
}

func (s *settings) allows(currency string) bool {
	return len(s.allowedCurrencies) == 0 || slices.Contains(s.allowedCurrencies, currency)
}

// now returns the time in UTC, with microsecond precision like all times of the contract.
func (s *settings) now() time.Time {
	clock := s.clock
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Truncate(time.Microsecond)
}
