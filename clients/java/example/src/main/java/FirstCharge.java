import java.math.BigDecimal;
import payments.ChargeParams;
import payments.ListPaymentsParams;
import payments.Payment;
import payments.PaymentMethod;
import payments.PaymentStatus;
import payments.PaymentsClient;
import payments.RefundParams;
import payments.RefundResult;

public class FirstCharge {
    public static void main(String[] args) {
        String target = System.getenv().getOrDefault("PAYMENTS_TARGET", PaymentsClient.DEFAULT_TARGET);
        try (PaymentsClient client = PaymentsClient.builder().target(target).build()) {
            Payment payment = client.charge(ChargeParams.builder()
                    .orderId(342)
                    .amount(new BigDecimal("561.00"))
                    .method(PaymentMethod.UPI)
                    .build());
            System.out.println(payment.paymentId() + " " + payment.status() + " " + payment.reference());
            if (payment.status() == PaymentStatus.SUCCEEDED) {
                RefundResult result = client.refund(RefundParams.builder()
                        .paymentId(payment.paymentId())
                        .amount(new BigDecimal("100.00"))
                        .reason("one item was damaged")
                        .build());
                System.out.println(result.payment().refundedAmount() + " "
                        + result.payment().refundState());
            }
            client.listPayments(ListPaymentsParams.builder().orderId(342).build())
                    .forEach(each -> System.out.println(String.join(
                            " ",
                            each.createTime().toString(),
                            each.amount().toString(),
                            each.currency(),
                            each.method().toString(),
                            each.status().toString())));
        }
    }
}
