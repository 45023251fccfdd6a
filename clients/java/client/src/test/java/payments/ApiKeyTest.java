package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failWith;
import static payments.Handlers.succeed;
import static payments.Handlers.unavailable;

import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ApiKeyTest {
    private static final String KEY = "key-0123456789-abcdef";

    private static PaymentsClient.Builder withKey(String target) {
        return PaymentsClient.builder().target(target).apiKey(KEY);
    }

    @Test
    void theKeyIsSentWithEveryAttempt() {
        try (FakeService service = FakeService.start(succeed().afterFailures(2, unavailable(NO_GRPC_RETRY)));
                PaymentsClient client = withKey(service.target()).build()) {
            client.charge(CHARGE);
            client.withTimeout(Duration.ofSeconds(20)).charge(CHARGE);
            assertEquals(4, service.calls().size());
            service.calls().forEach(each -> assertEquals("Bearer " + KEY, each.header("authorization")));
        }
    }

    @Test
    void withoutAKeyNoAuthorizationIsSent() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            client.charge(CHARGE);
            assertNull(service.lastCall().header("authorization"));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1:50051",
                "127.0.0.1",
                "127.1.2.3:50051",
                "localhost:50051",
                "[::1]:50051",
                "dns:///localhost:50051",
                "ipv4:127.0.0.1:1001,127.0.0.1:1002",
                "ipv6:[::1]:50051"
            })
    void theKeyMayBeSentUnencryptedToThisMachine(String target) {
        withKey(target).build().close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "payments:50051",
                "10.0.0.1:50051",
                "0.0.0.0:50051",
                "[2001:db8::1]:50051",
                "dns:///payments:50051",
                "dns:///10.0.0.1:50051",
                "dns://10.0.0.1/localhost:50051",
                "ipv4:10.0.0.1:1001",
                "ipv4:127.0.0.1:1001,10.0.0.1:1002",
                "localhost.example:50051",
                "127.0.0.1.example:50051"
            })
    void theKeyIsRejectedForOtherMachinesUnlessOverTls(String target) throws IOException {
        PaymentsClient.Builder builder = withKey(target);
        IllegalArgumentException error = assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(error.getMessage().startsWith("apiKey needs credentials"), error.getMessage());
        assertFalse(error.getMessage().contains(KEY));
        if (!target.startsWith("dns://10")) { // gRPC for Java does not support a DNS server in the target
            builder.credentials(TlsChannelCredentials.create()).build().close();
        }
    }

    @Test
    void theKeyIsRejectedForAChannelThatMayBeUnencrypted() {
        PaymentsClient.Builder builder = withKey("127.0.0.1:50051")
                .channelBuilder(() -> Grpc.newChannelBuilder("127.0.0.1:1", InsecureChannelCredentials.create()));
        IllegalArgumentException error = assertThrows(IllegalArgumentException.class, builder::build);
        assertEquals("apiKey cannot be combined with channelBuilder", error.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", KEY + " ", KEY + "\n", KEY + "\0", KEY + "\u007f", KEY + "é"})
    void anInvalidKeyIsRejected(String key) {
        PaymentsClient.Builder builder =
                PaymentsClient.builder().target("127.0.0.1:50051").apiKey(key);
        IllegalArgumentException error = assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(error.getMessage().startsWith("apiKey must be"), error.getMessage());
        assertFalse(error.getMessage().contains(KEY));
    }

    @Test
    void formattingTheClientOrItsErrorsDoesNotRevealTheKey() {
        try (FakeService service = FakeService.start(failWith(unavailable(NO_GRPC_RETRY)))) {
            PaymentsClient.Builder builder = withKey(service.target()).timeout(Duration.ofSeconds(1));
            try (PaymentsClient client = builder.build()) {
                PaymentsException error = assertThrows(PaymentsException.class, () -> client.charge(CHARGE));
                StringWriter written = new StringWriter();
                error.printStackTrace(new PrintWriter(written));
                written.append(builder.toString()).append(client.toString()).append(error.toString());
                assertFalse(written.toString().contains(KEY));
            }
        }
    }
}
