package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.respondWith;
import static payments.Handlers.succeed;

import com.google.type.Money;
import java.math.BigDecimal;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import payments.v1.ChargeRequest;
import payments.v1.ChargeResponse;

@Timeout(60)
class AmountsTest {
    private static Money sentAmount(BigDecimal amount) {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.charge(ChargeParams.builder().orderId(342).amount(amount).build());
            return ((ChargeRequest) service.lastCall().request()).getAmount();
        }
    }

    private static BigDecimal receivedAmount(long units, int nanos) {
        Money money = Money.newBuilder().setUnits(units).setNanos(nanos).build();
        ChargeResponse response = ChargeResponse.newBuilder()
                .setPayment(payments.v1.Payment.newBuilder().setAmount(money))
                .build();
        try (FakeService service = FakeService.start(respondWith(response));
                PaymentsClient client = service.client()) {
            return client.charge(CHARGE).amount();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "561.00, 561, 0",
        "12.340000, 12, 340000000",
        "0.01, 0, 10000000",
        "-0.50, 0, -500000000",
        "-5.05, -5, -50000000",
        "0.00, 0, 0",
        "1E+2, 100, 0",
        "999999999999999, 999999999999999, 0",
        "9999999999999.99, 9999999999999, 990000000",
        "999999999999.999, 999999999999, 999000000",
        "99999999999.9999, 99999999999, 999900000",
        "0.0001, 0, 100000",
        "-0.0010, 0, -1000000",
        "12.345600, 12, 345600000",
        "999999999999999999.99, 999999999999999999, 990000000",
        "-999999999999999999.99, -999999999999999999, -990000000",
    })
    void anAmountIsSentAndReceivedExactly(BigDecimal amount, long units, int nanos) {
        Money money = sentAmount(amount);
        assertEquals(units, money.getUnits());
        assertEquals(nanos, money.getNanos());
        BigDecimal back = receivedAmount(units, nanos);
        assertEquals(0, back.compareTo(amount), back.toString());
        assertEquals(Math.max(2, amount.stripTrailingZeros().scale()), back.scale());
    }

    @ParameterizedTest
    @CsvSource({
        "1, 234000000, 1.234",
        "999999999999999, 0, 999999999999999.00",
        "9999999999999, 990000000, 9999999999999.99",
        "999999999999, 999000000, 999999999999.999",
        "99999999999, 999900000, 99999999999.9999",
        "0, -1, -0.000000001",
        "9223372036854775807, 999999999, 9223372036854775807.999999999",
        "-9223372036854775808, -999999999, -9223372036854775808.999999999",
        "9223372036854775807, 0, 9223372036854775807.00",
    })
    void anAmountFromTheServiceIsConvertedExactly(long units, int nanos, BigDecimal expected) {
        assertEquals(expected, receivedAmount(units, nanos));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0E+2000000000", "0E-2000000000", "0"})
    void zeroIsSentAsZeroWhateverItsScale(BigDecimal zero) {
        assertEquals(Money.getDefaultInstance(), sentAmount(zero));
    }

    static Stream<BigDecimal> invalidAmounts() {
        return Stream.of(
                new BigDecimal("5.00001"),
                new BigDecimal("-0.00001"),
                new BigDecimal(0.1), // created from a double: 0.1000000000000000055511151231257827021181583404541015625
                new BigDecimal("1E-2000000000"),
                new BigDecimal("1E+2000000000"),
                new BigDecimal("1000000000000000000"),
                new BigDecimal("-1000000000000000000.00"));
    }

    @ParameterizedTest
    @MethodSource("invalidAmounts")
    void anAmountThatTheContractCannotExpressIsRejectedByName(BigDecimal amount) {
        assertRejected(
                "amount", () -> ChargeParams.builder().orderId(1).amount(amount).build());
        assertRejected("amount", () -> new ChargeParams(1, amount, null, null, null, "", "", Map.of(), "", false, ""));
        assertRejected(
                "amount",
                () -> RefundParams.builder().paymentId(1).amount(amount).build());
        assertRejected(
                "minAmount",
                () -> ListPaymentsParams.builder().minAmount(amount).build());
        assertRejected(
                "maxAmount",
                () -> ListPaymentsParams.builder().maxAmount(amount).build());
    }

    private static void assertRejected(String name, Runnable build) {
        IllegalArgumentException error = assertThrows(IllegalArgumentException.class, build::run);
        assertTrue(error.getMessage().startsWith(name + " must have at most"), error.getMessage());
    }

    @Test
    void aCurrencyIsSentWithItsAmount() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.charge(ChargeParams.builder()
                    .orderId(1)
                    .amount(BigDecimal.ONE)
                    .currency("USD")
                    .build());
            assertEquals(
                    "USD",
                    ((ChargeRequest) service.lastCall().request()).getAmount().getCurrencyCode());
        }
    }
}
