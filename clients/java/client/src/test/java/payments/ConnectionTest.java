package payments;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Calls.FROM_NOW;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.succeed;
import static payments.Handlers.unavailable;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.MethodDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ConnectionTest {
    private static PaymentsClient clientOf(String target) {
        return PaymentsClient.builder().target(target).build();
    }

    @Test
    void callsAreSpreadOverAllAddressesOfTheTarget() {
        try (FakeService first = FakeService.start(succeed());
                FakeService second = FakeService.start(succeed());
                PaymentsClient client = clientOf("ipv4:" + first.target() + "," + second.target())) {
            long untilNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
            // Until both connections are open.
            while (Math.min(first.calls().size(), second.calls().size()) < 10) {
                client.charge(CHARGE);
                assertTrue(System.nanoTime() < untilNanos, "one of the services received no calls");
            }
        }
    }

    @Test
    void aChannelBuilderReplacesTheTargetAndKeepsTheOtherSettings() {
        try (FakeService service = FakeService.start(succeed().afterFailures(2, unavailable(NO_GRPC_RETRY)))) {
            PaymentsClient.Builder builder = PaymentsClient.builder()
                    .target("127.0.0.1:1")
                    .userAgent("checkout/1.4")
                    .channelBuilder(
                            () -> Grpc.newChannelBuilder(service.target(), InsecureChannelCredentials.create()));
            try (PaymentsClient first = builder.build();
                    PaymentsClient second = builder.build()) {
                first.charge(CHARGE);
                second.charge(CHARGE);
            }
            assertEquals(4, service.calls().size());
            String userAgent = service.lastCall().header("user-agent");
            assertTrue(userAgent.startsWith("checkout/1.4 payments-client-java/"), userAgent);
        }
    }

    @Test
    void anUnreachableAddressIsSkipped() {
        FakeService stopped = FakeService.start(succeed());
        stopped.close();
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = clientOf("ipv4:" + stopped.target() + "," + service.target())) {
            for (int count = 0; count < 10; count++) {
                client.charge(CHARGE);
            }
            assertEquals(10, service.calls().size());
        }
    }

    @Test
    void aRestartedReplicaReceivesCallsAgain() {
        FakeService before = FakeService.start(succeed());
        try (FakeService other = FakeService.start(succeed());
                PaymentsClient client = clientOf("ipv4:" + before.target() + "," + other.target())) {
            client.charge(CHARGE);
            before.close();
            client.charge(CHARGE);
            try (FakeService after = FakeService.start(before.port(), succeed())) {
                long untilNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                while (after.calls().isEmpty()) {
                    client.charge(CHARGE);
                    assertTrue(System.nanoTime() < untilNanos, "the service received no calls");
                }
            }
        } finally {
            before.close();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "127.0.0.1:%d",
                "localhost:%d",
                "dns:///127.0.0.1:%d",
                "dns:///localhost:%d",
                "ipv4:127.0.0.1:%d",
                "ipv4:///127.0.0.1:%d",
                "ipv4:127.0.0.1:%1$d,127.0.0.1:%1$d"
            })
    void aTargetIsAnAddressOrAGrpcTarget(String form) {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = clientOf(String.format(form, service.port()))) {
            client.charge(CHARGE);
            String host = form.contains("localhost") ? "localhost" : "127.0.0.1";
            assertEquals(host + ":" + service.port(), service.lastCall().authority());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"ipv4:localhost:50051", "ipv4:127.0.0.1:50051,", "ipv4:127.0.0.1:99999", "ipv4:999.0.0.1:50051"})
    void anInvalidTargetIsRejected(String target) {
        assertThrows(IllegalArgumentException.class, () -> clientOf(target));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "checkout/1.4"})
    void theUserAgentIdentifiesTheProgramAndTheClient(String program) {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .userAgent(program)
                        .build()) {
            client.charge(CHARGE);
            String expected = (program + " " + Connection.USER_AGENT + " grpc-java-netty/").strip();
            String userAgent = service.lastCall().header("user-agent");
            assertTrue(userAgent.startsWith(expected), userAgent);
        }
    }

    @Test
    void interceptorsRunForEachAttemptTheFirstOneOutermost() {
        List<String> seen = new ArrayList<>();
        try (FakeService service = FakeService.start(succeed().afterFailures(1, unavailable(NO_GRPC_RETRY)));
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .interceptor(recording("first", seen))
                        .interceptor(recording("second", seen))
                        .build()) {
            client.charge(CHARGE);
            String method = " payments.v1.PaymentService/Charge";
            assertEquals(List.of("first" + method, "second" + method, "first" + method, "second" + method), seen);
        }
    }

    @Test
    void interceptorsRunInTheThreadThatMakesTheCall() {
        List<String> threads = new ArrayList<>();
        ClientInterceptor recordingThread = new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(
                    MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
                threads.add(Thread.currentThread().getName());
                return next.newCall(method, options);
            }
        };
        try (FakeService service = FakeService.start(succeed().afterFailures(1, unavailable(NO_GRPC_RETRY)));
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .interceptor(recordingThread)
                        .build()) {
            client.charge(CHARGE);
            try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
                updates.findFirst();
            }
            String own = Thread.currentThread().getName();
            assertEquals(List.of(own, own, own), threads);
        }
    }

    @Test
    void anInterceptorMayMoveACallToAnotherExecutor() {
        ClientInterceptor moving = new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(
                    MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
                return next.newCall(method, options.withExecutor(ForkJoinPool.commonPool()));
            }
        };
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = PaymentsClient.builder()
                        .target(service.target())
                        .interceptor(moving)
                        .build()) {
            assertEquals(7, client.charge(CHARGE).paymentId());
        }
    }

    private static ClientInterceptor recording(String name, List<String> seen) {
        return new ClientInterceptor() {
            @Override
            public <Q, A> ClientCall<Q, A> interceptCall(
                    MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
                seen.add(name + " " + method.getFullMethodName());
                return next.newCall(method, options);
            }
        };
    }

    @Test
    void manyThreadsShareOneClient() {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            assertDoesNotThrow(() -> IntStream.range(0, 50).parallel().forEach(number -> client.charge(CHARGE)));
            assertEquals(50, service.calls().size());
        }
    }
}
