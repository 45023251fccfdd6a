/**
 * A client for the payment service. Start with {@link payments.PaymentsClient} or {@link payments.AsyncPaymentsClient}.
 *
 * <p>Amounts are exact {@link java.math.BigDecimal} values in units of the currency (rupees, not paise), currencies are
 * ISO 4217 codes, and times are {@link java.time.Instant}. {@code payments.proto} documents each field.
 *
 * <p>Values that are commonly absent are {@code Optional}. A component of a record is null only where documented.
 * Arguments must not be null; leave out optional values.
 */
package payments;
