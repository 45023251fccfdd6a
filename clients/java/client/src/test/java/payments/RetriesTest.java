package payments;

import static java.util.stream.Collectors.toSet;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Answers.NEVER;
import static payments.Answers.SOON;
import static payments.Answers.done;
import static payments.Answers.failing;
import static payments.Answers.failure;
import static payments.Answers.reason;
import static payments.Answers.retryAfterMillis;
import static payments.Answers.unavailable;
import static payments.Calls.CHARGE;

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
                unavailable(SOON),
                failure(Status.Code.RESOURCE_EXHAUSTED, "too many calls", SOON, reason("OVERLOADED")),
                failure(Status.Code.CANCELLED, "the server is shutting down", NEVER));
    }

    @ParameterizedTest
    @MethodSource("retryableFailures")
    void aChargeIsRetriedWithTheSameRequestIdUntilItSucceeds(StatusRuntimeException failure) {
        try (FakeService service = FakeService.answering(done().afterFailures(MANY, failure));
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
        try (FakeService service = FakeService.answering(done().afterFailures(MANY, unavailable(SOON)));
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
        try (FakeService service = FakeService.answering(done().afterFailures(2, unavailable(NEVER)));
                PaymentsClient client = service.client()) {
            call.on(client);
            assertEquals(3, service.received().size());
        }
    }

    @ParameterizedTest
    @EnumSource(
            mode = Mode.EXCLUDE,
            names = {"OK", "UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"})
    void anErrorThatIsNotRetryableIsNotRetried(Status.Code code) {
        try (FakeService service = FakeService.answering(failing(failure(code, "no", null)));
                PaymentsClient client = service.client()) {
            assertEquals(
                    code,
                    assertThrows(PaymentsException.class, () -> client.charge(CHARGE))
                            .code());
            assertEquals(1, service.received().size());
        }
    }

    /** Without the service's reason, only gRPC itself retries RESOURCE_EXHAUSTED. */
    @Test
    void grpcItselfRetriesByTheServiceConfig() throws IOException {
        try (FakeService service =
                        FakeService.answering(failing(failure(Status.Code.RESOURCE_EXHAUSTED, "too large", SOON)));
                PaymentsClient client = service.client()) {
            assertEquals(
                    PaymentsException.class,
                    assertThrows(PaymentsException.class, () -> client.charge(CHARGE))
                            .getClass());
            assertEquals(maxAttemptsOfTheServiceConfig(), service.received().size());
        }
    }

    private static int maxAttemptsOfTheServiceConfig() throws IOException {
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
        try (FakeService service = FakeService.answering(done().afterFailures(1, failure));
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            List<FakeService.Received> received = service.received();
            assertEquals(2, received.size());
            long pauseNanos = received.get(1).atNanos() - received.get(0).atNanos();
            assertTrue(pauseNanos >= TimeUnit.MILLISECONDS.toNanos(400), "the pause was of " + pauseNanos + " ns");
        }
    }

    @Test
    void aCallSucceedsAfterTheServiceRestarts() {
        FakeService before = FakeService.answering(done());
        try (PaymentsClient client = before.client(Duration.ofSeconds(50))) {
            client.charge(CHARGE);
            before.close();
            // Longer than gRPC itself retries.
            CompletableFuture<FakeService> after = CompletableFuture.supplyAsync(
                    () -> FakeService.answering(before.port(), done()),
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
