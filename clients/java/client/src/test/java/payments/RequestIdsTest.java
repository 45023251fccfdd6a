package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Calls.REFUND;
import static payments.Handlers.succeed;

import java.math.BigDecimal;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;
import payments.v1.RefundRequest;

class RequestIdsTest {
    @ParameterizedTest
    @ValueSource(strings = {"order-342", ""})
    void theCallersRequestIdIsSentUnchanged(String requestId) {
        ChargeParams charge = ChargeParams.builder()
                .orderId(342)
                .amount(BigDecimal.ONE)
                .requestId(requestId)
                .build();
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.charge(charge);
            ChargeRequest charged = (ChargeRequest) service.lastCall().request();
            client.batchCharge(List.of(charge));
            BatchChargeRequest batch = (BatchChargeRequest) service.lastCall().request();
            client.refund(
                    RefundParams.builder().paymentId(7).requestId(requestId).build());
            RefundRequest refunded = (RefundRequest) service.lastCall().request();
            assertTrue(charged.hasRequestId());
            assertEquals(requestId, charged.getRequestId());
            assertEquals(charged, batch.getCharges(0));
            assertTrue(refunded.hasRequestId());
            assertEquals(requestId, refunded.getRequestId());
        }
    }

    @Test
    void eachChargeWithoutARequestIdGetsANewOne() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            client.charge(CHARGE);
            List<ChargeRequest> requests = service.requests(ChargeRequest.class);
            assertNotEquals(requests.get(0).getRequestId(), requests.get(1).getRequestId());
        }
    }

    @Test
    void eachRefundWithoutARequestIdGetsANewOne() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.refund(REFUND);
            client.refund(REFUND);
            List<RefundRequest> requests = service.requests(RefundRequest.class);
            assertNotEquals("", requests.get(0).getRequestId());
            assertNotEquals(requests.get(0).getRequestId(), requests.get(1).getRequestId());
        }
    }
}
