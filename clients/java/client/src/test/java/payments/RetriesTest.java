package payments;

import static java.util.stream.Collectors.toSet;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.RETRY_SOON;
import static payments.Handlers.failWith;
import static payments.Handlers.failure;
import static payments.Handlers.reason;
import static payments.Handlers.retryAfterMillis;
import static payments.Handlers.succeed;
import static payments.Handlers.unavailable;

import com.google.gson.JsonParser;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.MethodSource;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;

@Timeout(60)
class RetriesTest {
    /** More than the five attempts that gRPC itself makes. */
    private static final int MANY = 8;

    static Stream<StatusRuntimeException> retryableFailures() {
        return Stream.of(
                unavailable(RETRY_SOON),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too many calls", RETRY_SOON, reason("OVERLOADED")),
                failure(Status.Code.CANCELLED, "the server is shutting down", NO_GRPC_RETRY));
    }

    @ParameterizedTest
    @MethodSource("retryableFailures")
    void aChargeIsRetriedWithTheSameRequestIdUntilItSucceeds(StatusRuntimeException failure) {
        try (FakeService service = FakeService.start(succeed().afterFailures(MANY, failure));
                PaymentsClient client = service.client(Duration.ofSeconds(30))) {
            assertEquals(7, client.charge(CHARGE).paymentId());
            List<ChargeRequest> requests = service.requests(ChargeRequest.class);
            assertEquals(MANY + 1, requests.size());
            assertEquals(Set.of(requests.get(0)), Set.copyOf(requests));
            assertTrue(requests.get(0).getRequestId().matches("[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"));
        }
    }

    @Test
    void aBatchIsRetriedWithTheSameRequestIdsUntilItSucceeds() {
        try (FakeService service = FakeService.start(succeed().afterFailures(MANY, unavailable(RETRY_SOON)));
                PaymentsClient client = service.client(Duration.ofSeconds(30))) {
            assertEquals(3, client.batchCharge(List.of(CHARGE, CHARGE, CHARGE)).size());
            List<BatchChargeRequest> requests = service.requests(BatchChargeRequest.class);
            assertEquals(MANY + 1, requests.size());
            assertEquals(Set.of(requests.get(0)), Set.copyOf(requests));
            Set<String> requestIds = requests.get(0).getChargesList().stream()
                    .map(ChargeRequest::getRequestId)
                    .collect(toSet());
            assertEquals(3, requestIds.size());
        }
    }

    @ParameterizedTest
    @MethodSource("payments.Calls#everyCall")
    void everyCallIsRetried(Calls.Call call) {
        try (FakeService service = FakeService.start(succeed().afterFailures(2, unavailable(NO_GRPC_RETRY)));
                PaymentsClient client = service.client()) {
            call.on(client);
            assertEquals(3, service.calls().size());
        }
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"OK", "UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"})
    void anErrorThatIsNotRetryableIsNotRetried(Status.Code code) {
        try (FakeService service = FakeService.start(failWith(failure(code, "no", null)));
                PaymentsClient client = service.client()) {
            assertEquals(
                    code,
                    assertThrows(PaymentsException.class, () -> client.charge(CHARGE))
                            .code());
            assertEquals(1, service.calls().size());
        }
    }

    /** Without the service's reason, only gRPC itself retries RESOURCE_EXHAUSTED. */
    @Test
    void grpcItselfRetriesAsTheServiceConfigSays() throws IOException {
        try (FakeService service =
                        FakeService.start(failWith(failure(Status.Code.RESOURCE_EXHAUSTED, "too large", RETRY_SOON)));
                PaymentsClient client = service.client()) {
            assertEquals(
                    PaymentsException.class,
                    assertThrows(PaymentsException.class, () -> client.charge(CHARGE))
                            .getClass());
            assertEquals(maxAttemptsInTheServiceConfig(), service.calls().size());
        }
    }

    private static int maxAttemptsInTheServiceConfig() throws IOException {
        try (Reader config = new InputStreamReader(
                RetriesTest.class.getResourceAsStream("service_config.json"), StandardCharsets.UTF_8)) {
            return JsonParser.parseReader(config)
                    .getAsJsonObject()
                    .getAsJsonArray("methodConfig")
                    .get(0)
                    .getAsJsonObject()
                    .getAsJsonObject("retryPolicy")
                    .get("maxAttempts")
                    .getAsInt();
        }
    }

    @Test
    void grpcRetriesAfterThePushbackOfTheService() {
        assertPause(unavailable("400"));
    }

    @Test
    void theClientRetriesAfterTheServicesRetryDelay() {
        assertPause(retryAfterMillis(400));
    }

    /** Asserts that the second attempt comes at least 400 ms after the failure. */
    private static void assertPause(StatusRuntimeException failure) {
        try (FakeService service = FakeService.start(succeed().afterFailures(1, failure));
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            List<FakeService.ReceivedCall> calls = service.calls();
            assertEquals(2, calls.size());
            long pauseNanos = calls.get(1).atNanos() - calls.get(0).atNanos();
            assertTrue(pauseNanos >= TimeUnit.MILLISECONDS.toNanos(400), "the pause was " + pauseNanos + " ns");
        }
    }

    @Test
    void aCallSucceedsAfterTheServiceRestarts() {
        FakeService before = FakeService.start(succeed());
        try (PaymentsClient client = before.client(Duration.ofSeconds(50))) {
            client.charge(CHARGE);
            before.close();
            // Longer than gRPC itself retries.
            CompletableFuture<FakeService> after = CompletableFuture.supplyAsync(
                    () -> FakeService.start(before.port(), succeed()),
                    CompletableFuture.delayedExecutor(3, TimeUnit.SECONDS));
            try {
                assertEquals(7, client.charge(CHARGE).paymentId());
            } finally {
                after.join().close();
            }
        } finally {
            before.close();
        }
    }
}
