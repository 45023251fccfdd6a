package payments;

import static java.util.Objects.requireNonNull;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * The settings that both clients have. Start with {@link PaymentsClient#builder} or
 * {@link AsyncPaymentsClient#builder}.
 *
 * @param <B> the builder
 */
public abstract class ClientBuilder<B extends ClientBuilder<B>> {
    private String target = PaymentsClient.DEFAULT_TARGET;
    private Duration timeout = PaymentsClient.DEFAULT_TIMEOUT;
    private ChannelCredentials credentials = InsecureChannelCredentials.create();
    private Supplier<? extends ManagedChannelBuilder<?>> channelBuilder;
    private String apiKey;
    private String userAgent = "";
    private final List<ClientInterceptor> interceptors = new ArrayList<>();

    ClientBuilder() {}

    /**
     * Sets the target. The default is {@link PaymentsClient#DEFAULT_TARGET}.
     *
     * @param target the service's address, {@code host:port}, or a gRPC target with several addresses
     *     ({@code dns:///payments:50051}, {@code ipv4:10.0.0.1:50051,10.0.0.2:50051}), over which the client spreads
     *     calls
     * @return this builder
     */
    public final B target(String target) {
        this.target = requireNonNull(target, "target");
        return self();
    }

    /**
     * Sets the time limit of a call, including all retries. The default is {@link PaymentsClient#DEFAULT_TIMEOUT}.
     *
     * @param timeout more than zero
     * @return this builder
     */
    public final B timeout(Duration timeout) {
        this.timeout = Times.checkPositive("timeout", timeout);
        return self();
    }

    /**
     * Sets the TLS credentials. By default, nothing is encrypted.
     *
     * @param credentials created by {@link io.grpc.TlsChannelCredentials}, with a client certificate if the service
     *     requires one
     * @return this builder
     */
    public final B credentials(ChannelCredentials credentials) {
        this.credentials = requireNonNull(credentials, "credentials");
        return self();
    }

    /**
     * Replaces the target and the credentials by a gRPC channel of your own, such as an in-process one in tests. It
     * cannot be combined with an API key, because the client does not know whether such a channel is encrypted.
     *
     * @param channelBuilder returns a new channel builder for each client that this builder builds, which applies its
     *     settings to it
     * @return this builder
     */
    public final B channelBuilder(Supplier<? extends ManagedChannelBuilder<?>> channelBuilder) {
        this.channelBuilder = requireNonNull(channelBuilder, "channelBuilder");
        return self();
    }

    /**
     * Sets the API key that authenticates the caller. It is sent only over TLS or to a loopback address.
     *
     * @param apiKey the key
     * @return this builder
     */
    public final B apiKey(String apiKey) {
        this.apiKey = requireNonNull(apiKey, "apiKey");
        return self();
    }

    /**
     * Identifies your program to the service.
     *
     * @param userAgent for example {@code checkout/1.4}
     * @return this builder
     */
    public final B userAgent(String userAgent) {
        this.userAgent = requireNonNull(userAgent, "userAgent");
        return self();
    }

    /**
     * Adds an interceptor that runs for each attempt of a call, for example for tracing. The first one added is
     * outermost.
     *
     * @param interceptor the interceptor
     * @return this builder
     */
    public final B interceptor(ClientInterceptor interceptor) {
        interceptors.add(requireNonNull(interceptor, "interceptor"));
        return self();
    }

    /** {@return this builder} */
    abstract B self();

    final Duration timeout() {
        return timeout;
    }

    /**
     * {@return a new connection}
     *
     * @throws IllegalArgumentException if the API key would be sent unencrypted to another machine, is not a valid key
     *     or is combined with a channelBuilder, or the target is invalid
     */
    final Connection connect() {
        if (channelBuilder == null) {
            FixedAddresses.register();
            Metadata headers = ApiKeys.headers(target, credentials, apiKey);
            return new Connection(Grpc.newChannelBuilder(target, credentials), headers, userAgent, interceptors);
        }
        if (apiKey != null) {
            throw new IllegalArgumentException("apiKey cannot be combined with channelBuilder");
        }
        return new Connection(channelBuilder.get(), new Metadata(), userAgent, interceptors);
    }
}
