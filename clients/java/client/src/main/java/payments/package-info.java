/**
 * A client of the payment service: see {@link payments.PaymentsClient}.
 *
 * <p>Amounts are exact {@link java.math.BigDecimal} numbers of whole units with at most two decimals, currencies are
 * ISO 4217 codes, and times are {@link java.time.Instant}. {@code payments.proto} documents each field.
 *
 * <p>Values that are commonly absent are {@code Optional}. A component of a record is null only where documented.
 * Arguments must not be null: leave out optional values instead.
 */
package payments;
