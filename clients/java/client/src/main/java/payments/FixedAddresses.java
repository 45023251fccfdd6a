package payments;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.List;

/**
 * Resolves targets that list their addresses, such as {@code ipv4:10.0.0.1:50051,10.0.0.2:50051} and
 * {@code ipv6:[::1]:50051}. gRPC supports them in other languages but not in Java.
 */
final class FixedAddresses extends NameResolverProvider {
    /**
     * Lower than the 5 of gRPC's own resolvers, so that a resolver that gRPC may add for these schemes takes
     * precedence.
     */
    private static final int PRIORITY = 4;

    private final String scheme;

    private FixedAddresses(String scheme) {
        this.scheme = scheme;
    }

    /** Registers the two schemes with gRPC in this process. Calling it again has no effect. */
    static void register() {
        NameResolverRegistry registry = NameResolverRegistry.getDefaultRegistry();
        for (String scheme : List.of("ipv4", "ipv6")) {
            if (registry.getProviderForScheme(scheme) == null) {
                registry.register(new FixedAddresses(scheme));
            }
        }
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
        if (!scheme.equals(target.getScheme())) {
            return null;
        }
        return new Resolver(Addresses.parse(target.getSchemeSpecificPart().replaceFirst("^/+", "")));
    }

    @Override
    public String getDefaultScheme() {
        return scheme;
    }

    @Override
    protected boolean isAvailable() {
        return true;
    }

    @Override
    protected int priority() {
        return PRIORITY;
    }

    private static final class Resolver extends NameResolver {
        private final List<InetSocketAddress> addresses;

        private Resolver(List<InetSocketAddress> addresses) {
            this.addresses = addresses;
        }

        /** {@return the first address, for which a TLS certificate is verified} */
        @Override
        public String getServiceAuthority() {
            InetSocketAddress first = addresses.get(0);
            String host = first.getAddress().getHostAddress();
            return (host.contains(":") ? "[" + host + "]" : host) + ":" + first.getPort();
        }

        @Override
        public void start(Listener2 listener) {
            listener.onResult2(ResolutionResult.newBuilder()
                    .setAddressesOrError(StatusOr.fromValue(
                            addresses.stream().map(EquivalentAddressGroup::new).toList()))
                    .build());
        }

        @Override
        public void shutdown() {}
    }
}
