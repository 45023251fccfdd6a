/**
 * A fake of the payment service for unit tests: it runs in memory, without a network, a port or another process. Start
 * with {@link payments.testing.FakePaymentService}, which creates the ordinary clients.
 */
package payments.testing;
