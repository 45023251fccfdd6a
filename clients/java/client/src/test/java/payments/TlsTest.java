package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static payments.Answers.done;
import static payments.Calls.CHARGE;

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

    private Certificates ours;
    private Certificates another;

    @BeforeEach
    void makeCertificates() throws Exception {
        ours = Certificates.create(Files.createDirectory(directory.resolve("ours")));
        another = Certificates.create(Files.createDirectory(directory.resolve("another")));
        ours.issue("server");
        ours.issue("client");
        another.issue("client");
    }

    private FakeService serving(TlsServerCredentials.ClientAuth clientAuth) throws IOException {
        ServerCredentials credentials = TlsServerCredentials.newBuilder()
                .keyManager(ours.certificate("server"), ours.key("server"))
                .trustManager(ours.authority())
                .clientAuth(clientAuth)
                .build();
        return FakeService.answering(credentials, done());
    }

    private static ChannelCredentials trusting(Certificates authority) throws IOException {
        return TlsChannelCredentials.newBuilder()
                .trustManager(authority.authority())
                .build();
    }

    private ChannelCredentials as(Certificates issuer) throws IOException {
        return TlsChannelCredentials.newBuilder()
                .trustManager(ours.authority())
                .keyManager(issuer.certificate("client"), issuer.key("client"))
                .build();
    }

    private static void assertAnswered(String target, ChannelCredentials credentials) {
        try (PaymentsClient client =
                PaymentsClient.builder().target(target).credentials(credentials).build()) {
            assertEquals(7, client.charge(CHARGE).paymentId());
        }
    }

    private static void assertNotAnswered(String target, ChannelCredentials credentials) {
        try (PaymentsClient client = PaymentsClient.builder()
                .target(target)
                .credentials(credentials)
                .timeout(Duration.ofSeconds(1))
                .build()) {
            assertThrows(OutcomeUnknownException.class, () -> client.charge(CHARGE));
        }
    }

    @Test
    void callsGoOverTlsToAServiceWhoseCertificateHolds() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.NONE)) {
            assertAnswered(service.target(), trusting(ours));
            assertAnswered("dns:///" + service.target(), trusting(ours));
            assertAnswered("ipv4:" + service.target() + "," + service.target(), trusting(ours));
        }
    }

    @Test
    void aServiceWhoseCertificateDoesNotHoldIsNotCalled() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.NONE)) {
            assertNotAnswered(service.target(), trusting(another));
            assertNotAnswered("localhost:" + service.port(), trusting(ours)); // which the certificate does not name
            assertNotAnswered(service.target(), InsecureChannelCredentials.create());
            assertEquals(0, service.received().size());
        }
    }

    @Test
    void aServiceMayAskForTheClientsCertificate() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.REQUIRE)) {
            assertAnswered(service.target(), as(ours));
            assertNotAnswered(service.target(), trusting(ours));
            assertNotAnswered(service.target(), as(another));
            assertEquals(1, service.received().size());
        }
    }

    @Test
    void anApiKeyGoesOverTls() throws IOException {
        try (FakeService service = serving(TlsServerCredentials.ClientAuth.NONE);
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .credentials(trusting(ours))
                        .apiKey("a-key")
                        .build()) {
            client.charge(CHARGE);
            assertEquals("Bearer a-key", service.last().header("authorization"));
        }
    }
}
