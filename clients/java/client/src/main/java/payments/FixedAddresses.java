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
 * Resolves targets that list their addresses, {@code ipv4:10.0.0.1:50051,10.0.0.2:50051} and the like with
 * {@code ipv6}, which other languages' gRPC knows and Java's does not.
 */
final class FixedAddresses extends NameResolverProvider {
    /** Where gRPC's own resolvers have 5: one that it may get for these schemes comes first. */
    private static final int PRIORITY = 4;

    private final String scheme;

    private FixedAddresses(String scheme) {
        this.scheme = scheme;
    }

    /** Makes gRPC know the two schemes, in this program; doing so again changes nothing. */
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

        /** {@return the first address, as what a TLS certificate is checked for} */
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
