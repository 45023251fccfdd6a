/**
 * A client of the payment service: see {@link payments.PaymentsClient}.
 *
 * <p>Amounts are exact {@link java.math.BigDecimal} numbers of whole units with two decimals at most, currencies are
 * ISO 4217 codes, times are {@link java.time.Instant}. What each field means is said in {@code payments.proto}.
 *
 * <p>What a program has to expect to be absent is an {@code Optional}. A component of a record is null only where that
 * is said, and an argument may be null nowhere: what is not to be given is left out.
 */
package payments;
