import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import org.junit.jupiter.api.Test;
import payments.ChargeParams;
import payments.Payment;
import payments.PaymentStatus;
import payments.PaymentsClient;
import payments.testing.FakePaymentService;

class CheckoutTest {
    /** The code under test. */
    static String checkOut(PaymentsClient client, long orderId, BigDecimal amount) {
        Payment payment = client.charge(
                ChargeParams.builder().orderId(orderId).amount(amount).build());
        return payment.status() == PaymentStatus.FAILED
                ? "Your payment was declined. Please try another card."
                : "Thank you for your order.";
    }

    @Test
    void aDeclinedPaymentShowsAMessage() {
        try (FakePaymentService service = FakePaymentService.builder()
                        .defaultPaymentSource("sim_insufficient_funds")
                        .build();
                PaymentsClient client = service.client()) {
            String message = checkOut(client, 342, new BigDecimal("561.00"));
            assertEquals("Your payment was declined. Please try another card.", message);
        }
    }

    @Test
    void aSuccessfulPaymentIsThanked() {
        try (FakePaymentService service = FakePaymentService.create();
                PaymentsClient client = service.client()) {
            assertEquals("Thank you for your order.", checkOut(client, 342, new BigDecimal("561.00")));
        }
    }
}
