package payments;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
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
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.ToLongFunction;

/** The gRPC channel of a client. */
final class Connection {
    static final String USER_AGENT = "payments-client-java/" + version();

    /**
     * A dead connection is closed after 5 seconds without an acknowledgment, which leaves time for a retry within the
     * default deadline. Keepalive pings are sent at most once a minute, and only during calls (gRFC A8).
     */
    private static final long KEEPALIVE_SECONDS = 60;

    private static final long KEEPALIVE_TIMEOUT_SECONDS = 5;

    /** The minimum interval between reconnects, because many calls may trigger them. */
    private static final long RECONNECT_INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    /**
     * Creates threads as needed and drops idle ones, so that a callback that blocks delays no other call. All clients
     * share it.
     */
    static final Executor DEFAULT_EXECUTOR = Executors.newCachedThreadPool(new DaemonThreads());

    private final ManagedChannel channel;

    /** The pauses between attempts, with the error of the last attempt. */
    private final Map<CompletableFuture<Void>, PaymentsException> pauses = new ConcurrentHashMap<>();

    private volatile boolean closed;
    private final AtomicLong lastReconnectNanos = new AtomicLong(System.nanoTime());

    /**
     * Creates a connection.
     *
     * @param builder a new builder, to which the settings are applied
     * @param headers sent with every attempt of a call
     * @param userAgent identifies the program; may be empty
     * @param interceptors the first one is outermost
     */
    Connection(
            ManagedChannelBuilder<?> builder,
            Metadata headers,
            String userAgent,
            List<ClientInterceptor> interceptors) {
        // gRPC runs the last interceptor first. The headers are added innermost, so that every attempt has them.
        List<ClientInterceptor> innermostFirst = new ArrayList<>(interceptors);
        innermostFirst.add(MetadataUtils.newAttachHeadersInterceptor(headers));
        Collections.reverse(innermostFirst);
        channel = builder.defaultServiceConfig(serviceConfig())
                .disableServiceConfigLookUp()
                .enableRetry()
                .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
                .userAgent((userAgent + " " + USER_AGENT).strip())
                .executor(DEFAULT_EXECUTOR)
                .intercept(innermostFirst)
                .build();
    }

    Channel channel() {
        return channel;
    }

    /** @throws IllegalStateException if the client is closed */
    void checkOpen() {
        if (closed) {
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

    /** Ends all calls and pauses. */
    void close() {
        closed = true;
        channel.shutdownNow();
        pauses.forEach(CompletableFuture::completeExceptionally);
    }

    /**
     * Starts the pause before the next attempt or stream, for the delay that {@code delayNanos} returns.
     *
     * @param failure the error of the last attempt
     * @param delayNanos returns the delay, or throws the exception to end with
     * @param context the gRPC context of the call
     * @return completes after the delay, or exceptionally if there is no next attempt: with {@code failure} if the
     *     connection is closed or the context is canceled, or with the exception from {@code delayNanos}
     */
    CompletableFuture<Void> pauseAfter(
            PaymentsException failure, ToLongFunction<PaymentsException> delayNanos, Context context) {
        if (context.isCancelled()) {
            return CompletableFuture.failedFuture(failure);
        }
        CompletableFuture<Void> pause = new CompletableFuture<>();
        try {
            pause.completeOnTimeout(null, delayNanos.applyAsLong(failure), TimeUnit.NANOSECONDS);
        } catch (PaymentsException end) {
            return CompletableFuture.failedFuture(end);
        }
        pauses.put(pause, failure);
        pause.whenComplete((nothing, end) -> pauses.remove(pause));
        if (closed) {
            pause.completeExceptionally(failure);
        }
        return pause;
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

    /** {@return the version of this client} */
    private static String version() {
        try (InputStream file = Connection.class.getResourceAsStream("client.properties")) {
            Properties properties = new Properties();
            properties.load(file);
            return properties.getProperty("version");
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /** Creates threads that do not keep the program running. */
    private static final class DaemonThreads implements ThreadFactory {
        private final AtomicInteger count = new AtomicInteger();

        @Override
        public Thread newThread(Runnable work) {
            Thread thread = new Thread(work, "payments-client-" + count.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        }
    }
}
