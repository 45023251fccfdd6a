package payments;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
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
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

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
    private final CountDownLatch closed = new CountDownLatch(1);
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

    boolean isClosed() {
        return closed.getCount() == 0;
    }

    /** @throws IllegalStateException the client is closed */
    void checkOpen() {
        if (isClosed()) {
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
        closed.countDown();
        channel.shutdownNow();
    }

    /** {@return whether the connection was closed, after waiting so long for that at most} */
    boolean awaitClose(long nanos) throws InterruptedException {
        return closed.await(nanos, TimeUnit.NANOSECONDS);
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
