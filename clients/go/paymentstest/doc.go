// Package paymentstest has an in-memory payment service, for the unit tests of programs that use package payments.
//
//	client := paymentstest.NewClient(t)
//	checkout := NewCheckout(client)
//
// The client is an ordinary [payments.Client], so its types, argument checks, errors and retries are the real ones. The
// service is in the test's own process, and uses no network and no port. It follows the contract in payments.proto:
// idempotency, refunds, filters, pages, events and watches work as in the real service. These are the differences:
//
//   - A charge without a PaymentSource succeeds. The real service's simulated processor decides at random.
//     [WithDefaultPaymentSource] chooses another outcome.
//   - A charge without a method is made by card.
//   - Every currency of ISO 4217 is allowed, and the default is INR. [WithAllowedCurrencies] and [WithDefaultCurrency]
//     choose others.
//   - The only caller is "anonymous", which has every role but payments.audit.
//   - A charge with the source "sim_timeout" is pending at once, so that the test does not have to wait.
//   - Nothing is archived, adopted, imported or erased, and no call is rejected because of load.
//
// A pending charge or refund gets its outcome when the service's clock reaches the time for it. Disputes and late
// failures of refunds wait for the clock too. By default, that is the system's clock. There are two ways for a test not
// to wait: [WithClock], or a bubble of package testing/synctest.
package paymentstest
