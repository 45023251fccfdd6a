package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.Calls.CHARGE;
import static payments.Handlers.reason;
import static payments.Handlers.respondWith;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import payments.v1.BatchChargeResponse;
import payments.v1.BatchChargeResult;

class BatchChargeTest {
    private static final BatchChargeResult PAYMENT = BatchChargeResult.newBuilder()
            .setPayment(payments.v1.Payment.newBuilder().setPaymentId(7))
            .build();

    private static BatchChargeResult error() {
        ErrorInfo info = reason("INVALID_REQUEST").toBuilder()
                .putMetadata("call_id", "0143f7aa")
                .build();
        BadRequest badRequest = BadRequest.newBuilder()
                .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                        .setField("order_id")
                        .setDescription("must be 1 or more"))
                .build();
        return BatchChargeResult.newBuilder()
                .setError(com.google.rpc.Status.newBuilder()
                        .setCode(Status.Code.INVALID_ARGUMENT.value())
                        .setMessage("order_id: must be 1 or more")
                        .addDetails(Any.pack(info))
                        .addDetails(Any.pack(badRequest)))
                .build();
    }

    private static BatchChargeResponse response(BatchChargeResult... results) {
        return BatchChargeResponse.newBuilder().addAllResults(List.of(results)).build();
    }

    @Test
    void eachChargeHasItsPaymentOrItsError() {
        ChargeParams invalid = ChargeParams.builder()
                .orderId(0)
                .amount(BigDecimal.ONE)
                .requestId("order-0")
                .build();
        try (FakeService service = FakeService.start(respondWith(response(PAYMENT, error(), PAYMENT)));
                PaymentsClient client = service.client()) {
            List<ChargeOutcome> outcomes = client.batchCharge(List.of(CHARGE, invalid, CHARGE));
            assertEquals(3, outcomes.size());
            assertEquals(7, outcomes.get(0).orElseThrow().paymentId());
            assertEquals(7, outcomes.get(2).payment().orElseThrow().paymentId());
            InvalidRequestException error = assertInstanceOf(
                    InvalidRequestException.class, outcomes.get(1).error().orElseThrow());
            assertSame(error, assertThrows(InvalidRequestException.class, outcomes.get(1)::orElseThrow));
            assertEquals(Status.Code.INVALID_ARGUMENT, error.code());
            assertEquals("order_id: must be 1 or more", error.getMessage());
            assertEquals(Optional.of("order-0"), error.requestId());
            assertEquals(Optional.of("0143f7aa"), error.callId());
            assertEquals(List.of(new FieldViolation("order_id", "must be 1 or more")), error.violations());
        }
    }

    @Test
    void anEmptyBatchIsSentToTheService() {
        try (FakeService service = FakeService.start(respondWith(response()));
                PaymentsClient client = service.client()) {
            assertEquals(List.of(), client.batchCharge(List.of()));
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void theOutcomeIsUnknownIfTheNumberOfResultsDiffersFromTheNumberOfCharges() {
        for (BatchChargeResponse response : List.of(response(PAYMENT), response(PAYMENT, PAYMENT, PAYMENT))) {
            try (FakeService service = FakeService.start(respondWith(response));
                    PaymentsClient client = service.client()) {
                assertThrows(OutcomeUnknownException.class, () -> client.batchCharge(List.of(CHARGE, CHARGE)));
            }
        }
    }

    @Test
    void anOutcomeIsEitherAPaymentOrAnError() {
        Payment payment = Responses.payment(payments.v1.Payment.getDefaultInstance());
        PaymentsException error = new PaymentsException(ErrorDetails.of(Status.Code.NOT_FOUND, "no"));
        assertThrows(IllegalArgumentException.class, () -> new ChargeOutcome(Optional.of(payment), Optional.of(error)));
        assertThrows(IllegalArgumentException.class, () -> new ChargeOutcome(Optional.empty(), Optional.empty()));
        assertSame(payment, new ChargeOutcome(Optional.of(payment), Optional.empty()).orElseThrow());
    }
}
