package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.Calls.CHARGE;
import static payments.Handlers.succeed;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ServerCredentials;
import io.grpc.TlsChannelCredentials;
import io.grpc.TlsServerCredentials;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class TlsTest {
    @TempDir
    Path directory;

    private Certificates trusted;
    private Certificates untrusted;

    @BeforeEach
    void createCertificates() throws Exception {
        trusted = Certificates.create(Files.createDirectory(directory.resolve("trusted")));
        untrusted = Certificates.create(Files.createDirectory(directory.resolve("untrusted")));
        trusted.issue("server");
        trusted.issue("client");
        untrusted.issue("client");
    }

    private FakeService serving(TlsServerCredentials.ClientAuth clientAuth) throws IOException {
        ServerCredentials credentials = TlsServerCredentials.newBuilder()
                .keyManager(trusted.certificate("server"), trusted.key("server"))
                .trustManager(trusted.authority())
                .clientAuth(clientAuth)
                .build();
        return FakeService.start(credentials, succeed());
    }

    private static ChannelCredentials trusting(Certificates authority) throws IOException {
        return TlsChannelCredentials.newBuilder()
                .trustManager(authority.authority())
                .build();
    }

    private ChannelCredentials withClientCertificate(Certificates issuer) throws IOException {
        return TlsChannelCredentials.newBuilder()
                .trustManager(trusted.authority())
                .keyManager(issuer.certificate("client"), issuer.key("client"))
                .build();
    }

    private static void assertCallSucceeds(String target, ChannelCredentials credentials) {
        try (PaymentsClient client =
                PaymentsClient.builder().target(target).credentials(credentials).build()) {
            assertEquals(7, client.charge(CHARGE).paymentId());
        }
    }

    private static void assertCallFails(String target, ChannelCredentials credentials) {
        try (PaymentsClient client = PaymentsClient.builder()
                .target(target)
                .credentials(credentials)
                .timeout(Duration.ofSeconds(1))
                .build()) {
            assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
        }
    }

    @Test
    void callsOverTlsReachAServiceWithAValidCertificate() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.NONE)) {
            assertCallSucceeds(service.target(), trusting(trusted));
            assertCallSucceeds("dns:///" + service.target(), trusting(trusted));
            assertCallSucceeds("ipv4:" + service.target() + "," + service.target(), trusting(trusted));
        }
    }

    @Test
    void aServiceWithAnInvalidCertificateIsNotCalled() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.NONE)) {
            assertCallFails(service.target(), trusting(untrusted));
            assertCallFails("localhost:" + service.port(), trusting(trusted)); // not in the certificate
            assertCallFails(service.target(), InsecureChannelCredentials.create());
            assertEquals(0, service.calls().size());
        }
    }

    @Test
    void aServiceMayRequireAClientCertificate() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.REQUIRE)) {
            assertCallSucceeds(service.target(), withClientCertificate(trusted));
            assertCallFails(service.target(), trusting(trusted));
            assertCallFails(service.target(), withClientCertificate(untrusted));
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void anApiKeyIsSentOverTls() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.NONE);
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .credentials(trusting(trusted))
                        .apiKey("a-key")
                        .build()) {
            client.charge(CHARGE);
            assertEquals("Bearer a-key", service.lastCall().header("authorization"));
        }
    }
}
