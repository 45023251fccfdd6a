package payments;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.ToLongFunction;

/** The gRPC channel of a client. */
final class Connection {
    private static final String USER_AGENT = "payments-client-java/1.0.0";

    /**
     * A dead connection is closed after 5 seconds without an acknowledgment, which leaves time for a retry within the
     * default deadline. Keepalive pings are sent at most once a minute, and only during calls (gRFC A8).
     */
    private static final long KEEPALIVE_SECONDS = 60;

    private static final long KEEPALIVE_TIMEOUT_SECONDS = 5;

    /** The minimum interval between reconnects, because many calls may trigger them. */
    private static final long RECONNECT_INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private final ManagedChannel channel;
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final AtomicLong lastReconnectNanos = new AtomicLong(System.nanoTime());

    Connection(
            String target,
            ChannelCredentials credentials,
            String apiKey,
            String userAgent,
            List<ClientInterceptor> interceptors) {
        FixedAddresses.register();
        // gRPC runs the last interceptor first. The headers are added innermost, so that every attempt has them.
        List<ClientInterceptor> innermostFirst = new ArrayList<>(interceptors);
        innermostFirst.add(MetadataUtils.newAttachHeadersInterceptor(ApiKeys.headers(target, credentials, apiKey)));
        Collections.reverse(innermostFirst);
        ManagedChannelBuilder<?> builder = Grpc.newChannelBuilder(target, credentials)
                .defaultServiceConfig(serviceConfig())
                .disableServiceConfigLookUp()
                .enableRetry()
                .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
                .userAgent((userAgent + " " + USER_AGENT).strip())
                .intercept(innermostFirst);
        channel = builder.build();
    }

    Channel channel() {
        return channel;
    }

    /** {@return a future that completes when the connection is closed} */
    CompletableFuture<Void> closed() {
        return closed;
    }

    /** @throws IllegalStateException if the client is closed */
    void checkOpen() {
        if (closed.isDone()) {
            throw new IllegalStateException("the client is closed");
        }
    }

    /**
     * Makes gRPC reconnect immediately to addresses for which it is backing off. gRPC's backoff grows to two minutes
     * and cannot be configured, so a restarted replica would receive no calls for that long.
     */
    void reconnectSoon() {
        long now = System.nanoTime();
        long last = lastReconnectNanos.get();
        if (now - last >= RECONNECT_INTERVAL_NANOS && lastReconnectNanos.compareAndSet(last, now)) {
            channel.resetConnectBackoff();
        }
    }

    void close() {
        closed.complete(null);
        channel.shutdownNow();
    }

    /**
     * Waits before the next attempt, for the delay that {@code delayNanos} returns or until {@code ended} is done.
     *
     * @throws PaymentsException if there is no next attempt. This is {@code failure} if the connection is closed or
     *     gRPC's current context is canceled, a new exception if the thread was interrupted, or the exception from
     *     {@code delayNanos}.
     */
    void waitAfter(PaymentsException failure, ToLongFunction<PaymentsException> delayNanos, Future<?> ended) {
        if (closed.isDone()
                || Thread.currentThread().isInterrupted()
                || Context.current().isCancelled()) {
            throw failure;
        }
        try {
            ended.get(delayNanos.applyAsLong(failure), TimeUnit.NANOSECONDS);
        } catch (TimeoutException elapsed) {
            return;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            PaymentsException canceled = Errors.interruptedWhileWaiting(failure);
            canceled.addSuppressed(failure);
            throw canceled;
        } catch (ExecutionException impossible) {
            throw new AssertionError(impossible);
        }
        if (closed.isDone()) {
            throw failure;
        }
    }

    /** {@return gRPC's service config, which sets its retry policy and spreads calls over all addresses} */
    private static Map<String, ?> serviceConfig() {
        try (InputStream config = Connection.class.getResourceAsStream("service_config.json")) {
            return new Gson()
                    .fromJson(
                            new InputStreamReader(config, StandardCharsets.UTF_8),
                            new TypeToken<Map<String, Object>>() {});
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }
}
