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

/** A client's channel: how it is set up, and what it sends with each call. */
final class Connection {
    private static final String USER_AGENT = "payments-client-java/1.0.0";

    /**
     * A connection whose other end vanished is given up after 5 seconds without an acknowledgement, soon enough for
     * another attempt within the default deadline. The pings are no more frequent than once a minute, and only during
     * calls (gRFC A8).
     */
    private static final long KEEPALIVE_SECONDS = 60;

    private static final long KEEPALIVE_TIMEOUT_SECONDS = 5;

    /** Calls may be many; a replica that is down is asked this often at most. */
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
        // gRPC calls the last one first; the headers are added innermost, so that every attempt has them.
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

    /** {@return what is done once the connection is closed} */
    CompletableFuture<Void> closed() {
        return closed;
    }

    /** @throws IllegalStateException the client is closed */
    void checkOpen() {
        if (closed.isDone()) {
            throw new IllegalStateException("the client is closed");
        }
    }

    /**
     * Has gRPC try again to connect to whatever it could not connect to. After each failure it waits longer before it
     * does, up to two minutes, and cannot be told to wait less: a replica that restarts would stay without calls as
     * long.
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
     * Waits before another attempt, as long as {@code delayNanos} says, or until {@code ended} is done.
     *
     * @throws PaymentsException there is to be no other: {@code failure} when the connection is closed, or gRPC's
     *     current context cancelled; another when the thread was interrupted; or what {@code delayNanos} raises
     */
    void waitAfter(PaymentsException failure, ToLongFunction<PaymentsException> delayNanos, Future<?> ended) {
        if (closed.isDone()
                || Thread.currentThread().isInterrupted()
                || Context.current().isCancelled()) {
            throw failure;
        }
        try {
            ended.get(delayNanos.applyAsLong(failure), TimeUnit.NANOSECONDS);
        } catch (TimeoutException over) {
            return;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            PaymentsException cancelled = Errors.interrupted(failure);
            cancelled.addSuppressed(failure);
            throw cancelled;
        } catch (ExecutionException impossible) {
            throw new AssertionError(impossible);
        }
        if (closed.isDone()) {
            throw failure;
        }
    }

    /** {@return which calls gRPC repeats by itself, on what and when, and that it spreads calls over all addresses} */
    private static Map<String, ?> serviceConfig() {
        try (InputStream config = Connection.class.getResourceAsStream("service_config.json")) {
            return new Gson()
                    .fromJson(
                            new InputStreamReader(config, StandardCharsets.UTF_8),
                            new TypeToken<Map<String, Object>>() {});
        } catch (IOException broken) {
            throw new UncheckedIOException(broken);
        }
    }
}
